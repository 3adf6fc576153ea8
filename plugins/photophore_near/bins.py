"""Neighbours packed into sortable numbers, and the best bins of diagonals of each protein and target: in C (`_bins.c`) or in numpy.

Both ways give the same numbers. Between the two steps the packed neighbours are sorted.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int32, c_int64
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photophore.compiled import address, library
from photophore.errors import DataError
from photophore_near.near_sum import best_first, runs

#: Bits of a packed neighbour: weight, bin, target; the protein takes the rest of 63.
WEIGHT_BITS, BIN_BITS, TARGET_BITS = 12, 17, 22
PROTEIN_BITS = 63 - WEIGHT_BITS - BIN_BITS - TARGET_BITS
WEIGHT_MAX = (1 << WEIGHT_BITS) - 1
#: Where a target begins by a bin that there is not.
NO_OFFSET = np.iinfo(np.int32).min
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


@dataclass(frozen=True, slots=True)
class Scale:
    """How the scores of pairs are counted, and from where on a pair is told.

    Parameters
    ----------
    mean, spread
        ``float32``, for each target: scores are counted from its mean, in its spreads. None: as they are.
    threshold
        Least score.
    """

    mean: npt.NDArray[np.float32] | None = None
    spread: npt.NDArray[np.float32] | None = None
    threshold: float = -math.inf


class Scored(NamedTuple):
    """Pairs of protein and target: those of protein after protein, best first, of equals the first target.

    Parameters
    ----------
    counts
        ``int64``: pairs of each protein.
    targets, scores
        ``int32`` and ``float32``, of each pair.
    offsets
        ``shape=(bins, pairs), dtype=int32``: residues of the proteins at which the targets begin, if the middle diagonal of a bin is that of
        the alignment, the best bin first; `NO_OFFSET` where there are fewer bins.
    """

    counts: Keys
    targets: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int32]

    @classmethod
    def of(cls, parts: Sequence[Scored], most: int) -> Scored:
        """Put the pairs of consecutive proteins one after the other, which have ``most`` bins."""
        none = cls(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.empty((most, 0), np.int32))
        return cls(*(np.concatenate(columns, axis=-1) for columns in zip(*(parts or [none]), strict=True)))


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


def best_bins(packed: Keys, proteins: int, binning: Binning, most: int, scale: Scale) -> Scored:
    """Return the pairs of protein and target that reach the threshold, each with the bins where its weights are largest.

    The score is the largest sum of the weights in a bin and the one after it, as a share of `WEIGHT_MAX`.

    Parameters
    ----------
    packed
        What `pack` returned, sorted.
    proteins
        How many there are.
    most
        Bins to tell of for each pair, none next to another: those with the largest sums, of equals the first.
    """
    functions = library(_MODULE)
    if functions is None:
        return best_bins_in_numpy(packed, proteins, binning, most, scale)
    functions.best_bins.restype = c_int64
    pairs = len(packed)
    counts, scratch = np.zeros(proteins, np.int64), np.empty(4 * pairs, np.int64)
    targets, scores, offsets = np.empty(pairs, np.int32), np.empty(pairs, np.float32), np.empty((most, pairs), np.int32)
    count = functions.best_bins(
        *(address(packed, np.int64), c_int64(pairs), ctypes.byref(_packing(binning)), c_int64(most)),
        *(None if column is None else address(column, np.float32) for column in (scale.mean, scale.spread)),
        *(c_double(scale.threshold), c_int32(NO_OFFSET), address(scratch, np.int64), address(counts, np.int64)),
        *(address(targets, np.int32), address(scores, np.float32), address(offsets, np.int32)),
    )
    return Scored(counts, targets[:count], scores[:count], offsets[:, :count])


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


def best_bins_in_numpy(packed: Keys, proteins: int, binning: Binning, most: int, scale: Scale) -> Scored:
    """Do what `best_bins` does, in numpy."""
    keys, weights = packed >> WEIGHT_BITS, packed & WEIGHT_MAX
    first = runs(keys)
    keys, both = keys[first], np.add.reduceat(weights, first) if len(first) else weights
    followed = np.flatnonzero(np.diff(keys) == 1)  # by the next bin; a bin is never the last one of its target
    own = both.copy()
    both[followed] += own[followed + 1]
    pairs = keys >> BIN_BITS
    starts = runs(pairs)
    sums, offsets = np.empty(len(starts), np.int64), np.full((most, len(starts)), NO_OFFSET, dtype=np.int32)
    for taken in range(most):
        place = _best_of_runs(pairs, both)
        there = both[place] >= 0
        if not taken:
            sums[:] = both[place]
        bins = keys[place[there]] & ((1 << BIN_BITS) - 1)
        offsets[taken, there] = binning.longest - (bins + 1) * binning.bin
        for beside in (place - 1, place, place + 1):
            near = there & (beside >= 0) & (beside < len(keys))
            near[near] = np.abs(keys[beside[near]] - keys[place[near]]) <= 1
            both[beside[near]] = -1
    protein, target = pairs[starts] >> TARGET_BITS, pairs[starts] & ((1 << TARGET_BITS) - 1)
    scores = (sums / WEIGHT_MAX).astype(np.float32).astype(np.float64)
    if scale.mean is not None and scale.spread is not None:
        scores = (scores - scale.mean[target]) / scale.spread[target]
    worth = np.flatnonzero(scores >= scale.threshold)
    counts = np.bincount(protein[worth], minlength=proteins)
    best = worth[best_first(scores[worth].astype(np.float32), counts)]
    return Scored(counts, target[best].astype(np.int32), scores[best].astype(np.float32), offsets[:, best])


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
