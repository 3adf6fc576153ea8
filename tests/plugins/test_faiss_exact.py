"""Neighbours and scores are the same bits whatever is searched for beside a vector, and those of a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("faiss")

from tests.plugins.faiss_vectors import proteins, unit

from photophore.hookspecs import Runtime
from photophore_faiss import exact
from photophore_faiss.config import FastScanConfig, FlatConfig, HnswConfig, IvfConfig
from photophore_faiss.exact import nearest_exactly
from photophore_faiss.indexes import BLOCKS, FastScanIndex, FlatIndex, HnswIndex, IvfIndex

#: Wide enough that faiss would multiply matrices for the greater block, and not for the smaller.
DIM = 256
INDEXES = {
    "flat": FlatIndex(FlatConfig(), Runtime()),
    "flat-sq8": FlatIndex(FlatConfig(code="sq8"), Runtime(threads=2)),
    "ivfpq": IvfIndex(IvfConfig(stride=1), Runtime()),
    "ivfpq-refined": IvfIndex(IvfConfig(stride=1, code="pq", pq_m=8, refine="fp16"), Runtime(threads=2)),
    "ivf-fastscan": FastScanIndex(FastScanConfig(stride=1, pq_m=16), Runtime()),
    "hnsw": HnswIndex(HnswConfig(stride=1), Runtime()),
}


def slowly(searched, vectors, k):
    """Return the nearest by products in double precision, ties by row."""
    scores = (searched.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows


@pytest.mark.parametrize("name", INDEXES)
def test_neighbours_do_not_depend_on_what_else_is_searched(name):
    index = INDEXES[name]
    index.build(proteins(unit(1500, DIM, seed=1)))
    values = unit(BLOCKS[0] + BLOCKS[1] + 5, DIM, seed=2)
    together = index.search(proteins(values))
    order = np.random.default_rng(3).permutation(len(values))
    shuffled = index.search(proteins(values[order]))
    assert np.array_equal(together.rows[order], shuffled.rows)
    assert np.array_equal(together.scores[order], shuffled.scores)
    for part in (slice(0, 300), slice(700, 701), slice(1000, 1100)):
        apart = index.search(proteins(values[part]))
        assert np.array_equal(together.rows[part], apart.rows)
        assert np.array_equal(together.scores[part], apart.scores)


@pytest.mark.parametrize("together", [8, 100, 4096])
def test_nearest_is_what_the_oracle_says(together, monkeypatch):
    monkeypatch.setattr(exact, "_TOGETHER", together)
    monkeypatch.setattr(exact, "_PAIRS", 37)
    searched, vectors = unit(50, DIM, seed=4), unit(700, DIM, seed=5)
    for k in (1, 7, 700):
        scores, rows = nearest_exactly(searched, vectors, k)
        expected_scores, expected_rows = slowly(searched, vectors, k)
        assert np.array_equal(rows, expected_rows)
        assert np.array_equal(scores, expected_scores)


def test_equal_vectors_are_found_by_their_rows():
    vectors = np.tile(unit(3, DIM, seed=6), (40, 1))  # rows 0, 3, 6, ... are one vector
    scores, rows = nearest_exactly(vectors[:2], vectors, 5)
    assert rows.tolist() == [[0, 3, 6, 9, 12], [1, 4, 7, 10, 13]]
    assert (scores == scores[:, :1]).all()
    nothing = np.zeros((1, DIM), dtype=np.float32)
    assert nearest_exactly(nothing, vectors, 3)[1].tolist() == [[0, 1, 2]]


def test_fewer_vectors_than_are_asked_for():
    vectors = unit(3, DIM, seed=7)
    scores, rows = nearest_exactly(vectors[:1], vectors, 5)
    assert rows[0, 0] == 0
    assert rows[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(scores[0, 3:]).all()
    assert nearest_exactly(vectors[:0], vectors, 5)[0].shape == (0, 5)
