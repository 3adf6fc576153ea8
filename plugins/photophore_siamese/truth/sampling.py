"""Which pairs of domains to align: related and unrelated ones, so that high and low TM-scores are both there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from photophore_siamese.truth.domains import Domains

#: What two domains of a pair share, and what share of the pairs that is: a homologous superfamily, a topology but no
#: superfamily, an architecture but no topology, or no more than chance. The first two give nearly all TM-scores above 0.5.
KINSHIPS: Mapping[str, float] = {"superfamily": 0.4, "topology": 0.2, "architecture": 0.15, "any": 0.25}

#: Large groups give fewer pairs than they have: the number of pairs to this power.
_FLATTENING = 0.4


def sample_pairs(domains: Domains, members: Sequence[int], count: int, seed: int) -> npt.NDArray[np.int32]:
    """Return ``count`` pairs of ``members``, fewer where there are not as many; every beginning is a fair sample.

    Returns
    -------
    pairs : shape=(count, 2), dtype=int32
        Numbers of domains, in either order; no pair twice.
    """
    random = np.random.default_rng(seed)
    levels = {depth: domains.level(depth) for depth in (2, 3, 4)}
    draws = {
        "superfamily": _draw(members, levels[4], None, random),
        "topology": _draw(members, levels[3], levels[4], random),
        "architecture": _draw(members, levels[2], levels[3], random),
        "any": _draw(members, ["all"] * len(domains), levels[3], random),
    }
    kinds, shares = list(KINSHIPS), list(KINSHIPS.values())
    taken: dict[frozenset[int], tuple[int, int]] = {}
    misses = 0
    while len(taken) < count and misses < 50 * count:
        pair = next(draws[kinds[random.choice(len(kinds), p=shares)]])
        if pair is None or frozenset(pair) in taken:
            misses += 1
            continue
        taken[frozenset(pair)] = pair
    return np.array(list(taken.values()), dtype=np.int32).reshape(-1, 2)


def _draw(
    members: Sequence[int], same: Sequence[str], apart: Sequence[str] | None, random: np.random.Generator
) -> Iterator[tuple[int, int] | None]:
    """Yield pairs that have ``same`` in common but not ``apart``; None for a draw that came to nothing."""
    groups: dict[str, list[int]] = {}
    for number in members:
        groups.setdefault(same[number], []).append(number)
    usable = [group for group in groups.values() if len(group) > 1 and _varied(group, apart)]
    if not usable:
        while True:
            yield None
    weights = np.array([(len(group) * (len(group) - 1)) ** _FLATTENING for group in usable])
    weights /= weights.sum()
    while True:
        group = usable[random.choice(len(usable), p=weights)]
        one, other = (group[int(place)] for place in random.choice(len(group), 2, replace=False))
        yield None if apart is not None and apart[one] == apart[other] else (one, other)


def _varied(group: Sequence[int], apart: Sequence[str] | None) -> bool:
    return apart is None or len({apart[number] for number in group}) > 1
