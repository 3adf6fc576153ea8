"""`keep`: only the most informative vectors of each target are indexed, and the rest of the chain does not notice."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("faiss")

from photophore.errors import DatabaseError, DataError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings
from photophore_faiss.config import FastScanConfig, FlatConfig, HnswConfig, IvfConfig
from photophore_faiss.indexes import (
    FACTS_FILE,
    KEPT_FILE,
    FastScanIndex,
    FlatIndex,
    HnswIndex,
    IvfIndex,
    informative_rows,
)
from photophore_faiss.rows import searched_rows

KINDS = [
    (FlatIndex, FlatConfig),
    (IvfIndex, IvfConfig),
    (FastScanIndex, FastScanConfig),
    (HnswIndex, HnswConfig),
]


def embeddings(values, lengths, informativeness=None):
    return Embeddings(
        ids=tuple(f"p{number}" for number in range(len(lengths))),
        values=values,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        encoder="near",
        digest="d" * 64,
        informativeness=informativeness,
    )


def told(informativeness, lengths):
    known = np.array(informativeness, dtype=np.float32)
    return embeddings(np.zeros((len(known), 2), dtype=np.float32), lengths, known)


@pytest.fixture(scope="module")
def world():
    """Two thousand unit vectors of 40 targets, and how informative each is."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((2000, 32)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    lengths = [*[45] * 20, *[55] * 19, 55]
    return embeddings(values, lengths, rng.random(2000).astype(np.float32))


def test_rows_by_eye():
    known = told([0.1, 0.9, 0.5, 0.4, 5.0, 7.0, 6.0, 0.0], [4, 3, 0, 1])
    assert informative_rows(known, 0.5).tolist() == [1, 2, 5, 6, 7]
    assert informative_rows(known, 0.25).tolist() == [1, 5, 7]
    assert informative_rows(known, 0.26).tolist() == [1, 2, 5, 7]
    assert informative_rows(known, 0.001).tolist() == [1, 5, 7]


def test_searched_are_the_most_informative_of_every_so_many():
    known = told([0.1, 0.9, 0.5, 0.4, 0.7, 5.0, 7.0, 6.0], [5, 3])
    rows, positions, offsets = searched_rows(known, 1, 0.5)
    assert rows.tolist() == [1, 2, 4, 6, 7]
    assert positions.tolist() == [1, 2, 4, 1, 2]
    assert offsets.tolist() == [0, 3, 5]
    rows, positions, offsets = searched_rows(known, 2, 0.5)  # of the first, third, fifth
    assert rows.tolist() == [2, 4, 7]
    assert positions.tolist() == [2, 4, 2]
    assert offsets.tolist() == [0, 2, 3]
    unknown = embeddings(np.zeros((4, 2), dtype=np.float32), [4])
    for every in (searched_rows(unknown, 1, 0.5), searched_rows(told([1, 2, 3, 4], [4]), 1, 1.0)):
        assert every[0].tolist() == [0, 1, 2, 3]


def test_between_equals_the_first_is_kept():
    assert informative_rows(told([2, 1, 2, 2, 1, 1], [4, 2]), 0.5).tolist() == [0, 2, 4]


def test_all_are_kept_where_nothing_is_known_or_everything_wanted():
    assert informative_rows(told([1, 2], [2]), 1.0) is None
    assert informative_rows(embeddings(np.zeros((2, 2), dtype=np.float32), [2]), 0.5) is None


def test_each_share_is_that_of_the_slow_definition(world):
    for keep in (0.1, 1 / 3, 0.5, 0.9):
        expected = []
        for start, stop in zip(world.offsets[:-1], world.offsets[1:], strict=True):
            count = int(np.ceil(keep * (stop - start)))
            best = sorted(range(start, stop), key=lambda row: (-world.informativeness[row], row))[:count]
            expected += sorted(best)
        assert informative_rows(world, keep).tolist() == expected


@pytest.mark.parametrize(("kind", "config"), KINDS)
def test_neighbours_are_rows_of_the_database(world, tmp_path, kind, config):
    """Searched with the vectors themselves, kept ones find themselves under their own number, others a kept one."""
    index = kind(config(keep=0.5, stride=1, k=3), Runtime())
    index.build(world)
    kept = informative_rows(world, 0.5)
    found = index.search(world)
    assert set(found.rows.ravel().tolist()) <= {-1, *kept.tolist()}
    assert (found.rows[kept, 0] == kept).mean() > 0.95
    index.save(tmp_path / "index")
    assert np.load(tmp_path / "index" / KEPT_FILE).tolist() == kept.tolist()
    again = kind(config(keep=0.9, stride=1, k=3), Runtime())  # how much was kept is a matter of the build
    again.load(tmp_path / "index")
    repeated = again.search(world)
    assert np.array_equal(repeated.rows, found.rows)
    assert np.array_equal(repeated.scores, found.scores)


def test_flat_finds_what_a_matrix_product_of_the_kept_finds(world):
    index = FlatIndex(FlatConfig(keep=0.3, k=5), Runtime())
    index.build(world)
    kept = informative_rows(world, 0.3)
    similarity = world.values[:200] @ world.values[kept].T
    found = index.search(embeddings(world.values[:200], [200]))
    assert np.array_equal(found.rows, kept[np.argsort(-similarity, axis=1, kind="stable")[:, :5]])


def test_missing_neighbours_stay_missing():
    values = np.eye(4, dtype=np.float32)
    index = FlatIndex(FlatConfig(keep=0.5, k=3), Runtime())
    index.build(embeddings(values, [4], np.array([1, 3, 0, 2], dtype=np.float32)))
    found = index.search(embeddings(values[:1], [1]))
    assert sorted(found.rows[0].tolist()) == [-1, 1, 3]
    assert found.scores[0, found.rows[0] < 0].tolist() == [-np.inf]


def test_an_index_of_all_vectors_needs_no_list(world, tmp_path):
    index = FlatIndex(FlatConfig(keep=1.0), Runtime())
    index.build(world)
    index.save(tmp_path)
    assert not (tmp_path / KEPT_FILE).exists()
    facts = json.loads((tmp_path / FACTS_FILE).read_text())
    assert (facts["kept"], facts["rows"]) == (False, 2000)
    del facts["kept"]  # as before there was `keep`
    (tmp_path / FACTS_FILE).write_text(json.dumps(facts))
    again = FlatIndex(FlatConfig(), Runtime())
    again.load(tmp_path)
    assert again.search(world).rows[:, 0].tolist() == list(range(2000))


def test_a_damaged_list_is_named(world, tmp_path):
    index = FlatIndex(FlatConfig(keep=0.5), Runtime())
    index.build(world)
    index.save(tmp_path)
    path = tmp_path / KEPT_FILE
    whole = path.read_bytes()
    for content, message in (
        (whole[:60], "not readable"),
        (None, "not readable"),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(DatabaseError, match=rf"kept\.npy: {message} .*; build the database again"):
            FlatIndex(FlatConfig(), Runtime()).load(tmp_path)
    np.save(path, np.arange(7, dtype=np.uint32))
    with pytest.raises(DatabaseError, match=r"kept\.npy: names 7 rows, the index holds \d+; build the database again"):
        FlatIndex(FlatConfig(), Runtime()).load(tmp_path)


@pytest.mark.parametrize("config", [config for _, config in KINDS])
@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_wrong_shares_are_refused(config, share):
    with pytest.raises(ValueError, match=f"keep is {share}; give a share above 0 and at most 1"):
        config(keep=share)


def test_informativeness_fits_its_vectors():
    values = np.zeros((3, 2), dtype=np.float32)
    assert embeddings(values, [3]).informativeness is None
    with pytest.raises(DataError, match=r"informativeness must be float32 of shape \(3,\), got float32 \(2,\)"):
        embeddings(values, [3], np.zeros(2, dtype=np.float32))
    with pytest.raises(DataError, match=r"informativeness must be float32 of shape \(3,\), got float64 \(3,\)"):
        embeddings(values, [3], np.zeros(3))
