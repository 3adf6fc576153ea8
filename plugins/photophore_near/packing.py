"""Proteins and profiles as rows of the network's input: rows of one length go through it together.

An item is padded to the next multiple of `MULTIPLE` and to nothing else, so its vectors do not depend on its batch
mates. One longer than a row is cut into rows that overlap by what a vector sees; the borders are thrown away, and
what is left is what a single row would give.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Rows are a multiple of this long: few enough lengths that proteins share them, little enough padding.
MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``length`` positions of ``item`` from ``start`` on, of whose vectors ``skip`` to ``skip + count`` count.

    They are the vectors ``first`` to ``first + count`` of the item.
    """

    item: int
    start: int
    length: int
    skip: int
    first: int
    count: int


def cut(lengths: Sequence[int], *, step: int, radius: int, row_length: int) -> list[Row]:
    """Cut items of ``lengths`` positions, a vector every ``step``, into rows of at most ``row_length``.

    Parameters
    ----------
    lengths
        Positions of each item.
    step
        Positions between two vectors; it divides `MULTIPLE`.
    radius
        How many positions a vector sees to each side.
    row_length
        A multiple of `MULTIPLE`, more than twice the radius rounded up to one.
    """
    border = -(-radius // MULTIPLE) * MULTIPLE
    rows = []
    for item, length in enumerate(lengths):
        start = kept = 0  # of the row, and of the vectors that are kept of it
        while length > start + row_length:
            end = start + row_length - border
            rows.append(Row(item, start, row_length, (kept - start) // step, kept // step, (end - kept) // step))
            start, kept = end - border, end
        if length:
            padded = -(-(length - start) // MULTIPLE) * MULTIPLE
            count = -(-length // step) - kept // step
            rows.append(Row(item, start, padded, (kept - start) // step, kept // step, count))
    return rows


def calls(rows: Sequence[Row], positions_per_call: int) -> Iterator[list[Row]]:
    """Yield rows of one length together, about ``positions_per_call`` positions at once, the shortest first."""
    rows = sorted(rows, key=lambda row: row.length)
    begin = 0
    while begin < len(rows):
        length = rows[begin].length
        call = [row for row in rows[begin : begin + max(1, positions_per_call // length)] if row.length == length]
        yield call
        begin += len(call)


def run_rows(
    items: Sequence[npt.NDArray[Any]],
    rows: Sequence[Row],
    network: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    *,
    channels: int,
    empty: int,
    step: int,
    positions_per_call: int,
    threads: int = 1,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Run ``items`` (arrays of tokens or of distributions) through ``network``, rows of one length at a time.

    Parameters
    ----------
    rows
        What `cut` made of the items.
    network
        Maps ``(rows, length, ...)``, padded with ``empty``, to ``(rows, length / step, channels)``.
    positions_per_call
        About how many positions go through it at once.
    threads
        In so many, calls run side by side; more than one only for a ``network`` that can be called so.

    Returns
    -------
    vectors : ndarray, shape=(vectors, channels), dtype=float32
        Item after item.
    offsets : ndarray, shape=(items + 1,), dtype=int64
    """
    counts = -(-np.array([len(item) for item in items], dtype=np.int64) // step)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    vectors = np.empty((int(offsets[-1]), channels), dtype=np.float32)

    def run(call: list[Row]) -> None:
        length = call[0].length
        values = np.full((len(call), length, *items[0].shape[1:]), empty, dtype=items[0].dtype)
        for value, row in zip(values, call, strict=True):
            part = items[row.item][row.start : row.start + length]
            value[: len(part)] = part
        for vector, row in zip(network(values), call, strict=True):
            place = int(offsets[row.item]) + row.first
            vectors[place : place + row.count] = vector[row.skip : row.skip + row.count]

    with ThreadPoolExecutor(threads) as pool:
        deque(pool.map(run, calls(rows, positions_per_call)), maxlen=0)
    return vectors, offsets
