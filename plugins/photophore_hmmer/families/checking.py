"""Measures finished families with their own cut-offs: on test proteins that nothing was chosen on, and on whole genomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyhmmer.plan7 import HMM

from photophore_hmmer.families.grouping import Family
from photophore_hmmer.families.search import Hits, Proteins
from photophore_hmmer.families.tables import read_members

if TYPE_CHECKING:
    from photophore_hmmer.families.making import Workshop

_LOOSE = 1e-2


def gathered(hits: Hits, profiles: Sequence[HMM]) -> Hits:
    """Return the hits that reach the gathering cut-offs of their profile, for the protein and for a domain."""
    cuts = np.array([hmm.cutoffs.gathering for hmm in profiles], dtype=np.float32).reshape(-1, 2)
    return hits.where((hits.scores >= cuts[hits.profiles, 0]) & (hits.domain_scores >= cuts[hits.profiles, 1]))


def check_on_tests(shop: Workshop, families: Sequence[Family], profiles: Sequence[HMM]) -> dict[str, dict[str, float]]:
    """Return, for each test table, what the cut-offs find: enzymes with an EC number that some family carries, and how many hits are right.

    ``precision`` counts (protein, enzyme family) hits that share a full EC number, ``precision3`` the first three figures.
    """
    covered = {ec for family in families for ec in family.ecs}
    result: dict[str, dict[str, float]] = {}
    for name in shop.settings.sources.tests:
        members = [m for m in read_members(shop.file(name)) if len(m.sequence) <= shop.settings.longest]
        proteins = Proteins.of(members)
        hits = gathered(shop.search(_LOOSE).run(profiles, proteins), profiles)
        right, right3, total, found = 0, 0, 0, set[int]()
        for protein, number in zip(hits.proteins.tolist(), hits.profiles.tolist(), strict=True):
            family, member = families[number], members[protein]
            if family.ecs:
                total += 1
                same = bool(set(family.ecs) & set(member.ecs))
                right += same
                right3 += bool({_kind(ec) for ec in family.ecs} & {_kind(ec) for ec in member.ecs})
                found |= {protein} if same else set()
        findable = sum(bool(covered & set(member.ecs)) for member in members)
        result[Path(name).name.partition(".")[0]] = {
            "proteins": len(members),
            "findable": findable,
            "found": len(found),
            "enzyme_hits": total,
            "precision": round(right / max(total, 1), 4),
            "precision3": round(right3 / max(total, 1), 4),
        }
    return result


def share_of_genomes(shop: Workshop, genomes: Proteins, profiles: Sequence[HMM]) -> dict[str, float]:
    """Return the part of each genome's proteins that at least one family finds with its cut-offs."""
    hits = gathered(shop.search(_LOOSE).run(profiles, genomes), profiles)
    found = set(hits.proteins.tolist())
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for number, name in enumerate(genomes.names):
        genome = counts[name.partition("|")[0]]
        genome[0] += number in found
        genome[1] += 1
    return {genome: round(hit / total, 4) for genome, (hit, total) in counts.items()}


def _kind(ec: str) -> str:
    return ec.rpartition(".")[0]
