"""Finds unreviewed relatives of families in a large collection and rebuilds profiles with them, so that they know more of the diversity."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pyhmmer import hmmalign
from pyhmmer.easel import DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import HMM

from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.building import build_from_alignment
from photophore_hmmer.families.grouping import Family
from photophore_hmmer.families.kmers import words
from photophore_hmmer.families.search import Hits, Proteins, Search, joined
from photophore_hmmer.families.tables import Member

_MEMBERS_SCORED = 8
_WORD = 5


@dataclass(frozen=True, slots=True)
class RelativeRule:
    """Which proteins of the collection count as relatives.

    Parameters
    ----------
    sample
        Proteins drawn from the collection.
    least_words
        Words of six residues that a protein must share with the members; it is tried with the family that it shares most with.
    tried, most
        Candidates of a family that HMMER looks at, and relatives that are aligned, at most.
    evalue, coverage
        Largest E-value, and smallest part of the profile and of the protein that a hit spans.
    closeness
        Smallest score, as a part of the median score of the members.
    unlike_held
        Largest part of its five-residue words that a relative may share with the members that are held out: about 55 % identity.
    """

    sample: int = 60_000
    least_words: int = 6
    tried: int = 80
    most: int = 60
    evalue: float = 1e-20
    coverage: float = 0.7
    closeness: float = 0.5
    unlike_held: float = 0.05


def spread(items: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of ``items``, evenly taken from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)] if most > 1 else [items[0]]


def find_relatives(
    families: Sequence[Family],
    profiles: Sequence[HMM],
    tried: Sequence[Sequence[int]],
    collection: Proteins,
    rule: RelativeRule,
    search: Search,
) -> list[list[int]]:
    """Return the relatives of each family as rows of ``collection``, the best first; ``tried`` are the rows to look at."""
    scored = [member for family in families for member in family.members[:_MEMBERS_SCORED]]
    own = Proteins.of(scored)
    wanted: list[list[int]] = []
    first = len(collection.names)
    for family, rows in zip(families, tried, strict=True):
        count = min(len(family.members), _MEMBERS_SCORED)
        wanted.append([*spread(rows, rule.tried), *range(first, first + count)])
        first += count
    hits = search.run(profiles, joined(collection, own), wanted)
    return [
        _accepted(hits.where(hits.profiles == number), len(collection.names), rule) for number in range(len(families))
    ]


def _accepted(hits: Hits, collected: int, rule: RelativeRule) -> list[int]:
    """Return the rows below ``collected`` that pass; the rows from there on are members, which say what a good score is."""
    own = hits.scores[hits.proteins >= collected].tolist()
    if not own:
        return []
    good = hits.where(
        (hits.proteins < collected)
        & (hits.evalues <= rule.evalue)
        & (hits.coverages >= rule.coverage)
        & (hits.protein_coverages >= rule.coverage)
        & (hits.scores >= rule.closeness * statistics.median(own))
    )
    ranked = sorted(zip((-good.scores).tolist(), good.proteins.tolist(), strict=True))
    return spread([row for _, row in ranked], rule.most)


def unlike(sequences: Sequence[str], held: Sequence[Member], most: float) -> list[bool]:
    """Return whether each sequence shares at most a part ``most`` of its words with the members ``held`` out."""
    known = {word for member in held for word in words(member.sequence, _WORD).tolist()}
    return [
        sum(word in known for word in own) <= most * max(len(own), 1)
        for own in (words(sequence, _WORD).tolist() for sequence in sequences)
    ]


def rebuild(profile: HMM, sequences: Sequence[tuple[str, str]], seed: int) -> HMM:
    """Return a profile of ``sequences`` (name, residues), each aligned to ``profile``, with its name and description."""
    rows = [TextSequence(name=name, sequence=sequence).digitize(AMINO) for name, sequence in sequences]
    alignment = hmmalign(profile, DigitalSequenceBlock(AMINO, rows), trim=True, digitize=True, all_consensus_cols=True)
    alignment.name = profile.name
    hmm = build_from_alignment(alignment, seed)
    hmm.description = profile.description
    return hmm
