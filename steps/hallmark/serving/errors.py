"""Why the server does not serve, each with its own exit code; the message is one line and repeats no secret."""

from __future__ import annotations


class CannotServeError(Exception):
    """The server ends before it was ready."""

    exit_code = 1


class UnusableModelError(CannotServeError):
    """The model is not the one of the image, is not signed by the key that was told, or is nothing that predicts."""

    exit_code = 1


class WrongSettingsError(CannotServeError):
    """What the deployment tells the server makes no sense; trying again does not help."""

    exit_code = 2


class StoreFailedError(CannotServeError):
    """The model cannot be had from where it is kept, at least not now."""

    exit_code = 3


class CannotListenError(CannotServeError):
    """The port is taken, or may not be had."""

    exit_code = 3


class EndedError(CannotServeError):
    """The server was told to end before it had its model."""

    exit_code = 0
