"""Proteins laid end to end on one tape, cut into rows of equal length: nothing is padded to its batch mates.

Between two proteins lie `radius` empty positions, so a residue never sees the neighbour protein, and rows overlap by
the same radius, so a protein that crosses a cut gets the very vectors that it gets alone, however long it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tape:
    """Items on one tape.

    Parameters
    ----------
    values
        ``shape=(tape,)`` or ``(tape, channels)``: tokens or distributions, ``empty`` between the items.
    starts, lengths
        ``shape=(items,), dtype=int64``: place of each item on the tape.
    radius
        Empty positions before, between and after the items.
    empty
        What stands where there is no residue.
    """

    values: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    radius: int
    empty: int

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """``shape=(items + 1,)``: rows of each item once the empty positions are gone."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def rows(self, length: int) -> npt.NDArray[Any]:
        """Cut the tape into rows, ``shape=(rows, length, ...)``; each begins and ends with `radius` positions of context."""
        payload = length - 2 * self.radius
        count = max(1, -(-len(self.values) // payload))
        padded = np.full(
            (count * payload + 2 * self.radius, *self.values.shape[1:]), self.empty, dtype=self.values.dtype
        )
        padded[self.radius : self.radius + len(self.values)] = self.values
        cut = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)[::payload]
        return np.ascontiguousarray(np.moveaxis(cut, -1, 1))

    @cached_property
    def residues(self) -> npt.NDArray[np.int64]:
        """Return where on the tape each residue lies, ``shape=(residues,)``, item after item."""
        shift = np.repeat(self.starts - self.offsets[:-1], self.lengths)
        return np.arange(int(self.lengths.sum()), dtype=np.int64) + shift


def lay_out(items: Sequence[npt.NDArray[Any]], *, radius: int, empty: int) -> Tape:
    """Lay ``items`` (arrays of tokens or of distributions) out on one tape, ``radius`` empty positions between them."""
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths + radius)])[:-1].astype(np.int64)
    shape = items[0].shape[1:] if items else ()
    dtype = items[0].dtype if items else np.uint8
    total = int(lengths.sum()) + radius * max(0, len(items) - 1)
    values = np.full((total, *shape), empty, dtype=dtype)
    for item, start in zip(items, starts, strict=True):
        values[start : start + len(item)] = item
    return Tape(values, starts, lengths, radius, empty)


def unpack(tape: Tape, outputs: npt.NDArray[np.float32], first: int, values: npt.NDArray[np.float32]) -> None:
    """Write what the network gave for some rows of the tape to where it belongs, one row a residue.

    Parameters
    ----------
    tape
        The tape that was cut into rows.
    outputs
        ``shape=(rows, length, dim)``: outputs of consecutive rows, the first of which is row ``first`` of the tape.
    first
        Number of that row.
    values
        ``shape=(residues, dim)``, written to: rows of all residues, item after item.
    """
    inner = outputs[:, tape.radius : outputs.shape[1] - tape.radius]
    begin = first * inner.shape[1]
    low, high = np.searchsorted(tape.residues, (begin, begin + inner.shape[0] * inner.shape[1]))
    row, column = np.divmod(tape.residues[low:high] - begin, inner.shape[1])
    values[low:high] = inner[row, column]
