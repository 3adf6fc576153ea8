"""Gathers the evidence for a batch of proteins: groups that are like them, alignments to these, neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from photophore.ec import EC
from photophore.types import SequenceBatch
from photophore_hifinn.compact import GroupProfiles
from photophore_hifinn.evidence import LEAST_BITS, Hit
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.rescoring import align
from photophore_hifinn.spelling import SpelledGroups

#: Groups that the near network may propose for a protein; each is aligned.
PROPOSED = 50

#: Best groups of a protein, of enzymes and of others, that are held against it by the siamese network as well.
ALIKE_GROUPS, ALIKE_OTHERS = 20, 5
#: But none of fewer bits, and none where an alignment to enzymes has so many bits a residue of the protein that nothing is left to ask.
_ALIKE_BITS, _SETTLED_BITS = 8.0, 0.9
#: Best groups of a protein whose kin is aligned as well, and how many groups of one EC number at most.
LEADERS, MOST_KIN = 4, 20

Pair = tuple[int, int]  # protein row, group
GroupHit = tuple[int, Hit]


class Gatherer:
    """Aligns proteins to the groups that the near network and the neighbours propose, and to those of the same EC numbers."""

    def __init__(self, profiles: GroupProfiles, finder: GroupFinder, spelled: SpelledGroups) -> None:
        self._profiles = profiles
        self._finder = finder
        self._spelled = spelled
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
        hits: list[list[GroupHit]] = [[] for _ in range(len(batch))]
        self._align(batch, pairs, found, hits, allowed)
        self._align(batch, self._kin(hits) - pairs, found, hits, allowed)
        return self._with_alike(batch, hits)

    def _found(self, batch: SequenceBatch) -> Iterator[tuple[Pair, float]]:
        rows, groups, scores = self._finder.find(batch)
        return zip(zip(rows.tolist(), groups.tolist(), strict=True), scores.tolist(), strict=True)

    def _align(
        self,
        batch: SequenceBatch,
        pairs: set[Pair],
        found: Mapping[Pair, float],
        hits: list[list[GroupHit]],
        allowed: Callable[[int, int], bool] | None,
    ) -> None:
        """Add the alignments of ``pairs`` to ``hits``."""
        ordered = sorted(pair for pair in pairs if allowed is None or allowed(*pair))
        columns = np.array(ordered, dtype=np.int64).reshape(-1, 2)
        aligned = align(self._profiles, batch.sequences, columns[:, 0], columns[:, 1])
        values = (aligned.bits.tolist(), aligned.protein_share.tolist(), aligned.profile_share.tolist())
        for pair, bits, protein_share, profile_share in zip(ordered, *values, strict=True):
            if bits < LEAST_BITS:
                continue
            row, group = pair
            ecs, positions = self._profiles.ecs[group], self._lengths[group]
            hit = Hit(ecs, positions, bits, found.get(pair, 0.0), protein_share, profile_share)
            hits[row].append((group, hit))

    def _with_alike(self, batch: SequenceBatch, hits: Sequence[Sequence[GroupHit]]) -> list[list[Hit]]:
        """Return the hits of each protein, the best of them with what the siamese network says."""
        asked = [_unsettled(each, len(sequence)) for each, sequence in zip(hits, batch.sequences, strict=True)]
        groups = [[each[place][0] for place in places] for each, places in zip(hits, asked, strict=True)]
        told = [[hit for _, hit in each] for each in hits]
        for row, values in enumerate(self._spelled.alike(batch.sequences, groups)):
            for place, value in zip(asked[row], values.tolist(), strict=True):
                told[row][place] = replace(told[row][place], alike=value)
        return told

    def _kin(self, hits: Sequence[Sequence[GroupHit]]) -> set[Pair]:
        """Return the groups that share an EC number with the best of each protein: the near network may miss some."""
        leaders = [sorted(each, key=lambda pair: (-pair[1].bits, pair[0]))[:LEADERS] for each in hits]
        return {
            (row, kin)
            for row, best in enumerate(leaders)
            for ec in {ec for _, hit in best for ec in hit.ecs}
            for kin in self._of_ec[ec][:MOST_KIN]
        }


def _unsettled(hits: Sequence[GroupHit], residues: int) -> list[int]:
    """Return the places of the groups that are aligned best, of enzymes and of others; none where one of enzymes settles it."""
    ordered = sorted(range(len(hits)), key=lambda place: -hits[place][1].bits)
    close = [place for place in ordered if hits[place][1].bits >= _ALIKE_BITS]
    enzymes = [place for place in close if hits[place][1].ecs]
    others = [place for place in close if not hits[place][1].ecs]
    if not enzymes or hits[enzymes[0]][1].bits >= _SETTLED_BITS * residues:
        return []
    return enzymes[:ALIKE_GROUPS] + others[:ALIKE_OTHERS]
