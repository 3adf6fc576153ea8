"""Chooses the gathering cut-offs of a family on members that its profile has not seen, and on proteins that do other things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from photophore_hmmer.families.grouping import Family
from photophore_hmmer.families.tables import Member


@dataclass(frozen=True, slots=True)
class CutoffRule:
    """How a cut-off is chosen.

    Parameters
    ----------
    held_share
        Part of the members that are held out.
    held_most, enzymes, non_enzymes
        Held-out members of one family that are scored, and proteins with and without EC numbers drawn as negatives, at most.
    precision
        Smallest part of the hits among held-out members and negatives that must be right.
    margin
        Where the cut-off stands between the best protein left out (0) and the worst one taken (1).
    least, least_domain
        Smallest cut-off for a protein and for a domain, bits.
    """

    held_share: float = 0.2
    held_most: int = 40
    enzymes: int = 8000
    non_enzymes: int = 4000
    precision: float = 0.98
    margin: float = 0.25
    least: float = 25.0
    least_domain: float = 15.0


@dataclass(frozen=True, slots=True)
class Cutoff:
    """A family's cut-offs in bits, and what they find: ``found`` of ``held`` members held out, and ``false`` negatives."""

    sequence: float
    domain: float
    held: int
    found: int
    false: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Bits of one protein: the whole of it, and its best domain."""

    sequence: float
    domain: float


def choose_cutoff(held: Sequence[Scored], negatives: Sequence[float], rule: CutoffRule) -> Cutoff:
    """Return the cut-offs with the largest F1 among those of at least ``rule.precision``.

    Many cut-offs separate the same proteins: of the gap between the best protein left out and the worst one taken, the
    one at ``rule.margin`` from below is chosen, because distant members of the family are rarer among reviewed
    proteins than in metagenomes. Where no cut-off is precise enough, the lowest one above all negatives is.
    """
    best: tuple[float, float] | None = None
    for hit in sorted({score.sequence for score in held if score.sequence >= rule.least}):
        found, false = _counts(held, negatives, hit)
        if found >= rule.precision * (found + false):
            f1 = 2 * found / (len(held) + found + false)
            best = max(best or (-1.0, 0.0), (f1, hit))
    worst = best[1] if best else max([rule.least, *negatives]) + 1.0
    below = max([rule.least, *(score for score in (*negatives, *(h.sequence for h in held)) if score < worst)])
    sequence = min(math.ceil(10 * (below + rule.margin * (worst - below))) / 10, math.floor(10 * worst) / 10)
    if sequence <= below < worst:
        sequence = math.ceil(100 * (below + worst) / 2) / 100
    found, false = _counts(held, negatives, sequence)
    domains = [score.domain for score in held if score.sequence >= sequence]
    domain = max(rule.least_domain, min([sequence, *(math.floor(10 * score) / 10 for score in domains)]))
    return Cutoff(sequence, min(domain, sequence), len(held), found, false)


def _counts(held: Sequence[Scored], negatives: Sequence[float], cutoff: float) -> tuple[int, int]:
    """Return how many held-out members and how many negatives reach ``cutoff``."""
    return sum(score.sequence >= cutoff for score in held), sum(score >= cutoff for score in negatives)


def is_negative(family: Family, protein: Member, *, placed: bool) -> bool:
    """Return whether ``protein`` is known to do something else than ``family``.

    An enzyme does if no EC number of the two agrees in its first three figures and the clusters differ. A protein without EC
    numbers does if the family has some, or if it is ``placed`` in another family; otherwise nobody knows.
    """
    if protein.cluster30 == family.cluster:
        return False
    if protein.ecs:
        return not {_kind(ec) for ec in protein.ecs} & {_kind(ec) for ec in family.ecs}
    return bool(family.ecs) or placed


def _kind(ec: str) -> str:
    """Return the first three figures of an EC number."""
    return ec.rpartition(".")[0]
