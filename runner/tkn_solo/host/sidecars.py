"""The sidecars of one attempt: started before the first step, ended after the last, in every case."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tkn_solo.backend import ContainerState
from tkn_solo.errors import InfrastructureError, InputError
from tkn_solo.host import network
from tkn_solo.host.ended_sidecars import EndedSidecars
from tkn_solo.host.pod import Pod
from tkn_solo.host.podman import ContainerRequest, Podman, write_env
from tkn_solo.host.sandbox import RANDOM_UID
from tkn_solo.invocation import Mount, Sidecar, TaskInvocation
from tkn_solo.masking import LineStream, Masker
from tkn_solo.process import StopSignal
from tkn_solo.userns import is_mapped

_POLL_SECONDS = 0.2
# Stands in for the random UID where only the 65536 UIDs of an ordinary user's namespace exist.
_SMALL_UID = 10650


class Sidecars:
    """A context: on entry images are pulled, containers started and waited for; on exit they are gone.

    `namespace` is a descriptor of the pod's network namespace, which the steps share; None without sidecars.
    """

    def __init__(
        self, task: TaskInvocation, pod: Pod, podman: Podman, masker: Masker, stop: StopSignal, deadline: float | None
    ) -> None:
        self._task = task
        self._pod = pod
        self._podman = podman
        self._masker = masker
        self._stop = stop
        self._deadline = deadline
        self._running: list[tuple[Sidecar, str, str, float]] = []
        self._first: dict[str, int] = {}
        self._watching: EndedSidecars | None = None
        self.namespace: int | None = None
        self.states: list[ContainerState] = []

    def __enter__(self) -> Self:
        try:
            # All images before the first start: a missing one is noticed while nothing runs yet.
            images = [self._pull(sidecar) for sidecar in self._task.sidecars]
            for sidecar, image in zip(self._task.sidecars, images, strict=True):
                self._start(sidecar, image)
            for sidecar, name, _, _ in self._running:
                self._wait_until_ready(sidecar, name)
            self._watch()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _pull(self, sidecar: Sidecar) -> str:
        try:
            return self._podman.pull(sidecar.image, self._stop)
        except InfrastructureError as error:
            raise InfrastructureError(
                f'The sidecar "{sidecar.name.removeprefix("sidecar-")}" in TaskRun "{self._task.task_run}" failed to '
                f'pull the image "{sidecar.image}". The pod errored with the message: "{error.reason}."',
                condition="TaskRunImagePullFailed",
                solution="Is the registry running, and is the reference right?",
            ) from error

    def _start(self, sidecar: Sidecar, image: str) -> None:
        if self._stop.requested:
            return
        name = f"tkn-solo-{os.getpid()}-{self._task.task_run}-{sidecar.name}-{self._task.attempt}"
        env_file = self._pod.folder / f"{sidecar.name}.env"
        write_env(env_file, dict(sidecar.env))
        mounts = [_source(mount, self._pod.folder) for mount in sidecar.mounts]
        entrypoint = list(sidecar.command)
        if sidecar.script:
            entrypoint = [self._pod.write_script(sidecar)]
            mounts.append((str(self._pod.folder / "scripts"), "/tekton/scripts", True))
        first = self._running[0][1] if self._running else None
        request = ContainerRequest(
            name=name,
            image=sidecar.image,
            network="none" if first is None else f"container:{first}",
            user=_user(sidecar),
            capabilities=sidecar.capabilities,
            strict_root=sidecar.read_only_root,
            entrypoint=entrypoint,
            arguments=sidecar.args,
            directory=sidecar.working_dir,
            env_file=env_file,
            mounts=mounts,
        )
        self._running.append((sidecar, name, image, time.time()))
        pid = self._podman.run(request, self._stop)
        try:
            self._first[name] = os.pidfd_open(pid)
            if self.namespace is None:
                self.namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            log = self._task.log_dir / f"{sidecar.name}.log"
            raise InputError(f"the sidecar {sidecar.name!r} ended as soon as it was started; see {log}") from None

    def _wait_until_ready(self, sidecar: Sidecar, name: str) -> None:
        """As a cluster does: without end but the TaskRun's own. Asked more often than `periodSeconds`."""
        probe = sidecar.readiness
        if probe is None or self._stop.requested:
            return
        check = self._check(sidecar, name)
        successes = 0
        pause = float(probe.initial_delay_seconds)
        while not self._stop.wait(pause):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return
            if select.select([self._first[name]], [], [], 0)[0]:
                log = self._task.log_dir / f"{sidecar.name}.log"
                raise InputError(f"the sidecar {sidecar.name!r} ended before it was ready; see {log}")
            successes = successes + 1 if check() else 0
            if successes >= probe.success_threshold:
                return
            pause = min(_POLL_SECONDS, float(probe.period_seconds))

    def _check(self, sidecar: Sidecar, name: str) -> Callable[[], bool]:
        probe, namespace = sidecar.readiness, self.namespace
        if probe is None or namespace is None:
            return lambda: True
        seconds = float(probe.timeout_seconds)
        if probe.exec is not None:
            command = probe.exec.command
            return lambda: self._podman.exec(name, command, self._stop, seconds)
        if probe.http_get is not None:
            request, port = probe.http_get, network.port_number(probe.http_get.port, sidecar.ports)
            return lambda: network.inside(namespace, lambda: network.answers_http(request, port, seconds))
        socket = probe.tcp_socket
        if socket is None:
            return lambda: True
        number = network.port_number(socket.port, sidecar.ports)
        return lambda: network.inside(namespace, lambda: network.accepts_tcp(socket, number, seconds))

    def _watch(self) -> None:
        """Tell the steps of each sidecar that ends from now on."""
        running = {
            sidecar.name.removeprefix("sidecar-"): (name, self._first[name])
            for sidecar, name, _, _ in self._running
            if name in self._first
        }
        self._watching = EndedSidecars(running, self._pod.folder / "sidecars", self._podman, self._masker)
        self._watching.__enter__()

    def _end(self) -> None:
        if self._watching is not None:
            self._watching.__exit__(None, None, None)
            self._watching = None
        # The first container owns the network namespace: it goes last.
        for sidecar, name, image, started in reversed(self._running):
            with (self._task.log_dir / f"{sidecar.name}.log").open("wb") as log:
                stream = LineStream(self._masker)
                code = self._podman.finish(name, lambda data: log.writelines(stream.feed(data)))  # noqa: B023
                log.writelines(stream.end())
            reason = "Completed" if code == 0 else "Error"
            self.states.append(
                ContainerState(
                    name=sidecar.name.removeprefix("sidecar-"),
                    container=sidecar.name,
                    exit_code=code,
                    reason=reason,
                    termination_reason=reason,
                    started=started,
                    finished=time.time(),
                    image=image,
                )
            )
            with suppress(FileNotFoundError):
                (self._pod.folder / f"{sidecar.name}.env").unlink()
        self._running.clear()
        for descriptor in (*self._first.values(), *([self.namespace] if self.namespace is not None else [])):
            os.close(descriptor)
        self._first.clear()
        self.namespace = None


def _user(sidecar: Sidecar) -> int:
    if sidecar.user is not None:
        return sidecar.user
    return RANDOM_UID if is_mapped(RANDOM_UID) else _SMALL_UID


def _source(mount: Mount, pod: Path) -> tuple[str, str, bool]:
    """A sidecar's mount for podman, which takes paths, not descriptors: only such as no other task can change."""
    volume = mount.volume
    private = volume.root.is_relative_to(pod)
    if volume.only is not None or (volume.sub_path and not private):
        raise InputError(
            f"the sidecar's mount {mount.target} uses subPath or items, which is not supported for sidecars",
            solution="Isolate the workspace to the steps that need it: list it under their `workspaces`.",
        )
    if volume.create:
        (volume.root / volume.sub_path).mkdir(parents=True, exist_ok=True)
        volume.root.chmod(0o777)
    source = str(volume.root / volume.sub_path)
    if "," in source + mount.target:
        raise InputError(f"the path {source!r} of a sidecar's mount has a comma")
    return source, mount.target, mount.read_only
