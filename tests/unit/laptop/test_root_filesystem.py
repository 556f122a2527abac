from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from laptop import root_filesystem
from laptop.root_filesystem import Python, Release, Source, make, parse_sources, python_of_release

BOOKWORM = Release(codename="bookworm", architecture="amd64")
MIRROR = "http://mirror.example.invalid"


def test_sources_are_the_release_s_own_and_each_once():
    lines = [
        f"Debian|bookworm|{MIRROR}/debian/|bookworm|main",
        f"Debian|bookworm|{MIRROR}/debian/|bookworm|main",
        f"Debian|bookworm-updates|{MIRROR}/debian/|bookworm-updates|main",
        f"Debian|bookworm-security|{MIRROR}/security/|bookworm-security|main",
        f"Debian Backports|bookworm-backports|{MIRROR}/debian/|bookworm-backports|main",
        f"Debian|trixie|{MIRROR}/debian/|testing|main",
        f"Somebody|bookworm|{MIRROR}/theirs/|bookworm|main",
    ]
    found = [(source.suite, source.uri) for source in parse_sources(lines, BOOKWORM)]
    assert found == [
        ("bookworm", f"{MIRROR}/debian/"),
        ("bookworm-updates", f"{MIRROR}/debian/"),
        ("bookworm-security", f"{MIRROR}/security/"),
    ]


def test_ubuntu_s_pockets_have_the_release_s_codename_and_its_backports_do_not_count():
    lines = [
        f"Ubuntu|jammy|{MIRROR}/ubuntu/|{suite}|universe" for suite in ("jammy", "jammy-updates", "jammy-backports")
    ]
    found = parse_sources(lines, Release(codename="jammy", architecture="amd64"))
    assert [source.suite for source in found] == ["jammy", "jammy-updates"]


def test_a_source_names_the_keyring_that_must_have_signed_it(monkeypatch, tmp_path):
    source = Source(origin="Debian", uri=f"{MIRROR}/debian/", suite="bookworm", component="main")
    keyring = tmp_path / "keyring.gpg"
    monkeypatch.setattr(root_filesystem, "KEYRINGS", {"Debian": keyring})
    assert source.line() == f"deb {MIRROR}/debian/ bookworm main"
    keyring.touch()
    assert source.line() == f"deb [signed-by={keyring}] {MIRROR}/debian/ bookworm main"


KNOWS = 'case "$*" in *" {package}") echo "Version: {version}";; *) exit 100;; esac'


def test_the_distribution_s_default_python_is_taken(fake):
    fake("apt-cache", KNOWS.format(package="python3", version="3.12.3-0ubuntu2"))
    found = python_of_release()
    assert (found, found.version) == (Python(package="python3", full_version="3.12.3"), "3.12")


def test_a_newer_python_is_taken_where_the_default_is_too_old(fake):
    fake("apt-cache", 'case "$*" in *" python3") echo "Version: 3.10.6-1";; *3.11) echo "Version: 3.11.0-1";; esac')
    assert python_of_release() == Python(package="python3.11", full_version="3.11.0")


def test_a_distribution_without_a_fitting_python_is_bad_input(fake):
    fake("apt-cache", KNOWS.format(package="python3", version="3.9.2-3"))
    with pytest.raises(BadInputError, match=r"no Python from 3\.11"):
        python_of_release()


def test_mmdebstrap_gets_the_sources_and_the_settings_that_reach_them(fake, tmp_path):
    calls = fake(
        "mmdebstrap", 'for word in "$@" "$SOURCE_DATE_EPOCH"; do echo "$word"; done >> "$CALLS"; cat >> "$CALLS"'
    )
    fake("apt-cache", "exit 100")
    fake(
        "apt-config",
        """echo 'Acquire::http::Proxy "http://proxy.example.invalid:3128";'\necho 'Acquire::Languages "none";'""",
    )
    source = Source(origin="Somebody", uri=MIRROR, suite="bookworm", component="main")
    make(tmp_path / "rootfs.tar", BOOKWORM, [source], ["python3", "ca-certificates"], epoch=7)
    words = calls.read_text().splitlines()
    assert words[-5:] == ["bookworm", str(tmp_path / "rootfs.tar"), "-", "7", f"deb {MIRROR} bookworm main"]
    assert "--include=python3,ca-certificates" in words
    assert '--aptopt=Acquire::http::Proxy "http://proxy.example.invalid:3128";' in words
    assert not any("Languages" in word for word in words)


def test_packages_for_images_on_top_are_only_fetched(fake, tmp_path):
    calls = fake("mmdebstrap", 'for word in "$@"; do echo "$word"; done >> "$CALLS"')
    fake("apt-config", "")
    folder = tmp_path / "it's"
    make(tmp_path / "rootfs.tar", BOOKWORM, [], ["python3"], epoch=7, more={folder: ["git", "skopeo"]})
    hooks = [word for word in calls.read_text().splitlines() if word.startswith("--customize-hook=")]
    assert "--include=python3" in calls.read_text().splitlines()
    assert "--download-only" in hooks[0]
    assert "install git skopeo" in hooks[0]
    assert shlex.split(hooks[1].partition("=")[2]) == ["sync-out", "/packages", str(folder)]


def test_a_source_that_does_not_answer_is_a_failed_tool(fake, tmp_path):
    fake("mmdebstrap", "echo 'E: cannot fetch' >&2; exit 1")
    fake("apt-config", "")
    with pytest.raises(ToolFailedError, match="cannot fetch"):
        make(tmp_path / "rootfs.tar", BOOKWORM, [], ["python3"], epoch=7)


def test_this_machine_has_sources_and_a_python():
    release = root_filesystem.this_release()
    assert root_filesystem.sources(release)
    assert python_of_release().version.startswith("3.")
    assert Path("/etc/os-release").read_text().find(release.codename) > 0
