"""verify-model: the comparison with the model in production."""

from __future__ import annotations

import pytest

from .trial import IN_PRODUCTION, MODEL, Trial, against, assert_refused, crown
from .workshop import FEATURES, PLACE, PRODUCTION


def test_a_candidate_that_is_no_better_than_the_champion_is_refused(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert_refused(trial, against(trial, 0), "champion")
    run = against(trial, 5)
    assert run.exit_code == 0, run.told
    (figure,) = run.report["figures"]["champion"]
    assert (figure["candidate"], figure["champion"], figure["reference"]) == (
        1,
        55 / 60,
        IN_PRODUCTION["champion_image"],
    )
    assert next(check.value for check in trial.verdict.checks if check.name == "champion").startswith(
        "accuracy 1, the c"
    )
    found = trial.verdict.champion
    assert found is not None
    assert (found.image, found.model) == (IN_PRODUCTION["champion_image"], IN_PRODUCTION["champion_model_digest"])
    assert (found.metric, found.rule, found.ratio, found.candidate, found.champion) == (
        "accuracy",
        "ratio",
        1.01,
        1,
        55 / 60,
    )
    assert found.low is not None
    assert found.low <= 5 / 60 <= (found.high or 0)
    assert run.report["digests"]["champion"] == IN_PRODUCTION["champion_digest"]


def test_one_that_is_as_good_passes_by_non_inferiority_and_a_worse_one_does_not(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "rule": "non-inferiority", "margin": 0.1}
    trial.workshop.rules["model"]["metrics"]["accuracy"]["minimum"] = 0.5
    assert against(trial, 0).exit_code == 0
    trial.predict(trial.wrong(8))
    trial.respond(trial.wrong(8))
    run = against(trial, 0)
    assert_refused(trial, run, "champion")
    assert "accuracy 0.866667, the champion's 1" in run.check("champion")["value"]


def test_the_model_in_production_delivered_again_is_not_asked_to_be_better_than_itself(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    run = against(trial, 0, champion_model_digest=MODEL)
    assert run.exit_code == 0, run.told
    assert "the model in production itself" in run.check("champion")["limit"]


def test_a_first_delivery_passes_only_where_the_policy_says_so(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert_refused(trial, trial.run(), "champion")
    trial.workshop.rules["model"]["champion"]["first"] = "allow"
    assert trial.run().exit_code == 0
    assert trial.verdict.champion is not None
    assert trial.verdict.champion.image is None
    assert str(trial.verdict.champion.production) == PLACE


@pytest.mark.parametrize("name", [*IN_PRODUCTION, "champion_predictions_digest"])
def test_a_part_of_a_champion_is_never_taken_for_a_first_delivery(trial: Trial, name: str) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "first": "allow"}
    run = against(trial, 0, **{name: ""})
    assert (run.exit_code, f"--{name.replace('_', '-')}" in run.told) == (2, True), run.told
    for word in ("odd", "none", "not-asked") if name == "champion_digest" else ("odd",):
        assert against(trial, 0, **{name: word}).exit_code == 2


@pytest.mark.parametrize(
    "place", ["", "odd", PLACE.replace("production/", "staging/"), PLACE.replace(" main", " other")]
)
def test_a_champion_of_a_place_that_the_policy_does_not_name_is_bad_input(trial: Trial, place: str) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "first": "allow"}
    for run in (trial.run(champion_place=place), against(trial, 5, champion_place=place)):
        assert (run.exit_code, "none of the policy's model.champion.production" in run.told) == (2, True), run.told


def test_where_no_comparison_is_asked_for_nobody_may_say_that_nothing_was_in_production(trial: Trial) -> None:
    for word in ("none", "", MODEL):
        assert trial.run(champion_digest=word).exit_code == 2
    assert trial.run(champion_digest="not-asked").exit_code == 0


def test_a_champion_that_was_asked_other_rows_or_was_changed_is_bad_input(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    digest = crown(trial, trial.truth[1:])
    run = trial.run(**IN_PRODUCTION, champion_predictions_digest=digest)
    assert (run.exit_code, "champion.parquet is not about the same rows" in run.told) == (2, True)
    assert trial.run(**IN_PRODUCTION, champion_predictions_digest=MODEL).exit_code == 2


def test_what_is_needed_to_ask_the_model_again_stands_in_the_verdict(trial: Trial) -> None:
    assert trial.run().exit_code == 0
    model = trial.verdict.model
    assert (model.format, model.task, model.features) == ("skops", "classification", FEATURES)


@pytest.mark.parametrize(
    ("rules", "changes", "said"),
    [
        ({}, None, "missing"),
        ({}, {"metric": "f1"}, "f1 by ratio"),
        ({}, {"image": None, "model": None}, "nothing was in production"),
        ({}, {"passed": False}, "the judge said no"),
        ({}, {"production": None}, "nowhere"),
        ({"production": [{**PRODUCTION, "branch": "next"}]}, {}, f"compared with what is in {PLACE}"),
        ({}, {"candidate": None}, "no values"),
        ({"ratio": 1.2}, {}, "and 1.1 is needed"),
        ({"rule": "non-inferiority", "margin": 0.01}, {}, "accuracy by ratio"),
        ({"rule": "non-inferiority", "margin": 0.01}, {"rule": "non-inferiority", "margin": 0.05}, "margin of 0.05"),
        (
            {"rule": "non-inferiority", "margin": 0.1},
            {"rule": "non-inferiority", "margin": 0.05, "p": 0.06},
            "p = 0.06",
        ),
    ],
)
def test_a_comparison_by_a_rule_that_asks_less_is_not_signed(
    trial: Trial, rules: dict[str, object], changes: dict[str, object] | None, said: str
) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert against(trial, 5).exit_code == 0
    verdict = trial.verdict
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", **rules}
    trial.workshop.save()
    champion = None if changes is None or verdict.champion is None else verdict.champion.model_copy(update=changes)
    checks = trial.workshop.ask_again(verdict.model_copy(update={"champion": champion}))
    assert [check.name for check in checks if not check.passed] == ["verdict's champion"]
    assert said in next(check.value for check in checks if not check.passed)


def test_a_verdict_without_the_comparison_that_the_policy_asks_for_is_not_signed(trial: Trial) -> None:
    assert trial.run().exit_code == 0
    verdict = trial.verdict
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    trial.workshop.save()
    checks = trial.workshop.ask_again(verdict)
    assert [check.name for check in checks if not check.passed] == ["verdict's champion"]
