"""What a sandbox is started with. That it holds is proved by real runs (tests/scenarios/tekton-isolation)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tkn_solo.host.sandbox import Bind, Host, Sandbox


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "tool" / "bin").mkdir(parents=True)
    return Host(tmp_path / "host", [tmp_path / "tool"])


def sandbox(**changes: Any) -> Sandbox:
    fields: dict[str, Any] = {
        "binds": (),
        "env": (),
        "directory": "/",
        "hostname": "h",
        "root": False,
        "user": 4711,
        "capabilities": frozenset(),
        "network": False,
        "resolver": False,
        "read_only_root": False,
    }
    return Sandbox(**{**fields, **changes})


def has(arguments: list[str], *words: str) -> bool:
    return any(tuple(arguments[start : start + len(words)]) == words for start in range(len(arguments)))


def test_a_step_has_no_network_no_capabilities_and_a_user_namespace_of_its_own(host: Host) -> None:
    arguments = host.arguments(sandbox(), 9)
    assert {"--unshare-net", "--unshare-user", "--disable-userns", "--unshare-pid", "--clearenv"} <= set(arguments)
    assert {"--new-session", "--die-with-parent"} <= set(arguments)
    assert has(arguments, "--uid", "4711")
    assert "--cap-add" not in arguments


def test_root_has_only_the_capabilities_it_was_granted(host: Host) -> None:
    arguments = host.arguments(sandbox(root=True, capabilities=frozenset({"CHOWN", "SETFCAP"})), 9)
    assert "--unshare-user" not in arguments
    assert has(arguments, "--cap-drop", "ALL", "--cap-add", "CAP_CHOWN", "--cap-add", "CAP_SETFCAP")
    assert arguments.count("--cap-add") == 2


@pytest.mark.parametrize("root", [False, True])
def test_the_kernels_settings_are_read_only_for_everybody(root: bool, host: Host) -> None:
    arguments = host.arguments(sandbox(root=root), 9)
    assert has(arguments, "--ro-bind", "/proc/sys", "/proc/sys")
    assert arguments.index("--proc") < arguments.index("/proc/sys")


def test_the_environment_and_the_tools_are_there(host: Host, tmp_path: Path) -> None:
    tool = str(tmp_path / "tool")
    arguments = host.arguments(sandbox(env=(("A", "b"),)), 9)
    assert has(arguments, "--ro-bind", tool, tool)
    assert has(arguments, "--setenv", "A", "b")
    assert host.path.startswith(f"{tool}/bin:")


def test_names_are_looked_up_only_with_the_machines_network(host: Host, tmp_path: Path) -> None:
    assert not (tmp_path / "host" / "etc" / "resolv.conf").exists()
    arguments = host.arguments(sandbox(network=True), 9)
    assert has(arguments, "--ro-bind", str(tmp_path / "host" / "etc"), "/etc")
    assert "--unshare-net" not in arguments


def test_a_read_only_root_has_no_writable_tmp(host: Host) -> None:
    arguments = host.arguments(sandbox(read_only_root=True), 9)
    assert has(arguments, "--remount-ro", "/")
    assert not has(arguments, "--tmpfs", "/tmp")  # noqa: S108


def test_descriptors_are_bound_as_descriptors(host: Host) -> None:
    binds = [Bind(7, "/a", read_only=True), Bind("/x", "/b", read_only=False)]
    arguments = host.arguments(sandbox(binds=binds), 9)
    assert has(arguments, "--ro-bind-fd", "7", "/a")
    assert has(arguments, "--bind", "/x", "/b")
