"""Equation 6 of HiFi-NN across the chain: the aggregator gives each neighbour its share, the annotator sums them by label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.hookspecs import Runtime
from photophore.types import Candidates, Neighbours, TargetTable
from photophore_hifinn.config import LabelDensityConfig


class LabelDensity:
    """Score each target with its share ``exp(-d / T) / sum of exp(-d / T)`` among the k nearest neighbours of a protein.

    ``d = 1 - cosine``. The evidence columns ``distance`` and ``cosine`` (``shape=(c,), dtype=float32``) are those of the
    nearest row of a target. Neighbours beyond ``max_distance`` count in the sum, but are no candidates.
    """

    def __init__(self, config: LabelDensityConfig, runtime: Runtime) -> None:
        del runtime
        self.config = config

    def calibrate(
        self,
        background: Callable[[], Iterable[Neighbours]],  # noqa: ARG002 - the contract gives it, this needs none
        targets: TargetTable,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return nothing: the shares know no background."""
        return {}

    def aggregate(self, neighbours: Neighbours, targets: TargetTable) -> Candidates:
        """Return the targets within the distance cut-off, best first."""
        k = self.config.k or neighbours.rows.shape[1]
        rows, similar = neighbours.rows[:, :k], neighbours.scores[:, :k]  # (searched, k), nearest first
        searched, column = np.nonzero(rows >= 0)
        protein = np.repeat(np.arange(len(neighbours.ids)), np.diff(neighbours.offsets))[searched]
        cosine = similar[searched, column]
        distance = _distance(cosine)
        share = _shares(protein, distance, self.config.temperature, len(neighbours.ids))
        target = np.searchsorted(targets.offsets, rows[searched, column], side="right") - 1
        order = np.lexsort((distance, target, protein))
        key = (protein * len(targets) + target)[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))  # the nearest row of each (protein, target)
        nearest = order[first]
        score = np.add.reduceat(share[order], first) if len(first) else share
        kept = distance[nearest] <= self.config.max_distance
        return _ranked(
            neighbours.ids, protein[nearest[kept]], target[nearest[kept]], score[kept], cosine[nearest[kept]]
        )


def _distance(cosine: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return ``1 - cosine``; rounding may bring the cosine of a vector with itself above 1."""
    return np.maximum(0.0, 1.0 - cosine.astype(np.float64))


def _shares(
    protein: npt.NDArray[np.int64], distance: npt.NDArray[np.float64], temperature: float, proteins: int
) -> npt.NDArray[np.float64]:
    """Return ``exp(-d / T)`` of each neighbour as a share of its protein's, all ``shape=(n,)``, neighbours by protein.

    The least distance of a protein is taken off all of its distances first: it cancels, and nothing underflows to 0 / 0.
    """
    least = np.full(proteins, np.inf)
    np.minimum.at(least, protein, distance)
    weight = np.exp((least[protein] - distance) / temperature)
    total = np.bincount(protein, weights=weight, minlength=proteins)
    return np.asarray(weight / total[protein])


def _ranked(
    ids: tuple[str, ...],
    protein: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    cosine: npt.NDArray[np.float32],
) -> Candidates:
    """Order candidates: best first, ties by target."""
    scores = score.astype(np.float32)
    order = np.lexsort((target, -scores, protein))
    counts = np.bincount(protein, minlength=len(ids))
    cosine = cosine[order]
    return Candidates(
        ids=ids,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        targets=target[order].astype(np.int32),
        scores=scores[order],
        evidence={"distance": _distance(cosine).astype(np.float32), "cosine": cosine},
    )
