"""Kubernetes' own `$(VAR)` expansion from a container's environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(VAR)` becomes the variable's value; unknown ones stay; `$$` is a literal `$`."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else env.get(match[1], match[0])

    return _TOKEN.sub(value, text)
