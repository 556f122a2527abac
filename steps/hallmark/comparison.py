"""The candidate and the champion, from what tasks hand over to what the verdict says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.accuracy.champion import judge_champion
from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.accuracy.reading import by_row, require_rows, sample
from hallmark.champion import CHAMPION_FILE, handed_over
from hallmark.datasets import PREDICTION, ROW, read_frame
from hallmark.documents.policy import Policy
from hallmark.documents.rules_model import Champion, ModelRules, Place
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


@dataclass(frozen=True, kw_only=True)
class Production:
    """Where fetch-champion looked, None where the policy does not ask for it, and what it found there."""

    place: Place | None = None
    standing: Standing | None = None


def standing(
    policy: Policy, *, folder: str, image: str | None, model: str | None, predictions: str | None, place: str | None
) -> Production:
    """What was found in production, and where.

    Args:
        folder: digest of the folder that fetch-champion wrote, or its word for there being none.

    Raises:
        BadInputError: some of it was handed over and other of it not: what is missing is never "nothing in production".
    """
    found = handed_over(folder, policy)
    told = {
        "--champion-image": image,
        "--champion-model-digest": model,
        "--champion-predictions-digest": predictions,
    }
    if found is None and any(told.values()):
        odd = ", ".join(flag for flag, value in told.items() if value)
        raise _odd(f"--champion-digest is {folder}, but {odd} says something")
    rules = policy.model.champion
    if rules is None:
        return Production()
    where = Place.parse(place or "")
    if where not in rules.production:
        raise _odd(f"--champion-place is {place or 'missing'}, and none of the policy's model.champion.production")
    if found is None:
        return Production(place=where)
    missing = [flag for flag, value in told.items() if not value]
    wrong = [flag for flag, value in told.items() if flag.endswith("digest") and value and not DIGEST.fullmatch(value)]
    if missing or wrong or not (image and model and predictions):
        raise _odd(
            f"there is a champion, but {', '.join(missing or wrong)} {'is missing' if missing else 'is no digest'}"
        )
    there = Standing(folder=found, image=str(parse_image(image)), model=model, predictions=predictions)
    return Production(place=where, standing=there)


def _odd(message: str) -> BadInputError:
    return BadInputError(
        message, solution="hand over the results of fetch-champion and of predict-model of the same run"
    )


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
    production: Production,
    *,
    model: str,
) -> tuple[Findings, VerdictChampion]:
    """What `judge_champion` finds, and the same for the verdict.

    Args:
        champion: what the model in production said; None as `standing` is.
        model: digest of the candidate's file.
    """
    standing = production.standing
    same = standing is not None and standing.model == model
    findings = judge_champion(candidate, champion, rules, standing.image if standing else "", same=same)
    (figure,) = findings.figures["champion"]
    names = ("candidate", "champion", "difference", "low", "high", "p", "test")
    verdict = VerdictChampion(
        production=production.place,
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
