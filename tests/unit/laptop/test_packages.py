from __future__ import annotations

import os

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from laptop import packages

SILENT = 'echo "$(basename "$0") $*" >> "$CALLS"'


@pytest.fixture
def imaginary(monkeypatch, tmp_path):
    """One package that no machine has, and a policy file that belongs to this test."""
    monkeypatch.setattr(packages, "COMMANDS", {"imaginary": "imaginary-tools", "sh": "dash"})
    monkeypatch.setattr(packages, "SERVICES", {"imaginary-tools": ["imaginary.service"]})
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    return tmp_path / "policy-rc.d"


def test_a_package_is_missing_when_its_command_is_not_found(imaginary):
    assert packages.missing() == ["imaginary-tools"]


def test_commands_for_administrators_are_found_without_their_folder_on_path(monkeypatch):
    monkeypatch.setattr(packages, "COMMANDS", {"ldconfig": "libc-bin"})
    assert packages.missing(path="/nonexistent") == []


def test_nothing_is_run_when_nothing_is_missing(monkeypatch, fake):
    monkeypatch.setattr(packages, "COMMANDS", {"sh": "dash"})
    calls = fake("apt-get", SILENT)
    said: list[str] = []
    packages.ensure(said.append)
    assert (calls.read_text(), said) == ("", [])


def test_what_is_missing_is_installed_once_and_its_services_do_not_start(monkeypatch, fake, imaginary):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    calls = fake("apt-get", f'{SILENT}\n[ "$1" != install ] || cat {imaginary} >> "$CALLS"')
    fake("systemctl", SILENT)
    said: list[str] = []
    packages.ensure(said.append)
    lines = calls.read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("apt-get")] == ["update", "install"]
    assert lines[1].endswith(" imaginary-tools")
    assert "--no-install-recommends" in lines[1]
    assert "exit 101" in lines
    assert lines[-1] == "systemctl --quiet disable imaginary.service"
    assert not imaginary.exists()
    assert said == ["installing imaginary-tools (a minute)"]


def test_a_policy_of_the_machine_stays(monkeypatch, fake, imaginary):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    imaginary.write_text("the machine's own")
    fake("apt-get", SILENT)
    fake("systemctl", SILENT)
    packages.ensure(lambda line: None)
    assert imaginary.read_text() == "the machine's own"


def test_services_are_let_go_again_when_the_installation_fails(monkeypatch, fake, imaginary):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake("apt-get", '[ "$1" = update ] || { echo "no such package" >&2; exit 100; }')
    with pytest.raises(ToolFailedError, match="no such package"):
        packages.ensure(lambda line: None)
    assert not imaginary.exists()


def test_an_ordinary_user_installs_by_sudo_where_it_asks_no_password(monkeypatch, fake, imaginary):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    calls = fake("sudo", SILENT)
    packages.ensure(lambda line: None)
    lines = calls.read_text().splitlines()
    assert lines[0] == "sudo -n true"
    assert all(line.startswith("sudo -n DEBIAN_FRONTEND=noninteractive ") for line in lines[1:])
    assert any(" apt-get install " in line for line in lines)


def test_a_user_who_may_not_install_is_told_the_command(monkeypatch, fake, imaginary):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fake("sudo", "exit 1")
    calls = fake("apt-get", SILENT)
    with pytest.raises(BadInputError) as refusal:
        packages.ensure(lambda line: None)
    command = "apt-get update && apt-get install --no-install-recommends imaginary-tools"
    assert refusal.value.solution == f"as root, run: {command}"
    assert calls.read_text() == ""


def test_another_distribution_is_told_which_commands_are_needed(monkeypatch, imaginary, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError, match="neither Debian nor Ubuntu") as refusal:
        packages.ensure(lambda line: None)
    assert "imaginary" in refusal.value.solution
