"""Groups of labelled proteins (a cluster of relatives, one set of EC numbers), and the profile of each."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyhmmer.easel import TextSequence
from pyhmmer.plan7 import HMM, Background, Builder

from photophore_hifinn.compact import BITS_PER_STEP, LIKE, GroupProfiles, pack
from photophore_hifinn.lookup import Labelled, group_names
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.building import align, build_from_alignment, in_order
from photophore_near.residues import AMINO_ACIDS

_log = logging.getLogger(__name__)

#: Members that are aligned, those of different sub-clusters first.
MOST_ALIGNED = 24
#: Longer members are left out of an alignment.
LONGEST_ALIGNED = 3_000
#: Residues of a group of one that are kept.
LONGEST = 8_000
#: Smallest and largest score of a column, in steps.
_LOWEST, _HIGHEST = -20, 40

Columns = npt.NDArray[np.int8]


def build_profiles(proteins: Sequence[Labelled], *, seed: int, threads: int) -> GroupProfiles:
    """Return the profiles of all groups among ``proteins``; those that are no enzymes compete with the others."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(group_names(proteins)):
        groups[name].append(number)
    keys = sorted(groups)
    single = _single_columns(seed)
    _log.info("%d groups, %d of them of one protein", len(keys), sum(len(groups[key]) == 1 for key in keys))

    def columns(key: str) -> Columns:
        return _columns([proteins[number] for number in groups[key]], single, f"{seed}/{key}", seed)

    scores = list(in_order(columns, keys, threads, "profiles built"))
    first = [proteins[groups[key][0]] for key in keys]
    return pack(
        keys,
        [protein.relatives for protein in first],
        [protein.ecs for protein in first],
        scores,
        seed=seed,
        threads=threads,
    )


def _columns(members: Sequence[Labelled], single: Columns, draw: str, seed: int) -> Columns:
    """Return the scores of one group, ``shape=(positions, 20)``."""
    chosen = _choose(members, random.Random(draw))
    if len(chosen) == 1:
        places = [AMINO_ACIDS.index(letter) for letter in chosen[0].sequence[:LONGEST].translate(LIKE)]
        return single[places]
    return _scores(build_from_alignment(align("group", chosen), seed))


def _choose(members: Sequence[Labelled], chance: random.Random) -> list[Labelled]:
    """Return up to `MOST_ALIGNED` members, one of each sub-cluster before a second of any."""
    fitting = [member for member in members if len(member.sequence) <= LONGEST_ALIGNED] or list(members[:1])
    chance.shuffle(fitting)
    seen: set[str] = set()
    first: list[Labelled] = []
    rest: list[Labelled] = []
    for member in fitting:
        (rest if member.subcluster in seen else first).append(member)
        seen.add(member.subcluster)
    return (first + rest)[:MOST_ALIGNED]


def _single_columns(seed: int) -> Columns:
    """Return the column of each residue in a profile of one sequence (BLOSUM62), ``shape=(20, 20)``."""
    sequence = TextSequence(name="residues", sequence=AMINO_ACIDS).digitize(AMINO)
    hmm, _, _ = Builder(AMINO, seed=seed).build(sequence, _background())
    return _scores(hmm)


def _scores(hmm: HMM) -> Columns:
    """Return match emissions against the background, in steps."""
    emissions = np.asarray(hmm.match_emissions)[1:]
    background = np.asarray(_background().residue_frequencies)
    bits = np.log2(np.maximum(emissions, 1e-6) / background)
    return np.rint(bits / BITS_PER_STEP).clip(_LOWEST, _HIGHEST).astype(np.int8)


def _background() -> Background:
    return Background(AMINO)
