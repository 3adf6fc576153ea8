"""The index `flat` with vectors of 8 bits: what they stand for, their size, and that search is exact among them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("faiss")

from tests.plugins.faiss_vectors import proteins, unit

from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings
from photophore_faiss.config import FlatConfig
from photophore_faiss.indexes import FlatIndex

ROWS, DIM, K = 3000, 32, 7


def built(values, runtime=None, **options):
    index = FlatIndex(FlatConfig(k=K, **options), runtime or Runtime())
    index.build(proteins(values))
    return index


@pytest.fixture(scope="module")
def values():
    return unit(ROWS, DIM, seed=1)


@pytest.fixture(scope="module")
def queries():
    return proteins(unit(301, DIM, seed=2))


@pytest.fixture(scope="module")
def index(values):
    return built(values, code="sq8")


def slowly(values):
    """Return what 8 bits a dimension stand for: the middle of the 255 steps between least and greatest it lies in."""
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    codes = np.clip(np.floor((values - low) / (high - low) * 255), 0, 255)
    return low + (codes + 0.5) / 255 * (high - low)


def test_vectors_are_what_their_codes_stand_for(index, values):
    decoded = index.vectors()
    assert decoded.shape == values.shape
    assert decoded.dtype == np.float32
    step = (values.max(axis=0) - values.min(axis=0)) / 255
    assert (np.abs(decoded - values) <= 0.51 * step).all()
    same = np.isclose(decoded, slowly(values), atol=1e-6)
    assert same.mean() > 0.999  # what lies on the border of two steps may be rounded to either


def test_search_is_a_matrix_product_with_the_decoded_vectors(index, queries):
    found = index.search(queries)
    similarity = queries.values @ index.vectors().T  # (queries, rows)
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :K]
    assert np.array_equal(found.rows, best)
    assert np.allclose(found.scores, np.take_along_axis(similarity, best, axis=1), atol=1e-6)


def test_full_vectors_are_searched_as_they_are(values):
    assert np.array_equal(built(values).vectors(), values)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_saved_index_answers_the_same(index, values, queries, tmp_path, mmap):
    index.save(tmp_path)
    again = FlatIndex(FlatConfig(k=K, mmap=mmap), Runtime())  # how it is stored is told by the file
    again.load(tmp_path)
    before, after = index.search(queries), again.search(queries)
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.scores, after.scores)
    assert np.array_equal(index.vectors(), again.vectors())
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "vectors.faiss").read_bytes() == (tmp_path / "vectors.faiss").read_bytes()


def test_saving_leaves_the_index_as_it_was(index, queries, tmp_path):
    before = index.search(queries)
    index.save(tmp_path)
    assert np.array_equal(index.search(queries).scores, before.scores)


def test_an_index_takes_a_quarter(index, values, tmp_path):
    built(values).save(tmp_path / "fp32")
    index.save(tmp_path / "sq8")
    whole, small = ((tmp_path / code / "vectors.faiss").stat().st_size for code in ("fp32", "sq8"))
    assert whole >= ROWS * DIM * 4
    assert ROWS * DIM <= small < ROWS * DIM + 1000


def test_two_builds_are_the_same_bytes_whatever_the_threads(index, values, tmp_path):
    index.save(tmp_path / "one")
    built(values, Runtime(threads=2), code="sq8").save(tmp_path / "two")
    for name in ("vectors.faiss", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_threads_of_a_search_change_nothing(index, values, queries):
    other = built(values, Runtime(threads=2), code="sq8")
    assert np.array_equal(index.search(queries).scores, other.search(queries).scores)


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_tiny_databases(rows, capfd):
    """One vector has no spread in any dimension, and is found as it is."""
    values = unit(rows, DIM, seed=3)
    index = built(values, code="sq8")
    found = index.search(proteins(values))
    assert found.rows[:, 0].tolist() == list(range(rows))
    assert np.isneginf(found.scores[found.rows < 0]).all()
    assert np.allclose(index.vectors(), values, atol=5e-3)
    assert capfd.readouterr().err == ""


def test_only_informative_vectors_are_kept(values, queries):
    index = FlatIndex(FlatConfig(k=K, keep=0.5, code="sq8"), Runtime())
    offsets = np.array([0, ROWS], dtype=np.int64)
    informative = np.arange(ROWS, dtype=np.float32)
    index.build(Embeddings(("p",), values, offsets, "hifinn", "d" * 64, informativeness=informative))
    assert len(index.vectors()) == ROWS // 2
    assert index.search(queries).rows.min() >= ROWS // 2


def test_damage_and_wrong_options(index, tmp_path):
    with pytest.raises(ValueError, match="code is 'sq4'; choose one of fp32, sq8"):
        FlatConfig(code="sq4")
    with pytest.raises(DatabaseError, match="nothing to save"):
        FlatIndex(FlatConfig(code="sq8"), Runtime()).save(tmp_path)
    index.save(tmp_path)
    whole = (tmp_path / "vectors.faiss").read_bytes()
    (tmp_path / "vectors.faiss").write_bytes(whole[:2000])
    with pytest.raises(DatabaseError, match=r"vectors\.faiss: faiss cannot read it .*build the database again"):
        FlatIndex(FlatConfig(), Runtime()).load(tmp_path)
