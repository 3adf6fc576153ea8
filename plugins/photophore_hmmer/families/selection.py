"""Chooses the families that most microbes hold: each protein counts for the family that fits it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photophore_hmmer.families.search import Hits


@dataclass(frozen=True, slots=True)
class Prevalence:
    """Where a family is the best one.

    Parameters
    ----------
    genomes
        Genomes that hold at least one such protein.
    proteins
        Such proteins in all genomes.
    sampled
        Such proteins in the sample of the large collection.
    """

    genomes: int = 0
    proteins: int = 0
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be chosen: model positions in all, and families of the same EC numbers unless they are in that many genomes."""

    positions: int
    alike: int = 2
    alike_genomes: int = 3


def best_families(hits: Hits, *, evalue: float, coverage: float) -> dict[int, int]:
    """Return the family of each protein (rows of both): the highest score among hits good and long enough; ties go to the first family."""
    good = hits.where((hits.evalues <= evalue) & (hits.coverages >= coverage))
    best: dict[int, tuple[float, int]] = {}
    for protein, score, family in zip(
        good.proteins.tolist(), good.scores.tolist(), good.profiles.tolist(), strict=True
    ):
        best[protein] = max(best.get(protein, (float("-inf"), 0)), (score, -family))
    return {protein: -family for protein, (_, family) in sorted(best.items())}


def prevalence(best: dict[int, int], names: Sequence[str], families: int) -> list[Prevalence]:
    """Return the prevalence of each of ``families``; a name ``genome|protein`` says that a protein is from a genome."""
    genomes: list[set[str]] = [set() for _ in range(families)]
    proteins, sampled = [0] * families, [0] * families
    for protein, family in best.items():
        genome, bar, _ = names[protein].partition("|")
        if bar:
            genomes[family].add(genome)
            proteins[family] += 1
        else:
            sampled[family] += 1
    return [Prevalence(len(genomes[i]), proteins[i], sampled[i]) for i in range(families)]


def select(
    found: Sequence[Prevalence], ecs: Sequence[tuple[str, ...]], lengths: Sequence[int], budget: Budget
) -> list[int]:
    """Return the chosen families, most prevalent first, while their positions fit into the budget.

    A family without EC numbers, or with ones not chosen yet, goes before an equally prevalent one that repeats them;
    the third family of the same EC numbers and later ones are taken only if they are in ``budget.alike_genomes``.
    """
    left = budget.positions
    chosen: list[int] = []
    taken: dict[tuple[str, ...], int] = {}
    waiting = sorted(
        (i for i in range(len(found)) if found[i].genomes or found[i].sampled),
        key=lambda i: (-found[i].genomes, -found[i].sampled, -found[i].proteins, i),
    )
    for turn in (False, True):  # families of new EC numbers first, within each number of genomes
        for i in waiting:
            repeats = taken.get(ecs[i], 0) if ecs[i] else 0
            rare = found[i].genomes < budget.alike_genomes
            if i in chosen or lengths[i] > left or (repeats and rare and (not turn or repeats >= budget.alike)):
                continue
            chosen.append(i)
            left -= lengths[i]
            taken[ecs[i]] = taken.get(ecs[i], 0) + 1
    return chosen
