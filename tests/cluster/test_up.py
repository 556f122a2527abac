"""`make cluster-up` where a cluster runs already."""

from __future__ import annotations

import os
import subprocess
import sys

from cluster.places import STATE, USER_KUBECONFIG
from laptop.setup import ROOT


def up() -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(USER_KUBECONFIG)}
    command = [sys.executable, "-m", "cluster.up"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_cluster_of_another_checkout_is_left_alone() -> None:
    note = STATE / "checkout"
    assert note.read_text() == str(ROOT)
    note.write_text("/srv/another")
    try:
        done = up()
    finally:
        note.write_text(str(ROOT))
    assert done.returncode == 2
    assert "/srv/another" in done.stderr
    assert "make cluster-down" in done.stderr


def test_asking_again_changes_nothing() -> None:
    before = [path.read_text() for path in sorted((STATE / "run").glob("*.pid"))]
    done = up()
    assert done.returncode == 0, done.stderr
    assert [path.read_text() for path in sorted((STATE / "run").glob("*.pid"))] == before
