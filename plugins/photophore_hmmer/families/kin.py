"""Finds families among proteins that come without clusters: words first, then profiles of what they found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyhmmer.plan7 import HMM

from photophore_hmmer.families.building import build_profile, in_order
from photophore_hmmer.families.grouping import Choice, Family, choose_members
from photophore_hmmer.families.kmers import WordIndex, words
from photophore_hmmer.families.search import Proteins, Search
from photophore_hmmer.families.tables import Member

_WORD = 5


@dataclass(frozen=True, slots=True)
class KinRule:
    """What makes proteins kin.

    Parameters
    ----------
    kin, near
        Part of the words of the shorter protein that two must share to seed a family together, and to share its 50 % cluster.
    coverage
        Part of the profile and of the protein that a hit must span to join a family.
    least
        Members that a family needs.
    """

    kin: float = 0.02
    near: float = 0.06
    coverage: float = 0.7
    least: int = 5


def find_families(members: Sequence[Member], rule: KinRule, choice: Choice, search: Search, seed: int) -> list[Family]:
    """Return families of at least ``rule.least`` members, by cluster name: seeded by shared words, filled up by one round of profile search."""
    near = _neighbours(members, rule.kin)
    seeds = [rows for rows in _stars(near) if len(rows) >= rule.least]
    clusters = _linked(near, rule.near, len(members))
    placed = [replace(member, cluster50=members[cluster].id) for member, cluster in zip(members, clusters, strict=True)]
    profiles = list(
        in_order(lambda rows: _profile(placed, rows, choice, seed), seeds, search.threads, "families of non-enzymes")
    )
    proteins = Proteins.of(members)
    hits = search.run(profiles, proteins)
    hits = hits.where((hits.coverages >= rule.coverage) & (hits.protein_coverages >= rule.coverage))
    best: dict[int, tuple[float, int]] = {}
    for protein, score, profile in zip(
        hits.proteins.tolist(), hits.scores.tolist(), hits.profiles.tolist(), strict=True
    ):
        best[protein] = max(best.get(protein, (0.0, -1)), (score, profile))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for protein in sorted(best):
        groups[best[protein][1]].append(protein)
    families = [
        Family(members[seeds[profile][0]].id, (), tuple(placed[row] for row in rows))
        for profile, rows in groups.items()
        if len(rows) >= rule.least
    ]
    return sorted(families, key=lambda family: family.cluster)


def _profile(members: Sequence[Member], rows: Sequence[int], choice: Choice, seed: int) -> HMM:
    """Return the profile of the members at ``rows``; the first of them names it."""
    chosen = choose_members([members[row] for row in rows], choice) or [members[rows[0]]]
    return build_profile(f"NE_{members[rows[0]].id}", chosen, seed)


def _neighbours(members: Sequence[Member], least: float) -> list[dict[int, float]]:
    """Return, for each member, the others that share at least ``least`` of the words of the shorter of the two."""
    index = WordIndex([[member.sequence] for member in members], length=_WORD)
    counts = [len(words(member.sequence, _WORD)) for member in members]
    near: list[dict[int, float]] = []
    for row, member in enumerate(members):
        others, shared = index.shared(member.sequence)
        parts = (
            (other, number / min(counts[row], counts[other]))
            for other, number in zip(others.tolist(), shared.tolist(), strict=True)
        )
        near.append({other: part for other, part in parts if other != row and part >= least})
    return near


def _stars(near: Sequence[dict[int, float]]) -> list[list[int]]:
    """Return groups of a protein and its neighbours, the largest first; each protein is in one group."""
    free = set(range(len(near)))
    stars: list[list[int]] = []
    for centre in sorted(range(len(near)), key=lambda row: (-len(near[row]), row)):
        if centre in free:
            star = [centre, *sorted(free.intersection(near[centre]) - {centre})]
            free.difference_update(star)
            stars.append(star)
    return stars


def _linked(near: Sequence[dict[int, float]], least: float, count: int) -> list[int]:
    """Return the first member of the cluster of each of ``count`` proteins: linked by pairs that share at least ``least``."""
    first = list(range(count))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    for row, others in enumerate(near):
        for other, part in others.items():
            if part >= least:
                low, high = sorted((root(row), root(other)))
                first[high] = low
    return [root(row) for row in range(count)]
