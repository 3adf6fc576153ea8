"""Gathers the evidence for a batch of proteins: groups that are like them, alignments to these, neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from photophore.ec import EC
from photophore.types import SequenceBatch
from photophore_hifinn.compact import GroupProfiles
from photophore_hifinn.evidence import LEAST_BITS, Hit
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.rescoring import align

#: Groups that the near network may propose for a protein; each is aligned.
PROPOSED = 80

#: Best groups of a protein whose kin is aligned as well, and how many groups of one EC number at most.
LEADERS, MOST_KIN = 4, 20

Pair = tuple[int, int]  # protein row, group


class Gatherer:
    """Aligns proteins to the groups that the near network and the neighbours propose, and to those of the same EC numbers."""

    def __init__(self, profiles: GroupProfiles, finder: GroupFinder) -> None:
        self._profiles = profiles
        self._finder = finder
        self._lengths = np.diff(profiles.offsets).tolist()
        self._of_ec: dict[EC, list[int]] = defaultdict(list)
        for group, ecs in enumerate(profiles.ecs):
            for ec in ecs:
                self._of_ec[ec].append(group)

    def hits(
        self,
        batch: SequenceBatch,
        proposed: Sequence[Sequence[int]],
        *,
        allowed: Callable[[int, int], bool] | None = None,
    ) -> list[list[Hit]]:
        """Return the aligned groups of each protein.

        Parameters
        ----------
        proposed
            Groups of the neighbours of each protein, aligned as well.
        allowed
            Tells for (protein row, group) whether the group may be looked at; to measure on proteins that are in it.
        """
        found = dict(self._found(batch))
        pairs = {*found, *((row, group) for row, groups in enumerate(proposed) for group in groups)}
        hits: list[list[Hit]] = [[] for _ in range(len(batch))]
        best = self._align(batch, pairs, found, hits, allowed)
        self._align(batch, self._kin(best) - pairs, found, hits, allowed)
        return hits

    def _found(self, batch: SequenceBatch) -> Iterator[tuple[Pair, float]]:
        rows, groups, scores = self._finder.find(batch)
        return zip(zip(rows.tolist(), groups.tolist(), strict=True), scores.tolist(), strict=True)

    def _align(
        self,
        batch: SequenceBatch,
        pairs: set[Pair],
        found: Mapping[Pair, float],
        hits: list[list[Hit]],
        allowed: Callable[[int, int], bool] | None,
    ) -> list[list[int]]:
        """Add the alignments of ``pairs`` to ``hits``; return the best groups of each protein."""
        ordered = sorted(pair for pair in pairs if allowed is None or allowed(*pair))
        columns = np.array(ordered, dtype=np.int64).reshape(-1, 2)
        aligned = align(self._profiles, batch.sequences, columns[:, 0], columns[:, 1])
        scored: list[list[tuple[float, int]]] = [[] for _ in range(len(batch))]
        values = (aligned.bits.tolist(), aligned.protein_share.tolist(), aligned.profile_share.tolist())
        for pair, bits, protein_share, profile_share in zip(ordered, *values, strict=True):
            if bits < LEAST_BITS:
                continue
            row, group = pair
            ecs, positions = self._profiles.ecs[group], self._lengths[group]
            hits[row].append(Hit(ecs, positions, bits, found.get(pair, 0.0), protein_share, profile_share))
            scored[row].append((-bits, group))
        return [[group for _, group in sorted(each)[:LEADERS]] for each in scored]

    def _kin(self, best: Sequence[Sequence[int]]) -> set[Pair]:
        """Return the groups that share an EC number with the ``best`` of each protein: the near network may miss some."""
        return {
            (row, kin)
            for row, groups in enumerate(best)
            for ec in {ec for group in groups for ec in self._profiles.ecs[group]}
            for kin in self._of_ec[ec][:MOST_KIN]
        }
