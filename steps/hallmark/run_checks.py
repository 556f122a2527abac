"""What a verdict has to hold beside the model's own figures: whose data and policy it was, and what the gates said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hallmark.documents.policy import Policy
from hallmark.evidence import Evidence
from hallmark.gate_report import Check


def data_checks(
    policy: Policy, *, model_name: str, training: str, independent: str, overlap: float, rows: int
) -> Iterator[Check]:
    """That the model was judged on enough rows of the policy's data, which its maker did not have.

    Args:
        training, independent: the digests of both data sets.
        overlap: the share of the rows whose features the training data holds too.
    """
    rules = policy.data
    yield Check(
        name="the policy is this model's",
        passed=policy.metadata.name == model_name,
        value=model_name,
        limit=policy.metadata.name,
    )
    yield Check(
        name="the independent data is the policy's",
        passed=independent == rules.independent.sha256,
        value=independent,
        limit=rules.independent.sha256,
    )
    yield Check(
        name="the independent data is not the training data",
        passed=independent != training,
        value=training,
        limit="another file",
    )
    yield Check(
        name="rows that the training data holds too",
        passed=overlap <= rules.maximum_overlap,
        value=f"{overlap:.6g} of {rows} rows",
        limit=f"at most {rules.maximum_overlap:g}",
        detail="these rows measure memory, not skill: take them out of the training data",
    )
    yield Check(
        name="rows judged",
        passed=rows >= policy.model.minimum_rows,
        value=str(rows),
        limit=f"at least {policy.model.minimum_rows}",
    )


def container_check(policy: Policy, *, rows: int, compared: int, mismatches: int) -> Check:
    """That the container, which is what will be deployed, answers as the model that was judged."""
    wanted = min(policy.image.rows, rows)
    return Check(
        name="the container answers as the model",
        passed=compared >= wanted and mismatches <= policy.image.maximum_mismatches,
        value=f"{mismatches} of {compared} answers differ",
        limit=f"at most {policy.image.maximum_mismatches} of {wanted}",
    )


def gate_checks(policy: Policy, evidence: Mapping[str, Evidence]) -> Iterator[Check]:
    """That every gate that the policy requires ran for this delivery and passed."""
    for gate in policy.required_gates:
        found = evidence.get(gate)
        yield Check(
            name=f"gate {gate}",
            passed=found is not None and found.passed,
            value="no report" if found is None else found.said,
            limit="passed",
        )
