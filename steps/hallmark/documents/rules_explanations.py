"""`model.behaviour.explanations` of the policy: why single rows got their answers."""

from __future__ import annotations

from pydantic import Field

from hallmark.documents.loading import Document
from hallmark.documents.tighter import Higher

MINIMUM_PAIRS = 10
"""Pairs of walks for each example: fewer give no error that could be told."""


class Explanations(Document):
    """Shapley values of some rows, drawn at random: how much each feature moved the answer, as sampled mixtures tell.

    Whoever knows the model may compute back from such values what the row held, so none are made unless asked for.
    """

    examples: Higher[int] = Field(default=3, ge=1, le=20, description="Rows that are explained, drawn at random.")
    rows: Higher[int] = Field(
        default=2400,
        ge=20,
        le=200_000,
        description="Mixed rows for all examples together; four times as many halve the errors.",
    )
