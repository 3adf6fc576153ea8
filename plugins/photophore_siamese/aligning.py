"""Local alignment (Smith-Waterman, affine gaps) on matrices of residue similarities, many pairs at once.

Cells of one anti-diagonal depend only on the two before, so that numpy computes them for all pairs together. Axes are
(diagonal ``d = i + j``, row ``i``, pair ``p``).

    H(i, j) = max(0, H(i-1, j-1) + similarity(i, j), E(i, j), F(i, j))
    E(i, j) = max(H(i, j-1) - open, E(i, j-1) - extend)      a residue of the second protein stands alone
    F(i, j) = max(H(i-1, j) - open, F(i-1, j) - extend)      a residue of the first stands alone

At equal scores a pair goes before a gap, and a gap in the first protein before one in the second; the best cell is the one
on the first diagonal, then in the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
States = npt.NDArray[np.int8]
Places = npt.NDArray[np.int64]
#: H and F of a row, ``shape=(columns,)`` each.
Border = tuple[FloatArray, FloatArray]

#: Similarity of cells that do not exist.
_NEVER = np.float32(-1e30)
#: Cells, skewed, that are swept at once.
_CELLS = 1 << 21
#: Cells of one band of a long pair.
_BAND_CELLS = 1 << 22
#: Where a path stands: at a pair's end or anywhere (H), in a gap of the first protein (E), or of the second (F).
_H, _E, _F = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the first residue of a gap costs, and each further one; both above 0."""

    open: float
    extend: float

    def __post_init__(self) -> None:
        if not 0.0 < self.extend <= self.open:
            raise ValueError(f"gaps cost open={self.open}, extend={self.extend}; give 0 < extend <= open")


def align_many(matrices: Sequence[FloatArray], gaps: Gaps) -> list[tuple[IntArray, float]]:
    """Return the best local alignment on each matrix and its score.

    Parameters
    ----------
    matrices
        Similarities, ``shape=(n, m), dtype=float32`` each, finite.
    gaps
        Cost of gaps.

    Returns
    -------
    list
        ``(pairs, score)`` each: ``pairs`` of ``shape=(aligned, 2), dtype=int32`` names row and column (0-based), both
        rising; none and 0 where no similarity is above 0.
    """
    found: dict[int, tuple[IntArray, float]] = {}
    for places in _groups(matrices):
        sweep = _Sweep([matrices[place] for place in places], gaps)
        scores, rows, columns = sweep.best()
        traced = sweep.traced(scores, rows, columns)
        found |= {place: (pairs, float(score)) for place, pairs, score in zip(places, traced, scores, strict=True)}
    return [found[place] for place in range(len(matrices))]


def align_long(
    similarity: Callable[[int, int], FloatArray], shape: tuple[int, int], gaps: Gaps, *, band_cells: int = _BAND_CELLS
) -> tuple[IntArray, float]:
    """Return the alignment of one pair as `align_many` does, holding the matrix of a band of rows at a time.

    ``similarity(start, stop)`` gives rows of the matrix of ``shape``; each is asked for once, those of the bands that the
    alignment goes through twice.
    """
    rows, columns = shape
    height = max(1, min(rows, band_cells // (columns + 1), int(band_cells**0.5)))
    starts = range(0, rows, height)
    tops: list[Border | None] = [None]
    best, row, column = np.float32(0.0), 0, 0
    for start in starts:
        sweep = _Sweep([similarity(start, min(start + height, rows))], gaps, tops[-1])
        tops.append(sweep.bottom())
        (score,), (end_row,), (end_column,) = sweep.best()
        end_row += start
        if score > best or (score == best > 0 and (end_row + end_column, end_row) < (row + column, row)):
            best, row, column = score, int(end_row), int(end_column)
    pairs: list[tuple[int, int]] = []
    at = (row, column, _H) if best > 0 else None
    while at is not None:
        band = at[0] // height
        start = starts[band]
        sweep = _Sweep([similarity(start, min(start + height, rows))], gaps, tops[band])
        at = sweep.walked(start, at, pairs)
    return np.array(pairs[::-1], dtype=np.int32).reshape(-1, 2), float(best)


def _groups(matrices: Sequence[FloatArray]) -> Iterator[list[int]]:
    """Yield places of matrices of like sizes, few enough to be swept at once."""
    group: list[int] = []
    height = width = 0
    for place in sorted(range(len(matrices)), key=lambda place: (*matrices[place].shape, place)):
        rows, columns = matrices[place].shape
        height, width = max(height, rows), max(width, columns)
        if group and (len(group) + 1) * height * (height + width) > _CELLS:
            yield group
            group, height, width = [], rows, columns
        group.append(place)
    if group:
        yield group


class _Sweep:
    """Scores of all cells of some pairs, or of some rows of one pair below the border ``top``.

    Arrays have ``shape=(diagonals + 2, rows + 1, pairs)``: diagonal d stands at d + 2, row i at i + 1, so that what lies
    above and before the first cells has its place.
    """

    def __init__(self, matrices: Sequence[FloatArray], gaps: Gaps, top: Border | None = None) -> None:
        self._pairs = len(matrices)
        self._rows, self._columns = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
        self._open, self._extend = np.float32(gaps.open), np.float32(gaps.extend)
        self._paired = _skewed(matrices, self._rows, self._columns)  # becomes H(i-1, j-1) + similarity(i, j)
        shape = (len(self._paired) + 2, self._rows + 1, self._pairs)
        self._h, self._e, self._f = (np.empty(shape, np.float32) for _ in range(3))
        self._fill_borders(top)
        self._run()

    def _fill_borders(self, top: Border | None) -> None:
        """Fill the two diagonals and the row before the first: nothing is there, or the row of another band."""
        self._h[:2], self._h[:, 0] = 0.0, 0.0
        for gap in (self._e, self._f):
            gap[:2], gap[:, 0] = _NEVER, _NEVER
        if top is not None:  # (-1, j) lies on diagonal j - 1
            self._h[1 : self._columns + 1, 0, 0] = top[0]
            self._f[1 : self._columns + 1, 0, 0] = top[1]

    def _run(self) -> None:
        """Fill the cells, diagonal by diagonal."""
        opened = np.empty((self._rows + 1, self._pairs), np.float32)
        longer = np.empty((self._rows, self._pairs), np.float32)
        for d, paired in enumerate(self._paired):
            h, e, f = self._h[d + 2, 1:], self._e[d + 2, 1:], self._f[d + 2, 1:]
            np.subtract(self._h[d + 1], self._open, out=opened)
            np.subtract(self._e[d + 1, 1:], self._extend, out=longer)
            np.maximum(opened[1:], longer, out=e)
            np.subtract(self._f[d + 1, :-1], self._extend, out=longer)
            np.maximum(opened[:-1], longer, out=f)
            np.add(self._h[d, :-1], paired, out=paired)
            np.maximum(paired, e, out=h)
            np.maximum(h, f, out=h)
            np.maximum(h, np.float32(0.0), out=h)

    def best(self) -> tuple[FloatArray, Places, Places]:
        """Return the best score of each pair, its row and its column; 0 where none is above 0."""
        by_diagonal = self._paired.max(axis=1)  # (diagonals, pairs)
        diagonals = by_diagonal.argmax(axis=0)
        pairs = np.arange(self._pairs)
        rows = self._paired[diagonals, :, pairs].argmax(axis=1)
        return np.maximum(by_diagonal[diagonals, pairs], np.float32(0.0)), rows, diagonals - rows

    def bottom(self) -> Border:
        """Return H and F of the last row of a single pair."""
        last = slice(self._rows + 1, self._rows + 1 + self._columns)
        return self._h[last, -1, 0].copy(), self._f[last, -1, 0].copy()

    def traced(self, scores: FloatArray, rows: Places, columns: Places) -> list[IntArray]:
        """Walk back from the best cells of all pairs at once; return their alignments."""
        row, diagonal = rows.copy(), rows + columns
        state = np.zeros(self._pairs, dtype=np.int8)
        going = np.flatnonzero(scores > 0)
        steps = [np.zeros((0, 3), dtype=np.int64)]
        while len(going):
            i, d = row[going], diagonal[going]
            now = self._states(d, i, going, state[going])
            ended = now < 0
            pairing = now == _H
            steps.append(np.stack([going, i, d - i], axis=1)[pairing])
            row[going] = i - (now != _E)
            diagonal[going] = d - 1 - pairing
            state[going] = self._before(d, i, going, now)
            going = going[~ended & (row[going] >= 0) & (diagonal[going] >= row[going])]
        found = np.concatenate(steps)
        found = found[np.lexsort((found[:, 1], found[:, 0]))]
        cuts = np.searchsorted(found[:, 0], np.arange(1, self._pairs))
        return [part.astype(np.int32) for part in np.split(found[:, 1:], cuts)]

    def walked(self, start: int, at: tuple[int, int, int], pairs: list[tuple[int, int]]) -> tuple[int, int, int] | None:
        """Walk back from ``at`` (row, column, state) through a band that begins with row ``start``.

        Appends the pairs on the way; returns where to go on in the rows above, or None at the beginning of the alignment.
        """
        row, column, state = at
        pair = np.zeros(1, dtype=np.int64)
        while row >= start and column >= 0:
            d, i = np.array([row - start + column]), np.array([row - start])
            (now,) = self._states(d, i, pair, np.array([state], dtype=np.int8))
            if now < 0:
                return None
            if now == _H:
                pairs.append((row, column))
            (state,) = self._before(d, i, pair, np.array([now], dtype=np.int8))
            row, column = row - (now != _E), column - (now != _F)
        return (int(row), int(column), int(state)) if row >= 0 and column >= 0 else None

    def _states(self, d: Places, i: Places, p: Places, state: States) -> States:
        """Return where paths that come to these cells stand: H where the residues pair up, E, F, or -1 at their end."""
        here = self._cell(d + 2, i + 1, p)
        h = self._h.reshape(-1).take(here)
        paired = self._paired.reshape(-1).take((d * self._rows + i) * self._pairs + p)
        found = np.where(h == paired, _H, np.where(h == self._e.reshape(-1).take(here), _E, _F))
        found[h <= 0] = -1
        return np.where(state == _H, found, state).astype(np.int8)

    def _before(self, d: Places, i: Places, p: Places, state: States) -> States:
        """Return the state with which the paths go on at the cell before."""
        going_on = np.zeros(len(state), dtype=np.int8)
        for gap, scores, row in ((_E, self._e, i + 1), (_F, self._f, i)):
            if not (state == gap).any():
                continue
            cell = self._cell(d + 1, row, p)
            more = scores.reshape(-1).take(cell) - self._extend > self._h.reshape(-1).take(cell) - self._open
            going_on[(state == gap) & more] = gap
        return going_on

    def _cell(self, d: Places, i: Places, p: Places) -> Places:
        """Return the place of cells in the flat arrays, a name for which is quicker to look up than three."""
        return (d * (self._rows + 1) + i) * self._pairs + p


def _skewed(matrices: Sequence[FloatArray], rows: int, columns: int) -> FloatArray:
    """Return the matrices by anti-diagonals, ``shape=(rows + columns - 1, rows, pairs)``."""
    padded = np.full((len(matrices), rows, rows + columns), _NEVER, dtype=np.float32)
    for cells, matrix in zip(padded, matrices, strict=True):
        cells[: matrix.shape[0], : matrix.shape[1]] = matrix
    wide = rows + columns - 1  # read in rows one shorter, row i begins i places further to the right
    flat = padded.reshape(len(matrices), -1)[:, : rows * wide].reshape(len(matrices), rows, wide)
    return np.ascontiguousarray(flat.transpose(2, 1, 0))
