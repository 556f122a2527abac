"""Where the model's description and the validators' policy have to agree before any row is handed on.

Which column is the label is the validators' to say: a maker who could choose would be sent the true labels as a
feature, and the container or the model could print them.
"""

from __future__ import annotations

from hallmark.documents.model import FILE_NAME as MODEL_FILE
from hallmark.documents.model import Model
from hallmark.documents.policy import FILE_NAME as POLICY_FILE
from hallmark.documents.policy import Policy
from hallmark.documents.rules_model import OF_QUANTILES
from hallmark.errors import BadInputError


def require_agreement(model: Model, policy: Policy) -> None:
    """Check that the policy is for this model and its task, and that the model asks for no column that it may not see.

    Raises:
        BadInputError: another model or task, another label, or a feature that the policy does not list.
    """
    if model.metadata.name != policy.metadata.name:
        raise BadInputError(
            f"{MODEL_FILE} describes {model.metadata.name}, but the policy is for {policy.metadata.name}",
            solution="bind the policy of this model, or correct metadata.name",
        )
    if model.task != policy.model.task:
        raise BadInputError(
            f"{MODEL_FILE} says `task: {model.task}`, but {POLICY_FILE} has limits for a {policy.model.task}"
            f" (model.metrics: {', '.join(policy.model.metrics.limits)})",
            solution=f"correct task in {MODEL_FILE}, or let the policy's owners name limits for a {model.task}",
        )
    needed = [name for name in policy.model.metrics.limits if name in OF_QUANTILES]
    if needed and not model.model.quantiles:
        raise BadInputError(
            f"{POLICY_FILE} limits {', '.join(needed)}, which needs quantiles, and {MODEL_FILE} declares none",
            solution="deliver a model that gives model.quantiles, or let the policy's owners limit other metrics",
        )
    independent = policy.data.independent
    if model.data.label != independent.label:
        raise BadInputError(
            f"{MODEL_FILE} names {model.data.label!r} as the label, {POLICY_FILE} names {independent.label!r}",
            solution=f"correct data.label in {MODEL_FILE}: the validators decide what is judged",
        )
    unknown = [name for name in model.data.features if name not in independent.features]
    if unknown or model.data.label in model.data.features:
        raise BadInputError(
            f"{MODEL_FILE} asks for features that {POLICY_FILE} does not offer: "
            f"{', '.join(unknown or [model.data.label])}",
            solution=f"use some of these in data.features: {', '.join(independent.features)}",
        )
