"""Fingerprints of findings, and which findings the policy's owner accepts for a time."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hallmark.documents import loading
from hallmark.documents.baseline import Accepted, Baseline
from hallmark.errors import BadInputError
from hallmark.nearest import did_you_mean
from hallmark.reporting.sarif import Finding

WHAT = "the baseline of accepted findings (code.baseline in the policy)"
Text = Callable[[Finding], str]
"""What a finding points at, as far as its fingerprint goes; :func:`text_in` reads it from the checked tree."""


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """Findings by what the baseline says of them."""

    counting: tuple[Finding, ...]
    accepted: Mapping[Finding, str]
    """With the reason."""
    expired: tuple[Accepted, ...] = ()
    """Entries that are too old to count."""
    missed: tuple[Accepted, ...] = ()
    """Those of them whose finding is still there."""
    unmatched: tuple[Accepted, ...] = ()
    """Valid entries without a finding."""


def with_fingerprints(findings: Iterable[Finding], text: Text) -> list[Finding]:
    """The findings in order, each with the fingerprint that a baseline names it by: 16 hexadecimal digits.

    It is made of tool, rule, file, commit and the text of the lines, not of their numbers, so that it holds when
    lines are added above; equal findings in equal lines are told apart by counting them from the top.
    """
    seen: Counter[str] = Counter()
    found: list[Finding] = []
    for finding in sorted(findings):
        key = json.dumps([finding.tool, finding.rule, finding.file, finding.commit, text(finding)])
        number = seen[key]
        seen[key] += 1
        print_ = hashlib.sha256(f"{number} {key}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        found.append(replace(finding, fingerprint=print_))
    return found


def text_in(source: Path, *, whole: frozenset[str], by_message: frozenset[str], by_place: frozenset[str]) -> Text:
    """How a finding's text is read from the tree `source`: the lines it points at, and for some tools and rules:

    Args:
        whole: tools and rules that speak of a file as a whole, which counts by its digest then.
        by_message: tools that speak of a package; what they say of it counts.
        by_place: tools whose lines must not get into a fingerprint, as somebody could guess a secret from it; the
            line's number counts.
    """

    def text(finding: Finding) -> str:
        if finding.tool in by_place:
            return f"{finding.line}:{finding.column}"
        if finding.tool in by_message:
            return finding.message
        path = source / finding.file
        data = path.read_bytes() if path.is_file() else b""
        if finding.tool in whole or finding.rule in whole:
            return hashlib.sha256(data).hexdigest()
        lines = re.split("\r\n|\r|\n", _cell(data, finding.cell) if finding.cell else data.decode("utf-8", "replace"))
        last = max(finding.line, finding.end_line)
        shown = "\n".join(line.strip() for line in lines[finding.line - 1 : last])
        return shown or hashlib.sha256(data).hexdigest()

    return text


def _cell(data: bytes, number: int) -> str:
    """The source of a cell; empty where the notebook has it in another place than format 4 does."""
    try:
        source = json.loads(data)["cells"][number - 1]["source"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    return "".join(source) if isinstance(source, list) else str(source)


def load(folder: Path, name: str, tools: Sequence[str], *, what: str = WHAT) -> Baseline:
    """The baseline in the file `name` of the policy's folder; `what` it is, for an error.

    Raises:
        BadInputError: it is missing, has a mistake, names a tool that does not exist, or a finding twice.
    """
    baseline = loading.load(folder / name, Baseline, what=what)
    seen: set[str] = set()
    for position, entry in enumerate(baseline.accepted):
        if entry.tool not in tools:
            raise BadInputError(
                f"{name}: accepted.{position}.tool: there is no tool {entry.tool}",
                solution=did_you_mean(entry.tool, tools, f"the tools are {', '.join(tools)}"),
            )
        if entry.fingerprint in seen:
            raise BadInputError(
                f"{name}: accepted.{position}: the fingerprint {entry.fingerprint} stands twice", solution="keep one"
            )
        seen.add(entry.fingerprint)
    return baseline


def apply(findings: Sequence[Finding], baseline: Baseline, today: datetime.date) -> Sorted:
    """Take out what is accepted: an entry stands for the finding whose tool, rule, file and fingerprint it names."""
    valid = {_key(entry): entry for entry in baseline.accepted if today <= entry.expires}
    accepted = {finding: valid[key].reason for finding in findings if (key := _key(finding)) in valid}
    met = {_key(finding) for finding in accepted}
    expired = tuple(entry for entry in baseline.accepted if today > entry.expires)
    there = {_key(finding) for finding in findings}
    return Sorted(
        counting=tuple(finding for finding in findings if finding not in accepted),
        accepted=accepted,
        expired=expired,
        missed=tuple(entry for entry in expired if _key(entry) in there),
        unmatched=tuple(entry for key, entry in valid.items() if key not in met),
    )


def _key(one: Finding | Accepted) -> tuple[str, str, str, str]:
    return (one.tool, one.rule, one.file, one.fingerprint)
