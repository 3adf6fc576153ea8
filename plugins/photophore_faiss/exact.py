"""The nearest vectors by products that are the same whatever else is searched for.

A product of float matrices has other last bits on some processors when the matrix has more rows, or when the row is another
one: a protein's neighbours would depend on the proteins beside it. So such a product only tells what comes into question, and
the products of these pairs are computed one by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

#: Vectors that are multiplied with all searched ones at once, and pairs that are multiplied one by one together.
_TOGETHER, _PAIRS = 4096, 1 << 15
#: How far a product of float matrices may be off, over the product of the lengths: half the last bit a dimension, twice as much
#: for the two that are compared, and twice as much to be sure.
_ROUNDING = 4 * 2.0**-24


def nearest_exactly(
    searched: Vectors, vectors: Vectors, k: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the largest inner products of each of ``searched (n, dim)`` with ``vectors (rows, dim)``, and their rows.

    Returns
    -------
    scores : ndarray, shape=(n, k), dtype=float32
        Largest first, ties by row; minus infinity where there are fewer than ``k`` rows.
    rows : ndarray, shape=(n, k), dtype=int64
        -1 where there are fewer.
    """
    scores = np.full((len(searched), k), -np.inf, dtype=np.float32)
    rows = np.full((len(searched), k), -1, dtype=np.int64)
    rounding = _ROUNDING * searched.shape[1] * np.linalg.norm(searched, axis=1)
    room = np.empty(len(searched) * min(len(vectors), _TOGETHER), dtype=np.float32)  # of one part after the other
    for start in range(0, len(vectors), _TOGETHER):
        part = vectors[start : start + _TOGETHER]
        rough = np.matmul(searched, part.T, out=room[: len(searched) * len(part)].reshape(len(searched), len(part)))
        least = scores[:, -1]
        if start == 0 and len(part) > k:
            least = np.partition(rough, len(part) - k, axis=1)[:, len(part) - k]
        margin = rounding * np.linalg.norm(part, axis=1).max()
        asked, found = np.nonzero(rough >= (least - margin)[:, None])
        scores, rows = _merged(scores, rows, asked, start + found, _products(searched, vectors, asked, start + found))
    return scores, rows


def _products(
    searched: Vectors, vectors: Vectors, asked: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return the product of each pair: in double precision each of its terms is exact."""
    products = np.empty(len(asked), dtype=np.float32)
    for start in range(0, len(asked), _PAIRS):
        pairs = slice(start, start + _PAIRS)
        products[pairs] = np.multiply(searched[asked[pairs]], vectors[rows[pairs]], dtype=np.float64).sum(axis=1)
    return products


def _merged(
    scores: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    asked: npt.NDArray[np.int64],
    more_rows: npt.NDArray[np.int64],
    more_scores: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the best of ``scores`` and ``rows (n, k)`` and of more, which are of the searched vectors ``asked``."""
    n, k = scores.shape
    of = np.concatenate([np.repeat(np.arange(n), k), asked])
    all_scores, all_rows = np.concatenate([scores.ravel(), more_scores]), np.concatenate([rows.ravel(), more_rows])
    order = np.lexsort((all_rows, -all_scores, of))
    best = order[np.searchsorted(of[order], np.arange(n))[:, None] + np.arange(k)]
    return all_scores[best], all_rows[best]
