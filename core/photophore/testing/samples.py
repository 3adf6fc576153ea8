"""Small inputs for the conformance suites: proteins, vectors in clusters, neighbours of a database of five targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.types import Embeddings, Neighbours, SequenceBatch, TargetTable

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"

#: Letters beside the twenty: two or three amino acids, any, selenocysteine, pyrrolysine.
UNUSUAL_LETTERS = "BJZXUO"

#: A small target set in which one target has no rows.
TARGETS = TargetTable(
    ids=("alpha", "beta", "none", "gamma", "delta"), offsets=np.array([0, 40, 100, 100, 160, 200], dtype=np.int64)
)


def proteins(*sequences: str) -> SequenceBatch:
    """Return a batch of ``sequences`` named p1, p2, ..."""
    numbers = range(1, len(sequences) + 1)
    return SequenceBatch(
        ids=tuple(f"p{number}" for number in numbers),
        sequences=sequences,
        descriptions=("",) * len(sequences),
        sources=tuple(f"sample.faa:{number}" for number in numbers),
    )


def random_proteins(*lengths: int, seed: int = 0) -> SequenceBatch:
    """Return a batch of random proteins of these lengths."""
    random = np.random.default_rng(seed)
    letters = np.frombuffer(AMINO_ACIDS.encode(), dtype=np.uint8)
    return proteins(*(random.choice(letters, length).tobytes().decode() for length in lengths))


def vectors(values: npt.NDArray[Any], *lengths: int, digest: str = "5a" * 32) -> Embeddings:
    """Return ``values (rows, dim)`` as vectors of items of these lengths, named p1, p2, ..."""
    return Embeddings(
        ids=tuple(f"p{number}" for number in range(1, len(lengths) + 1)),
        values=values,
        offsets=offsets_of(lengths),
        encoder="sample",
        digest=digest,
    )


def clustered(rows: int, *, dim: int = 32, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return unit vectors around 50 centres, which are the same for every seed: ``shape=(rows, dim)``."""
    centres = np.random.default_rng(99).standard_normal((50, dim)) / np.sqrt(dim)
    random = np.random.default_rng(seed)
    values = centres[random.integers(0, len(centres), rows)] + 0.12 * random.standard_normal((rows, dim))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values, dtype=np.float32)


def neighbours(*lengths: int, k: int = 6, seed: int = 0, planted: int | None = None) -> Neighbours:
    """Return random neighbours among the rows of `TARGETS`, some of them missing.

    Parameters
    ----------
    lengths
        Residues of each protein.
    k
        Neighbours of each residue.
    seed
        Of the random numbers.
    planted
        Index of a target that every protein is given a strong diagonal to, or None.
    """
    random = np.random.default_rng(seed)
    offsets = offsets_of(lengths)
    searched = int(offsets[-1])
    positions = (np.arange(searched) - np.repeat(offsets[:-1], lengths)).astype(np.int32)
    rows = random.integers(0, TARGETS.offsets[-1], (searched, k))
    scores = random.uniform(0.1, 0.5, (searched, k)).astype(np.float32)
    if planted is not None:
        first, last = TARGETS.offsets[planted], TARGETS.offsets[planted + 1]
        rows[:, 0] = first + np.minimum(positions, last - first - 1)
        scores[:, 0] = 0.95
    else:
        missing = random.random((searched, k)) < 0.1
        rows[missing], scores[missing] = -1, -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    return frozen_neighbours(
        lengths, positions, np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    )


def frozen_neighbours(
    lengths: Sequence[int],
    positions: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
) -> Neighbours:
    """Return neighbours whose arrays refuse to be written to: an aggregator may not change its argument."""
    found = Neighbours(
        ids=tuple(f"p{number}" for number in range(1, len(lengths) + 1)),
        offsets=offsets_of(lengths),
        positions=positions,
        lengths=np.array(lengths, dtype=np.int32),
        rows=rows,
        scores=scores,
    )
    for array in (found.offsets, found.positions, found.lengths, found.rows, found.scores):
        array.flags.writeable = False
    return found


def only(found: Neighbours, protein: int) -> Neighbours:
    """Return the neighbours of one protein as if it had been searched alone."""
    part = slice(int(found.offsets[protein]), int(found.offsets[protein + 1]))
    return frozen_neighbours(
        [int(found.lengths[protein])],
        found.positions[part].copy(),
        found.rows[part].copy(),
        found.scores[part].copy(),
    )


def offsets_of(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return where items of these lengths begin and end, ``shape=(n + 1,)``."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
