"""Groups proteins into families, names them, and chooses which members to align."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from photophore_hmmer.families.ec_classes import meaning
from photophore_hmmer.families.tables import Member


@dataclass(frozen=True, slots=True)
class Family:
    """Proteins that one profile is to describe; they share a cluster and, if enzymes, their EC numbers.

    Parameters
    ----------
    cluster
        Representative of the cluster.
    ecs
        EC numbers of every member; none for a family of proteins that are no enzymes.
    members
        In the order of the table.
    """

    cluster: str
    ecs: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Name that sorts by EC number: ``EC2.7.7.6_P0A8V2``, ``EC4.1.3.27+2.4.2.18_P00904``, ``NE_P0A7K2``."""
        return f"EC{'+'.join(self.ecs)}_{self.cluster}" if self.ecs else f"NE_{self.cluster}"

    def description(self, relatives: int = 0, product: str = "") -> str:
        """Return the DESC line: what it does, every EC number, and what the profile was made of."""
        what = product or (meaning(self.ecs) if self.ecs else "non-enzyme family")
        numbers = ", ".join(f"EC {ec}" for ec in self.ecs)
        more = f" and {relatives} relatives" if relatives else ""
        made = f"({len(self.members)} reviewed proteins{more}, cluster of {self.cluster})"
        return f"{what}, {numbers} {made}" if numbers else f"{what} {made}"


def group_enzymes(members: Iterable[Member]) -> list[Family]:
    """Return the families of proteins that share their 30 % cluster and all EC numbers, in order of (cluster, ECs)."""
    groups: defaultdict[tuple[str, tuple[str, ...]], list[Member]] = defaultdict(list)
    for member in members:
        groups[member.cluster30, member.ecs].append(member)
    return [
        Family(cluster, ecs, tuple(group))
        for (cluster, ecs), group in sorted(groups.items(), key=lambda item: (item[0][0], ";".join(item[0][1])))
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which members of a family go into its alignment.

    Parameters
    ----------
    most
        Members aligned at most.
    longest
        Residues above which a member is left out.
    shorter, longer
        Bounds on a member's length, as multiples of the median.
    """

    most: int = 40
    longest: int = 2000
    shorter: float = 0.6
    longer: float = 1.6


def choose_members(members: Sequence[Member], choice: Choice) -> list[Member]:
    """Return members of typical length, taken in turn from every 50 % cluster, so that few are as diverse as they can be."""
    fitting = [member for member in members if len(member.sequence) <= choice.longest]
    if not fitting:
        return []
    median = statistics.median(len(member.sequence) for member in fitting)
    clusters: defaultdict[str, list[Member]] = defaultdict(list)
    for member in fitting:
        if choice.shorter * median <= len(member.sequence) <= choice.longer * median:
            clusters[member.cluster50].append(member)
    turns = ((turn, key, member) for key in clusters for turn, member in enumerate(clusters[key]))
    ordered = sorted(turns, key=lambda item: item[:2])
    return [member for _, _, member in ordered[: choice.most]]


@dataclass(frozen=True, slots=True)
class Split:
    """Members to build from, and members held out to choose a cut-off on; ``by_cluster`` is False where one 50 % cluster is all there is."""

    kept: tuple[Member, ...]
    held: tuple[Member, ...]
    by_cluster: bool


def split_members(family: Family, share: float, seed: int) -> Split:
    """Hold out about ``share`` of the members: whole 50 % clusters, or single members where that would take more than half."""
    chance = random.Random(f"{seed} {family.name}")
    clusters: defaultdict[str, list[Member]] = defaultdict(list)
    for member in family.members:
        clusters[member.cluster50].append(member)
    wanted = max(1, round(share * len(family.members)))
    held: set[str] = set()
    for key in chance.sample(sorted(clusters), len(clusters)):
        if len(held) < wanted and len(held) + len(clusters[key]) <= len(family.members) // 2:
            held.update(member.id for member in clusters[key])
    by_cluster = bool(held)
    if not held:
        held.update(member.id for member in chance.sample(family.members, wanted))
    return Split(
        kept=tuple(member for member in family.members if member.id not in held),
        held=tuple(member for member in family.members if member.id in held),
        by_cluster=by_cluster,
    )
