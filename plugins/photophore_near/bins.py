"""Neighbours packed into sortable numbers, and the best bin of diagonals of each protein and target: in C (`_bins.c`) or in numpy.

Both ways give the same numbers. Between the two steps the packed neighbours are sorted.
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore.compiled import address, library
from photophore.errors import DataError
from photophore_near.near_sum import runs

#: Bits of a packed neighbour: weight, bin, target; the protein takes the rest of 63.
WEIGHT_BITS, BIN_BITS, TARGET_BITS = 12, 17, 22
PROTEIN_BITS = 63 - WEIGHT_BITS - BIN_BITS - TARGET_BITS
WEIGHT_MAX = (1 << WEIGHT_BITS) - 1
_MODULE = "photophore_near._bins"

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Searched vectors of some proteins and what they found.

    Parameters
    ----------
    scores, rows
        ``shape=(n, k)``, ``float32`` and ``int64``: similarity and database row of each neighbour; ``-inf`` where there is none.
    positions
        ``shape=(n,), dtype=int32``: residue at which each vector was searched.
    proteins
        ``shape=(n,), dtype=int64``: number of its protein, below ``2 ** PROTEIN_BITS``.
    """

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int32]
    proteins: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Binning:
    """How neighbours are weighed and which bin they fall into.

    Parameters
    ----------
    target_of_row, target_begins
        Target of each database row (``int32``), and the first row of each target (``int64``).
    step
        Positions of a target from one of its rows to the next.
    longest
        What is added to a diagonal: a whole number of bins, at least the length of the longest protein.
    bin
        Diagonals of a bin.
    margin, gate
        A neighbour weighs what it scores above the last of its vector less ``margin``, and at least above ``gate``.
    """

    target_of_row: npt.NDArray[np.int32]
    target_begins: npt.NDArray[np.int64]
    step: int
    longest: int
    bin: int
    margin: float
    gate: float


class _Packing(ctypes.Structure):
    """`packing` in `_bins.c`."""

    _fields_ = (
        *((name, c_int64) for name in ("target_bits", "bin_bits", "weight_bits", "step", "longest", "half")),
        *((name, c_float) for name in ("margin", "gate")),
    )


def pack(found: Found, binning: Binning) -> Keys:
    """Return the neighbours that count, each as one number: protein, target, bin and weight.

    Raises
    ------
    DataError
        A neighbour is no row of the database, or there are more bins than can be told apart.
    """
    rows = len(binning.target_of_row)
    if found.rows.size and int(found.rows.max()) >= rows:
        raise DataError(
            f"aggregator diagonal: neighbour {found.rows.max()} is not one of the {rows} rows of the database"
        )
    functions = library(_MODULE)
    if functions is None:
        return pack_in_numpy(found, binning)
    functions.pack.restype = c_int64
    packed, largest = np.empty(found.rows.size, dtype=np.int64), c_int64()
    count = functions.pack(
        *(address(np.ascontiguousarray(found.scores), np.float32), address(np.ascontiguousarray(found.rows), np.int64)),
        *(c_int64(found.rows.shape[0]), c_int64(found.rows.shape[1])),
        *(address(np.ascontiguousarray(found.positions), np.int32), address(found.proteins, np.int64)),
        *(address(binning.target_of_row, np.int32), address(binning.target_begins, np.int64)),
        *(ctypes.byref(_packing(binning)), address(packed, np.int64), ctypes.byref(largest)),
    )
    _refuse_bins(largest.value, binning)
    return packed[:count]


def best_bins(packed: Keys, most: int) -> tuple[Keys, Keys, Keys]:
    """Return for each protein and target where the weights are largest in a bin and the one after it.

    Parameters
    ----------
    packed
        What `pack` returned, sorted.
    most
        Bins to tell of for each protein and target, none next to another.

    Returns
    -------
    pairs : ndarray, shape=(n,)
        Protein and target, ``protein << TARGET_BITS | target``, rising.
    sums : ndarray, shape=(n,)
        The largest sum.
    bins : ndarray, shape=(n, most)
        Where the largest sums are, of equals the first; -1 where there are not so many.
    """
    functions = library(_MODULE)
    if functions is None:
        return best_bins_in_numpy(packed, most)
    functions.best_bins.restype = c_int64
    scratch, pairs, sums = (
        np.empty(2 * len(packed), np.int64),
        np.empty(len(packed), np.int64),
        np.empty(len(packed), np.int64),
    )
    bins = np.empty((len(packed), most), dtype=np.int64)
    packing = _Packing(TARGET_BITS, BIN_BITS, WEIGHT_BITS)
    count = functions.best_bins(
        *(address(packed, np.int64), c_int64(len(packed)), ctypes.byref(packing), c_int64(most)),
        *(address(array, np.int64) for array in (scratch, pairs, sums, bins)),
    )
    return pairs[:count], sums[:count], bins[:count]


def pack_in_numpy(found: Found, binning: Binning) -> Keys:
    """Do what `pack` does, in numpy."""
    scores = found.scores
    last = np.where(np.isfinite(scores), scores, np.float32(np.inf)).min(axis=1, initial=np.inf, keepdims=True)
    above = scores - np.maximum(last - np.float32(binning.margin), np.float32(binning.gate))
    searched, column = np.nonzero(above > 0)
    weight = np.minimum(np.rint(above[searched, column] * WEIGHT_MAX), WEIGHT_MAX).astype(np.int64)
    row = found.rows[searched, column]
    target = binning.target_of_row[row].astype(np.int64)
    diagonal = (row - binning.target_begins[target]) * binning.step - found.positions[searched] + binning.longest
    bins = diagonal // binning.bin
    _refuse_bins(int(bins.max(initial=0)), binning)
    packed: Keys = ((found.proteins[searched] << TARGET_BITS | target) << BIN_BITS | bins) << WEIGHT_BITS | weight
    return packed


def best_bins_in_numpy(packed: Keys, most: int) -> tuple[Keys, Keys, Keys]:
    """Do what `best_bins` does, in numpy."""
    keys, weights = packed >> WEIGHT_BITS, packed & WEIGHT_MAX
    first = runs(keys)
    keys, both = keys[first], np.add.reduceat(weights, first) if len(first) else weights
    followed = np.flatnonzero(np.diff(keys) == 1)  # by the next bin; a bin is never the last one of its target
    own = both.copy()
    both[followed] += own[followed + 1]
    pairs = keys >> BIN_BITS
    starts = runs(pairs)
    sums, bins = np.empty(len(starts), np.int64), np.full((len(starts), most), -1, dtype=np.int64)
    for taken in range(most):
        place = _best_of_runs(pairs, both)
        there = both[place] >= 0
        if not taken:
            sums[:] = both[place]
        bins[there, taken] = keys[place[there]] & ((1 << BIN_BITS) - 1)
        for beside in (place - 1, place, place + 1):
            near = there & (beside >= 0) & (beside < len(keys))
            near[near] = np.abs(keys[beside[near]] - keys[place[near]]) <= 1
            both[beside[near]] = -1
    return pairs[starts], sums, bins


def _packing(binning: Binning) -> _Packing:
    shape = (binning.step, binning.longest, binning.bin, binning.margin, binning.gate)
    return _Packing(TARGET_BITS, BIN_BITS, WEIGHT_BITS, *shape)


def _refuse_bins(largest: int, binning: Binning) -> None:
    if largest >= 1 << BIN_BITS:
        raise DataError(
            f"aggregator diagonal: width={2 * binning.bin} cuts {largest * binning.bin} diagonals into more than "
            f"{1 << BIN_BITS} bins; give a larger aggregator.width"
        )


def _best_of_runs(keys: Keys, values: Keys) -> Keys:
    """Return the place of the largest value, of equals the first, of each of the distinct ``keys`` (sorted on entry)."""
    first = runs(keys)
    if not len(first):
        return np.zeros(0, dtype=np.int64)
    counts = np.diff(np.append(first, len(keys)))
    best = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, first), counts))
    return np.asarray(best[runs(keys[best])])
