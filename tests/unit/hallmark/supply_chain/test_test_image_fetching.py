"""test-image and Hallmark's own server with a model that it fetches: from the step, and only the one of the image."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hallmark import model_offer
from hallmark.files import sha256_file, sha256_tree

from .supply_chain_images import digest
from .test_model_server import call, code, model, started
from .test_model_server_start import image_without_model
from .test_test_image import Probe, port, probe, report

__all__ = ["code", "model", "port", "probe"]


@pytest.fixture
def source(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository of a model that is fetched, from a port that nobody else has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(model_offer, "PORT", int(free.getsockname()[1]))
    file = tmp_path / "source" / "hallmark.yaml"
    file.write_text(file.read_text().replace("image: {", "image: {builder: server, model: fetched, "))
    return file.parent


@pytest.fixture
def serve(code: Path, model: Path, port: int, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        folder = image_without_model(tmp_path, model)
        url = f"http://127.0.0.1:{model_offer.PORT}/{{digest}}"
        running.append(started(code, folder, URL=url, port=port)[0])
        return running[-1]

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_container_gets_its_model_from_the_step_and_is_called_as_any_other(
    probe: Probe, serve: Callable[[], object], source: Path, model: Path, policy: Path, tmp_path: Path
) -> None:
    # A busy machine needs a while to import what loads the model.
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("readyWithin: 5", "readyWithin: 120"))
    serve()
    called = probe(source_digest=sha256_tree(source), model=model, model_digest=sha256_file(model / "model.skops"))
    assert called.code == 0, called.output
    assert "fetches its model from this step" in called.output
    assert len(report(tmp_path)["figures"]["latency_seconds"]) == 10


def test_only_the_model_is_offered_and_only_under_its_digest(model: Path) -> None:
    name = sha256_file(model / "model.skops")
    with model_offer.offered(model / "model.skops", name, port=0) as port:
        assert call(port, "GET", f"/{digest('9')}")[0] == 404
        assert call(port, "GET", f"/{name}/../hallmark.yaml")[0] == 404
        assert call(port, "POST", f"/{name}")[0] == 501


def test_another_model_none_or_a_port_that_is_taken_is_bad_input(
    probe: Probe, source: Path, model: Path, tmp_path: Path
) -> None:
    told = {"source_digest": sha256_tree(source)}
    missing = probe(**told)
    assert (missing.code, "no model is given to offer it" in missing.output) == (2, True), missing.output
    changed = probe(**told, model=model, model_digest=digest("9"))
    assert (changed.code, "the model was changed on the way" in changed.output) == (2, True), changed.output
    with socket.create_server(("127.0.0.1", model_offer.PORT)):
        taken = probe(**told, model=model, model_digest=sha256_file(model / "model.skops"))
    assert (taken.code, "of the pod is taken" in taken.output) == (2, True), taken.output
