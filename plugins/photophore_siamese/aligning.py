"""Local alignment (Smith-Waterman, affine gaps) on matrices of residue similarities, many pairs at once.

Similarities and gaps are rounded to sixteenths, so that scores are whole numbers, the same on every processor. Rows are
filled one by one, for all pairs together; along a row, what gaps bring is a running maximum:

    H(i, j) = max(0, H(i-1, j-1) + similarity(i, j), E(i, j), F(i, j))
    F(i, j) = max(H(i-1, j) - open, F(i-1, j) - extend)               a residue of the first protein stands alone
    E(i, j) = max over k >= 1 of H(i, j-k) - open - (k-1) * extend    residues of the second stand alone

At equal scores a pair goes before a gap, a gap in the first protein before one in the second, and a long gap before a short
one; the best cell is the first, row by row. So does parasail, which is asked where it can be had (`photophore_siamese.striped`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from photophore_siamese.striped import MOST_ROWS, MOST_SCORE, StripedColumns, align_striped, score_striped

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
#: Scores in units: int16 where they surely fit, else int32.
Units = npt.NDArray[Any]

#: Residues of the shorter protein that are read backwards, to learn what score comes by chance.
CHANCE_RESIDUES = 255
#: Units of a similarity of 1.
UNITS = 16
#: Similarities are kept within this many units: nothing that low is ever aligned.
_MOST = 8_000
#: Scores below this fit into int16, with room for what is added on the way.
_SHORT = 30_000
#: Cells of one row of all pairs that are filled together: they stay near the processor.
_ROW_CELLS = 1 << 13
#: Pairs that are filled together differ in their rows by less than this, where they are more than a few.
_LIKE_ROWS, _FEW = 32, 16
#: Cells of one band of a long pair.
_BAND_CELLS = 1 << 22


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the first residue of a gap costs, and each further one; both above 0."""

    open: float
    extend: float

    def __post_init__(self) -> None:
        if not 0.0 < self.extend <= self.open:
            raise ValueError(f"gaps cost open={self.open}, extend={self.extend}; give 0 < extend <= open")

    @property
    def units(self) -> tuple[int, int]:
        """Both in units, at least 1."""
        opening, extending = (max(1, round(UNITS * cost)) for cost in (self.open, self.extend))
        return opening, extending


class LocalAlignment(NamedTuple):
    """The best local alignment of two proteins.

    ``pairs`` of ``shape=(aligned, 2), dtype=int32`` names residues (0-based) of both, rising; none where no similarity is above 0.
    ``chance`` is the score that the first `CHANCE_RESIDUES` of the shorter protein get, read backwards: what composition brings.
    """

    pairs: IntArray
    score: float
    chance: float


class Border(NamedTuple):
    """H and F of a row, ``shape=(pairs, columns)`` each."""

    h: Units
    f: Units


class Place(NamedTuple):
    """Where a path stands: rows and columns before it, the score there, and how long the gap is that it is in."""

    row: int
    column: int
    score: int
    gap: int = 0


def align_many(matrices: Sequence[FloatArray], gaps: Gaps) -> list[LocalAlignment]:
    """Return the best local alignment on each matrix.

    Parameters
    ----------
    matrices
        Similarities, ``shape=(n, m), dtype=float32`` each, finite.
    gaps
        Cost of gaps.
    """
    found = _striped(matrices, gaps)
    rest = [place for place in range(len(matrices)) if place not in found]
    aligned = align_many_by_rows([matrices[place] for place in rest], gaps)
    found |= dict(zip(rest, aligned, strict=True))
    return [found[place] for place in range(len(matrices))]


def chance_score(matrix: FloatArray, gaps: Gaps) -> float:
    """Return the score that the shorter protein of a matrix gets when it is read backwards, see `LocalAlignment`."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    return best_score(matrix[:CHANCE_RESIDUES][::-1], gaps)


def best_score(matrix: FloatArray, gaps: Gaps) -> float:
    """Return the score of the best local alignment on one matrix."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    if not matrix.size:
        return 0.0
    if len(matrix) <= MOST_ROWS:
        score = score_striped(in_units(matrix), *gaps.units)
        if score is not None:
            return score / UNITS
    return _Block(_padded([matrix], _dtype([matrix], [0], gaps)), gaps).best(0).score / UNITS


def text_scores(columns: npt.NDArray[np.int32], texts: Sequence[npt.NDArray[np.uint8]], gaps: Gaps) -> npt.NDArray[np.int32]:
    """Return the scores, in units and at most `MOST_SCORE`, of the best local alignments of one protein with ``texts``.

    ``columns (residues, letters)`` say in units what it adds to pair a residue with a letter.
    """
    if MOST_ROWS and len(columns) and all(map(len, texts)):
        striped = StripedColumns(columns)
        return np.array([striped.score(text, *gaps.units) for text in texts], dtype=np.int32)
    return np.array([text_score_by_rows(columns, text, gaps) for text in texts], dtype=np.int32)


def text_score_by_rows(columns: npt.NDArray[np.int32], text: npt.NDArray[np.uint8], gaps: Gaps) -> int:
    """Return what `text_scores` does for one text, without parasail."""
    if not len(columns) or not len(text):
        return 0
    block = _Block(np.ascontiguousarray(columns[:, text].T)[:, None, :], gaps)
    return min(block.best(0).score, MOST_SCORE)


def align_many_by_rows(matrices: Sequence[FloatArray], gaps: Gaps) -> list[LocalAlignment]:
    """Do as `align_many` does, without parasail: all pairs together, row by row."""
    found: dict[int, LocalAlignment] = {}
    for places in _groups(matrices):
        block = _Block(_padded([matrices[place] for place in places], _dtype(matrices, places, gaps)), gaps)
        for number, place in enumerate(places):
            at = block.best(number)
            pairs: list[IntArray] = []
            block.walk(number, at, pairs)
            found[place] = LocalAlignment(_joined(pairs), at.score / UNITS, chance_score(matrices[place], gaps))
    return [found[place] for place in range(len(matrices))]


def _striped(matrices: Sequence[FloatArray], gaps: Gaps) -> dict[int, LocalAlignment]:
    """Return what parasail makes of those matrices that it takes, by place."""
    found: dict[int, LocalAlignment] = {}
    for place, matrix in enumerate(matrices):
        if matrix.size and len(matrix) <= MOST_ROWS:
            aligned = align_striped(in_units(matrix), *gaps.units)
            if aligned is not None:
                pairs, score, backwards = aligned
                # Where the columns are the shorter protein, they are read as they are and the rows backwards: no other score.
                found[place] = LocalAlignment(pairs, score / UNITS, backwards / UNITS)
    return found


def in_units(matrix: FloatArray) -> npt.NDArray[np.int32]:
    """Return a matrix of similarities in units."""
    return _rounded(matrix).astype(np.int32)


def _rounded(matrix: FloatArray) -> FloatArray:
    """Return a matrix of similarities in units, not yet as whole numbers."""
    scaled: FloatArray = matrix * np.float32(UNITS)
    if scaled.min(initial=0.0) < -_MOST or scaled.max(initial=0.0) > _MOST:
        np.clip(scaled, -_MOST, _MOST, out=scaled)
    return np.rint(scaled, out=scaled)


def align_long(
    similarity: Callable[[int, int], FloatArray], shape: tuple[int, int], gaps: Gaps, *, band_cells: int = _BAND_CELLS
) -> tuple[IntArray, float]:
    """Return alignment and score of one pair as `align_many` does, holding the matrix of a band of rows at a time.

    ``similarity(start, stop)`` gives rows of the matrix of ``shape``; each is asked for once, those of the bands that the
    alignment goes through twice.
    """
    rows, columns = shape
    height = max(1, min(rows, band_cells // (columns + 1), int(band_cells**0.5)))
    starts = range(0, rows, height)

    def band(number: int) -> _Block:
        matrix = similarity(starts[number], min(starts[number] + height, rows))
        return _Block(_padded([matrix], np.int32), gaps, tops[number])

    tops: list[Border | None] = [None]
    best, last = Place(0, 0, 0), 0
    for number in range(len(starts)):
        block = band(number)
        tops.append(block.bottom())
        at = block.best(0)
        if at.score > best.score:
            best, last = at, number
    pairs: list[IntArray] = []
    at, score = best, best.score / UNITS
    for number in range(last, -1, -1):
        found: list[IntArray] = []
        going_on = band(number).walk(0, at, found)
        offset = np.array([starts[number], 0], dtype=np.int32)
        pairs += [part + offset for part in found]
        if going_on is None:
            break
        at = going_on._replace(row=height)  # the band above is a whole one
    return _joined(pairs), score


def _joined(backwards: Sequence[IntArray]) -> IntArray:
    """Return the pairs of a path that was walked from its end."""
    if not backwards:
        return np.zeros((0, 2), dtype=np.int32)
    return np.ascontiguousarray(np.concatenate(backwards)[::-1])


def _groups(matrices: Sequence[FloatArray]) -> Iterator[list[int]]:
    """Yield places of matrices of like sizes, few enough to be filled together."""
    height = {place: -(-matrix.shape[0] // _LIKE_ROWS) for place, matrix in enumerate(matrices)}
    group: list[int] = []
    width = 0
    for place in sorted(height, key=lambda place: (height[place], matrices[place].shape[1], place)):
        columns = matrices[place].shape[1]
        full = (len(group) + 1) * max(width, columns) > _ROW_CELLS
        if group and (full or (height[place] != height[group[0]] and len(group) >= _FEW)):
            yield group
            group, width = [], 0
        group.append(place)
        width = max(width, columns)
    if group:
        yield group


def _dtype(matrices: Sequence[FloatArray], places: Sequence[int], gaps: Gaps) -> type[np.signedinteger[Any]]:
    """Return what surely holds the scores of those matrices, and what is added to them on the way."""
    rows, columns = (max(matrices[place].shape[axis] for place in places) for axis in (0, 1))
    most = UNITS * max(float(matrices[place].max(initial=0.0)) for place in places)
    return np.int16 if min(most, _MOST) * min(rows, columns) + gaps.units[1] * columns < _SHORT else np.int32


def _padded(matrices: Sequence[FloatArray], dtype: type[np.signedinteger[Any]]) -> Units:
    """Return the matrices in units, ``shape=(rows, pairs, columns)``; what is beyond a matrix is never aligned."""
    rows, columns = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    units: Units = np.full((rows, len(matrices), columns), -_MOST, dtype=dtype)
    for pair, matrix in enumerate(matrices):
        units[: matrix.shape[0], pair, : matrix.shape[1]] = _rounded(matrix)
    return units


class _Block:
    """Scores of all cells of some pairs, or of some rows of one pair below the border ``top``.

    ``_h`` has ``shape=(rows + 1, pairs, columns + 1)``: before the first row stands the border, before the first column 0.
    """

    def __init__(self, similar: Units, gaps: Gaps, top: Border | None = None) -> None:
        self._similar = similar
        self._open, self._extend = gaps.units
        rows, pairs, columns = similar.shape
        self._h: Units = np.empty((rows + 1, pairs, columns + 1), similar.dtype)
        self._h[:, :, 0] = 0
        self._h[0, :, 1:] = 0 if top is None else top.h
        self._above = None if top is None else top.f
        self._f: Units = np.full((pairs, columns), -_MOST, similar.dtype) if top is None else top.f.copy()
        self._fill()

    def _fill(self) -> None:
        """Fill the cells, row by row."""
        dtype = self._similar.dtype
        opening, extending, nothing = (dtype.type(value) for value in (self._open, self._extend, 0))
        columns = self._f.shape[1]
        ramp = (self._extend * np.arange(columns)).astype(dtype)
        ending = ramp[:-1] + opening  # what a gap up to column j + 1 costs, but for the ramp where it began
        f, scores, running = self._f, np.empty_like(self._f), np.empty_like(self._f)
        for before, h, similar in zip(self._h[:-1], self._h[1:, :, 1:], self._similar, strict=True):
            np.subtract(before[:, 1:], opening, out=scores)
            np.subtract(f, extending, out=f)
            np.maximum(f, scores, out=f)
            np.add(before[:, :-1], similar, out=scores)
            np.maximum(scores, f, out=scores)
            np.maximum(scores, nothing, out=scores)
            np.add(scores, ramp, out=running)
            np.maximum.accumulate(running, axis=1, out=running)
            h[:, 0] = scores[:, 0]
            np.subtract(running[:, :-1], ending, out=running[:, :-1])
            np.maximum(scores[:, 1:], running[:, :-1], out=h[:, 1:])

    def best(self, pair: int) -> Place:
        """Return where the best alignment of a pair ends."""
        of_rows = self._h[:, pair].max(axis=1)
        row = int(of_rows.argmax())
        return Place(row, int(self._h[row, pair].argmax()), int(of_rows[row]))

    def bottom(self) -> Border:
        """Return the border of the rows below."""
        return Border(self._h[-1, :, 1:].copy(), self._f.copy())

    def walk(self, pair: int, at: Place, found: list[IntArray]) -> Place | None:
        """Walk back from ``at``, appending runs of pairs, each from its end.

        Returns where to go on above these rows, with ``row`` 0, or None at the beginning of the alignment.
        """
        h, similar = self._h[:, pair], self._similar[:, pair]
        row, column, score, gap = at
        while score > 0 and column > 0:
            if not gap:
                run = _run_of_pairs(h, similar, row, column)
                if run:
                    steps = np.arange(1, run + 1, dtype=np.int32)
                    found.append(np.stack([row - steps, column - steps], axis=1))
                    row, column = row - run, column - run
                    score = int(h[row, column])
                if score <= 0 or column == 0:
                    return None
                if row == 0:
                    return Place(0, column, score)
                left = h[row, column - 1 :: -1]
                length = self._length_of_gap(left, score, 0)
                if length:
                    column -= length
                    score = int(h[row, column])
                    continue
            if row == 0 or self._began_above(pair, column, score, gap + row):
                return Place(0, column, score, gap + row)
            length = self._length_of_gap(h[row - 1 :: -1, column], score, gap)
            row, gap = row - length, 0
            score = int(h[row, column])
            if row == 0:
                return Place(0, column, score) if score > 0 else None
        return None

    def _began_above(self, pair: int, column: int, score: int, gap: int) -> bool:
        """Return whether a gap that ends with ``score``, ``gap`` cells after the border, began above it."""
        return self._above is not None and int(self._above[pair, column - 1]) - self._extend * gap == score

    def _length_of_gap(self, before: Units, score: int, gap: int) -> int:
        """Return how many cells back the longest gap that ends with ``score``, ``gap`` cells long up to here, began; 0 for none."""
        cost = self._open + self._extend * (gap + np.arange(len(before), dtype=np.int64))
        began = np.flatnonzero(before - cost == score)
        return int(began[-1]) + 1 if len(began) else 0


def _run_of_pairs(h: Units, similar: Units, row: int, column: int) -> int:
    """Return how many pairs in a row lead to a cell of ``h``."""
    steps = np.arange(min(row, column) + 1)
    scores = h[row - steps, column - steps].astype(np.int64)
    pairing = (scores[:-1] == scores[1:] + similar[row - 1 - steps[:-1], column - 1 - steps[:-1]]) & (scores[:-1] > 0)
    return len(pairing) if pairing.all() else int(pairing.argmin())
