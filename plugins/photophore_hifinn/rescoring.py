"""Local alignment of proteins to profiles of groups (Smith-Waterman with affine gaps, by parasail), beside a null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import parasail

from photophore_hifinn.compact import BITS_PER_STEP, LIKE, GroupProfiles
from photophore_near.residues import AMINO_ACIDS
from photophore_near.scored_columns import columns_matrix

#: Steps of a third of a bit for the first residue of a gap and for every further one: log2 of the 0.02 and 0.4 with which
#: HMMER opens and extends a gap in a profile of one sequence.
GAP_OPEN, GAP_EXTEND = 17, 4
#: The most that a score in 8 bits can be.
_NARROW = 255
#: Alignments of fewer bits are not looked at for what they span.
SPANNED_BITS = 8.0
#: Alignments of fewer bits are what any two proteins have.
TELLING_BITS = 16.0


@dataclass(frozen=True, slots=True)
class Alignments:
    """Local alignments of pairs of protein and group, all ``shape=(pairs,), dtype=float32``.

    Parameters
    ----------
    bits
        Score of the best alignment, less that of the profile read backwards. Backwards, a profile keeps its composition
        and loses its family: what still scores is composition and length.
    protein_share, profile_share
        What the alignment spans of the protein and of the profile, 0 to 1; 0 where it scores less than `SPANNED_BITS`.
    profile_from
        Where it begins in the profile, as a share of its length.
    """

    bits: npt.NDArray[np.float32]
    protein_share: npt.NDArray[np.float32]
    profile_share: npt.NDArray[np.float32]
    profile_from: npt.NDArray[np.float32]


def align(
    profiles: GroupProfiles,
    sequences: Sequence[str],
    rows: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    *,
    telling_bits: float = TELLING_BITS,
) -> Alignments:
    """Align proteins to groups, in this thread: an alignment takes microseconds, and handing over Python's lock as long.

    Parameters
    ----------
    sequences
        Proteins.
    rows, groups
        ``shape=(pairs,)``: which protein is aligned to which group.
    telling_bits
        Alignments that score less, before the null is taken off, count as 0 and are not looked at further.
    """
    letters = [sequence.translate(LIKE) for sequence in sequences]
    codebook = profiles.codebook.astype(np.int32)  # once, rather than the columns of each group
    found = np.zeros((len(rows), 4), dtype=np.float32)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    pieces = np.split(order, starts[1:]) if len(order) else []

    for piece in pieces:
        start, end = profiles.offsets[groups[piece[0]] :][:2]
        profile = _Profile(codebook[profiles.codes[start:end]], telling_bits)
        for pair in piece.tolist():
            found[pair] = profile.align(letters[int(rows[pair])])
    return Alignments(found[:, 0], found[:, 1], found[:, 2], found[:, 3])


class _Profile:
    """A profile forwards and backwards, ready to be aligned."""

    def __init__(self, columns: npt.NDArray[np.int32], telling_bits: float) -> None:
        self._telling = telling_bits / BITS_PER_STEP
        self._columns = columns
        self._forward = _Columns(self._columns)

    @cached_property
    def _backward(self) -> _Columns:
        return _Columns(self._columns[::-1])

    def align(self, sequence: str) -> tuple[float, float, float, float]:
        """Return bits above the null, what the alignment spans of the protein and of the profile, and where in this it begins."""
        best = self._forward.best(sequence)
        if best.score < self._telling:
            return 0.0, 0.0, 0.0, 0.0
        bits = (best.score - self._backward.best(sequence).score) * BITS_PER_STEP
        if bits < SPANNED_BITS:
            return bits, 0.0, 0.0, 0.0
        # Both read backwards score the same, and the last positions are the first ones.
        mirrored = self._backward.best(sequence[::-1], like=best)
        residues = best.end_ref + 1 - (len(sequence) - 1 - mirrored.end_ref)
        first = len(self._columns) - 1 - mirrored.end_query
        positions = best.end_query + 1 - first
        width = len(self._columns)
        return bits, max(residues, 1) / len(sequence), max(positions, 1) / width, first / width


class _Columns:
    """Columns of scores as parasail wants them; counted in 8 bits, and in 16 or 32 where a score does not fit."""

    def __init__(self, columns: npt.NDArray[np.int32]) -> None:
        self._matrix = columns_matrix(columns, AMINO_ACIDS.encode("ascii"))
        self._stand_in = "A" * len(columns)  # parasail asks for a sequence beside the columns, and does not read it
        self._narrow = parasail.profile_create_8(self._stand_in, self._matrix)

    @cached_property
    def _wide(self) -> Any:
        return parasail.profile_create_16(self._stand_in, self._matrix)

    @cached_property
    def _widest(self) -> Any:
        return parasail.profile_create_32(self._stand_in, self._matrix)

    def best(self, sequence: str, *, like: Any = None) -> Any:
        """Return the best local alignment: its score in steps, and the last places of both, 0-based.

        ``like`` is one of the same score, if there is one: what was too narrow for it is not tried again.
        """
        if like is None or like.score <= _NARROW:
            result = parasail.sw_striped_profile_8(self._narrow, sequence, GAP_OPEN, GAP_EXTEND)
            if not result.saturated:
                return result
        result = parasail.sw_striped_profile_16(self._wide, sequence, GAP_OPEN, GAP_EXTEND)
        if result.saturated:
            result = parasail.sw_striped_profile_32(self._widest, sequence, GAP_OPEN, GAP_EXTEND)
        return result


def align_slowly(columns: npt.NDArray[np.int8], sequence: str) -> float:
    """Return the best local alignment score in bits by the textbook recurrences: what `align` is held to."""
    places = [AMINO_ACIDS.index(letter) for letter in sequence.translate(LIKE)]
    width = len(places) + 1
    best = 0
    above, gap_above = [0] * width, [-(10**9)] * width
    for column in columns.astype(int):
        row, gap_left = [0] * width, -(10**9)
        for place, residue in enumerate(places, start=1):
            gap_above[place] = max(above[place] - GAP_OPEN, gap_above[place] - GAP_EXTEND)
            gap_left = max(row[place - 1] - GAP_OPEN, gap_left - GAP_EXTEND)
            row[place] = max(0, above[place - 1] + int(column[residue]), gap_above[place], gap_left)
            best = max(best, row[place])
        above = row
    return best * BITS_PER_STEP
