from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hallmark.documents.loading import parse
from hallmark.documents.rules_performance import Performance
from hallmark.model_files.session import ModelFile, RefusedByModelError, Session, with_models
from hallmark.performance.document import Measured
from hallmark.performance.judgement import judge_performance
from hallmark.performance.measuring import Sample, measure_models

from ..model_files import rogues

ROWS = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
SMALL = "rounds: 3\nrequests: 5\nbatches: 2\nwarmUp: 1\nbatch: {rows: 10}\n"


def rules(text: str = "") -> Performance:
    return parse(SMALL + text, Performance, name="policy.yaml")


def measured(models: dict[str, ModelFile], limits: Performance, clock: Callable[[], float] | None = None) -> Measured:
    sample = Sample(rows=ROWS, predictions={name: pl.Series(["a"] * ROWS.height) for name in models})

    def talk(session: Session) -> Measured:
        return measure_models(session, models, sample, limits, **({"clock": clock} if clock else {}))

    ended = with_models(talk, formats={"pickle"}, threads=1, timeout=120, say=print)
    if ended.error is not None:
        raise ended.error
    assert ended.said is not None
    assert ended.run.exit_code == 0
    return ended.said


def slow(folder: Path, name: str, seconds: float) -> ModelFile:
    folder.mkdir(exist_ok=True)
    return rogues.described(rogues.write(folder / name, f"def act(self, rows):\n    time.sleep({seconds})"))


def test_a_slow_model_is_measured_as_slow_and_refused_by_the_interval(tmp_path: Path) -> None:
    found = measured({"candidate": slow(tmp_path, "model", 0.02)}, rules())
    latency = found.models["candidate"].measures["latency.mean"]
    assert 20 < latency.low <= latency.value <= latency.high
    assert found.rounds == 3, "an interval beyond its limit needs no further round"
    checks = judge_performance(found, rules()).checks
    assert [check.passed for check in checks] == [True, False]


def test_champion_and_candidate_are_measured_in_turn_and_apart(tmp_path: Path) -> None:
    models = {"candidate": slow(tmp_path, "one", 0.0), "champion": slow(tmp_path, "two", 0.02)}
    found = measured(models, rules())
    means = {name: model.measures["latency.mean"].value for name, model in found.models.items()}
    assert means["champion"] > means["candidate"] + 15
    assert {model.answers for model in found.models.values()} == {3 * (5 + 2 * 10)}


def test_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    plain = rogues.described(rogues.write(tmp_path / "plain", ""))
    large = rogues.described(rogues.write(tmp_path / "large", "kept = np.ones(40 << 17)"))
    found = measured({"candidate": plain, "champion": large}, rules())
    sizes = {name: model.measures["memory"].value for name, model in found.models.items()}
    assert 35 < sizes["champion"] - sizes["candidate"] < 60
    assert found.models["champion"].measures["memory.model"].value > 35


def test_while_an_interval_straddles_its_limit_more_rounds_are_measured_up_to_the_bound(tmp_path: Path) -> None:
    code = "calm = os.getpid() % 2 * 0.02\ndef act(self, rows):\n    time.sleep(0.001 + calm)"
    model = rogues.described(rogues.write(tmp_path / "model", code))
    limits = rules("latency: {mean: {maximum: 11}}\nmaximumRounds: 6")
    found = measured({"candidate": model}, limits)
    straddles = "straddles" in judge_performance(found, limits).checks[-1].value
    assert 3 <= found.rounds <= 6
    assert found.rounds == 6 or not straddles


def test_no_round_is_begun_after_the_time(tmp_path: Path) -> None:
    ticks = iter([0.0, *[1e6] * 100])
    limits = rules("latency: {p50: {maximum: 0.000001}}\ndecide: evidence\nmaximumRounds: 50")
    model = slow(tmp_path, "model", 0.0)
    assert measured({"candidate": model}, limits, clock=lambda: next(ticks)).rounds == 3


def test_answers_that_are_not_the_predictions_are_counted(tmp_path: Path) -> None:
    code = "Rogue.predict = lambda self, X: np.array(['b' if len(X) == 1 else 'a'] * len(X))"
    model = rogues.described(rogues.write(tmp_path / "model", code))
    found = measured({"candidate": model}, rules())
    assert found.models["candidate"].mismatches == 3 * 5
    assert not judge_performance(found, rules()).checks[0].passed


def test_a_model_that_ends_while_it_is_measured_is_refused(tmp_path: Path) -> None:
    code = "def act(self, rows):\n    os._exit(0)"
    with pytest.raises(RefusedByModelError, match="without an answer"):
        measured({"candidate": rogues.described(rogues.write(tmp_path / "model", code))}, rules())


def test_noise_and_start_are_told_apart_from_the_model(tmp_path: Path) -> None:
    found = measured({"candidate": slow(tmp_path, "model", 0.01)}, rules())
    assert 0 < found.noise.median < 10
    assert found.start_seconds > found.models["candidate"].measures["loadSeconds"].value
