"""Gathers the evidence for a batch of proteins: groups that are like them, alignments to these, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from photophore.types import SequenceBatch
from photophore_hifinn.compact import GroupProfiles
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.hits import LEAST_BITS, Hit
from photophore_hifinn.kinship import Kinship
from photophore_hifinn.rescoring import align
from photophore_hifinn.spelling import SpelledGroups

#: Groups that the finder may find for a protein; each is aligned.
PROPOSED = 30

#: Best groups of a protein, of enzymes and of others, that are held against it by the siamese network as well.
ALIKE_GROUPS, ALIKE_OTHERS = 20, 5
#: But none of fewer bits.
_ALIKE_BITS = 8.0
#: And none at all where the best of enzymes has fewer bits than these, which is next to never right; or so many a residue of the
#: protein that it settles it: then it has one EC number, and no group with another or with none has this share of its bits.
_HOPELESS_BITS, _SETTLED_BITS, _CONTESTED = 16.0, 0.9, 0.5
#: Best groups of a protein whose EC numbers are followed, and how many groups of each are aligned as well, at most.
LEADERS, MOST_OF_EC = 4, 20

Pair = tuple[int, int]  # protein row, group


class Gatherer:
    """Aligns proteins to the groups that the near network and the neighbours propose, and to those of the same EC numbers."""

    def __init__(self, profiles: GroupProfiles, finder: GroupFinder, spelled: SpelledGroups) -> None:
        self._profiles = profiles
        self._finder = finder
        self._spelled = spelled
        self._kinship = Kinship(profiles)
        self._lengths = np.diff(profiles.offsets).tolist()

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
        found = self._found(batch)
        pairs = {*found, *((row, group) for row, groups in enumerate(proposed) for group in groups)}
        hits: list[list[Hit]] = [[] for _ in range(len(batch))]
        self._align(batch, pairs, found, hits, allowed)
        self._align(batch, self._kin(hits) - pairs, found, hits, allowed)
        self._weigh(batch, hits, allowed)
        return hits

    def _found(self, batch: SequenceBatch) -> dict[Pair, float]:
        """Return the pairs that the finder found, with the near network's score."""
        found = self._finder.find(batch)
        return dict(
            zip(zip(found.rows.tolist(), found.groups.tolist(), strict=True), found.found.tolist(), strict=True)
        )

    def _align(
        self,
        batch: SequenceBatch,
        pairs: set[Pair],
        found: Mapping[Pair, float],
        hits: list[list[Hit]],
        allowed: Callable[[int, int], bool] | None,
    ) -> None:
        """Add the alignments of ``pairs`` to ``hits``."""
        ordered = sorted(pair for pair in pairs if allowed is None or allowed(*pair))
        columns = np.array(ordered, dtype=np.int64).reshape(-1, 2)
        aligned = align(self._profiles, batch.sequences, columns[:, 0], columns[:, 1])
        spans = (aligned.protein_share.tolist(), aligned.profile_share.tolist(), aligned.profile_from.tolist())
        for (row, group), bits, *span in zip(ordered, aligned.bits.tolist(), *spans, strict=True):
            if bits >= LEAST_BITS:
                hits[row].append(self._hit(group, bits, found.get((row, group), 0.0), *span))

    def _hit(
        self, group: int, bits: float, found: float, protein_share: float, profile_share: float, profile_from: float
    ) -> Hit:
        return Hit(
            ecs=self._profiles.ecs[group],
            positions=self._lengths[group],
            bits=bits,
            found=found,
            protein_share=protein_share,
            profile_share=profile_share,
            profile_from=profile_from,
            group=group,
        )

    def _weigh(self, batch: SequenceBatch, hits: list[list[Hit]], allowed: Callable[[int, int], bool] | None) -> None:
        """Add what the siamese network says and how groups stand to the ``hits`` of each protein where these settle nothing."""
        asked = [_unsettled(each, len(sequence)) for each, sequence in zip(hits, batch.sequences, strict=True)]
        groups = [[each[place].group for place in places] for each, places in zip(hits, asked, strict=True)]
        for row, values in enumerate(self._spelled.alike(batch.sequences, groups)):
            for place, value in zip(asked[row], values.tolist(), strict=True):
                hits[row][place] = replace(hits[row][place], alike=value)
        unsettled = {row: hits[row] for row, places in enumerate(asked) if places}
        for row, standings in self._kinship.standings(unsettled, allowed=allowed).items():
            hits[row] = [replace(hit, standing=standings.get(hit.group)) for hit in hits[row]]

    def _kin(self, hits: Sequence[Sequence[Hit]]) -> set[Pair]:
        """Return the groups that share an EC number with the best of each protein: the near network may miss some."""
        leaders = [sorted(each, key=lambda hit: (-hit.bits, hit.group))[:LEADERS] for each in hits]
        return {
            (row, kin)
            for row, best in enumerate(leaders)
            for ec in {ec for hit in best for ec in hit.ecs}
            for kin in self._kinship.of_ec[ec][:MOST_OF_EC]
        }


def _unsettled(hits: Sequence[Hit], residues: int) -> list[int]:
    """Return the places of the groups that are aligned best, of enzymes and of others; none where one of enzymes settles it."""
    ordered = sorted(range(len(hits)), key=lambda place: -hits[place].bits)
    close = [place for place in ordered if hits[place].bits >= _ALIKE_BITS]
    enzymes = [place for place in close if hits[place].ecs]
    others = [place for place in close if not hits[place].ecs]
    if not enzymes:
        return []
    best = hits[enzymes[0]]
    contested = len(best.ecs) > 1 or any(
        hits[place].bits >= _CONTESTED * best.bits and hits[place].ecs != best.ecs for place in close
    )
    if best.bits < _HOPELESS_BITS or (best.bits >= _SETTLED_BITS * residues and not contested):
        return []
    return enzymes[:ALIKE_GROUPS] + others[:ALIKE_OTHERS]
