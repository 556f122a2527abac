"""Errors that end a command: what happened, where, what to do, and the exit code that tells them apart."""

from __future__ import annotations


class SoloError(Exception):
    """Base of the errors that the command line prints without a traceback.

    `reason` says what happened, `where` names file, line and YAML path, `solution` says what to do.
    """

    exit_code = 2

    def __init__(self, reason: str, *, where: str = "", solution: str = "", condition: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        self.solution = solution
        self.condition = condition

    @property
    def told(self) -> str:
        """Place, reason and solution in one line, for a TaskRun's condition, which has its reason apart."""
        head = f"{self.where}: {self.reason}" if self.where else self.reason
        return f"{head}. {self.solution}" if self.solution else head

    def __str__(self) -> str:
        head = f"{self.where}: {self.reason}" if self.where else self.reason
        if self.condition:
            head = f"{head} [{self.condition}]"
        return f"{head}\n  {self.solution}" if self.solution else head


class InputError(SoloError):
    """The YAML, a parameter or a flag is wrong, or asks for what tkn-solo does not do (exit code 2).

    `condition` is the reason upstream would set on the PipelineRun or TaskRun, where it has one.
    """

    exit_code = 2


class InfrastructureError(SoloError):
    """The machine, a tool or a service failed (exit code 3)."""

    exit_code = 3
