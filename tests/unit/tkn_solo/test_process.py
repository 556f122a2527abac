"""Programs are heard out, asked to end, and killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tkn_solo import process
from tkn_solo.errors import InfrastructureError
from tkn_solo.process import Ending, Exit, StopSignal


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    signal = StopSignal()
    yield signal
    signal.close()


def run(script: str, stop: StopSignal, **limits: float) -> tuple[Exit, bytes]:
    heard: list[bytes] = []
    child = process.start(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"})
    return process.supervise(child, heard.append, stop=stop, **limits), b"".join(heard)


def test_output_and_exit_code_come_back(stop: StopSignal) -> None:
    ended, heard = run("echo out; echo err >&2; exit 3", stop)
    assert ended == Exit(3, Ending.ITSELF)
    assert heard == b"out\nerr\n"


def test_a_signal_is_an_exit_code_above_128(stop: StopSignal) -> None:
    assert run("kill -9 $$", stop)[0] == Exit(137, Ending.ITSELF)


def test_much_output_is_streamed(stop: StopSignal) -> None:
    ended, heard = run("head -c 5000000 /dev/zero", stop)
    assert (ended.code, len(heard)) == (0, 5000000)


def test_at_the_deadline_a_program_is_asked_to_end(stop: StopSignal) -> None:
    script = "trap 'echo asked; exit 7' TERM; sleep 60 & wait"
    ended, heard = run(script, stop, deadline=time.monotonic() + 0.3)
    assert (ended, heard) == (Exit(7, Ending.DEADLINE), b"asked\n")


def test_at_the_kill_time_it_is_not_asked(stop: StopSignal) -> None:
    ended, heard = run("trap 'echo asked' TERM; exec sleep 60", stop, kill_at=time.monotonic() + 0.3)
    assert (ended, heard) == (Exit(137, Ending.DEADLINE), b"")


def test_who_does_not_end_when_asked_is_killed(stop: StopSignal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    ended, _ = run("trap '' TERM; exec sleep 60", stop, deadline=time.monotonic() + 0.2)
    assert ended == Exit(137, Ending.DEADLINE)


def test_a_stop_request_ends_it_and_the_first_message_counts(stop: StopSignal) -> None:
    stop.stop("first")
    stop.stop("second")
    ended, _ = run("exec sleep 60", stop)
    assert ended == Exit(143, Ending.STOPPED)
    assert stop.message == "first"


def test_a_failing_sink_leaves_nothing_running(stop: StopSignal) -> None:
    def fail(_data: bytes) -> None:
        raise RuntimeError("the sink")

    child = process.start(["/bin/sh", "-c", "echo x; exec sleep 60"], {})
    with pytest.raises(RuntimeError, match="the sink"):
        process.supervise(child, fail, stop=stop)
    assert child.returncode == -9


def test_a_missing_tool_says_what_to_install() -> None:
    with pytest.raises(InfrastructureError) as raised:
        process.find("no-such-tool", "some-package")
    assert raised.value.exit_code == 3
    assert "Install the package some-package" in str(raised.value)


def test_a_tools_output_is_captured(stop: StopSignal) -> None:
    captured = process.capture([sys.executable, "-c", "print('hi')"], {}, stop=stop, seconds=20)
    assert (captured.code, captured.output) == (0, "hi")


def test_no_program_shares_a_keyring_with_another_or_with_the_caller(stop: StopSignal) -> None:
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
    serial = f"perl -e 'print syscall({number}, 0, -3, 0)'"
    outside = subprocess.run(["/bin/sh", "-c", serial], capture_output=True, check=True).stdout
    found = [outside, run(serial, stop)[1], run(serial, stop)[1]]
    assert all(int(keyring) > 0 for keyring in found)
    assert len(set(found)) == 3
