"""Running one attempt on this machine: its steps one after the other, each in its own sandbox."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import BinaryIO

from tkn_solo import process
from tkn_solo.backend import Attempt, BackendOptions, ContainerState, StepEnded, StepLine, StepStarted, Tell
from tkn_solo.errors import InfrastructureError, InputError
from tkn_solo.facts import TaskEnd, allows
from tkn_solo.host import results
from tkn_solo.host.pod import Pod, directory
from tkn_solo.host.podman import Podman
from tkn_solo.host.sandbox import RANDOM_UID, Host, Sandbox
from tkn_solo.host.sidecars import Sidecars
from tkn_solo.invocation import Step, TaskInvocation
from tkn_solo.masking import LineStream
from tkn_solo.process import Ending, Exit, StopSignal
from tkn_solo.substitution import Replacements, replace, replace_list, replace_text
from tkn_solo.values import Value, format_duration
from tkn_solo.variables import merge, of_value

USER_ERROR = "[User error] "
"""What upstream puts before messages of mistakes that the user made."""


class HostBackend:
    """The backend registered as `host`."""

    def __init__(self, options: BackendOptions) -> None:
        self._options = options
        self._bwrap = ""
        self._host: Host | None = None
        self._podman: Podman | None = None

    def check(self, *, sidecars: bool, root: bool) -> None:
        self._bwrap = process.find("bwrap", "bubblewrap")
        if (root or sidecars) and os.geteuid() != 0:
            raise InfrastructureError("a step or a sidecar needs root, and tkn-solo is not root here")
        if sidecars:
            process.find("nsenter", "util-linux")
            self._podman = Podman(self._options.image_store)
            self._podman.remove_orphans()
        self._host = Host(self._options.run_dir / "host", self._options.tools)

    def run(self, task: TaskInvocation, stop: StopSignal, tell: Tell) -> Attempt:
        if self._host is None:
            raise RuntimeError("check() comes before run()")
        started = time.time()
        attempt = _Run(task, stop, tell, self._host, self._bwrap, self._podman, self._options)
        try:
            end = attempt.execute()
        except InputError as error:
            reason = error.condition or "TaskRunValidationFailed"
            attempt.skip_rest(reason)
            end = TaskEnd(succeeded=False, reason=reason, message=error.told)
        except InfrastructureError as error:
            reason = error.condition or "Failed"
            attempt.skip_rest(reason)
            end = TaskEnd(succeeded=False, reason=reason, message=error.told, infrastructure=True)
        return Attempt(
            end=end,
            started=started,
            finished=time.time(),
            steps=tuple(attempt.states),
            sidecars=tuple(attempt.sidecars),
        )

    def close(self) -> None:
        """Nothing outlives its step."""


class _Run:
    """One attempt in progress."""

    def __init__(
        self,
        task: TaskInvocation,
        stop: StopSignal,
        tell: Tell,
        host: Host,
        bwrap: str,
        podman: Podman | None,
        options: BackendOptions,
    ) -> None:
        self._task = task
        self._stop = stop
        self._tell = tell
        self._host = host
        self._bwrap = bwrap
        self._podman = podman
        self._network: int | None = None
        self._options = options
        self._deadline = None if task.timeout is None else time.monotonic() + task.timeout
        self._raw: dict[str, str] = {}
        self._step_results: dict[str, dict[str, Value]] = {}
        self._raw_step_results: dict[str, dict[str, str]] = {}
        self._note = ""
        self.states: list[ContainerState] = []
        self.sidecars: list[ContainerState] = []

    def execute(self) -> TaskEnd:
        pod = Pod(self._task)
        try:
            return self._execute(pod)
        finally:
            pod.remove()

    def skip_rest(self, reason: str) -> None:
        """Steps that had not started end as the attempt did."""
        for step in self._task.steps[len(self.states) :]:
            self._add(step, 1, reason, reason, time.time())

    def _execute(self, pod: Pod) -> TaskEnd:
        if not self._task.sidecars:
            return self._steps(pod)
        if self._podman is None:
            raise RuntimeError("check() was not told of sidecars")
        sidecars = Sidecars(self._task, pod, self._podman, self._options.masker, self._stop, self._deadline)
        try:
            with sidecars:
                self._network = sidecars.namespace
                return self._steps(pod)
        finally:
            self.sidecars = sidecars.states

    def _steps(self, pod: Pod) -> TaskEnd:
        failed: ContainerState | None = None
        for step in self._task.steps:
            if self._over():
                return self._cut_short()
            if failed is not None:
                self._add(step, 1, "Error", "Skipped", time.time())
                continue
            state, ending = self._step(step, pod)
            cut = ending is not Ending.ITSELF and state.termination_reason != "TimeoutExceeded"
            if cut:
                # Upstream deletes the pod, so that it never learns of an exit code.
                reason = self._why_over()
                state = dataclasses.replace(state, exit_code=1, reason=reason, termination_reason=reason)
            self.states.append(state)
            self._tell(StepEnded(task=self._task.task, state=state))
            if cut:
                return self._cut_short()
            if state.exit_code != 0 and state.termination_reason != "Continued":
                failed = state
        return self._end(failed)

    def _over(self) -> bool:
        return self._stop.requested or (self._deadline is not None and time.monotonic() >= self._deadline)

    def _why_over(self) -> str:
        return "TaskRunCancelled" if self._stop.requested else "TaskRunTimeout"

    def _end(self, failed: ContainerState | None) -> TaskEnd:
        values, wrong = results.typed(self._raw, self._task.results)
        for spec in self._task.results:
            if isinstance(spec.value, str) and (found := self._from_step(spec.value)) is not None:
                values[spec.name] = found
        if failed is not None:
            return TaskEnd(succeeded=False, reason="Failed", message=self._failure(failed), results=values)
        problem = ""
        if wrong:
            told = ",".join(f' "{name}": {why}' for name, why in sorted(wrong.items()))
            problem = (
                f"{USER_ERROR}Provided results don't match declared results; "
                f"may be invalid JSON or missing result declaration: {told}"
            )
        elif lacking := results.missing_keys(values, self._task.results):
            told = " ".join(f"{name}:[{' '.join(keys)}]" for name, keys in lacking.items())
            problem = (
                f"{USER_ERROR}missing keys for these results which are required in TaskResult's properties map[{told}]"
            )
        if problem:
            return TaskEnd(succeeded=False, reason="TaskRunValidationFailed", message=problem, results=values)
        return TaskEnd(succeeded=True, reason="Succeeded", message="All Steps have completed executing", results=values)

    def _failure(self, state: ContainerState) -> str:
        if state.termination_reason == "TimeoutExceeded":
            return f'"{state.container}" exited because the step exceeded the specified timeout limit'
        message = f'"{state.container}" exited with code {state.exit_code}: {state.reason}'
        return f"{message}. {self._note}" if self._note else message

    def _cut_short(self) -> TaskEnd:
        """The attempt was cancelled, or its time was over."""
        reason = self._why_over()
        self.skip_rest(reason)
        values, _ = results.typed(self._raw, self._task.results)
        if self._stop.requested:
            message = f'TaskRun "{self._task.task_run}" was cancelled. {self._stop.message}'
        else:
            within = format_duration(self._task.timeout or 0)
            message = f'TaskRun "{self._task.task_run}" failed to finish within "{within}"'
        return TaskEnd(succeeded=False, reason=reason, message=message, results=values)

    def _step(self, step: Step, pod: Pod) -> tuple[ContainerState, Ending]:
        started = time.time()
        variables = merge(
            of_value(f"steps.{name}.results", result, value)
            for name, values in self._step_results.items()
            for result, value in values.items()
        )
        when = tuple(replace(expression, variables) for expression in step.when)
        if not allows(when):
            pod.write_exit_code(step, 0)
            return self._state(step, 0, "Completed", "Skipped", started), Ending.ITSELF
        self._tell(StepStarted(task=self._task.task, step=step.title))
        with (self._task.log_dir / f"{step.title}.log").open("wb") as log:
            ended = self._sandboxed(step, pod, variables, log)
            code = ended.code
            too_large = self._read_results(step, pod, started)
            if too_large and code == 0:
                # Of its own limit upstream's entrypoint tells in the log only; of the kubelet's it knows nothing.
                self._note, code = "" if too_large == results.TOO_LARGE else too_large, 1
                self._write(step, log, [f"{too_large}\n".encode()])
        if ended.ending is Ending.DEADLINE and self._step_timed_out(step, started):
            pod.write_exit_code(step, 1)
            return self._state(step, 1, "Error", "TimeoutExceeded", started), ended.ending
        pod.write_exit_code(step, code)
        reason = "Completed" if code == 0 else "Error"
        if code and step.continue_on_error and ended.ending is Ending.ITSELF and not too_large:
            # The pod's container ends with 0, so that upstream says Completed here.
            return self._state(step, code, "Completed", "Continued", started), ended.ending
        return self._state(step, code, reason, reason, started), ended.ending

    def _step_timed_out(self, step: Step, started: float) -> bool:
        passed = self._deadline is not None and time.monotonic() >= self._deadline
        return step.timeout is not None and time.time() - started >= step.timeout and not passed

    def _sandboxed(self, step: Step, pod: Pod, variables: Replacements, log: BinaryIO) -> Exit:
        command, args, env = _resolve_step(step, variables)
        if step.script:
            command = (pod.write_script(step),)
        info_read, info_write = os.pipe()
        try:
            with pod.binds(step) as binds:
                sandbox = Sandbox(
                    binds=binds,
                    env=env,
                    directory=directory(step),
                    hostname=self._task.task_run[:63],
                    root=step.user == 0,
                    user=RANDOM_UID if step.user is None else step.user,
                    capabilities=step.capabilities,
                    network=self._task.host_network or self._network is not None,
                    resolver=self._task.host_network,
                    read_only_root=step.read_only_root,
                )
                arguments = _sealed(self._host.arguments(sandbox, info_write))
                try:
                    descriptors = [arguments, info_write, *(b.source for b in binds if isinstance(b.source, int))]
                    argv = [self._bwrap, "--args", str(arguments), "--", *command, *args]
                    if self._network is not None:
                        descriptors.append(self._network)
                        argv = [process.find("nsenter", "util-linux"), f"--net=/proc/self/fd/{self._network}", *argv]
                    child = process.start(argv, {}, pass_fds=descriptors)
                finally:
                    os.close(arguments)
                    os.close(info_write)
                    info_write = -1
            stream = LineStream(self._options.masker)
            ended = process.supervise(
                child,
                lambda data: self._write(step, log, stream.feed(data)),
                stop=self._stop,
                deadline=self._deadline,
                kill_at=None if step.timeout is None else time.monotonic() + step.timeout,
                ask=lambda: _ask(info_read),
            )
            self._write(step, log, stream.end())
            return ended
        finally:
            os.close(info_read)
            if info_write >= 0:
                os.close(info_write)

    def _write(self, step: Step, log: BinaryIO, lines: list[bytes]) -> None:
        for line in lines:
            log.write(line)
            self._tell(StepLine(task=self._task.task, step=step.title, line=line))
        if lines:
            log.flush()

    def _read_results(self, step: Step, pod: Pod, started: float) -> str | None:
        """Take over what the step wrote; returns why it is too much, if it is (nothing is taken over then)."""
        task = results.read(pod.results, "", self._task.results)
        own = results.read(pod.folder / "steps", f"{step.name}/results", step.results)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(started))
        size = results.message_size(task, own, {"StartedAt": stamp})
        containers = len(self._task.steps) + len(self._task.sidecars) + 1
        containers += any(other.script for other in self._task.steps)
        if problem := results.check_size(size, containers):
            return problem
        self._raw.update(task)
        self._raw_step_results[step.title] = own
        self._step_results[step.title] = results.typed(own, step.results)[0]
        return None

    def _from_step(self, reference: str) -> Value | None:
        """A task result that takes its value from a step's result: `$(steps.S.results.R)`."""
        match = re.fullmatch(r"\$\(steps\.([^.]+)\.results\.([^)]+)\)", reference)
        return self._step_results.get(match[1], {}).get(match[2]) if match else None

    def _state(self, step: Step, code: int, reason: str, termination: str, started: float) -> ContainerState:
        return ContainerState(
            name=step.title,
            container=step.name,
            exit_code=code,
            reason=reason,
            termination_reason=termination,
            started=started,
            finished=time.time(),
            results=self._step_results.get(step.title, {}),
        )

    def _add(self, step: Step, code: int, reason: str, termination: str, started: float) -> None:
        self.states.append(self._state(step, code, reason, termination, started))


def _resolve_step(
    step: Step, variables: Replacements
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Command, args and environment with the results of earlier steps, never in the script."""
    env = tuple((name, replace_text(value, variables)) for name, value in step.env)
    return replace_list(step.command, variables), replace_list(step.args, variables), env


def _sealed(arguments: list[str]) -> int:
    """A descriptor with NUL-separated arguments, so that no value of the environment stands in a command line."""
    descriptor = os.memfd_create("bwrap-arguments", os.MFD_CLOEXEC)
    data = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _ask(info: int) -> None:
    """SIGTERM to the step itself. Its parent is the sandbox's first process, whose PID bwrap has told."""
    try:
        init = int(json.loads(os.read(info, 4096) or b"{}").get("child-pid", 0))
        children = Path(f"/proc/{init}/task/{init}/children").read_text().split() if init else []
    except (OSError, ValueError):
        children = []
    for child in children:
        process.signal_group(int(child), signal.SIGTERM)
