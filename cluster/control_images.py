"""Images of what runs in pods of the control plane: nothing in them but one static program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import containerd
from cluster.places import STATE
from cluster.programs import PIPELINES, TRIGGERS, program
from cluster.static_images import archive
from hallmark.files import sha256_file
from hallmark.process import run
from laptop.console import Say

TAG = "built"
BUSYBOX = "hallmark.test/busybox:built"
SHELL = ["sh", "mkdir", "rm", "cp", "cat", "chmod", "chown", "sleep", "touch", "true", "ls", "find"]
"""The commands of busybox that pods call by their own name."""

GIT_PROGRAMS = [Path("/usr/bin/git"), Path("/usr/lib/git-core/git-remote-http")]
"""What a shallow clone over HTTP needs."""

TINI, BUSYBOX_PROGRAM = Path("/usr/bin/tini-static"), Path("/bin/busybox")


def reference(name: str) -> str:
    """The image of the program `name`."""
    return f"hallmark.test/{name}:{TAG}"


def load(say: Say) -> None:
    """Give containerd the images that it does not have as they are now."""
    wanted = {
        name: _files(name)
        for name in [
            *(f"tekton-pipelines-{part}" for part in PIPELINES),
            *(f"tekton-triggers-{part}" for part in TRIGGERS),
            "coredns",
            "local-path-provisioner",
        ]
    }
    wanted |= {"pause": {"/tini": TINI, "/bin/busybox": BUSYBOX_PROGRAM}}
    wanted |= {"busybox": {f"/bin/{command}": BUSYBOX_PROGRAM for command in SHELL}}
    present = containerd.images()
    stamps = STATE / "images"
    stamps.mkdir(parents=True, exist_ok=True)
    for name, files in wanted.items():
        contents = " ".join(f"{path}={sha256_file(file)}" for path, file in files.items())
        stamp = stamps / name
        if reference(name) in present and stamp.exists() and stamp.read_text() == contents:
            continue
        say(f"image {name}")
        target = stamps / f"{name}.tar"
        # The images of the shell and of pods' namespaces are started as root by those who use them.
        user = "0:0" if name == "busybox" else "65532:65532"
        archive(target, reference=reference(name), files=files, entrypoint=_entrypoint(name, files), user=user)
        containerd.import_image(target, reference(name))
        target.unlink()
        stamp.write_text(contents)


def _files(name: str) -> Mapping[str, Path]:
    # Upstream's images have their programs here, and the entrypoint copies itself from there.
    command = name.removeprefix("tekton-pipelines-").removeprefix("tekton-triggers-")
    files = {f"/ko-app/{command}": program(name)}
    if name == "tekton-pipelines-resolvers":
        # It calls git, whose helpers need a parent that reaps them: upstream's manifest starts it through tini.
        files |= {"/sbin/tini": TINI, **_with_libraries(GIT_PROGRAMS)}
    return files


def _with_libraries(programs: Sequence[Path]) -> dict[str, Path]:
    """Programs of this machine and the libraries that they load, each under its own path."""
    linked = run(["ldd", *map(str, programs)]).stdout
    libraries = re.findall(r"(/\S+) \(0x", linked)
    return {str(path): path for path in [*programs, *map(Path, libraries)]}


def _entrypoint(name: str, files: Mapping[str, Path]) -> list[str]:
    if name == "pause":
        return ["/tini", "--", "/bin/busybox", "sleep", "2147483647"]
    if name == "busybox":
        return ["/bin/sh"]
    if "/sbin/tini" in files:
        return ["/sbin/tini", "--", "/ko-app/resolvers"]
    return [next(iter(files))]
