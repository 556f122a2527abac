"""What can go wrong with a cluster, beside what `hallmark.errors` has."""

from __future__ import annotations

from hallmark.errors import ToolFailedError


class ClusterError(ToolFailedError):
    """A component did not come up, or broke down: exit code 3."""
