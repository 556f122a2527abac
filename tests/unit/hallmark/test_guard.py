"""The guard against programs that do what a hostile model repository would try."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark import confine, guard
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.guard import GuardedRun, copy_source, private_folder, run_untrusted

Run = Callable[..., GuardedRun]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, said: list[str]) -> Run:
    """Runs a Python text under the guard; it may write to the folder `own` only, which is its working directory."""
    own = tmp_path / "own"
    own.mkdir()

    def guarded(text: str, *arguments: object, timeout: float = 60) -> GuardedRun:
        argv = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
        return run_untrusted(argv, cwd=own, writable=[own], timeout=timeout, say=said.append)

    return guarded


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_exit_code_and_output_come_back(run: Run, said: list[str]) -> None:
    ended = run("import sys; print('out'); sys.stdout.flush(); print('error', file=sys.stderr); sys.exit(7)")
    assert (ended.exit_code, ended.timed_out, ended.ending) == (7, False, "exit code 7")
    assert ended.output_tail == "out\nerror"
    assert said == ["| out", "| error"]


def test_a_signal_that_ended_it_is_named(run: Run) -> None:
    ended = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert ended.exit_code == -signal.SIGSEGV
    assert "signal 11" in ended.ending


def test_it_sees_nothing_of_the_steps_environment(run: Run, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run("import os; print(*sorted(os.environ))")
    assert said == ["| HOME LANG OMP_NUM_THREADS PATH PYTHONDONTWRITEBYTECODE PYTHONHASHSEED TMPDIR"]


def test_it_has_no_input_and_a_home_that_goes_with_it(run: Run, said: list[str]) -> None:
    run("""
        import os, sys, tempfile
        print(repr(sys.stdin.read()))
        print(tempfile.mkstemp()[1])
        print(os.environ["HOME"])
    """)
    empty, temporary, home = (line.removeprefix("| ") for line in said)
    assert empty == "''"
    assert temporary.startswith(home)
    assert not Path(home).exists()


def test_it_has_no_capability_and_can_gain_none(run: Run, said: list[str]) -> None:
    run("print(*[line for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNew'))])")
    status = {
        name.strip("| "): value.strip() for name, _, value in (line.partition(":") for line in said if ":" in line)
    }
    assert status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}


def test_it_can_write_only_to_its_own_folders(run: Run, tmp_path: Path, said: list[str]) -> None:
    kept = tmp_path / "results"
    kept.write_text("genuine")
    ended = run(
        """
        import os, shutil, sys
        kept = sys.argv[1]
        def tries(name, act):
            try:
                act()
                print(name, "worked")
            except PermissionError:
                print(name, "refused")
        tries("own", lambda: open("file", "w").write("x"))
        tries("null", lambda: open(os.devnull, "w").write("x"))
        tries("overwrite", lambda: open(kept, "w"))
        tries("truncate", lambda: os.truncate(kept, 0))
        tries("remove", lambda: os.remove(kept))
        tries("replace", lambda: os.replace("file", kept))
        tries("create", lambda: open(kept + ".new", "w"))
        tries("folder", lambda: os.mkdir(kept + ".d"))
        tries("link", lambda: os.symlink("/etc", kept + ".link"))
        os.symlink(kept, "way-out")
        tries("through a link", lambda: open("way-out", "a").write("x"))
        """,
        kept,
    )
    assert ended.landlock
    assert said[:2] == ["| own worked", "| null worked"]
    assert [line.split()[-1] for line in said[2:]] == ["refused"] * 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "results"]
    assert kept.read_text() == "genuine"


def test_it_cannot_look_into_the_step_or_trace_it(run: Run, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_STEP", "hidden")
    run("""
        import ctypes, os
        parent = os.getppid()
        for name in ("environ", "mem", "maps", "fd/1", "root", "cwd"):
            try:
                os.open(f"/proc/{parent}/{name}", os.O_RDONLY)
                print(name, "opened")
            except PermissionError:
                print(name, "refused")
        attach = ctypes.CDLL(None, use_errno=True).ptrace
        print("ptrace", "refused" if attach(16, parent, 0, 0) == -1 and ctypes.get_errno() == 1 else "attached")
    """)
    assert [line.split()[-1] for line in said] == ["refused"] * 7


def test_it_cannot_signal_the_step_where_the_kernel_can_tell(run: Run, said: list[str]) -> None:
    run("""
        import os
        try:
            os.kill(os.getppid(), 0)
            print("sent")
        except PermissionError:
            print("refused")
    """)
    assert said == ["| refused" if confine.landlock_version() >= 6 else "| sent"]


DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open("daemon", "w").write(str(os.getpid()))
            time.sleep(600)
            open("late", "w")
        os._exit(0)
    while not os.path.exists("daemon") or not os.path.getsize("daemon"):
        time.sleep(0.01)
"""


def test_a_daemon_it_leaves_is_gone_before_the_step_goes_on(run: Run, tmp_path: Path) -> None:
    assert run(DAEMON).exit_code == 0
    assert is_gone(int((tmp_path / "own/daemon").read_text()))


def test_processes_that_keep_forking_are_ended(run: Run, tmp_path: Path) -> None:
    ended = run("""
        import os, time
        for _ in range(3):
            if os.fork() == 0:
                while True:  # each process ends as soon as the next one lives
                    if os.fork():
                        os._exit(0)
                    open("last", "w").write(str(os.getpid()))
        time.sleep(0.3)
    """)
    assert ended.exit_code == 0
    seen = (tmp_path / "own/last").read_text()
    assert not seen or is_gone(int(seen))


def test_a_program_that_ignores_sigterm_ends_at_its_time(run: Run, tmp_path: Path) -> None:
    ended = run(
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("pid", "w").write(str(os.getpid()))
        print("working", flush=True)
        time.sleep(600)
        """,
        timeout=1.5,
    )
    assert (ended.timed_out, ended.ending, ended.output_tail) == (True, "its time ran out", "working")
    assert is_gone(int((tmp_path / "own/pid").read_text()))


def test_a_program_that_closes_its_output_is_still_waited_for(run: Run, tmp_path: Path) -> None:
    assert run("import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)").exit_code == 5
    assert run("import os, time; os.close(1); os.close(2); time.sleep(600)", timeout=0.5).timed_out


def test_endless_output_is_bounded_and_its_end_is_kept(run: Run, said: list[str]) -> None:
    ended = run("""
        for _ in range(1000):
            print("x" * 99_999)
        print("the end")
    """)
    assert ended.exit_code == 0
    assert ended.output_tail.endswith("the end")
    assert len(ended.output_tail) <= guard.TAIL_CHARACTERS
    assert sum(map(len, said)) < guard.SHOWN_CHARACTERS * 1.01
    assert max(map(len, said)) <= guard.LINE_CHARACTERS + 2
    assert said[-1].endswith("more characters of output are not shown")


def test_output_cannot_steer_a_terminal_or_pass_for_the_steps_own(run: Run, said: list[str]) -> None:
    run(r"print('\x1b[2J\x1b[31mtrain: passed\x07\x00\rtrain: passed')")
    assert said == ["| train: passed", "| train: passed"]


def test_output_that_is_no_text_is_shown_as_far_as_it_is(run: Run, said: list[str]) -> None:
    run(r"import os; os.write(1, b'caf\xc3'); os.write(1, b'\xa9 \xff')")
    assert said == ["| café \ufffd"]


def test_a_program_that_is_not_there_is_a_failed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="cannot start no-such-program") as error:
        run_untrusted(["no-such-program"], cwd=tmp_path, writable=[], timeout=9, say=print)
    assert error.value.solution


def test_a_folder_that_is_not_there_is_a_failed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="No such file"):
        run_untrusted(["id"], cwd=tmp_path, writable=[tmp_path / "missing"], timeout=9, say=print)


def test_children_of_the_step_itself_are_left_alone(run: Run) -> None:
    with subprocess.Popen(["sleep", "600"]) as own:
        run("print()")
        assert own.poll() is None
        own.kill()


def test_the_step_is_as_open_and_as_ordinary_afterwards_as_before(run: Run) -> None:
    before = confine.is_subreaper(), confine.prctl(confine.PR_GET_DUMPABLE)
    run("print()")
    assert (confine.is_subreaper(), confine.prctl(confine.PR_GET_DUMPABLE)) == before


STEP = """
import os, signal, sys
from pathlib import Path
from hallmark.errors import ToolFailedError
from hallmark.guard import private_folder, run_untrusted

def stop(*_):
    raise ToolFailedError("stopped by SIGTERM", solution="")

signal.signal(signal.SIGTERM, stop)
own = Path(sys.argv[1])
print(os.getuid(), run_untrusted([sys.executable, "-c", sys.argv[2]], cwd=own, writable=[own], timeout=60, say=print))
"""


def test_when_the_step_is_stopped_nothing_of_it_goes_on(tmp_path: Path) -> None:
    child = (
        "import os, time; open('pid.new', 'w').write(str(os.getpid())); os.rename('pid.new', 'pid'); time.sleep(600)"
    )
    argv = [sys.executable, "-c", STEP, str(tmp_path), child]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as step:
        pid = tmp_path / "pid"
        for _ in range(1000):
            if pid.exists():
                break
            time.sleep(0.01)
        step.send_signal(signal.SIGTERM)
        _, errors = step.communicate(timeout=60)
    assert "ToolFailedError: stopped by SIGTERM" in errors
    assert is_gone(int(pid.read_text()))


def test_it_works_without_any_right_in_a_sandbox(tmp_path: Path) -> None:
    """As in a pod: an ordinary user, no capability, an own process namespace, a read-only root, one folder to write to.

    Only the test's own folder is covered: under any other, /tmp too, the clone and its environment may lie.
    """
    own = f"{tmp_path}/own"
    done = subprocess.run(
        [
            *("bwrap", "--unshare-all", "--uid", "1000650000", "--gid", "0", "--cap-drop", "ALL"),
            *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", str(tmp_path), "--dir", own),
            *("--setenv", "TMPDIR", str(tmp_path), "--", sys.executable, "-c", STEP, own, textwrap.dedent(DAEMON)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("1000650000 GuardedRun(exit_code=0"), done.stderr
    assert f"landlock={confine.landlock_version()}" in done.stdout


def test_a_private_folder_goes_whatever_was_done_to_it() -> None:
    with private_folder() as folder:
        closed = folder / "closed/inner"
        closed.mkdir(parents=True)
        (closed / "file").write_text("x")
        closed.chmod(0)
        closed.parent.chmod(0)
        (folder / "link").symlink_to("/usr")
    assert not folder.exists()
    assert Path("/usr/bin").exists()


def test_a_copied_source_can_be_written_whatever_the_originals_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "package").mkdir(parents=True)
    (source / "package/run.sh").write_text("#!/bin/sh\n")
    (source / "package/run.sh").chmod(0o555)
    (source / "link").symlink_to("package/run.sh")
    (source / "package").chmod(0o555)
    copy = copy_source(source, tmp_path / "copy")
    assert (copy / "package").stat().st_mode & 0o777 == 0o755
    assert (copy / "package/run.sh").stat().st_mode & 0o777 == 0o755
    assert (copy / "link").readlink() == Path("package/run.sh")
    shutil.rmtree(copy)


def test_a_source_that_cannot_be_copied_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot copy"):
        copy_source(tmp_path / "missing", tmp_path / "copy")
