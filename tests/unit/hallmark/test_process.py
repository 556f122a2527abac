from __future__ import annotations

import pytest

from hallmark.errors import ToolFailedError
from hallmark.process import run


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("pinging: http: server gave HTTP response to HTTPS client", "give tls-verify=false"),
        ("write /var/lib: no space left on device", "make room"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "whether the service runs"),
        ("something else", "what the tool complains of"),
    ],
)
def test_a_known_complaint_of_a_tool_is_told_with_what_to_do(said: str, told: str) -> None:
    with pytest.raises(ToolFailedError) as failed:
        run(["sh", "-c", 'echo "$1" >&2; exit 125', "sh", said])
    assert "exit code 125" in failed.value.message
    assert told in failed.value.solution
