"""The backends by name."""

from __future__ import annotations

from collections.abc import Callable

from tkn_solo.backend import Backend, BackendOptions


def _host(options: BackendOptions) -> Backend:
    from tkn_solo.host.backend import HostBackend

    return HostBackend(options)


BACKENDS: dict[str, Callable[[BackendOptions], Backend]] = {"host": _host}
