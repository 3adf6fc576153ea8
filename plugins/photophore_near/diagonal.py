"""The aggregator `diagonal`: neighbours that lie on one diagonal of protein and profile speak for each other.

A homologous stretch aligns residue ``i`` with position ``i + d`` for nearly one ``d``, so its neighbours fall on few
diagonals, while chance neighbours scatter over all. Per (protein, target), what the neighbours score above a gate is
summed in bins of diagonals (two overlapping grids, so that no stretch is cut by a border); the best bin counts. Sums
are of whole numbers: no order of the neighbours, and so no batch, changes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from photophore.errors import DataError
from photophore.hookspecs import Runtime
from photophore.types import Candidates, Neighbours, TargetTable
from photophore_near.near_sum import rank, runs

#: Bits of a packed neighbour: weight, half bin, target; the protein takes the rest of 63.
_WEIGHT_BITS, _BIN_BITS, _TARGET_BITS = 12, 17, 22
_WEIGHT_MAX = (1 << _WEIGHT_BITS) - 1
#: Neighbours that one thread works on at a time: they fit its cache.
_CHUNK = 1 << 20
#: Shares of background pairs for which `calibrate` notes the score that lets them pass.
PAIR_SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DiagonalConfig:
    """Options of `Diagonal`."""

    pairs: float = field(
        default=0.1,
        metadata={"help": "share of the (protein, profile) pairs of background proteins that pass: 0.1 is 1 in 10"},
    )
    threshold: float = field(
        default=0.0, metadata={"help": "lowest score of a candidate, instead of the one that `pairs` stands for"}
    )
    gate: float = field(default=0.0, metadata={"help": "similarity below which a neighbour counts nothing"})
    margin: float = field(
        default=0.03,
        metadata={"help": "what the last of the k neighbours counts; the others count by how much nearer they are"},
    )
    width: int = field(default=32, metadata={"help": "diagonals in a bin, an even number"})
    max_candidates: int = field(default=0, metadata={"help": "best candidates kept for each protein; 0 keeps all"})

    def __post_init__(self) -> None:
        if not PAIR_SHARES[0] <= self.pairs <= PAIR_SHARES[-1]:
            raise ValueError(f"pairs is {self.pairs}; give a share from {PAIR_SHARES[0]} to {PAIR_SHARES[-1]}")
        if not -1.0 <= self.gate < 1.0:
            raise ValueError(f"gate is {self.gate}; similarities lie between -1 and 1, give a number below 1")
        if not 0.0 < self.margin <= 1.0:
            raise ValueError(f"margin is {self.margin}; give a similarity above 0 and at most 1")
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width is {self.width}; give an even number of at least 2")
        if self.max_candidates < 0:
            raise ValueError(f"max_candidates is {self.max_candidates}; give 0 for all, or a number above")


@dataclass(frozen=True, slots=True)
class _Scored:
    """Best bin of each (protein, target): ``protein * targets + target`` rising, its score, and where it lies.

    ``offsets`` are the residues of the proteins at which the targets begin, if the bin's middle diagonal is that of the alignment.
    """

    keys: Keys
    scores: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int32]


class Diagonal:
    """Score of a pair: the best sum over a bin of diagonals, measured against the target's own background."""

    def __init__(self, config: DiagonalConfig, runtime: Runtime) -> None:
        self.config = config
        self.threads = runtime.threads

    def calibrate(
        self, background: Callable[[], Iterable[Neighbours]], targets: TargetTable
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        """Measure how background proteins score: mean and spread of each target, and the score that lets a share pass.

        Returns
        -------
        mapping
            Empty without background proteins; else ``mean`` and ``spread`` of the raw score of each target, and ``pass_<share>``: the normalised score that
            this share of all background pairs reaches, the same for every target.
        """
        proteins, found = 0, []
        for neighbours in background():
            proteins += len(neighbours.ids)
            found.append(self._score(neighbours, targets))
        count = len(targets)
        if not proteins or not count:
            return {}
        target = np.concatenate([scored.keys % count for scored in found])
        raw = np.concatenate([scored.scores for scored in found]).astype(np.float64)
        mean = np.bincount(target, raw, count) / proteins
        square = np.bincount(target, raw**2, count) / proteins
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        spread += max(float(spread.mean()), 1e-3)  # a target with few neighbours is not yet a precise one
        normalised = np.sort((raw - mean[target]) / spread[target])[::-1]
        statistics = {"mean": mean, "spread": spread}
        for share in PAIR_SHARES:
            place = min(int(share * proteins * count), len(normalised) - 1)
            statistics[_pass_name(share)] = np.full(count, normalised[place] if len(normalised) else 0.0)
        return {name: column.astype(np.float32) for name, column in statistics.items()}

    def aggregate(self, neighbours: Neighbours, targets: TargetTable) -> Candidates:
        """Return the targets whose score reaches the threshold, best first; evidence ``offset``: where on the protein they begin."""
        scored = self._score(neighbours, targets)
        target = scored.keys % max(len(targets), 1)
        scores = scored.scores.astype(np.float64)
        if "mean" in targets.statistics:
            scores = (scores - targets.statistics["mean"][target]) / targets.statistics["spread"][target]
        kept = scores >= self._threshold(targets)
        evidence = {"offset": scored.offsets[kept]}
        return rank(scored.keys[kept], scores[kept], neighbours.ids, targets, self.config.max_candidates, evidence)

    def _threshold(self, targets: TargetTable) -> float:
        """Return the lowest score of a candidate: as configured, or interpolated between calibrated shares."""
        if self.config.threshold or "mean" not in targets.statistics:
            return self.config.threshold
        logs = [math.log(share) for share in PAIR_SHARES]
        known = [float(targets.statistics[_pass_name(share)][0]) for share in PAIR_SHARES]
        return float(np.interp(math.log(self.config.pairs), logs, known))

    def _score(self, neighbours: Neighbours, targets: TargetTable) -> _Scored:
        """Score every pair that has a neighbour above the gate."""
        if len(targets) >= 1 << _TARGET_BITS:
            raise DataError(f"aggregator diagonal: {len(targets)} targets; it holds at most {(1 << _TARGET_BITS) - 1}")
        target_of_row = np.repeat(np.arange(len(targets), dtype=np.int32), np.diff(targets.offsets))
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(
                pool.map(
                    lambda piece: self._score_proteins(neighbours, targets, target_of_row, piece), _pieces(neighbours)
                )
            )
        if not parts:
            return _Scored(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32))
        return _Scored(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.offsets for part in parts]),
        )

    def _above(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what each neighbour counts, ``shape=(searched, k)``: its lead over the k-th, plus the margin.

        A residue whose k neighbours are all alike says little; measured so, it counts little, whatever the encoder.
        """
        last = np.where(np.isfinite(scores), scores, np.float32(np.inf)).min(axis=1, initial=np.inf, keepdims=True)
        floor = np.maximum(last - np.float32(self.config.margin), np.float32(self.config.gate))
        return scores - floor

    def _score_proteins(
        self, neighbours: Neighbours, targets: TargetTable, target_of_row: npt.NDArray[np.int32], proteins: slice
    ) -> _Scored:
        """Score consecutive proteins, whose searched vectors are ``first:last``."""
        first, last = neighbours.offsets[proteins.start], neighbours.offsets[proteins.stop]
        half = self.config.width // 2
        above = self._above(neighbours.scores[first:last])
        searched, column = np.nonzero(above > 0)
        weight = np.minimum(np.rint(above[searched, column] * _WEIGHT_MAX), _WEIGHT_MAX).astype(np.int64)
        row = neighbours.rows[first:last][searched, column]
        target = target_of_row[row].astype(np.int64)
        offsets = neighbours.offsets[proteins.start : proteins.stop + 1]
        protein = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[searched]
        # The diagonal counts from the end of the longest protein, so that it is never negative; from a whole number of
        # half bins, so that the borders of the bins are the same whatever the longest protein is.
        longest = -(-int(neighbours.lengths[proteins].max(initial=0)) // half) * half
        diagonal = (row - targets.offsets[target]) * targets.step - neighbours.positions[first:last][searched] + longest
        half_bin = diagonal // half
        if half_bin.max(initial=0) >= 1 << _BIN_BITS:
            raise DataError(
                f"aggregator diagonal: width={self.config.width} cuts {diagonal.max()} diagonals into more than "
                f"{1 << _BIN_BITS} bins; give a larger aggregator.width"
            )
        packed = ((protein << _TARGET_BITS | target) << _BIN_BITS | half_bin) << _WEIGHT_BITS | weight
        packed.sort()
        bins, sums = _sum_runs(packed >> _WEIGHT_BITS, packed & _WEIGHT_MAX)
        neighbour_bin = np.flatnonzero(np.diff(bins) == 1)
        both = sums.copy()
        both[neighbour_bin] += sums[neighbour_bin + 1]  # bins of the two overlapping grids
        place = _best_of_runs(bins >> _BIN_BITS, both)
        pair, best = bins[place] >> _BIN_BITS, both[place]
        keys = (pair >> _TARGET_BITS) + proteins.start
        middle = ((bins[place] & ((1 << _BIN_BITS) - 1)) + 1) * half
        return _Scored(
            keys * len(targets) + (pair & ((1 << _TARGET_BITS) - 1)),
            (best / _WEIGHT_MAX).astype(np.float32),
            (longest - middle).astype(np.int32),
        )


def _pass_name(share: float) -> str:
    return f"pass_{share:g}"


def _pieces(neighbours: Neighbours) -> Iterator[slice]:
    """Cut the proteins into consecutive pieces of about `_CHUNK` neighbours."""
    rows = max(1, _CHUNK // max(1, neighbours.rows.shape[1]))
    start = 0
    while start < len(neighbours.ids):
        stop = int(np.searchsorted(neighbours.offsets, neighbours.offsets[start] + rows, side="right")) - 1
        stop = min(max(stop, start + 1), start + (1 << (63 - _WEIGHT_BITS - _BIN_BITS - _TARGET_BITS)) - 1)
        stop = min(stop, len(neighbours.ids))
        yield slice(start, stop)
        start = stop


def _sum_runs(keys: Keys, values: npt.NDArray[np.int64]) -> tuple[Keys, npt.NDArray[np.int64]]:
    """Return the distinct ``keys`` (sorted on entry) and the sum of the values of each."""
    first = runs(keys)
    return keys[first], np.add.reduceat(values, first) if len(first) else values


def _best_of_runs(keys: Keys, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of the largest value, of equals the first, of each of the distinct ``keys`` (sorted on entry)."""
    first = runs(keys)
    if not len(first):
        return np.zeros(0, dtype=np.int64)
    counts = np.diff(np.append(first, len(keys)))
    best = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, first), counts))
    return np.asarray(best[runs(keys[best])])
