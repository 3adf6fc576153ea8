"""Finds which proteins may belong to which families by the short words that they share; HMMER then looks at those pairs alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

_LETTERS = b"ACDEFGHIKLMNPQRSTVWY"
_CODES = np.full(256, -1, dtype=np.int64)
_CODES[list(_LETTERS)] = np.arange(len(_LETTERS))


def words(sequence: str, length: int) -> IntArray:
    """Return the different words of ``length`` residues in ``sequence`` as sorted numbers; words with other letters are left out."""
    residues = _CODES[np.frombuffer(sequence.encode(), dtype=np.uint8)]
    count = len(residues) - length + 1
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    codes = np.zeros(count, dtype=np.int64)
    known = np.ones(count, dtype=bool)
    for i in range(length):
        codes = codes * len(_LETTERS) + residues[i : i + count]
        known &= residues[i : i + count] >= 0
    return np.unique(codes[known])


class WordIndex:
    """The words of groups of sequences.

    Words that occur in more than ``most`` groups tell little and are left out.
    """

    def __init__(self, groups: Sequence[Sequence[str]], *, length: int = 6, most: int = 60) -> None:
        self._length = length
        owned = [
            np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(words(sequence, length) for sequence in group)]))
            for group in groups
        ]
        codes = np.concatenate(owned)
        owners = np.repeat(np.arange(len(groups)), [len(group) for group in owned])
        order = np.argsort(codes, kind="stable")
        codes, self._owners = codes[order], owners[order]
        self._codes, self._starts, counts = np.unique(codes, return_index=True, return_counts=True)
        self._counts = np.where(counts <= most, counts, 0)

    def shared(self, sequence: str) -> tuple[IntArray, IntArray]:
        """Return the groups that share words with ``sequence`` and how many, most first; both ``shape=(groups found,)``."""
        sought = words(sequence, self._length)
        places = np.searchsorted(self._codes, sought)
        places = places[places < len(self._codes)][: len(sought)]
        places = places[self._codes[places] == sought[: len(places)]]
        counts = self._counts[places]
        total = int(counts.sum())
        # rows of all owners of each word, one run after the other: start of the run plus 0, 1, ... within it
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        owners = self._owners[np.repeat(self._starts[places], counts) + within]
        groups, numbers = np.unique(owners, return_counts=True)
        order = np.argsort(-numbers, kind="stable")
        return groups[order], numbers[order]


def candidates(
    index: WordIndex, sequences: Sequence[str], groups: int, *, least: int, best: int
) -> list[list[tuple[int, int]]]:
    """Return, for each of ``groups``, the sequences that count it among their ``best`` and share ``least`` words: (words, sequence)."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(groups)]
    for number, sequence in enumerate(sequences):
        near, shared = index.shared(sequence)
        for group, count in zip(near[:best].tolist(), shared[:best].tolist(), strict=True):
            if count >= least:
                found[group].append((count, number))
    return found
