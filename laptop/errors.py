"""What can go wrong while a laptop stands in for a platform, beside what `hallmark.errors` has."""

from __future__ import annotations

from hallmark.errors import ToolFailedError


class LaptopError(ToolFailedError):
    """A service of this machine (a registry, a git server) did not come up or broke down: exit code 3."""
