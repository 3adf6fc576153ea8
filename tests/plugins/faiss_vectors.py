"""Vectors that tests of the faiss indexes store and search."""

from __future__ import annotations

import numpy as np

from photophore.types import Embeddings


def unit(rows, dim=32, seed=0):
    """Return random vectors of length 1, ``shape=(rows, dim)``."""
    values = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def proteins(values, informativeness=None):
    """Return vectors, one a protein."""
    ids = tuple(f"p{row}" for row in range(len(values)))
    offsets = np.arange(len(values) + 1, dtype=np.int64)
    return Embeddings(ids, values, offsets, "hifinn", "d" * 64, informativeness=informativeness)
