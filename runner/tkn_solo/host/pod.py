"""The folders of one attempt ("pod"), and the mounts of its steps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tkn_solo.confined import OutsideError, open_path
from tkn_solo.errors import InputError
from tkn_solo.host import ended_sidecars
from tkn_solo.host.sandbox import Bind
from tkn_solo.invocation import Container, Mount, Step, TaskInvocation, Volume

_PREAMBLE = "#!/bin/sh\nset -e\n"


def script_text(script: str) -> str:
    """The script with a shebang: its own, or `sh` that ends at the first failure."""
    return script.lstrip() if script.strip().startswith("#!") else _PREAMBLE + script


class Pod:
    """One attempt's private folders: results, steps, scripts, workspace, volumes."""

    def __init__(self, task: TaskInvocation) -> None:
        self.folder = task.pod_dir
        self._has_sidecars = bool(task.sidecars)
        for name in ("results", "steps", "scripts", "workspace", "volumes", "sidecars"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("results", "workspace"):
            (self.folder / name).chmod(0o777)
        (self.folder / "sidecars").chmod(0o755)
        for step in task.steps:
            (self.folder / "steps" / step.name / "results").mkdir(parents=True, exist_ok=True)
            # The old name of the folder of a step's metadata, by index, is a link upstream too.
            index = self.folder / "steps" / str(step.index)
            if not index.is_symlink():
                index.symlink_to(step.name)
        task.log_dir.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove it all, as a cluster does with a pod: its volumes may hold images and copies of secrets."""

        def unlock(_function: object, path: str, _error: object) -> None:
            # A step took away its own right to look into a folder or to empty it.
            folder = Path(path)
            for locked in (folder.parent, folder):
                if locked.is_relative_to(self.folder) and locked.is_dir() and not locked.is_symlink():
                    locked.chmod(0o700)
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.unlink(missing_ok=True)

        shutil.rmtree(self.folder, onerror=unlock)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write_script(self, container: Container) -> str:
        """Put the script where the sandbox sees it, read-only; returns its path there."""
        path = self.folder / "scripts" / container.name
        path.write_text(script_text(container.script), encoding="utf-8")
        path.chmod(0o755)
        return f"/tekton/scripts/{container.name}"

    def write_exit_code(self, step: Step, code: int) -> None:
        """`steps.<step>.exitCode.path` for the steps that follow."""
        path = self.folder / "steps" / step.name / "exitCode"
        path.unlink(missing_ok=True)
        path.write_text(str(code))

    @contextmanager
    def binds(self, step: Step) -> Iterator[list[Bind]]:
        """The step's mounts; the descriptors among them are open until the block ends."""
        descriptors: list[int] = []
        try:
            yield self._binds(step, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _binds(self, step: Step, descriptors: list[int]) -> list[Bind]:
        own = f"/tekton/steps/{step.name}"
        binds = [
            Bind(str(self.results), "/tekton/results", read_only=False),
            Bind(str(self.folder / "steps"), "/tekton/steps", read_only=True),
            Bind(str(self.folder / "steps" / step.name), own, read_only=False),
            Bind(str(self.folder / "workspace"), "/workspace", read_only=False),
        ]
        if self._has_sidecars:
            binds.append(Bind(str(self.folder / "sidecars"), ended_sidecars.TARGET, read_only=True))
        if step.script:
            binds.append(Bind(str(self.folder / "scripts"), "/tekton/scripts", read_only=True))
        shared = Mount(volume=Volume(root=self.folder / "workspace"), target="/workspace", read_only=False)
        mounts = [shared, *step.mounts]
        for mount in step.mounts:
            self._make_mount_point(mount, mounts)
            binds.append(self._bind(mount, descriptors))
        if step.working_dir:
            self._make_working_dir(step, mounts)
        return binds

    def _bind(self, mount: Mount, descriptors: list[int]) -> Bind:
        volume = mount.volume
        if volume.create:
            volume.root.mkdir(parents=True, exist_ok=True)
            volume.root.chmod(0o777)
        if volume.only is not None:
            return Bind(str(self._selected(volume)), mount.target, read_only=True)
        if not volume.sub_path:
            return Bind(str(volume.root), mount.target, read_only=mount.read_only)
        try:
            # Missing folders are made, as a kubelet does, but never in a Secret or ConfigMap.
            descriptor = open_path(volume.root, volume.sub_path, create=not _is_projected(mount))
        except OutsideError as error:
            reason = "CreateContainerConfigError"
            raise InputError(f"subPath of {mount.target}: {error}", condition=reason) from None
        except OSError as error:
            raise InputError(f"subPath {volume.sub_path!r} of {mount.target}: {error.strerror}") from None
        descriptors.append(descriptor)
        return Bind(descriptor, mount.target, read_only=mount.read_only)

    def _selected(self, volume: Volume) -> Path:
        """A copy of a Secret's or ConfigMap's chosen keys."""
        folder = self.folder / "volumes" / f"keys-{abs(hash((volume.root, tuple((volume.only or {}).items()))))}"
        for key, name in (volume.only or {}).items():
            source, target = volume.root / key, folder / name
            if not source.is_file():
                raise InputError(f"{volume.root.name!r} has no key {key!r}")
            if ".." in PurePosixPath(name).parts or name.startswith("/"):
                raise InputError(f"the path {name!r} of the key {key!r} leaves its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return folder

    def _make_mount_point(self, mount: Mount, mounts: Sequence[Mount]) -> None:
        """A mount inside another one needs a folder there, which no task may have turned into a link."""
        outer = _enclosing(mount.target, [other for other in mounts if other is not mount])
        if outer is None:
            return
        if not outer.volume.root.is_relative_to(self.folder):
            raise InputError(
                f"{mount.target} is mounted inside {outer.target}, whose files other tasks can change",
                solution="Give it a mountPath of its own.",
            )
        self._make_folder(outer, mount.target)

    def _make_working_dir(self, step: Step, mounts: Sequence[Mount]) -> None:
        outer = _enclosing(directory(step), mounts)
        if outer is not None and not outer.read_only and not _is_projected(outer):
            self._make_folder(outer, directory(step))

    def _make_folder(self, outer: Mount, target: str) -> None:
        inner = str(PurePosixPath(target).relative_to(outer.target))
        if outer.volume.create:
            outer.volume.root.mkdir(parents=True, exist_ok=True)
        below = str(PurePosixPath(outer.volume.sub_path) / inner)
        try:
            os.close(open_path(outer.volume.root, below, create=True))
        except OutsideError as error:
            raise InputError(f"cannot make {target}: {error}") from None


def directory(step: Step) -> str:
    """The absolute working directory; a relative one is below /workspace."""
    return str(PurePosixPath("/workspace") / step.working_dir) if step.working_dir else "/"


def _is_projected(mount: Mount) -> bool:
    return mount.read_only and not mount.volume.create


def _enclosing(target: str, mounts: Sequence[Mount]) -> Mount | None:
    inside = [mount for mount in mounts if target != mount.target and target.startswith(f"{mount.target}/")]
    return max(inside, key=lambda mount: len(mount.target), default=None)
