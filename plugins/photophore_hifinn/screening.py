"""Which of the groups that the near network proposes are worth aligning: HMMER's score of a domain on the proposed diagonals.

The network proposes hundreds of groups, each with the diagonals that it found. Scoring these takes a few microseconds a
group, a whole alignment sixty, and ranks them nearly as well as aligning them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photophore.types import Candidates, SequenceBatch
from photophore_hifinn.compact import BITS_PER_STEP, GroupProfiles
from photophore_hifinn.hits import LEAST_BITS
from photophore_hmmer.band import Least, ProfileScores, Proteins, between_edges, pack_ratios
from photophore_hmmer.search import Digits
from photophore_hmmer.work import Work, good_pairs, work_of

#: What a segment and an alignment need for the whole score, beyond the log2 of the shorter of protein and profile: with
#: less, two proteins are not alike.
_LEAST = Least(segment=4.0, alignment=10.0)
#: Of the bits of a protein's best group, what another must have to be worth aligning.
_LEAST_SHARE = 0.05
#: Groups that one thread takes at once.
_TOGETHER = 64


class Proposals(NamedTuple):
    """Pairs of protein and group, the proteins in order and the groups of each from the best on, all ``shape=(pairs,)``.

    Parameters
    ----------
    rows, groups
        ``int64``.
    found
        Score of the near network, ``float32``.
    bits
        HMMER's Forward score on the diagonals, less what the composition is worth, ``float32``.
    """

    rows: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    found: npt.NDArray[np.float32]
    bits: npt.NDArray[np.float32]


class Screen:
    """Scores proposed groups on their diagonals."""

    def __init__(self, profiles: GroupProfiles, *, threads: int) -> None:
        self._profiles = profiles
        self._threads = max(1, threads)
        self._lengths = np.diff(profiles.offsets)
        scores = profiles.codebook.T
        self._scores = np.ascontiguousarray(scores)
        self._odds = pack_ratios(np.exp2(scores.astype(np.float32) * np.float32(BITS_PER_STEP)))

    def best(self, batch: SequenceBatch, candidates: Candidates, most: int) -> Proposals:
        """Return the best ``most`` groups of each protein among its ``candidates``, which tell the diagonals.

        There are fewer where fewer are like it, or are anything beside its best.
        """
        proteins = Digits(batch).proteins
        works = list(work_of(batch, candidates, self._lengths.tolist()))
        parts = [works[start : start + _TOGETHER] for start in range(0, len(works), _TOGETHER)]
        with ThreadPoolExecutor(self._threads) as pool:
            scored = list(pool.map(lambda part: self._scored(part, proteins), parts))
        rows, groups, bits = (np.concatenate(column) for column in zip(*scored, strict=True)) if scored else _NOTHING
        order = np.lexsort((groups, -bits, rows))
        rows, groups, bits = rows[order], groups[order], bits[order]
        first = np.searchsorted(rows, np.arange(len(batch)))[rows]  # the best group of the same protein
        kept = (np.arange(len(rows)) - first < most) & (bits >= _LEAST_SHARE * bits[first])
        rows, groups = rows[kept], groups[kept]
        return Proposals(rows, groups, _found(candidates, rows, groups), bits[kept].astype(np.float32))

    def _scored(
        self, works: Sequence[Work], proteins: Proteins
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return proteins, groups and bits of the pairs that are good enough."""
        good, numbers, bits = good_pairs(works, [self._profile(work.target) for work in works], proteins, _LEAST)
        rows = np.concatenate([work.rows for work in works])[good]
        groups = np.array([work.target for work in works])[numbers]
        told = bits >= LEAST_BITS
        return rows[told], groups[told], bits[told]

    def _profile(self, group: int) -> ProfileScores:
        codes = self._profiles.codes[self._profiles.offsets[group] : self._profiles.offsets[group + 1]]
        return between_edges(self._scores[:, codes], self._odds[:, codes])


_NOTHING = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)


def _found(
    candidates: Candidates, rows: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return the near network's score of some of the ``candidates``."""
    wide = int(candidates.targets.max(initial=0)) + 1
    pairs = np.repeat(np.arange(len(candidates)), np.diff(candidates.offsets)) * wide + candidates.targets
    order = np.argsort(pairs)
    return candidates.scores[order[np.searchsorted(pairs, rows * wide + groups, sorter=order)]]
