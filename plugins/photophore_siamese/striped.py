"""Local alignment of one pair by parasail, which fills cells of many rows at once with the processor's vectors.

The same alignments as `photophore_siamese.aligning` makes, to the last pair; there where parasail can be had, and for pairs
of which one side is short enough: each of its residues is a letter of an alphabet of its own, the other side the columns of a profile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

try:
    import parasail

    from photophore_near.scored_columns import columns_matrix
except ImportError:  # there are no wheels for every processor
    parasail = None

IntArray = npt.NDArray[np.int32]

#: Letters of an alphabet: all bytes but 0, which ends a text.
_LETTERS = bytes(range(1, 256))
#: Rows that parasail takes.
MOST_ROWS = len(_LETTERS) if parasail else 0
#: Scores are not counted beyond this.
MOST_SCORE = 32_000
#: Bits of an operation in a CIGAR string; columns that stand alone, rows that stand alone, and from 7 on
#: pairs, which may be of the same letter or not.
_OPERATION = 4
_COLUMNS, _ROWS, _PAIRS = 1, 2, 7


def align_striped(units: npt.NDArray[np.int32], opening: int, extending: int) -> tuple[IntArray, int, int] | None:
    """Return the best local alignment, its score, and that of the rows read backwards; None where 16 bits do not hold the score.

    ``units (rows, columns)`` are similarities as whole numbers, of at most `MOST_ROWS` rows.
    """
    columns, rows = StripedColumns(units.T), _LETTERS[: len(units)]
    result = parasail.sw_trace_striped_profile_16(columns.profile, rows, opening, extending)
    backwards = parasail.sw_striped_profile_16(columns.profile, rows[::-1], opening, extending)
    if result.saturated or backwards.saturated:
        return None
    if result.score <= 0:
        return np.zeros((0, 2), dtype=np.int32), 0, backwards.score
    cigar = result.cigar
    steps = cigar.seq
    operations, lengths = steps & ((1 << _OPERATION) - 1), steps >> _OPERATION
    paired = operations >= _PAIRS
    row = np.cumsum(np.where(paired | (operations == _ROWS), lengths, 0)) + cigar.beg_ref
    column = np.cumsum(np.where(paired | (operations == _COLUMNS), lengths, 0)) + cigar.beg_query
    lengths, row, column = lengths[paired].astype(np.int64), row[paired], column[paired]
    # To the end of the run, 1 at its last pair.
    back = np.repeat(np.cumsum(lengths), lengths) - np.arange(lengths.sum())
    pairs = np.stack([np.repeat(row, lengths) - back, np.repeat(column, lengths) - back], axis=1)
    return pairs.astype(np.int32), result.score, backwards.score


def score_striped(units: npt.NDArray[np.int32], opening: int, extending: int) -> int | None:
    """Return the score of the best local alignment as `align_striped` does."""
    profile = StripedColumns(units.T).profile
    result = parasail.sw_striped_profile_16(profile, _LETTERS[: len(units)], opening, extending)
    return None if result.saturated else result.score


class StripedColumns:
    """A protein as columns ``(residues, letters)`` of whole numbers, to be aligned with texts of such letters (0 to 254)."""

    def __init__(self, columns: npt.NDArray[np.int32]) -> None:
        self._matrix = columns_matrix(columns, _LETTERS[: columns.shape[1]])
        # The text that stands for the columns is not read.
        self.profile = parasail.profile_create_16("A" * len(columns), self._matrix)

    def score(self, text: npt.NDArray[np.uint8], opening: int, extending: int) -> int:
        """Return the score of the best local alignment, at most `MOST_SCORE`."""
        result = parasail.sw_striped_profile_16(self.profile, (text + 1).tobytes(), opening, extending)
        return MOST_SCORE if result.saturated else min(result.score, MOST_SCORE)
