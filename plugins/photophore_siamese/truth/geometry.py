"""What a C-alpha trace says of each residue: local shape, nearest neighbour in space, burial; words to learn residues by.

Each residue gets three letters. *Shape* is the course of the chain around it, *contact* how the residue nearest in space
(not along the chain) lies to it, *burial* how many residues are near. The letters are the nearest of fixed centres, found by
k-means over many traces; the idea of a structural alphabet is that of Foldseek's 3Di, without its side chains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Residues this near in space count as burial, in angstrom.
BURIAL_RADIUS = 10.0
#: Along the chain, what is nearer than this is no contact.
_APART = 3
#: Letter of a residue that has no description: at the ends of a chain, or at a break.
UNKNOWN = 255
#: C-alpha atoms of consecutive residues are 3.8 angstrom apart; further apart is a break.
_BREAK = 4.5


@dataclass(frozen=True, slots=True)
class Alphabets:
    """Centres of the letters: ``shapes (letters, 9)``, ``contacts (letters, 8)``; edges of the burial classes."""

    shapes: FloatArray
    contacts: FloatArray
    burial_edges: FloatArray

    def letters(self, trace: FloatArray) -> npt.NDArray[np.uint8]:
        """Return the letters of each residue of ``trace (n, 3)``, ``shape=(n, 3)``: shape, contact, burial."""
        result = np.full((len(trace), 3), UNKNOWN, dtype=np.uint8)
        for column, (described, centres) in enumerate(
            ((shape_descriptors(trace), self.shapes), (contact_descriptors(trace), self.contacts))
        ):
            known = np.isfinite(described).all(axis=1)
            result[known, column] = nearest(described[known], centres)
        result[:, 2] = np.searchsorted(self.burial_edges, burial(trace))
        return result


def find_alphabets(traces: list[FloatArray], *, shapes: int, contacts: int, burials: int, seed: int) -> Alphabets:
    """Return centres that describe ``traces`` well, by k-means."""
    random = np.random.default_rng(seed)
    found = []
    for describe, count in ((shape_descriptors, shapes), (contact_descriptors, contacts)):
        rows = np.concatenate([describe(trace) for trace in traces])
        rows = rows[np.isfinite(rows).all(axis=1)]
        rows = rows[random.permutation(len(rows))[:60_000]]
        found.append(_k_means(rows, count, random))
    near = np.concatenate([burial(trace) for trace in traces])
    edges = np.quantile(near, np.arange(1, burials) / burials)
    return Alphabets(found[0], found[1], edges)


def shape_descriptors(trace: FloatArray) -> FloatArray:
    """Return distances and handedness of the chain from two before to two after each residue, ``shape=(n, 9)``; or nan."""
    n = len(trace)
    result = np.full((n, 9), np.nan)
    if n < 7:
        return result
    steps = np.diff(trace, axis=0)  # (n - 1, 3)
    whole = np.linalg.norm(steps, axis=1) < _BREAK
    middle = np.arange(3, n - 3)
    usable = np.array([whole[i - 3 : i + 3].all() for i in middle])

    def apart(a: int, b: int) -> FloatArray:
        return np.asarray(np.linalg.norm(trace[middle + a] - trace[middle + b], axis=1))

    def turn(a: int) -> tuple[FloatArray, FloatArray]:
        u, v, w = steps[middle + a], steps[middle + a + 1], steps[middle + a + 2]
        m, k = np.cross(u, v), np.cross(v, w)
        x = (m * k).sum(axis=1)
        y = (np.cross(m, k) * v).sum(axis=1) / np.maximum(np.linalg.norm(v, axis=1), 1e-9)
        size = np.maximum(np.hypot(x, y), 1e-9)
        return 2 * x / size, 2 * y / size

    values = [apart(-1, 1), apart(-2, 0), apart(0, 2), apart(-2, 2) / 2, apart(-3, 3) / 3]
    values += [*turn(-2), *turn(-1)]
    result[middle[usable]] = np.stack(values, axis=1)[usable]
    return result


def contact_descriptors(trace: FloatArray) -> FloatArray:
    """Return how the residue nearest in space lies to each one, ``shape=(n, 8)``, or nan where there is none."""
    n = len(trace)
    result = np.full((n, 8), np.nan)
    if n < 7:
        return result
    distances = np.linalg.norm(trace[:, None] - trace[None], axis=2)
    places = np.arange(n)
    distances[np.abs(places[:, None] - places[None]) < _APART] = np.inf
    distances[:, [0, -1]] = np.inf
    middle = places[1:-1]
    other = distances[middle].argmin(axis=1)
    gap = np.take_along_axis(distances[middle], other[:, None], axis=1)[:, 0]
    ahead = _unit(trace[middle + 1] - trace[middle])
    behind = _unit(trace[middle] - trace[middle - 1])
    there_ahead = _unit(trace[np.minimum(other + 1, n - 1)] - trace[other])
    there_behind = _unit(trace[other] - trace[np.maximum(other - 1, 0)])
    across = _unit(trace[other] - trace[middle])
    separation = np.clip(other - middle, -12, 12)
    values = [
        2 * (ahead * behind).sum(axis=1),
        2 * (there_ahead * there_behind).sum(axis=1),
        2 * (ahead * there_behind).sum(axis=1),
        2 * (behind * there_ahead).sum(axis=1),
        2 * (ahead * across).sum(axis=1),
        2 * (behind * across).sum(axis=1),
        np.minimum(gap, 12.0) / 2,
        np.sign(separation) * np.log(np.abs(separation) - 1.0),
    ]
    result[middle] = np.stack(values, axis=1)
    result[middle[~np.isfinite(gap)]] = np.nan
    return result


def burial(trace: FloatArray) -> FloatArray:
    """Return how many other residues are within `BURIAL_RADIUS` of each, ``shape=(n,)``."""
    distances = np.linalg.norm(trace[:, None] - trace[None], axis=2)
    return (distances < BURIAL_RADIUS).sum(axis=1).astype(np.float64) - 1


def nearest(rows: FloatArray, centres: FloatArray) -> npt.NDArray[np.int64]:
    """Return the number of the nearest of ``centres (k, d)`` to each of ``rows (n, d)``."""
    squared = (centres**2).sum(axis=1)[None] - 2 * rows @ centres.T
    return np.asarray(squared.argmin(axis=1))


def _unit(vectors: FloatArray) -> FloatArray:
    result: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return result


def _k_means(rows: FloatArray, count: int, random: np.random.Generator, rounds: int = 25) -> FloatArray:
    centres = rows[random.choice(len(rows), count, replace=False)]
    for _ in range(rounds):
        which = nearest(rows, centres)
        sizes = np.bincount(which, minlength=count)
        sums = np.stack([np.bincount(which, rows[:, d], count) for d in range(rows.shape[1])], axis=1)
        filled = sizes > 0
        centres = np.where(filled[:, None], sums / np.maximum(sizes, 1)[:, None], centres)
    return centres
