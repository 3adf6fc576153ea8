"""What the groups that a protein is like are to each other: how alike, and which part of one the others of its EC number share.

A protein that is less like a group than groups of other EC numbers are stands outside of it: what it does may be a third
thing. And a protein that is like a part of a group in which no other group with the EC number has anything in common with
it is like another domain, or the other half of a fusion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from photophore.ec import EC
from photophore_hifinn.compact import BITS_PER_STEP, GroupProfiles
from photophore_hifinn.hits import Hit, Part, Standing
from photophore_hifinn.rescoring import align

#: EC numbers of a protein, the best first, whose best groups are looked at.
LEADING = 4
#: Groups that share an EC number with such a group, at most, and the bits from which they are like it.
MOST_KIN, KIN_BITS = 6, 12.0
#: Pairs of groups that are remembered.
_REMEMBERED = 200_000

Pair = tuple[int, int]  # the group whose best residues are aligned, the group to whose profile
Aligned = tuple[float, float, float]  # bits, and from where to where in the profile as shares of it


class Kinship:
    """Aligns groups to each other, as they are asked for."""

    def __init__(self, profiles: GroupProfiles) -> None:
        self._profiles = profiles
        self._aligned: dict[Pair, Aligned] = {}
        #: Groups of each EC number.
        self.of_ec: dict[EC, list[int]] = defaultdict(list)
        for group, ecs in enumerate(profiles.ecs):
            for ec in ecs:
                self.of_ec[ec].append(group)

    def standings(
        self, hits: Mapping[int, Sequence[Hit]], *, allowed: Callable[[int, int], bool] | None = None
    ) -> dict[int, dict[int, Standing]]:
        """Return how the best groups of the leading EC numbers of each protein stand to others, by protein row and group.

        Parameters
        ----------
        hits
            Groups that each protein was aligned to, by its row.
        allowed
            Tells for (protein row, group) whether the group may be looked at.
        """
        leading = {row: leaders(each) for row, each in hits.items()}
        self._align(pair for best, others in leading.values() for pair in self._pairs(best, others))
        return {
            row: {hit.group: self._standing(hit, (*best, *others), row, allowed) for hit in best}
            for row, (best, others) in leading.items()
        }

    def _pairs(self, best: Sequence[Hit], others: Sequence[Hit]) -> Iterator[Pair]:
        for hit in best:
            yield from ((other.group, hit.group) for other in (*best, *others) if other.group != hit.group)
            yield from ((kin, hit.group) for ec in hit.ecs for kin in self._kin(hit.group, ec))

    def _kin(self, group: int, ec: EC) -> list[int]:
        """Return a few groups of other clusters with the EC number ``ec``, spread over all of them."""
        clusters = self._profiles.clusters
        kin = [other for other in self.of_ec[ec] if clusters[other] != clusters[group]]
        return kin[:: -(-len(kin) // MOST_KIN)] if kin else []

    def _align(self, pairs: Iterable[Pair]) -> None:
        """Align what is not remembered."""
        if len(self._aligned) > _REMEMBERED:
            self._aligned.clear()
        wanted = sorted(set(pairs) - self._aligned.keys())
        places = {group: place for place, group in enumerate(sorted({group for group, _ in wanted}))}
        texts = [self._profiles.consensus(group) for group in places]
        rows = np.array([places[group] for group, _ in wanted], dtype=np.int64)
        found = align(self._profiles, texts, rows, np.array([group for _, group in wanted], dtype=np.int64))
        spans = (found.bits.tolist(), found.profile_from.tolist(), found.profile_share.tolist())
        for pair, bits, first, share in zip(wanted, *spans, strict=True):
            self._aligned[pair] = (bits, first, first + share)

    def _standing(
        self, hit: Hit, leading: Sequence[Hit], row: int, allowed: Callable[[int, int], bool] | None
    ) -> Standing:
        best = self._profiles.scores(hit.group).max(axis=1).sum(dtype=np.int64) * BITS_PER_STEP
        others = [other.group for other in leading if other.group != hit.group]
        against = {group: self._aligned[group, hit.group][0] for group in others}
        no_enzymes = [other.group for other in leading if not other.ecs]
        return Standing(
            itself=float(best),
            against=against,
            parts={ec: self._part(hit, ec, row, allowed) for ec in hit.ecs},
            shared=max((common for common, _ in self._common(hit, no_enzymes)), default=0.0) / _spanned(hit),
        )

    def _part(self, hit: Hit, ec: EC, row: int, allowed: Callable[[int, int], bool] | None) -> Part:
        """Return how the part of the group that the protein is like lies to what others with ``ec`` are like."""
        kin = [group for group in self._kin(hit.group, ec) if allowed is None or allowed(row, group)]
        if not kin:
            return Part()
        bits = [self._aligned[group, hit.group][0] for group in kin]
        part = Part(peer_most=max(bits), peer_mean=sum(bits) / len(bits))
        found = self._common(hit, kin)
        if not found:
            return part
        shares = [common / spanned for common, spanned in found]
        covered = max(common for common, _ in found) / _spanned(hit)
        return replace(part, most=max(shares), mean=sum(shares) / len(shares), covered=covered, known=len(shares))

    def _common(self, hit: Hit, groups: Sequence[int]) -> list[tuple[float, float]]:
        """Return what the protein and each of ``groups`` that is like the group both span of it, and what that group spans."""
        start, end = hit.profile_from, hit.profile_from + hit.profile_share
        spans = [span for bits, *span in (self._aligned[group, hit.group] for group in groups) if bits >= KIN_BITS]
        return [(max(0.0, min(end, last) - max(start, first)), last - first) for first, last in spans]


def _spanned(hit: Hit) -> float:
    """Return what a protein spans of a group; an alignment that is too weak to be looked at spans next to nothing."""
    return max(hit.profile_share, 1e-6)


def leaders(hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Return the best group of each of the first EC numbers, and what these stand to: the second of each, the best that is no enzyme."""
    ordered = sorted(hits, key=lambda hit: (-hit.bits, hit.group))
    of_ec: dict[EC, list[Hit]] = defaultdict(list)
    for hit in ordered:
        for ec in hit.ecs:
            of_ec[ec].append(hit)
    first = list(of_ec.values())[:LEADING]
    best = {each[0].group: each[0] for each in first}
    others = {hit.group: hit for each in first for hit in each[1:2]}
    others |= {hit.group: hit for hit in [hit for hit in ordered if not hit.ecs][:1]}
    return list(best.values()), [hit for group, hit in others.items() if group not in best]
