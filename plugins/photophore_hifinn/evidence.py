"""What speaks for each EC number of a protein, as numbers: alignments to groups, residues found alike, neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore.ec import EC

#: Columns of the evidence.
FEATURES = (
    "score",  # best alignment to a group with the number, bits
    "gap",  # how far that is below the protein's best alignment, log(1 + bits)
    "score_per_residue",  # bits a residue of the protein
    "score_per_position",  # bits a position of the profile
    "protein_span",  # what the alignment spans of the protein
    "profile_span",  # and of the profile
    "share",  # of the groups' exp(bits / 20), the part of those with the number
    "parent_share",  # the same one level up
    "found",  # how alike the near network finds the best such group, log(1 + score)
    "cosine",  # to the nearest neighbour with the number
    "cosine_gap",  # how far that is below the nearest enzyme of all
    "lead",  # cosine of the nearest enzyme less that of the nearest protein that is none
    "lead_bits",  # of the number's best alignment over the best to a protein that is no enzyme, +-log(1 + bits)
    "groups",  # with the number, log
    "rivals",  # EC numbers whose score is at least 0.7 of the best, log
    "numbers",  # EC numbers that the best such group carries at once, log
)

#: Alignments of fewer bits say nothing.
LEAST_BITS = 3.0
#: Groups of a protein that are looked at, the best first.
MOST_GROUPS = 60
#: Bits over which a group's weight falls by e.
_SCALE_BITS = 20.0
#: Cosine of what is not among the neighbours.
_FAR = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A group that a protein was aligned to.

    Parameters
    ----------
    ecs, positions
        EC numbers of the group (none: no enzymes), and positions of its profile.
    bits, protein_share, profile_share
        The alignment, see `photophore_hifinn.rescoring.Alignments`.
    found
        Score of the near network, 0 where it did not propose the group.
    """

    ecs: tuple[EC, ...]
    positions: int
    bits: float
    found: float
    protein_share: float = 0.0
    profile_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled protein near by: its EC numbers (none: no enzyme) and the cosine."""

    ecs: tuple[EC, ...]
    cosine: float


def evidence_of(
    hits: Sequence[Hit], neighbours: Sequence[Neighbour], residues: int, level: int
) -> tuple[list[EC], npt.NDArray[np.float32]]:
    """Return the EC numbers (cut to ``level``) that any group suggests, and ``shape=(numbers, features)`` beside them.

    Parameters
    ----------
    hits
        Groups that the protein was aligned to, in any order.
    neighbours
        Its neighbours in the look-up space, in any order.
    residues
        Length of the protein.
    level
        1 to 4.
    """
    other = max((hit.bits for hit in hits if not hit.ecs), default=0.0)
    hits = sorted((hit for hit in hits if hit.ecs and hit.bits >= LEAST_BITS), key=lambda hit: -hit.bits)[:MOST_GROUPS]
    if not hits:
        return [], np.zeros((0, len(FEATURES)), dtype=np.float32)
    best: dict[EC, Hit] = {}
    groups: dict[EC, int] = defaultdict(int)
    weights: dict[EC, float] = defaultdict(float)
    parents: dict[tuple[str, ...], float] = defaultdict(float)
    total = 0.0
    for hit in hits:
        weight = float(np.exp((hit.bits - hits[0].bits) / _SCALE_BITS))
        total += weight
        # In their order: that of a set would change from run to run.
        labels = dict.fromkeys(ec.at_level(level) for ec in hit.ecs)
        for label in labels:
            best.setdefault(label, hit)
            groups[label] += 1
            weights[label] += weight
        for parent in {label.parts[: level - 1] for label in labels}:
            parents[parent] += weight
    rivals = sum(hit.bits >= 0.7 * hits[0].bits for hit in best.values())
    cosines, lead = _cosines(neighbours, level)
    nearest = max(cosines.values(), default=_FAR)
    rows = [
        (
            hit.bits,
            np.log1p(hits[0].bits - hit.bits),
            hit.bits / residues,
            hit.bits / hit.positions,
            hit.protein_share,
            hit.profile_share,
            weights[label] / total,
            parents[label.parts[: level - 1]] / total,
            np.log1p(max(hit.found, 0.0)),
            cosines.get(label, _FAR),
            nearest - cosines.get(label, _FAR),
            lead,
            np.sign(hit.bits - other) * np.log1p(abs(hit.bits - other)),
            np.log(groups[label]),
            np.log(rivals),
            np.log(len({ec.at_level(level) for ec in hit.ecs})),
        )
        for label, hit in best.items()
    ]
    return list(best), np.array(rows, dtype=np.float32).reshape(-1, len(FEATURES))


def _cosines(neighbours: Sequence[Neighbour], level: int) -> tuple[Mapping[EC, float], float]:
    """Return the best cosine of each EC number, and the lead of the enzymes over the rest."""
    cosines: dict[EC, float] = {}
    other = _FAR
    for neighbour in neighbours:
        if not neighbour.ecs:
            other = max(other, neighbour.cosine)
        for ec in neighbour.ecs:
            label = ec.at_level(level)
            cosines[label] = max(cosines.get(label, _FAR), neighbour.cosine)
    return cosines, max(cosines.values(), default=_FAR) - other
