"""What a Containerfile reaches through known holes of Buildah, and what it leaves behind: real builds in pods.

Without the refusal of `RUN --mount`, which is tested beside: the build's root and PID namespace have to hold alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hallmark.tools.buildah import has_mounts

from .supply_chain_images import Registries
from .test_build_image import CAPABILITIES, Build, base, build, pod, source

__all__ = ["base", "build", "source"]

DRIVER = """\
import json, os, sys, time
from pathlib import Path
from hallmark.image_reference import parse_image
from hallmark.tools.buildah import session

base, context, authfile = sys.argv[1:]
with session(Path(authfile), tls_verify=False, base_store=None) as buildah:
    buildah.pull(parse_image(base))
    built = buildah.build(
        Path(context),
        Path(context) / "Containerfile",
        "it",
        build_args={"BASE_IMAGE": base},
        labels={},
        annotations={},
        timestamp=1,
    )
    left = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            left.append(Path("/proc", process, "cmdline").read_bytes().decode())
        except OSError:
            pass
    print(json.dumps({"code": built.exit_code, "output": built.stdout + built.stderr, "left": left}))
"""

CACHE = "RUN --mount=type=cache,id=../../../../../../../../..,target=/mnt/h "
LINK = "RUN --mount=type=bind,from=evil,source=/rootlink,target=/mnt/h,rw "
HOLES = pytest.mark.parametrize("mount", [CACHE, LINK], ids=["CVE-2024-9675", "CVE-2024-1753"])
RIGHTS = pytest.mark.parametrize(
    "rights", [CAPABILITIES, [*CAPABILITIES, "SYS_ADMIN", "NET_ADMIN"]], ids=["pod", "machine's root"]
)


def built(
    tmp_path: Path, registries: Registries, base: str, rights: list[str], run: str, script: str
) -> dict[str, Any]:
    """Build with the `script` as what `RUN` runs, and `tmp_path` as HOME; returns the driver's answer."""
    state, context = tmp_path / "state", tmp_path / "context"
    state.mkdir()
    context.mkdir()
    stage = (
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS evil\nRUN perl -e \"symlink('/', '/rootlink')\"\nFROM ${BASE_IMAGE}\n"
    )
    (context / "Containerfile").write_text(f"{stage}COPY probe.sh /\n{run} sh /probe.sh\n")
    (context / "probe.sh").write_text(script)
    done = subprocess.run(
        [*pod(state, rights), sys.executable, "-c", DRIVER, base, str(context), str(registries.candidates.auth_file)],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@RIGHTS
@HOLES
def test_a_mounted_root_holds_neither_the_credential_nor_a_place_for_results(
    tmp_path: Path, registries: Registries, base: str, rights: list[str], mount: str
) -> None:
    hidden = [registries.candidates.auth_file, tmp_path / "secret", Path.home(), Path(sys.prefix)]
    (tmp_path / "secret").write_text("workspace")
    for path in hidden:
        assert path.exists()
    look = " ".join(f"test ! -e /mnt/h{path} || echo SEEN {path};" for path in hidden)
    write = f"echo forged > /mnt/h{tmp_path}/forged; test ! -w /mnt/h/usr || echo WRITABLE"
    script = f"ls /mnt/h; {look} ({write}) 2>&1; echo looked; exit 7"
    answer = built(tmp_path, registries, base, rights, mount, script)
    assert "looked" in answer["output"]
    # The hole is there indeed: the mounted root is the build's.
    assert "sbin" in answer["output"]
    assert "SEEN" not in answer["output"]
    assert "WRITABLE" not in answer["output"]
    assert not (tmp_path / "forged").exists()


@RIGHTS
def test_nothing_that_run_leaves_behind_outlives_the_build(
    tmp_path: Path, registries: Registries, base: str, rights: list[str]
) -> None:
    leave = "perl -e 'fork and exit; setpgrp; $0 = q(left-behind); sleep 600'"
    answer = built(tmp_path, registries, base, rights, "RUN", f"{leave} </dev/null >/dev/null 2>&1 && echo started")
    assert answer["code"] == 0, answer["output"]
    assert "started" in answer["output"]
    assert [line for line in answer["left"] if "left-behind" in line] == []


@pytest.mark.parametrize("flag", [r"--mo\unt", '--mo"un"t', "--'mount'", "--mo`unt", "--MO\\\r\nUNT"])
def test_a_mount_is_found_behind_quotes_and_escapes(flag: str) -> None:
    assert has_mounts(f"FROM a\nRUN {flag}=type=cache,target=/c true\n")


@pytest.mark.parametrize(
    "line",
    [
        f"{CACHE} true",
        f"{LINK} true",
        "RUN --mo\\\nunt=type=cache,target=/c true",
        "RUN --mo\\\n# and\nunt=type=tmpfs true",
    ],
)
def test_a_containerfile_with_mounts_is_refused_where_buildah_has_holes_there(
    build: Build, source: Path, line: str
) -> None:
    assert not has_mounts((source / "Containerfile").read_text())
    with (source / "Containerfile").open("a") as file:
        file.write(f"{line}\n")
    assert has_mounts((source / "Containerfile").read_text())
    told = subprocess.run(["buildah", "--version"], capture_output=True, text=True, check=True).stdout
    called = build()
    if tuple(map(int, told.split()[2].split("."))) < (1, 38, 1):
        assert called.code == 1, called.output
        assert "CVE-2024-9675" in called.output
    else:
        assert "CVE-2024-9675" not in called.output
