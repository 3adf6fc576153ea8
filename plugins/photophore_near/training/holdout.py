"""Whole families kept out of training: profiles that find each other, and everything that they find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pyhmmer.easel import DigitalSequenceBlock
    from pyhmmer.plan7 import HMM


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Which families are kept out.

    Parameters
    ----------
    profiles
        About how many profiles to keep out; 0 keeps none.
    evalue
        Two profiles are of one family when one finds the other's consensus at this E-value (single linkage).
    largest
        Families with more profiles stay in training: keeping one of them out would cost too much of it.
    seed
        Decides which families.
    """

    profiles: int = 0
    evalue: float = 1e-3
    largest: int = 40
    seed: int = 7

    def __post_init__(self) -> None:
        for name, lowest in (("profiles", 0), ("largest", 1), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {lowest}")
        if self.evalue <= 0:
            raise ValueError(f"evalue is {self.evalue}; give a number above 0")


def consensus_block(profiles: Sequence[HMM]) -> DigitalSequenceBlock:
    """Return the consensus of each profile as a protein named by its number."""
    from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextSequence

    alphabet = Alphabet.amino()
    return DigitalSequenceBlock(
        alphabet,
        [
            TextSequence(name=str(number), sequence=profile.consensus.upper()).digitize(alphabet)
            for number, profile in enumerate(profiles)
        ],
    )


def found_by(profiles: Sequence[HMM], proteins: DigitalSequenceBlock, *, evalue: float, threads: int) -> list[set[int]]:
    """Return for each profile the numbers (names) of the proteins that it finds at ``evalue``, with Z = profiles."""
    import pyhmmer

    searched = pyhmmer.hmmsearch(profiles, proteins, cpus=threads, E=evalue, Z=max(1, len(profiles)))
    return [{int(hit.name) for hit in hits} for hits in searched]


def choose_held_out(profiles: Sequence[HMM], rule: HoldOut, *, threads: int) -> set[str]:
    """Return the names of the profiles to keep out: whole families, drawn until there are ``rule.profiles``."""
    if not rule.profiles:
        return set()
    parent = list(range(len(profiles)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    linked = found_by(profiles, consensus_block(profiles), evalue=rule.evalue, threads=threads)
    for finder, others in enumerate(linked):
        for other in others:
            parent[root(finder)] = root(other)
    families: dict[int, list[int]] = defaultdict(list)
    for number in range(len(profiles)):
        families[root(number)].append(number)
    held: list[int] = []
    drawn = sorted(families.values(), key=min)
    for place in np.random.default_rng(rule.seed).permutation(len(drawn)):
        if len(drawn[place]) <= rule.largest and len(held) < rule.profiles:
            held += drawn[place]
    return {profiles[number].name for number in held}
