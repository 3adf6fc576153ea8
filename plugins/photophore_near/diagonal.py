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
from photophore_near.bins import PROTEIN_BITS, TARGET_BITS, Binning, Found, Scale, Scored, best_bins, pack
from photophore_near.near_sum import best_of

#: Neighbours that one thread works on at a time: they fit its cache.
_CHUNK = 1 << 18
#: Neighbours of a vector that count in any case.
_FEWEST = 8
#: Shares of background pairs for which `calibrate` notes the score that lets them pass.
PAIR_SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


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
    nearest: float = field(
        default=1.0,
        metadata={
            "help": "share of the database's positions to which a neighbour must belong to count, at least the 8 nearest: in a small "
            "database the last of the k are like any other"
        },
    )
    width: int = field(default=32, metadata={"help": "diagonals in a bin, an even number"})
    bins: int = field(default=1, metadata={"help": "best bins of a candidate that are told to the annotator"})
    max_candidates: int = field(default=0, metadata={"help": "best candidates kept for each protein; 0 keeps all"})

    def __post_init__(self) -> None:
        if not PAIR_SHARES[0] <= self.pairs <= PAIR_SHARES[-1]:
            raise ValueError(f"pairs is {self.pairs}; give a share from {PAIR_SHARES[0]} to {PAIR_SHARES[-1]}")
        if not -1.0 <= self.gate < 1.0:
            raise ValueError(f"gate is {self.gate}; similarities lie between -1 and 1, give a number below 1")
        if not 0.0 < self.margin <= 1.0:
            raise ValueError(f"margin is {self.margin}; give a similarity above 0 and at most 1")
        if not 0.0 < self.nearest <= 1.0:
            raise ValueError(f"nearest is {self.nearest}; give a share above 0 and at most 1")
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width is {self.width}; give an even number of at least 2")
        if self.bins < 1:
            raise ValueError(f"bins is {self.bins}; give a whole number of at least 1")
        if self.max_candidates < 0:
            raise ValueError(f"max_candidates is {self.max_candidates}; give 0 for all, or a number above")


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
            found.append(self._score(neighbours, targets, Scale()))
        count = len(targets)
        if not proteins or not count:
            return {}
        target = np.concatenate([scored.targets for scored in found])
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
        """Return the targets whose score reaches the threshold, best first.

        Evidence `offset_names`: the residue on which they would begin by the best bin, and by the next best ones.
        """
        statistics = targets.statistics
        scale = Scale(statistics.get("mean"), statistics.get("spread"), self._threshold(targets))
        scored = self._score(neighbours, targets, scale)
        offsets = np.concatenate([[0], np.cumsum(scored.counts)]).astype(np.int64)
        evidence = dict(zip(offset_names(self.config.bins), scored.offsets, strict=True))
        candidates = Candidates(neighbours.ids, offsets, scored.targets, scored.scores, evidence)
        return best_of(candidates, self.config.max_candidates)

    def _threshold(self, targets: TargetTable) -> float:
        """Return the lowest score of a candidate: as configured, or interpolated between calibrated shares."""
        if self.config.threshold or "mean" not in targets.statistics:
            return self.config.threshold
        shares = [share for share in PAIR_SHARES if _pass_name(share) in targets.statistics]
        known = [float(targets.statistics[_pass_name(share)][0]) for share in shares]
        return float(np.interp(math.log(self.config.pairs), np.log(shares), known))

    def _score(self, neighbours: Neighbours, targets: TargetTable, scale: Scale) -> Scored:
        """Score every pair that has a neighbour above the gate, and return what reaches the threshold."""
        if len(targets) >= 1 << TARGET_BITS:
            raise DataError(f"aggregator diagonal: {len(targets)} targets; it holds at most {(1 << TARGET_BITS) - 1}")
        target_of_row = np.repeat(np.arange(len(targets), dtype=np.int32), np.diff(targets.offsets))
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(
                pool.map(
                    lambda piece: self._score_proteins(neighbours, targets, target_of_row, piece, scale),
                    _pieces(neighbours),
                )
            )
        return Scored.of(parts, self.config.bins)

    def _score_proteins(
        self,
        neighbours: Neighbours,
        targets: TargetTable,
        target_of_row: npt.NDArray[np.int32],
        proteins: slice,
        scale: Scale,
    ) -> Scored:
        """Score consecutive proteins, whose searched vectors are ``first:last``."""
        first, last = neighbours.offsets[proteins.start], neighbours.offsets[proteins.stop]
        half = self.config.width // 2
        k = max(_FEWEST, int(self.config.nearest * int(targets.offsets[-1]) * targets.step))
        counts = np.diff(neighbours.offsets[proteins.start : proteins.stop + 1])
        binning = Binning(
            target_of_row=target_of_row,
            target_begins=targets.offsets,
            step=targets.step,
            # The diagonal counts from the end of the longest protein, so that it is never negative; from a whole number of
            # half bins, so that the borders of the bins are the same whatever the longest protein is.
            longest=-(-int(neighbours.lengths[proteins].max(initial=0)) // half) * half,
            bin=half,
            margin=self.config.margin,
            gate=self.config.gate,
        )
        found = Found(
            scores=neighbours.scores[first:last, :k],  # best first
            rows=neighbours.rows[first:last, :k],
            positions=neighbours.positions[first:last],
            proteins=np.repeat(np.arange(len(counts)), counts),
        )
        packed = pack(found, binning)
        packed.sort()
        return best_bins(packed, len(counts), binning, self.config.bins, scale)


def offset_names(bins: int) -> tuple[str, ...]:
    """Return the names of the evidence that tells where a target begins: ``offset``, ``offset_2``, ..."""
    return ("offset", *(f"offset_{number}" for number in range(2, bins + 1)))


def _pass_name(share: float) -> str:
    return f"pass_{share:g}"


def _pieces(neighbours: Neighbours) -> Iterator[slice]:
    """Cut the proteins into consecutive pieces of about `_CHUNK` neighbours."""
    rows = max(1, _CHUNK // max(1, neighbours.rows.shape[1]))
    start = 0
    while start < len(neighbours.ids):
        stop = int(np.searchsorted(neighbours.offsets, neighbours.offsets[start] + rows, side="right")) - 1
        stop = min(max(stop, start + 1), start + (1 << PROTEIN_BITS) - 1)
        stop = min(stop, len(neighbours.ids))
        yield slice(start, stop)
        start = stop
