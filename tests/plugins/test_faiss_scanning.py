"""The scan of lists in C against the one in numpy, and both against products written out."""

from __future__ import annotations

import numpy as np
import pytest

from photophore_faiss import scanning
from photophore_faiss.scanning import (
    NO_FLOOR,
    ROW_BITS,
    SCORE_BITS,
    SCORE_MAX,
    Found,
    Instructions,
    nearest,
    scan,
    unpack,
)


@pytest.fixture(params=[*Instructions, "numpy"])
def way(request, monkeypatch):
    """Options of the functions: with what this processor has, with what every one has, and in numpy."""
    if request.param == "numpy":
        monkeypatch.setattr(scanning, "library", lambda _: None)
    elif scanning.library("photophore_faiss._scan") is None:
        pytest.skip("the functions in C are not built: there was no compiler")
    return {} if request.param == "numpy" else {"instructions": request.param}


def codes(rng, rows, dim):
    return rng.integers(-127, 128, (rows, dim)).astype(np.int8)


@pytest.mark.parametrize(
    ("rows", "dim", "queries", "count"),
    [(1, 4, 3, 1), (70, 6, 9, 5), (333, 64, 50, 16), (40, 130, 5, 40), (70, 128, 21, 3)],
)
def test_nearest(way, rows, dim, queries, count):
    rng = np.random.default_rng(rows)
    own, asked = codes(rng, rows, dim), codes(rng, queries, dim)
    own[rows // 2 :] = own[: rows - rows // 2]  # ties
    products = asked.astype(np.int64) @ own.T.astype(np.int64)
    expected = np.argsort(-products, axis=1, kind="stable")[:, :count]
    assert np.array_equal(nearest(asked, own, count, Found(), **way), expected)


def test_more_than_there_are_is_refused(way):
    own = codes(np.random.default_rng(0), 3, 4)
    with pytest.raises(ValueError, match="the 4 nearest of 3 rows were asked for"):
        nearest(own, own, 4, Found(), **way)


def unpacked(packed):
    """``{(query, row): score}``"""
    query, row = packed >> (SCORE_BITS + ROW_BITS), packed & ((1 << ROW_BITS) - 1)
    score = (SCORE_MAX >> 1) - ((packed >> ROW_BITS) & SCORE_MAX)
    return dict(zip(zip(query.tolist(), row.tolist(), strict=True), score.tolist(), strict=True))


@pytest.mark.parametrize("wanted", [0, 3, 1000])
@pytest.mark.parametrize("room", [1, 1 << 21])
@pytest.mark.parametrize("dim", [20, 64])
def test_scan(way, monkeypatch, wanted, room, dim):
    """Lists of no, one and many rows; a list that cannot offer what is wanted; stopping for want of room and going on."""
    monkeypatch.setattr(scanning, "_ROOM", room)
    monkeypatch.setattr(scanning, "_EXPECTED", 0)
    rng = np.random.default_rng(3)
    offsets = np.array([0, 0, 1, 40, 140, 173], dtype=np.int64)
    own, asked = codes(rng, 173, dim), codes(rng, 30, dim)
    probed = np.array([rng.permutation(5)[:2] for _ in range(30)])
    products = asked.astype(np.int64) @ own.T.astype(np.int64)
    floor = np.full(30, 1_000 * dim, dtype=np.int32) if not wanted else np.full(30, NO_FLOOR, dtype=np.int32)
    probed = probed if not wanted else probed[:, :1]
    expected, floors = {}, floor.copy()
    for query, lists in enumerate(probed):
        for one in lists:
            inside = range(offsets[one], offsets[one + 1])
            if wanted and len(inside) >= wanted:
                floors[query] = sorted((products[query, row] for row in inside), reverse=True)[wanted - 1]
            expected |= {(query, row): products[query, row] for row in inside if products[query, row] >= floors[query]}
    found = Found()
    scan(own, offsets, asked, probed, floor, wanted, found, **way)
    assert unpacked(found.packed) == expected
    assert len(found.packed) == len(expected)
    assert np.array_equal(floor, floors)
    first = found.packed.tolist()
    scan(own, offsets, asked, probed, floor, 0, found, **way)
    assert found.packed[: len(first)].tolist() == first
    assert sorted(found.packed[len(first) :].tolist()) == sorted(first)
    found.clear()
    assert found.packed.tolist() == []


def test_scan_of_nothing(way):
    none = np.empty((3, 0), dtype=np.int64)
    rng = np.random.default_rng(0)
    floor = np.zeros(3, dtype=np.int32)
    found = Found()
    scan(codes(rng, 5, 4), np.array([0, 5]), codes(rng, 3, 4), none, floor, 0, found, **way)
    assert found.packed.tolist() == []


@pytest.mark.usefixtures("way")
def test_unpack():
    def packed(query, score, row):
        return (query << SCORE_BITS | ((SCORE_MAX >> 1) - score)) << ROW_BITS | row

    found = np.sort(np.array([packed(0, 5, 2), packed(0, 9, 1), packed(0, 7, 0), packed(2, -4, 3)], dtype=np.int64))
    rows, scores = np.full((3, 2), 77, dtype=np.int64), np.full((3, 2), 77, dtype=np.float32)
    unpack(found, np.array([10, 11, 12, 13], dtype=np.uint32), 0.5, rows, scores)
    assert rows.tolist() == [[11, 10], [-1, -1], [13, -1]]
    assert scores.tolist() == [[4.5, 3.5], [-np.inf, -np.inf], [-2.0, -np.inf]]
    unpack(found[:0], np.array([10], dtype=np.uint32), 0.5, rows, scores)
    assert (rows.tolist(), scores.tolist()) == ([[-1, -1]] * 3, [[-np.inf, -np.inf]] * 3)
