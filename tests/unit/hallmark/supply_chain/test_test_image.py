"""test-image against a real server process that answers as the model does, or in any other way."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hallmark import inference_client
from hallmark.commands import test_image as command
from hallmark.datasets import FEATURES_FILE, PREDICTIONS_FILE, RESPONSES_FILE, write_frame
from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree
from hallmark.inference_client import BadAnswerError, parse_predictions

from .supply_chain_helpers import MODEL, Called
from .supply_chain_images import digest

ROWS = 40
Probe = Callable[..., Called]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(port: int) -> Iterator[Callable[[str], None]]:
    """Start the server; it listens a little later, as a container's does."""
    started: list[subprocess.Popen[bytes]] = []

    def start(behaviour: str) -> None:
        script = Path(__file__).with_name("model_server.py")
        started.append(subprocess.Popen([sys.executable, script, str(port), behaviour], stderr=subprocess.DEVNULL))

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def probe(hallmark: Callable[..., Called], tmp_path: Path, policy: Path, port: int) -> Probe:
    """Call test-image with 40 rows, of which the policy asks for 10."""
    source, features, predictions = tmp_path / "source", tmp_path / "features", tmp_path / "predictions"
    source.mkdir()
    (source / "hallmark.yaml").write_text(MODEL.replace("8080", str(port)))
    rows = [(float(row), float(row % 7)) for row in range(ROWS)]
    labels = ["wide" if width > length else "long" for width, length in rows]
    number = pl.Series("row", range(ROWS), dtype=pl.Int64)
    # The columns stand in another order than the model's, as they may in a file.
    frame = pl.DataFrame({"length": [length for _, length in rows], "width": [width for width, _ in rows]})
    write_frame(pl.DataFrame([number, *frame]), features / FEATURES_FILE)
    write_frame(pl.DataFrame([number, pl.Series("prediction", labels)]), predictions / PREDICTIONS_FILE)

    def call(**flags: object) -> Called:
        given: dict[str, object] = {
            "image_digest": digest("a"),
            "source_digest": sha256_tree(source),
            "policy_digest": policy_digest(policy),
            "features_digest": sha256_file(features / FEATURES_FILE),
            "predictions_digest": sha256_file(predictions / PREDICTIONS_FILE),
            "source": source,
            "policy": policy,
            "features": features,
            "predictions": predictions,
            "responses": tmp_path / "responses",
            "report": tmp_path / "report",
        }
        return hallmark("test-image", results=("responses-digest",), **{**given, **flags})

    return call


def report(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "report" / "test-image.json").read_text())
    return content


def test_a_container_that_answers_as_the_model_does_passes(
    probe: Probe, serve: Callable[[str], None], tmp_path: Path
) -> None:
    serve("honest")
    called = probe()
    assert called.code == 0, called.output
    responses = pl.read_parquet(tmp_path / "responses" / RESPONSES_FILE)
    assert responses.columns == ["row", "prediction", "seconds"]
    assert responses["row"].to_list() == list(range(0, ROWS, 4))
    assert set(responses["prediction"]) == {"wide", "long"}
    assert responses["seconds"].min() > 0  # type: ignore[operator]
    assert called.result("responses-digest") == sha256_file(tmp_path / "responses" / RESPONSES_FILE)
    figures = report(tmp_path)["figures"]
    assert len(figures["latency_seconds"]) == 10
    assert figures["mismatches"] == {"rows": 10, "alone": 0, "in_batch": 0}
    container = figures["container"]
    assert container["process_resident_memory_bytes"] == 5e7
    assert container["ready_seconds"] > 0
    assert container["p95_seconds"] > 0


def test_a_container_that_needs_a_while_is_waited_for(probe: Probe, serve: Callable[[str], None]) -> None:
    serve("slow-start")
    called = probe()
    assert called.code == 0, called.output


@pytest.mark.parametrize(
    ("behaviour", "last"),
    [
        ("", "nothing listens on port PORT (image.port in hallmark.yaml); the container's own log says why"),
        ("never-ready", f"status 500: no [31mmodel here {'x' * 182}…"),
        ("redirects", "status 302"),
    ],
)
def test_a_container_that_is_never_ready_is_refused(
    probe: Probe, serve: Callable[[str], None], port: int, policy: Path, tmp_path: Path, behaviour: str, last: str
) -> None:
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("readyWithin: 5", "readyWithin: 2"))
    if behaviour:
        serve(behaviour)
    called = probe()
    assert called.code == 1, called.output
    assert f"NO  ready: the last answer was: {last.replace('PORT', str(port))}  (within 2 s)" in called.output
    assert pl.read_parquet(tmp_path / "responses" / RESPONSES_FILE).height == 0
    assert called.result("responses-digest") is not None


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        ("not-json", "the answer is not JSON"),
        ("deep", "the answer is not JSON"),
        ("one-too-few", "9 predictions for 10 rows"),
        ("no-labels", "a value of type dict is no label"),
        ("fails", "status 500: cannot read […, …], the first of 10"),
        ("ends", "nothing listens on port"),
        ("hangs-up", "no answer"),
        ("floods", "an answer of more than"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    probe: Probe, serve: Callable[[str], None], behaviour: str, complaint: str
) -> None:
    serve(behaviour)
    called = probe()
    assert called.code == 1, called.output
    assert "NO  protocol" in called.output
    assert complaint in called.output
    assert called.result("responses-digest") is not None


@pytest.mark.parametrize("behaviour", ["hangs", "trickles"])
def test_a_server_that_never_ends_its_answer_is_cut_off(
    probe: Probe, serve: Callable[[str], None], behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_client, "REQUEST_SECONDS", 0.5)
    serve(behaviour)
    called = probe()
    assert called.code == 1, called.output
    assert "no answer within 0.5 s" in called.output


def test_more_rows_than_time_is_refused(
    probe: Probe, serve: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PROBING_SECONDS", -1.0)
    serve("honest")
    called = probe()
    assert called.code == 1
    assert "longer than" in called.output


def test_a_wrong_answer_is_refused_and_its_row_named(
    probe: Probe, serve: Callable[[str], None], policy: Path, tmp_path: Path
) -> None:
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("rows: 10", "rows: 40"))
    serve("wrong-label")
    called = probe()
    assert called.code == 1, called.output
    assert "NO  answers alone: 1 of 40 differ from the model's" in called.output
    assert "rows 3" in called.output
    assert report(tmp_path)["figures"]["mismatches"] == {"rows": 40, "alone": 1, "in_batch": 0}
    file.write_text(file.read_text().replace("rows: 40", "rows: 40, maximumMismatches: 1"))
    assert probe().code == 0


def test_answers_that_are_right_alone_and_wrong_in_a_batch_are_refused(
    probe: Probe, serve: Callable[[str], None]
) -> None:
    serve("wrong-in-batch")
    called = probe()
    assert called.code == 1, called.output
    assert "ok  answers alone" in called.output
    assert "NO  answers in batches" in called.output


def rules(policy: Path, extra: str) -> None:
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("rows: 10}", f"rows: 10, {extra}}}"))


@pytest.mark.parametrize(
    ("behaviour", "extra", "words"),
    [
        ("wrong-input-fails", "", "NO  wrong input: no JSON: status 500"),
        ("takes-anything", "", "NO  wrong input: an unknown column: status 200"),
        ("ends-at-wrong-input", "", "NO  wrong input: no JSON: no answer"),
        ("huge-fails", "", "NO  wrong input: a body of 16 MiB: status 500"),
        ("wrong-under-load", "", "of 200 answered as by the model, 4 at the same time"),
        ("slow", "load: {p95: 40}", "NO  p95 under load: "),
        ("no-metrics", "metrics: required", "NO  metrics: status 404"),
        ("html", "metrics: required", "NO  metrics: line 1 is none of Prometheus' text format"),
        ("no-metrics", "memory: 100", "NO  memory: the container does not tell it"),
        ("honest", "memory: 40", "NO  memory: 48 MiB, it says  (at most 40 MiB"),
    ],
)
def test_each_rule_of_the_container_says_no(
    probe: Probe, serve: Callable[[str], None], policy: Path, behaviour: str, extra: str, words: str
) -> None:
    rules(policy, extra or "tolerance: 0.1")
    serve(behaviour)
    called = probe()
    assert called.code == 1, called.output
    assert words in called.output


def test_a_path_for_liveness_that_does_not_answer_is_refused(
    probe: Probe, serve: Callable[[str], None], tmp_path: Path
) -> None:
    file = tmp_path / "source" / "hallmark.yaml"
    file.write_text(file.read_text().replace("image: {", "image: {liveness: /dead, "))
    serve("honest")
    called = probe()
    assert called.code == 1, called.output
    assert "NO  health: /dead: status 500" in called.output


@pytest.mark.parametrize(
    ("behaviour", "path"), [("no-limit", "v1/models/iris:predict"), ("honest", "v2/models/iris/infer")]
)
def test_a_server_of_either_protocol_passes_with_every_rule(
    probe: Probe, serve: Callable[[str], None], policy: Path, tmp_path: Path, behaviour: str, path: str
) -> None:
    rules(policy, "metrics: required, memory: 100, load: {p95: 30000}")
    file = tmp_path / "source" / "hallmark.yaml"
    file.write_text(file.read_text().replace("v1/models/iris:predict", path))
    serve(behaviour)
    called = probe()
    assert called.code == 0, called.output
    for name in ("wrong input", "load", "p95 under load", "metrics", "memory"):
        assert f"ok  {name}: " in called.output


def test_a_container_that_has_ended_is_not_waited_for_and_its_last_words_are_told(
    probe: Probe, tmp_path: Path, policy: Path
) -> None:
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("readyWithin: 5", "readyWithin: 3600"))
    (tmp_path / "candidate.log").write_text("x" * 1000 + "\n" * 30 + "ModuleNotFoundError: no \x1b[31mnumpy\n")
    (tmp_path / "candidate.exit-code").write_text("1")
    called = probe(container_state=tmp_path)
    assert called.code == 1, called.output
    assert "NO  ready: the container ended with exit code 1" in called.output
    assert "ModuleNotFoundError: no  [31mnumpy" in called.output
    assert "kubectl logs POD -c sidecar-candidate" in called.output


def test_another_path_than_described_is_refused(probe: Probe, serve: Callable[[str], None], tmp_path: Path) -> None:
    file = tmp_path / "source" / "hallmark.yaml"
    file.write_text(file.read_text().replace("iris:predict", "wine:predict"))
    serve("honest")
    called = probe()
    assert called.code == 1
    assert "status 404" in called.output


@pytest.mark.parametrize(
    "name", ["image_digest", "source_digest", "policy_digest", "features_digest", "predictions_digest"]
)
def test_an_artefact_that_was_changed_on_the_way_is_bad_input(probe: Probe, name: str) -> None:
    assert probe(**{name: "sha256:0"}).code == 2


def test_features_and_predictions_without_a_common_row_are_bad_input(probe: Probe, tmp_path: Path) -> None:
    file = tmp_path / "predictions" / PREDICTIONS_FILE
    write_frame(pl.DataFrame({"row": pl.Series([99], dtype=pl.Int64), "prediction": ["wide"]}), file)
    called = probe(predictions_digest=sha256_file(file))
    assert called.code == 2
    assert "no row in common" in called.output


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"predictions": null}', b'{"predictions": [NaN]}', b'{"predictions": [1, 2]}']
)
def test_nothing_but_the_protocols_answer_is_taken(answer: bytes) -> None:
    with pytest.raises(BadAnswerError):
        parse_predictions(answer, 1)


def test_a_label_is_the_same_however_it_is_typed() -> None:
    assert parse_predictions(b'{"predictions": [1, 1.0, "1", true]}', 4) == ["1", "1", "1", "true"]
