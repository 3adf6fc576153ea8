"""The paper's aggregator: what neighbours score above a gate, summed for each protein and target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.hookspecs import Runtime
from photophore.types import Candidates, Neighbours, TargetTable


@dataclass(frozen=True, slots=True)
class NearSumConfig:
    """Options of `NearSum`."""

    gate: float = field(
        default=0.1875,
        metadata={"help": "similarity below which a neighbour counts nothing: 3/sqrt(dim), 0.1875 for NEAR's 256"},
    )
    threshold: float = field(default=0.0, metadata={"help": "lowest summed score of a candidate; 0 keeps every one"})
    max_candidates: int = field(default=0, metadata={"help": "best candidates kept for each protein; 0 keeps all"})

    def __post_init__(self) -> None:
        if self.max_candidates < 0:
            raise ValueError(f"max_candidates is {self.max_candidates}; give 0 for all, or a number above")


class NearSum:
    """Sum ``score - gate`` over the neighbours above the gate, for each (protein, target).

    The sums run in double precision in the order of the protein's residues, so that they do not depend on the batch.
    """

    def __init__(self, config: NearSumConfig, runtime: Runtime) -> None:
        self.config = config
        self.threads = runtime.threads

    def calibrate(
        self,
        background: Callable[[], Iterable[Neighbours]],  # noqa: ARG002 - the contract gives it, this needs none
        targets: TargetTable,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return nothing: the paper's sum knows no background."""
        return {}

    def aggregate(self, neighbours: Neighbours, targets: TargetTable) -> Candidates:
        """Return the targets with a sum above 0 and not below the threshold, best first."""
        gated = neighbours.scores.astype(np.float64) - self.config.gate  # (searched, k); -inf where missing
        searched, column = np.nonzero(gated > 0)
        protein = np.repeat(np.arange(len(neighbours.ids)), np.diff(neighbours.offsets))[searched]
        target = np.searchsorted(targets.offsets, neighbours.rows[searched, column], side="right") - 1
        keys, sums = sum_by_key(protein * len(targets) + target, gated[searched, column])
        kept = sums >= self.config.threshold
        return rank(keys[kept], sums[kept], neighbours.ids, targets, self.config.max_candidates)


def sum_by_key(
    keys: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the distinct ``keys``, rising, and the sum of the values of each; both inputs shape=(n,)."""
    if not len(keys):
        return keys, values
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    first = runs(keys)
    return keys[first], np.add.reduceat(values, first)


def runs(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where each run of equal ``keys`` begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)


def rank(
    keys: npt.NDArray[np.int64],
    sums: npt.NDArray[np.floating[Any]],
    ids: tuple[str, ...],
    targets: TargetTable,
    max_candidates: int,
) -> Candidates:
    """Order scored pairs, ``key = protein * targets + target`` rising, into candidates: best first, ties by target."""
    protein, target = np.divmod(keys, max(len(targets), 1))
    scores = sums.astype(np.float32)
    counts = np.bincount(protein, minlength=len(ids))
    order = best_first(scores, counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return best_of(Candidates(ids, offsets, target[order].astype(np.int32), scores[order]), max_candidates)


def best_of(candidates: Candidates, most: int) -> Candidates:
    """Return the best ``most`` candidates of each protein, or all where that is 0."""
    if not most:
        return candidates
    counts = np.diff(candidates.offsets)
    place = np.arange(len(candidates.targets)) - np.repeat(candidates.offsets[:-1], counts)
    kept = place < most
    return Candidates(
        candidates.ids,
        np.concatenate([[0], np.cumsum(np.minimum(counts, most))]).astype(np.int64),
        candidates.targets[kept],
        candidates.scores[kept],
        {name: column[kept] for name, column in candidates.evidence.items()},
    )


def best_first(scores: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the order in which the scores of each protein, of which it has ``counts``, fall; equal ones stay in their order.

    Protein, falling score and place within the protein are packed into one number each: sorting those is many times faster than
    sorting by several keys.
    """
    bits = (scores + np.float32(0)).view(np.int32).astype(np.int64)  # + 0: there is one zero
    falling = (1 << 31) - 1 - (bits ^ ((bits >> 31) & 0x7FFFFFFF))  # 0 to 2 ** 32 - 1
    starts = np.cumsum(counts) - counts
    place_bits = int(counts.max(initial=1)).bit_length()
    together = 1 << (31 - place_bits)
    order = np.empty(len(scores), dtype=np.int64)
    for first in range(0, len(counts), together):
        own = counts[first : first + together]
        part = slice(int(starts[first]), int(starts[first] + own.sum()))
        protein = np.repeat(np.arange(len(own)), own)
        place = np.arange(part.stop - part.start) - (starts[first : first + together] - starts[first])[protein]
        packed = ((protein << 32 | falling[part]) << place_bits) | place
        packed.sort()
        order[part] = starts[first : first + together][protein] + (packed & ((1 << place_bits) - 1))
    return order
