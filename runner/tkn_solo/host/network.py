"""A pod's network namespace as seen from tkn-solo: readiness probes from inside it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

from tkn_solo.errors import InputError
from tkn_solo.kubernetes import HttpGet, TcpSocket

_CLONE_NEWNET = 0x40000000


def inside(namespace: int, check: Callable[[], bool]) -> bool:
    """Run `check` in the network namespace of this descriptor, in a thread that ends afterwards."""
    outcome: list[bool | BaseException] = []

    def enter() -> None:
        try:
            # setns moves only the calling thread.
            if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            outcome.append(check())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def answers_http(probe: HttpGet, port: int, seconds: float) -> bool:
    """Whether GET gives a status from 200 to 399, as a kubelet asks for."""
    import http.client

    kind = http.client.HTTPSConnection if probe.scheme.upper() == "HTTPS" else http.client.HTTPConnection
    connection = kind(probe.host or "127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", probe.path)
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts_tcp(probe: TcpSocket, port: int, seconds: float) -> bool:
    """Whether the port takes a connection."""
    import socket

    try:
        socket.create_connection((probe.host or "127.0.0.1", port), timeout=seconds).close()
    except OSError:
        return False
    return True


def port_number(port: Any, ports: Any) -> int:
    """A probe's port: a number, or the name of one of the container's `ports`."""
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for item in ports or []:
        if isinstance(item, dict) and item.get("name") == port:
            return int(item["containerPort"])
    raise InputError(f"the readinessProbe names the port {port!r}, which the sidecar does not declare")
