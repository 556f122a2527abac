"""What a verdict must say before an image is signed, and again before it is deployed: one list for both."""

from __future__ import annotations

from pathlib import Path

from hallmark.documents.policy import AtLeast, AtMost, Policy
from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.gate_report import Check
from hallmark.tools.cosign import key_bytes
from hallmark.verdict import Metric, Verdict

ACCURACY = "accuracy"


def verdict_checks(
    verdict: Verdict,
    *,
    policy: Policy,
    policy_digest: str,
    image_digest: str,
    commit: str | None,
    model_digest: str | None,
) -> list[Check]:
    """The checks on what `verdict` says; it may be signed under it only if all of them pass.

    Args:
        commit, model_digest: what the run hands over, None where nobody asks.
    """
    failed = [check.name for check in verdict.checks if not check.passed]
    return [
        Check(
            name="verdict passed",
            passed=verdict.passed and not failed,
            value="passed" if verdict.passed else "refused",
            detail=f"the judge said no to: {', '.join(failed)}" if failed else "",
        ),
        _equal("verdict's image", verdict.image.digest, image_digest),
        _equal("verdict's policy", verdict.policy, policy_digest),
        _equal("verdict's model name", verdict.model.name, policy.metadata.name),
        *repository_checks(verdict.source.repository, policy),
        *([_equal("verdict's commit", verdict.source.commit, commit)] if commit else []),
        *([_equal("verdict's model", verdict.model.digest, model_digest)] if model_digest else []),
        _gates(verdict, policy),
        *_metrics(verdict, policy),
        Check(
            name="verdict's rows",
            passed=verdict.data.rows >= policy.model.minimum_rows,
            value=str(verdict.data.rows),
            limit=f"at least {policy.model.minimum_rows}",
        ),
        Check(
            name="verdict's overlap",
            passed=verdict.data.overlap <= policy.data.maximum_overlap,
            value=f"{verdict.data.overlap:.6g}",
            limit=f"at most {policy.data.maximum_overlap:g}",
        ),
    ]


def repository_checks(url: str, policy: Policy) -> list[Check]:
    """Whether the model comes from where the policy says; no check where it does not say."""
    allowed = policy.source.repositories
    if not allowed:
        return []
    return [Check(name="repository", passed=url in allowed, value=url, limit=f"one of {', '.join(allowed)}")]


def public_keys(policy: Policy, folder: Path) -> dict[str, Path]:
    """The files of the policy's public keys, by the name that the policy gives them.

    Raises:
        BadInputError: one of them is missing or holds no public key.
    """
    found = {}
    for name in policy.signing.public_keys:
        file = inside(folder, name)
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(
                f"the policy names the public key {name}, which cannot be read",
                solution=f"put {name} beside the policy",
            ) from error
        if key_bytes(text) is None:
            raise BadInputError(
                f"{name} beside the policy holds no public key", solution="put the text of cosign.pub there (PEM)"
            )
        found[name] = file
    return found


def _equal(name: str, found: str, expected: str) -> Check:
    return Check(name=name, passed=found == expected, value=found, limit=f"equal to {expected}")


def _gates(verdict: Verdict, policy: Policy) -> Check:
    bad = [
        f"{gate} {'is missing' if gate not in verdict.gates else 'was refused'}"
        for gate in policy.required_gates
        if gate not in verdict.gates or not verdict.gates[gate].passed
    ]
    return Check(
        name="required gates",
        passed=not bad,
        value=", ".join(bad) or f"{len(policy.required_gates)} passed",
        limit=", ".join(policy.required_gates),
    )


def _metrics(verdict: Verdict, policy: Policy) -> list[Check]:
    """A check for each limit of the policy; the verdict's own limit, which may be stricter, has to hold as well."""
    regression = policy.model.regression
    if policy.model.accuracy is not None:
        limits: dict[str, AtLeast | AtMost] = {ACCURACY: AtLeast(minimum=policy.model.accuracy.minimum)}
    else:
        limits = regression.limits if regression is not None else {}
    return [_metric(name, verdict.metrics.get(name), limit) for name, limit in limits.items()]


def _metric(name: str, metric: Metric | None, limit: AtLeast | AtMost) -> Check:
    if isinstance(limit, AtLeast):
        bound = max(limit.minimum, limit.minimum if metric is None or metric.minimum is None else metric.minimum)
        reached, asked = metric is not None and metric.value >= bound, f"at least {bound:g}"
    else:
        bound = min(limit.maximum, limit.maximum if metric is None or metric.maximum is None else metric.maximum)
        reached, asked = metric is not None and metric.value <= bound, f"at most {bound:g}"
    return Check(
        name=f"verdict's {name}",
        passed=reached and metric is not None and metric.held,
        value="missing" if metric is None else f"{metric.value:.6g}",
        limit=asked,
    )
