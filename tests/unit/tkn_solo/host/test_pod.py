"""A pod's folders and mounts: confined, private, and gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tkn_solo.confined import OutsideError, open_path
from tkn_solo.errors import InputError
from tkn_solo.host.pod import Pod, directory, script_text
from tkn_solo.invocation import Mount, Step, TaskInvocation, Volume
from tkn_solo.model import TaskSpec


def step(**changes: Any) -> Step:
    fields: dict[str, Any] = {
        "name": "step-s",
        "title": "s",
        "index": 0,
        "image": "i",
        "command": ("true",),
        "args": (),
        "script": "",
        "working_dir": "",
        "env": (),
        "mounts": (),
        "user": None,
        "capabilities": frozenset(),
        "read_only_root": False,
        "results": (),
        "when": (),
        "continue_on_error": False,
        "timeout": None,
    }
    return Step(**{**fields, **changes})


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(
        TaskInvocation(
            task="t",
            task_run="run-t",
            attempt=0,
            pod_dir=tmp_path / "pod",
            log_dir=tmp_path / "logs",
            steps=(step(),),
            sidecars=(),
            results=(),
            spec=TaskSpec(),
            host_network=False,
            timeout=None,
        )
    )


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo", "#!/bin/sh\nset -e\necho"),
        ("#!/usr/bin/perl\nprint", "#!/usr/bin/perl\nprint"),
        ("\n  #!/bin/sh\nx", "#!/bin/sh\nx"),
    ],
)
def test_a_script_without_shebang_gets_sh_that_ends_at_the_first_failure(script: str, text: str) -> None:
    assert script_text(script) == text


@pytest.mark.parametrize(
    ("given", "absolute"), [("", "/"), ("a/b", "/workspace/a/b"), ("/x", "/x"), ("/workspace/w", "/workspace/w")]
)
def test_a_relative_directory_is_below_workspace(given: str, absolute: str) -> None:
    assert directory(step(working_dir=given)) == absolute


@pytest.mark.parametrize("sub_path", ["../x", "/etc", "a/../../x"])
def test_a_path_that_leaves_its_folder_is_refused(sub_path: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError):
        open_path(tmp_path, sub_path, create=True)


@pytest.mark.parametrize("sub_path", ["link", "link/below", "a/link"])
def test_a_link_on_the_way_is_refused(sub_path: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for place in (tmp_path / "link", tmp_path / "a" / "link"):
        place.symlink_to("/")
    with pytest.raises(OutsideError):
        open_path(tmp_path, sub_path, create=True)


def test_missing_folders_of_a_sub_path_are_made(tmp_path: Path) -> None:
    descriptor = open_path(tmp_path, "a/b", create=True)
    assert Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path / "a" / "b"
    os.close(descriptor)


def mount(root: Path, target: str, **changes: Any) -> Mount:
    return Mount(volume=Volume(root=root, **changes), target=target, read_only=False)


def test_a_sub_path_is_mounted_by_descriptor_which_is_closed_afterwards(pod: Pod, tmp_path: Path) -> None:
    with pod.binds(step(mounts=(mount(tmp_path, "/workspace/w", sub_path="a"),))) as binds:
        source = binds[-1].source
        assert isinstance(source, int)
        assert Path(f"/proc/self/fd/{source}").readlink() == tmp_path / "a"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(source)


def test_a_mount_inside_a_folder_that_other_tasks_can_change_is_refused(pod: Pod, tmp_path: Path) -> None:
    mounts = (mount(tmp_path, "/data"), mount(tmp_path, "/data/inner"))
    with pytest.raises(InputError, match="whose files other tasks can change"), pod.binds(step(mounts=mounts)):
        pass


def test_a_mount_point_that_an_earlier_step_made_a_link_is_refused(pod: Pod, tmp_path: Path) -> None:
    (pod.folder / "workspace" / "w").symlink_to("/")
    with (
        pytest.raises(InputError, match="not a folder but a link"),
        pod.binds(step(mounts=(mount(tmp_path, "/workspace/w"),))),
    ):
        pass


def test_chosen_keys_of_a_secret_are_copied_and_must_exist(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("value")
    with pod.binds(step(mounts=(mount(tmp_path, "/s", only={"key": "below/name"}),))) as binds:
        assert (Path(str(binds[-1].source)) / "below" / "name").read_text() == "value"
        assert binds[-1].read_only
    for only in ({"gone": "x"}, {"key": "../x"}):
        with pytest.raises(InputError), pod.binds(step(mounts=(mount(tmp_path, "/s", only=only),))):
            pass


def test_an_exit_code_replaces_a_link_and_never_follows_it(pod: Pod, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (pod.folder / "steps" / "step-s" / "exitCode").symlink_to(target)
    pod.write_exit_code(step(), 3)
    assert target.read_text() == "untouched"
    assert (pod.folder / "steps" / "step-s" / "exitCode").read_text() == "3"


def test_a_pod_is_removed_with_all_that_steps_locked_and_nothing_outside(pod: Pod, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    locked = pod.folder / "workspace" / "locked"
    locked.mkdir()
    (locked / "file").touch()
    (pod.folder / "workspace" / "link").symlink_to(outside)
    locked.chmod(0)
    pod.remove()
    assert not pod.folder.exists()
    assert (outside / "file").read_text() == "stays"
