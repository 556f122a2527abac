from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from laptop import interruptible
from laptop.console import exit_code_of

PROGRAM = """
import sys
from pathlib import Path
from laptop import interruptible
done = interruptible.run(["/bin/sh", "-c", sys.argv[1]], {"PATH": "/usr/bin:/bin"})
print(done.exit_code, done.interrupted, done.stdout.split())
"""
ENDS_IN_ORDER = """
ended() { sleep 1; echo "finally $1"; exit 130; }
trap 'ended INT' INT; trap 'ended TERM' TERM
echo ready >&2; n=0
while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
"""


def started(script):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


@pytest.mark.parametrize("to_whom", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_needs_a_second_to_end_in_order_gets_it_and_one_signal(number, to_whom):
    with started(ENDS_IN_ORDER) as process:
        assert process.stderr.readline() == "ready\n"
        to_whom(process.pid, number)
        out, errors = process.communicate(timeout=30)
    assert out == f"130 True ['finally', '{number.name[3:]}']\n"
    assert errors == ""
    assert process.returncode == 0


def test_a_program_that_nobody_interrupts_says_so():
    done = interruptible.run(["/bin/sh", "-c", "echo out; exit 3"], {"PATH": "/usr/bin:/bin"})
    assert done == interruptible.Ended(exit_code=3, stdout="out\n", interrupted=False)


def test_a_program_is_asked_to_end_when_the_one_that_waits_is_killed():
    script = ENDS_IN_ORDER.replace('echo "finally $1"', 'echo "finally $1" >&2')
    with started(script) as process:
        assert process.stderr.readline() == "ready\n"
        process.kill()
        assert process.stderr.readline() == "finally TERM\n"


def test_sigterm_ends_an_action_in_order_and_without_a_traceback(capsys):
    ended = []

    def action() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            ended.append("services")

    before = signal.getsignal(signal.SIGTERM)
    assert exit_code_of(action) == 130
    assert ended == ["services"]
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before
