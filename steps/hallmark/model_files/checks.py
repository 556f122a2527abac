"""What a model file is looked through for before it is loaded, as checks for the report."""

from __future__ import annotations

from collections.abc import Iterator

from hallmark.documents.policy import Policy
from hallmark.gate_report import Check
from hallmark.model_files.formats import READABLE_AS
from hallmark.model_files.session import ModelFile, ModelProcess, RefusedByModelError
from hallmark.redaction import redacted

AUDITED = {
    "skops": "the file holds trusted types only",
    "onnx": "the file is self-contained and of standard operators",
}
"""The formats that are looked through before they are loaded, and what is asked of them."""


class RefusedError(Exception):
    """Nothing more is done with this model, for the reason that the check gives."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.name)
        self.check = check


def passed(check: Check) -> Check:
    """The check itself. Raises RefusedError where it did not pass."""
    if not check.passed:
        raise RefusedError(check)
    return check


def form_checks(found: str | None, described: str, policy: Policy, of: str = "") -> Iterator[Check]:
    """What can be said about a file by its first bytes, each only if all before it passed.

    Args:
        described: its format, by its maker's words.
        of: begins the checks' names, where it is not the candidate.
    """
    shown = f"by its bytes {found or 'no format of a model'}"
    yield Check(
        name=f"{of}the file is what hallmark.yaml calls it",
        passed=found in READABLE_AS[described],
        value=shown,
        limit=f"described as {described}",
    )
    yield Check(
        name=f"{of}the policy allows the format",
        passed=any(found in READABLE_AS[allowed] for allowed in policy.model.formats),
        value=shown,
        limit=f"allowed: {', '.join(policy.model.formats)}",
    )


def audit_check(process: ModelProcess, model: ModelFile, of: str = "") -> Check:
    """What a process that loads nothing found in the file."""
    name = of + AUDITED[model.format]
    limit = (
        ", ".join(["skops' own", *model.trusted]) if model.format == "skops" else "no other file, no custom operator"
    )
    try:
        found = process.audit(model)
    except RefusedByModelError as error:
        return Check(name=name, passed=False, value=redacted(str(error)), limit=limit)
    if found["count"]:
        others = [redacted(kind, limit=200) for kind in found["others"]]
        more = f" and {found['count'] - len(others)} more" if found["count"] > len(others) else ""
        return Check(name=name, passed=False, value=f"not trusted: {', '.join(others)}{more}", limit=limit)
    trusted = f"beyond skops' own: {', '.join(found['trusted']) or 'none'}" if model.format == "skops" else "so it is"
    return Check(name=name, passed=True, value=trusted, limit=limit)
