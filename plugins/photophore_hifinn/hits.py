"""What is known of a group that a protein was aligned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from photophore.ec import EC

#: Alignments of fewer bits say nothing.
LEAST_BITS = 3.0


@dataclass(frozen=True, slots=True)
class Part:
    """How the part of a group that a protein is like lies to the parts that other groups with an EC number are like.

    Parameters
    ----------
    most, mean
        Of what such a group has in common with the group, the share that the protein spans as well: the most and the mean.
    covered
        The most of what the protein spans that such a group spans as well.
    known
        Such groups. Without any, these three are -1.
    peer_most, peer_mean
        Bits of the groups that were looked at, like the group or not, against it: the most and the mean.
    """

    most: float = -1.0
    mean: float = -1.0
    covered: float = -1.0
    known: int = 0
    peer_most: float = 0.0
    peer_mean: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a group stands to other groups, see `photophore_hifinn.kinship`.

    Parameters
    ----------
    itself
        Bits of its best residues against its own profile.
    against
        Bits of the best residues of other groups that the protein is like, by group.
    parts
        For each of its EC numbers.
    shared
        Of what the protein spans of it, the share that the best group that is no enzyme has in common with it as well.
    """

    itself: float
    against: Mapping[int, float]
    parts: Mapping[EC, Part]
    shared: float = 0.0


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
    alike
        What the siamese network says, see `photophore_hifinn.spelling.SpelledGroups.alike`; 0 where it was not asked.
    profile_from
        Where the alignment begins, as a share of the profile.
    group
        Its number.
    standing
        How it stands to other groups; None where nobody looked.
    """

    ecs: tuple[EC, ...]
    positions: int
    bits: float
    found: float
    protein_share: float = 0.0
    profile_share: float = 0.0
    alike: float = 0.0
    profile_from: float = 0.0
    group: int = -1
    standing: Standing | None = None
