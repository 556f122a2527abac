"""Slices as arrays: how many rows each has, and the sums of their scores. Nothing here loops over rows or slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hallmark.behaviour.outcomes import Floats, Outcomes
from hallmark.behaviour.segments import Segments

Ints = npt.NDArray[np.int64]

_BLOCK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Slices that are large enough, an entry of each array for one. `second` is -1 for a slice by one column."""

    first: Ints
    first_code: Ints
    second: Ints
    second_code: Ints
    count: Floats
    total: Floats
    """Sum of the scores."""
    squares: Floats

    def __len__(self) -> int:
        return len(self.count)

    @property
    def mean(self) -> Floats:
        return self.total / self.count

    @property
    def variance(self) -> Floats:
        return variance_of(self.count, self.total, self.squares)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What each row scored."""

    values: Floats
    squares: Floats
    right: npt.NDArray[np.uint8] | None
    """Of classes: 1 for a right answer."""

    @classmethod
    def of(cls, found: Outcomes) -> Scores:
        """The scores in the forms that are counted."""
        values = found.scores
        right = values.astype(np.uint8) if found.task == "classification" else None
        return cls(values=values, squares=values if right is not None else values * values, right=right)


def counted(parts: Sequence[Segments], places: Sequence[int], scores: Scores) -> Cells:
    """Rows and sums of the scores for every segment of one column, or every two segments of two."""
    widths = [len(part.names) + 1 for part in parts]
    size = int(np.prod(widths))
    # Few bytes for each row, a block at a time: moving them is most of the work.
    small = np.uint16 if 2 * size <= 1 << 16 else np.int32
    count, total, squares = np.zeros(size), np.zeros(size), np.zeros(size)
    for start in range(0, len(scores.values), _BLOCK):
        block = slice(start, start + _BLOCK)
        codes: npt.NDArray[Any] = parts[0].codes[block].astype(small)
        if len(parts) == 2:
            codes *= widths[1]
            codes += parts[1].codes[block]
        if scores.right is None:
            count += np.bincount(codes, minlength=size)
            total += np.bincount(codes, weights=scores.values[block], minlength=size)
            squares += np.bincount(codes, weights=scores.squares[block], minlength=size)
        else:
            codes *= 2
            codes += scores.right[block]
            split = np.bincount(codes, minlength=2 * size).reshape(size, 2)
            count += split.sum(axis=1)
            total += split[:, 1]
    if scores.right is not None:
        squares = total
    cells = np.arange(size)
    first, second = np.divmod(cells, widths[1]) if len(parts) == 2 else (cells, np.full(size, -1))
    # Code 0 is no segment.
    used = (first > 0) & (second != 0) & (count > 0)
    return Cells(
        first=np.full(int(used.sum()), places[0]),
        first_code=first[used],
        second=np.full(int(used.sum()), places[1] if len(places) == 2 else -1),
        second_code=second[used],
        count=count[used],
        total=total[used],
        squares=squares[used],
    )


def large(cells: Cells, fewest: float, rows: int) -> Cells:
    """Without slices that are too small, or that are all rows."""
    return _chosen(cells, (cells.count >= fewest) & (cells.count < rows))


def _chosen(cells: Cells, used: npt.NDArray[np.bool_]) -> Cells:
    return Cells(**{name: getattr(cells, name)[used] for name in Cells.__dataclass_fields__})


def joined(parts: Iterable[Cells]) -> Cells:
    """All slices of several columns."""
    kept = list(parts)
    return Cells(
        **{name: np.concatenate([getattr(part, name) for part in kept]) for name in Cells.__dataclass_fields__}
    )


def variance_of(count: Floats, total: Floats, squares: Floats) -> Floats:
    """With n - 1 below; 0 for a single row."""
    return np.maximum(0.0, squares - total * total / count) / np.maximum(1.0, count - 1)
