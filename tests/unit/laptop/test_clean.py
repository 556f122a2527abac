from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from laptop import clean


def test_mounts_are_those_below_the_folder_in_the_order_of_mounting():
    mountinfo = (
        "30 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "31 30 254:0 /a /srv/state rw - ext4 /dev/vda rw\n"
        "32 31 0:50 / /srv/state/podman/over\\040lay rw shared:1 - overlay overlay rw\n"
        "33 32 0:51 / /srv/state/podman/over\\040lay/merged rw - overlay overlay rw\n"
        "34 30 0:52 / /srv/state-of-another rw - tmpfs tmpfs rw\n"
    )
    store = Path("/srv/state/podman/over lay")
    assert clean.mounts_below(Path("/srv/state"), mountinfo) == [store, store / "merged"]


def test_cleaning_what_was_never_there_is_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["laptop.clean", str(tmp_path / "missing")])
    clean.main()
    assert not (tmp_path / "missing").exists()


def test_a_store_is_asked_for_containers_that_nobody_owns(tmp_path, fake, monkeypatch):
    """The owner in the label has ended, so that its container is removed; another one's owner is this process."""
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    alive = f"{Path('/proc/self').resolve().name}-{started}"
    label = '{"Id": "%s", "Labels": {"dev.tkn-solo.owner": "%s"}}'
    listed = f"[{label % ('left', f'{dead}-1')}, {label % ('used', alive)}]"
    calls = fake("podman", f"""echo "$@" >> "$CALLS"; case "$*" in *" ps "*) echo '{listed}';; esac""")
    folder = tmp_path / "state"
    (folder / "podman" / "graph").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["laptop.clean", str(folder)])
    clean.main()
    removed = [line.split()[-1] for line in calls.read_text().splitlines() if " rm " in line]
    assert removed == ["left"]
    assert f"--root {folder}/podman/graph" in calls.read_text()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["with space", "plain"])
def test_what_is_mounted_below_the_folder_is_unmounted_first(name, tmp_path):
    """In a mount namespace of its own, where root of a user namespace may mount too."""
    folder = tmp_path / "state" / name
    folder.mkdir(parents=True)
    program = (
        "import subprocess, sys\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'none', sys.argv.pop()], check=True)\n"
        "from laptop import clean\nclean.main()"
    )
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", program, str(tmp_path / "state")]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"unmounted {folder}\n"), done.stderr
    assert not folder.parent.exists()
