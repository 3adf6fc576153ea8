"""Products of 8-bit vectors with rows of inverted lists, of which only the best are kept: in C (`_scan.c`) or in numpy.

Both ways give the same numbers: products are sums of whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import c_float, c_int64
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from photophore.compiled import address, library

#: Bits of the parts of a packed neighbour: the searched vector, its score, falling, and the row.
SCORE_BITS, ROW_BITS = 21, 25
SCORE_MAX = (1 << SCORE_BITS) - 1
#: The floor of a vector that takes every row.
NO_FLOOR = np.iinfo(np.int32).min
#: Packed neighbours for which there is room at once, at least, and for each query.
_ROOM, _EXPECTED = 1 << 21, 512
#: The C functions take four values of a vector at a time, and at most sixteen vectors.
_FOUR, _SIXTEEN = 4, 16
#: Products of vectors and rows that numpy looks at together: they fit the cache.
_PRODUCTS = 1 << 19
_MODULE = "photophore_faiss._scan"

Codes = npt.NDArray[np.int8]
Packed = npt.NDArray[np.int64]


class Instructions(IntEnum):
    """Which instructions the functions in C may use; the results are the same."""

    ALL = 0
    PLAIN = 1  # what every processor has
    NO_TILES = 2  # all but AMX


class Found:
    """Packed neighbours, in memory that is used again: a new array would have to be cleared by the system each time."""

    def __init__(self) -> None:
        self._kept = np.empty(0, dtype=np.int64)
        self._count = 0

    @property
    def packed(self) -> Packed:
        """What was found; it changes with the next search."""
        return self._kept[: self._count]

    def clear(self) -> None:
        """Forget what was found."""
        self._count = 0

    def room(self, least: int) -> Packed:
        """Return the place after what was found, for at least so many more; `taken` says how many came."""
        if len(self._kept) < self._count + least:
            larger = np.empty(max(self._count + least, 2 * self._count), dtype=np.int64)
            larger[: self._count] = self.packed
            self._kept = larger
        return self._kept[self._count :]

    def taken(self, count: int) -> None:
        """Count what was written into `room`."""
        self._count += count


def nearest(
    queries: Codes, codes: Codes, count: int, found: Found, *, instructions: Instructions = Instructions.ALL
) -> npt.NDArray[np.int64]:
    """Return the ``count`` rows of ``codes`` with the largest products, ``shape=(queries, count)``, largest first, ties by row.

    What ``found`` held is lost. ``instructions`` can leave out what only some processors have.

    Raises
    ------
    ValueError
        There are not ``count`` rows.
    """
    if not 0 < count <= len(codes):
        raise ValueError(
            f"the {count} nearest of {len(codes)} rows were asked for; ask for at least 1, and no more than there are"
        )
    floor, only_list = np.full(len(queries), NO_FLOOR, dtype=np.int32), np.zeros((len(queries), 1), dtype=np.int64)
    found.clear()
    scan(codes, np.array([0, len(codes)]), queries, only_list, floor, count, found, instructions=instructions)
    found.packed.sort()
    rows, scores = np.empty((len(queries), count), dtype=np.int64), np.empty((len(queries), count), dtype=np.float32)
    unpack(found.packed, np.arange(len(codes), dtype=np.uint32), 1.0, rows, scores)
    return rows


def scan(
    codes: Codes,
    offsets: npt.NDArray[np.int64],
    queries: Codes,
    probed: npt.NDArray[np.int64],
    floor: npt.NDArray[np.int32],
    wanted: int,
    found: Found,
    *,
    instructions: Instructions = Instructions.ALL,
) -> None:
    """Find what the lists hold for the queries that look into them: every row whose product reaches the query's floor.

    Parameters
    ----------
    codes
        ``shape=(rows, dim)``, in the order of the lists.
    offsets
        ``shape=(lists + 1,)``: rows of each list.
    queries
        ``shape=(n, dim)``.
    probed
        ``shape=(n, probes)``: lists that each query looks into.
    floor
        ``shape=(n,)``. With ``wanted``, it is written: the ``wanted``-th best product in the list, if that holds so many.
    found
        Takes it, after what was found before.
    """
    if not probed.size:
        return
    asking_offsets, asking = _by_list(probed, len(offsets) - 1)
    functions = library(_MODULE)
    if functions is None:
        for part in scan_in_numpy(codes, offsets, queries, asking_offsets, asking, floor, wanted):
            found.room(len(part))[: len(part)] = part
            found.taken(len(part))
        return
    queries, codes = _in_fours(queries), _in_fours(codes)
    functions.scan.restype = c_int64
    least = max(_ROOM, len(queries) * _EXPECTED, _SIXTEEN * int(np.diff(offsets).max()))
    place = np.zeros(2, dtype=np.int64)
    while place[0] < len(offsets) - 1:
        room = found.room(least)
        count = functions.scan(
            *(address(codes, np.int8), address(offsets, np.int64), c_int64(len(offsets) - 1), c_int64(codes.shape[1])),
            *(address(queries, np.int8), c_int64(len(queries)), address(asking_offsets, np.int64)),
            *(address(asking, np.int64), c_int64(wanted), address(floor, np.int32), c_int64(SCORE_BITS)),
            *(c_int64(ROW_BITS), address(place, np.int64), address(room, np.int64), c_int64(len(room))),
            c_int64(instructions),
        )
        if count < 0:
            raise MemoryError
        found.taken(count)


def unpack(
    packed: Packed,
    ids: npt.NDArray[np.uint32],
    unit: float,
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
) -> None:
    """Write the first neighbours of each query, ``shape=(n, k)``: row -1 and score -inf where there are none.

    Parameters
    ----------
    packed
        What `scan` yielded, sorted: by query, then falling score, then row.
    ids
        What each row is called.
    unit
        What one level of a score stands for.
    """
    functions = library(_MODULE)
    if functions is None:
        unpack_in_numpy(packed, ids, unit, rows, scores)
        return
    functions.unpack(
        *(address(packed, np.int64), c_int64(len(packed)), c_int64(len(rows)), c_int64(rows.shape[1])),
        *(address(ids, np.uint32), c_float(unit), c_int64(SCORE_BITS), c_int64(ROW_BITS)),
        *(address(rows, np.int64), address(scores, np.float32)),
    )


def scan_in_numpy(
    codes: Codes,
    offsets: npt.NDArray[np.int64],
    queries: Codes,
    asking_offsets: npt.NDArray[np.int64],
    asking: npt.NDArray[np.int64],
    floor: npt.NDArray[np.int32],
    wanted: int,
) -> Iterator[Packed]:
    """Do what `scan` does, in numpy; ``asking`` are the queries of each list, which begin at ``asking_offsets``."""
    for number, (begin, end) in enumerate(pairwise(offsets.tolist())):
        asked = asking[asking_offsets[number] : asking_offsets[number + 1]]
        if not len(asked) or begin == end:
            continue
        columns = codes[begin:end].astype(np.float32).T
        # Pieces whose products fit the cache: written to memory and read back, they would cost twice the time.
        for piece in np.array_split(asked, max(1, len(asked) * (end - begin) // _PRODUCTS)):
            products = queries[piece].astype(np.float32) @ columns
            last = end - begin - wanted
            if (
                wanted and last >= 0
            ):  # else the list alone cannot fill its share, and the others must offer all they have
                floor[piece] = np.partition(products, last, axis=1)[:, last]
            flat = np.flatnonzero(products >= floor[piece].astype(np.float32)[:, None])
            query, row = np.divmod(flat, end - begin)
            whole = products.ravel()[flat].astype(np.int64)
            yield (piece[query] << SCORE_BITS | ((SCORE_MAX >> 1) - whole)) << ROW_BITS | (row + begin)


def unpack_in_numpy(
    packed: Packed,
    ids: npt.NDArray[np.uint32],
    unit: float,
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
) -> None:
    """Do what `unpack` does, in numpy."""
    starts = np.searchsorted(packed, np.arange(len(rows) + 1) << (SCORE_BITS + ROW_BITS))
    place = starts[:-1, None] + np.arange(rows.shape[1])  # (n, k)
    there = place < starts[1:, None]
    best = packed[place[there]]
    rows[:], scores[:] = -1, -np.inf
    rows[there] = ids[best & ((1 << ROW_BITS) - 1)]
    scores[there] = ((SCORE_MAX >> 1) - ((best >> ROW_BITS) & SCORE_MAX)).astype(np.float32) * np.float32(unit)


def _by_list(probed: npt.NDArray[np.int64], lists: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the queries that look into each list, list after list, and where those of each begin."""
    flat = probed.ravel().astype(np.uint16 if lists <= 1 << 16 else np.int64)  # 16 bits are sorted in one pass
    order = np.argsort(flat, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=lists))]).astype(np.int64)
    return offsets, order // probed.shape[1]


def _in_fours(vectors: Codes) -> Codes:
    """Return ``vectors`` with zeros up to a whole number of fours."""
    missing = -vectors.shape[1] % _FOUR
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors)
