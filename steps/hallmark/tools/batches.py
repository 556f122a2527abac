"""Cuts a long list of files into commands that the kernel accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ARGUMENT_BYTES = 100_000
"""Far below Linux's limit for all arguments and the environment together (execve(2))."""


def batches(files: Sequence[str], limit: int = ARGUMENT_BYTES) -> Iterator[list[str]]:
    """`files` in order, in lists whose names take at most `limit` bytes.

    >>> list(batches(["ab", "cd", "e"], limit=6))
    [['ab', 'cd'], ['e']]
    """
    batch: list[str] = []
    size = 0
    for file in files:
        needed = len(file.encode()) + 1
        if batch and size + needed > limit:
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += needed
    if batch:
        yield batch
