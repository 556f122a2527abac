"""The candidate and the champion, from what tasks hand over to what the verdict says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.accuracy.champion import judge_champion
from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.accuracy.reading import by_row, require_rows, sample
from hallmark.champion import CHAMPION_FILE
from hallmark.datasets import PREDICTION, ROW, read_frame
from hallmark.documents.rules_model import Champion, ModelRules
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, require_digest, sha256_file
from hallmark.findings import Findings
from hallmark.image_reference import parse_image
from hallmark.verdict import VerdictChampion


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The model in production, as fetch-champion and predict-model told of it."""

    folder: str
    """Digest of the folder that fetch-champion wrote."""
    image: str
    model: str
    """Digest of its file."""
    predictions: str
    """Digest of what it said to the independent rows."""


def standing(*, folder: str | None, image: str | None, model: str | None, predictions: str | None) -> Standing | None:
    """The champion; None where nothing is in production.

    Raises:
        BadInputError: some of the four were handed over and others not: what is missing is never "nothing in
            production".
    """
    told = {
        "--champion-digest": folder,
        "--champion-image": image,
        "--champion-model-digest": model,
        "--champion-predictions-digest": predictions,
    }
    missing = [flag for flag, value in told.items() if not value]
    if len(missing) == len(told):
        return None
    odd = [flag for flag, value in told.items() if flag.endswith("digest") and value and not DIGEST.fullmatch(value)]
    if missing or odd or not (folder and image and model and predictions):
        raise BadInputError(
            f"there is a champion, but {', '.join(missing or odd)} {'is missing' if missing else 'is no digest'}",
            solution="hand over the results of fetch-champion and of predict-model of the same run",
        )
    return Standing(folder=folder, image=str(parse_image(image)), model=model, predictions=predictions)


def answers_of(
    found: Standing | None, predictions: Path, truth: pl.DataFrame, rules: ModelRules
) -> Answers | Numbers | None:
    """What the model in production says of the rows of `truth` {row, value}; None where it is not asked for.

    Args:
        predictions: the folder that predict-model wrote.

    Raises:
        BadInputError: it was changed on the way, or is about other rows.
    """
    if rules.champion is None or found is None:
        return None
    file = predictions / CHAMPION_FILE
    require_digest(CHAMPION_FILE, sha256_file(file), found.predictions)
    table = read_frame(file, what=CHAMPION_FILE)
    require_rows(by_row(table, PREDICTION, CHAMPION_FILE)[ROW], [truth[ROW]], CHAMPION_FILE)
    return sample(truth, table, CHAMPION_FILE, rules)


def judge_against(
    candidate: Answers | Numbers,
    champion: Answers | Numbers | None,
    rules: Champion,
    standing: Standing | None,
    *,
    model: str,
) -> tuple[Findings, VerdictChampion]:
    """What `judge_champion` finds, and the same for the verdict.

    Args:
        champion: what the model in production said; None as `standing` is.
        model: digest of the candidate's file.
    """
    same = standing is not None and standing.model == model
    findings = judge_champion(candidate, champion, rules, standing.image if standing else "", same=same)
    (figure,) = findings.figures["champion"]
    names = ("candidate", "champion", "difference", "low", "high", "p", "test")
    verdict = VerdictChampion(
        image=standing.image if standing else None,
        model=standing.model if standing else None,
        metric=rules.metric,
        rule=rules.rule,
        ratio=rules.ratio if rules.rule == "ratio" else None,
        margin=rules.margin,
        passed=bool(figure["passed"]),
        **{name: figure[name] for name in names if name in figure},
    )
    return findings, verdict
