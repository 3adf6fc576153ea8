"""C-alpha lDDT of aligned residues, as the Siamese paper defines it: how well each keeps the distances to its neighbours.

Of the aligned residues alone: the neighbours of one are those within 15 angstrom in the first structure, each weighs
``1 / (d + 1e-6)^3``, the weights of a residue add up to 1, and what counts is the share of them whose distance in the
second structure differs by less than 0.5, 1, 2 and 4 angstrom, averaged over the four.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

RADIUS = 15.0
THRESHOLDS = (0.5, 1.0, 2.0, 4.0)

_SMALL = 1e-6

FloatArray = npt.NDArray[np.float64]


def aligned_lddt(reference: FloatArray, model: FloatArray) -> FloatArray:
    """Return the lDDT of each aligned residue, ``shape=(aligned,)``, between 0 and 1.

    Parameters
    ----------
    reference, model
        ``shape=(aligned, 3)``, in angstrom: the C-alpha atoms of the aligned residues, in the order of the alignment. A
        residue without a neighbour has 0.
    """
    wanted = _distances(reference)
    difference = np.abs(wanted - _distances(model))
    near = wanted <= RADIUS
    np.fill_diagonal(near, val=False)
    weights = np.where(near, 1.0 / (wanted + _SMALL) ** 3, 0.0)
    kept = np.zeros_like(difference)
    for threshold in THRESHOLDS:
        kept += difference < threshold
    total = weights.sum(axis=1)
    result: FloatArray = (weights * kept).sum(axis=1) / len(THRESHOLDS) / np.where(total > 0, total, 1.0)
    return result


def slow_aligned_lddt(reference: FloatArray, model: FloatArray) -> FloatArray:
    """Return what `aligned_lddt` returns, one residue and one neighbour at a time: the oracle of the tests."""
    result = np.zeros(len(reference))
    for i in range(len(reference)):
        weights, kept = [], []
        for j in range(len(reference)):
            wanted = math.dist(reference[i], reference[j])
            if i == j or wanted > RADIUS:
                continue
            off = abs(wanted - math.dist(model[i], model[j]))
            weights.append(1.0 / (wanted + _SMALL) ** 3)
            kept.append(sum(off < threshold for threshold in THRESHOLDS) / len(THRESHOLDS))
        if weights:
            result[i] = sum(w * k for w, k in zip(weights, kept, strict=True)) / sum(weights)
    return result


def _distances(points: FloatArray) -> FloatArray:
    """Return the distances of all pairs of ``points (n, 3)``, ``shape=(n, n)``."""
    difference = points[:, None, :] - points[None, :, :]
    distances: FloatArray = np.sqrt((difference**2).sum(axis=2))
    return distances
