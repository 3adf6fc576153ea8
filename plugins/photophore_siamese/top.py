"""The aggregator `top`: the nearest database rows of a protein, each with the stretch of the protein that it is near to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from photophore.hookspecs import Runtime
from photophore.types import Candidates, Neighbours, TargetTable
from photophore_siamese.config import TopConfig


class Top:
    """Keeps the ``k`` nearest rows of every searched vector; a target that is near to several counts once, by its best."""

    def __init__(self, config: TopConfig, runtime: Runtime) -> None:
        del runtime
        self._config = config

    def calibrate(self, background: Callable[[], Iterable[Neighbours]], targets: TargetTable) -> Mapping[str, Any]:
        """Measure nothing: the scores are comparable as they are."""
        del background, targets
        return {}

    def aggregate(self, neighbours: Neighbours, targets: TargetTable) -> Candidates:
        """Return the targets of each protein, best first; evidence ``start`` and ``end`` say which stretch is near.

        ``end`` is there where the searched vectors stand for stretches (`Neighbours.ends`).
        """
        rows, scores = neighbours.rows[:, : self._config.k], neighbours.scores[:, : self._config.k]
        searched, column = np.nonzero((rows >= 0) & (scores >= self._config.min_score))
        score = scores[searched, column]
        protein = np.repeat(np.arange(len(neighbours.ids)), np.diff(neighbours.offsets))[searched]
        target = np.searchsorted(targets.offsets, rows[searched, column], side="right") - 1
        order = np.lexsort(
            (searched, -score, target, protein)
        )  # of equals the first stretch: the widest, then the leftmost
        key = (protein * max(1, len(targets)) + target)[order]
        best = order[np.flatnonzero(np.diff(key, prepend=-1))]
        best = best[np.lexsort((target[best], -score[best], protein[best]))]
        evidence = {"start": neighbours.positions[searched[best]]}
        if neighbours.ends is not None:
            evidence["end"] = neighbours.ends[searched[best]]
        counts = np.bincount(protein[best], minlength=len(neighbours.ids))
        return Candidates(
            ids=neighbours.ids,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            targets=target[best].astype(np.int32),
            scores=score[best].astype(np.float32),
            evidence=evidence,
        )
