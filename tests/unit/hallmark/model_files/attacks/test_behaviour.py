"""What a model could do that was loaded, because somebody trusted what should not be trusted."""

import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hallmark import confine
from hallmark.commands import predict_model
from hallmark.guard import GuardedRun
from hallmark.model_files import session as sessions

from ...data_gates.workshop import Run, Workshop
from .. import rogues

PREDICTS = "the model loads and predicts"
COMPLETE = "one label for each row"
REPEATED = "the same answers when asked again, in other processes"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.description["model"] = {"format": "pickle"}
    made.rules["model"] |= {"formats": ["pickle"], "trustedTypes": [rogues.TRUSTED]}
    assert made.run("prepare-evaluation").exit_code == 0
    return made


def run(workshop: Workshop, code: str, **given: Any) -> Run:
    rogues.write(workshop.folder("model") / "model.pickle", code)
    return workshop.run("predict-model", **given)


def assert_refused(found: Run, check: str, *words: str) -> None:
    assert found.exit_code == 1, found.told
    assert found.refused == [check]
    assert all(word in found.report_text for word in words), found.report_text
    assert set(found.results) == {"report-digest"}


def test_the_rogue_itself_is_a_model_and_its_code_runs(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    found = run(workshop, "print('I was here')")
    assert found.exit_code == 0, found.told
    assert "I was here" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "target",
    [
        "results/predict-model/predictions-digest",
        "results/predict-model/report-digest",
        "reports/predict-model/predict-model.json",
        "predictions/predictions.parquet",
        "predictions/performance.json",
        "features/features.parquet",
        "verdict/verdict.json",
        "policy/policy.yaml",
    ],
)
def test_no_file_outside_is_forged(target: str, workshop: Workshop) -> None:
    path = workshop.root / target
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.exists() else None
    found = run(
        workshop,
        f"""
def act(self, rows):
    with open({str(path)!r}, "w") as file:
        file.write("forged")
""",
    )
    assert_refused(found, PREDICTS, "PermissionError")
    assert before is None or path.name.endswith(("json", "digest")) or path.read_bytes() == before
    assert not path.exists() or b"forged" not in path.read_bytes()


def test_no_file_is_read_but_the_models_own(workshop: Workshop) -> None:
    """Not the changed rows, which are asked among the others, nor what they were made of, nor the other model."""
    names = ("features/features.parquet", "features/probes.parquet", "champion/model", "policy/policy.yaml")
    paths = [workshop.root / name for name in (*names, "source/hallmark.yaml", "labels/labels.parquet")]
    (workshop.root / "champion").mkdir()
    (workshop.root / "champion/model").touch()
    own = workshop.folder("model") / "model.pickle"
    found = run(
        workshop,
        f"""
import subprocess
def act(self, rows):
    got = []
    for name in {[str(path) for path in (*paths, own)]!r}:
        try:
            got.append("opened " + os.path.basename(open(name, "rb").name))
        except PermissionError:
            pass
        if subprocess.run(["cat", name], capture_output=True).returncode == 0:
            got.append("printed " + os.path.basename(name))
    for folder in ({str(workshop.root)!r}, {str(workshop.folder("features"))!r}, "/proc", "/tmp"):
        try:
            got += os.listdir(folder)
        except PermissionError:
            pass
    raise ValueError(" and ".join(got) + " only")
""",
    )
    assert_refused(found, PREDICTS, "ValueError: opened model.pickle and printed model.pickle only")


def test_a_kernel_that_hides_no_files_from_a_model_is_told_of() -> None:
    ended = GuardedRun(exit_code=0, timed_out=False, output_tail="", landlock=0)
    assert "no Landlock here" in predict_model._confinement(ended)


def test_a_forged_answer_of_another_shape_is_refused(workshop: Workshop) -> None:
    found = run(
        workshop,
        """
from hallmark.model_files import answers, wire
def act(self, rows):
    for descriptor in range(3, 64):
        try:
            connection = socket.socket(fileno=os.dup(descriptor))
            wire.send(connection, wire.OK, answers.encode(np.array(["a"] * (rows + 1))))
        except OSError:
            pass
""",
    )
    assert_refused(found, COMPLETE, "1321 labels for 1320 rows")


def test_an_oversized_answer_is_refused_and_not_read(workshop: Workshop) -> None:
    found = run(
        workshop,
        """
import struct
def act(self, rows):
    for descriptor in range(3, 64):
        try:
            socket.socket(fileno=os.dup(descriptor)).sendall(struct.pack("!4sQ", b"ok..", 2 ** 62))
        except OSError:
            pass
""",
    )
    assert_refused(found, PREDICTS, "at most")


def test_a_clock_of_its_own_does_not_make_it_fast(workshop: Workshop) -> None:
    from hallmark.performance.document import read_performance

    found = run(
        workshop,
        """
import select
pause = select.select
time.perf_counter = time.monotonic = time.time = lambda: 0.0
time.sleep = lambda seconds: None
def act(self, rows):
    pause([], [], [], 0.03)
""",
    )
    assert found.exit_code == 0, found.told
    measured = read_performance(workshop.folder("predictions") / "performance.json")
    assert measured.models["candidate"].measures["latency.mean"].low > 30


def test_a_fast_wrong_answer_is_refused(workshop: Workshop) -> None:
    found = run(
        workshop,
        """
def predict(self, X):
    return np.array(["a" if len(X) > 1 else "b"] * len(X))
Rogue.predict = predict
""",
    )
    assert_refused(found, REPEATED, "differ")


def test_other_answers_in_another_process_are_refused(workshop: Workshop) -> None:
    found = run(
        workshop,
        """
def predict(self, X):
    return np.array([str(os.getpid())] * len(X))
Rogue.predict = predict
""",
    )
    assert_refused(found, REPEATED, "differ")


def _running(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_no_process_is_left_behind(workshop: Workshop) -> None:
    marker = f"31{os.getpid()}.25"
    found = run(
        workshop,
        f"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{marker}"])
    os._exit(0)
time.sleep(0.2)
""",
    )
    assert found.exit_code == 0, found.told
    assert _running(marker) == []


def test_filling_the_memory_is_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MEMORY_BYTES", 1 << 30)
    found = run(workshop, "kept = []\nwhile True:\n    kept.append(bytearray(64 << 20))")
    assert_refused(found, PREDICTS, "MemoryError")


def test_filling_the_disk_is_refused_and_leaves_nothing(workshop: Workshop) -> None:
    found = run(
        workshop,
        """
with open(os.path.join(os.environ["HOME"], "full"), "wb") as file:
    os.posix_fallocate(file.fileno(), 0, 300 << 20)
""",
    )
    assert_refused(found, PREDICTS, "OSError")


def test_a_model_that_never_answers_is_refused(workshop: Workshop) -> None:
    workshop.rules["model"]["timeout"] = 4
    started = time.monotonic()
    assert_refused(run(workshop, "while True: pass"), PREDICTS, "its time ran out")
    assert time.monotonic() - started < 60


def test_a_model_that_ends_its_process_is_refused(workshop: Workshop) -> None:
    assert_refused(run(workshop, "os._exit(0)"), PREDICTS, "ended without an answer")


def test_a_model_that_kills_the_server_of_models_is_refused(workshop: Workshop) -> None:
    assert_refused(run(workshop, "os.kill(os.getppid(), 9)\ntime.sleep(30)"), PREDICTS, "signal 9")


@pytest.mark.skipif(confine.landlock_version() < 6, reason="this kernel's Landlock does not know signals")
def test_the_step_cannot_be_signalled(workshop: Workshop) -> None:
    """Signal 0 asks whether another one would be let through, and does nothing."""
    assert_refused(run(workshop, f"os.kill({os.getpid()}, 0)"), PREDICTS, "PermissionError")


def test_the_memory_of_the_other_processes_is_closed(workshop: Workshop) -> None:
    assert_refused(run(workshop, 'open(f"/proc/{os.getppid()}/mem", "rb").read(1)'), PREDICTS, "Error")


def test_what_it_prints_holds_no_control_character(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    found = run(workshop, r'print("\x1b]0;owned\x07\x1b[2J passed")')
    assert found.exit_code == 0, found.told
    assert "\x1b" not in "".join(capfd.readouterr())


def test_the_predictions_of_a_rogue_are_what_it_said(workshop: Workshop) -> None:
    assert run(workshop, "").exit_code == 0
    told = pl.read_parquet(workshop.folder("predictions") / "predictions.parquet")
    assert told["prediction"].unique().to_list() == ["a"]
