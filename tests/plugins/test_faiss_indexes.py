"""The faiss indexes: exactness of `flat`, recall of the others, strides, blocks, files and messages."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("faiss")

from tests.plugins.faiss_vectors import unit

from photophore.errors import DatabaseError, DataError, UsageError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings
from photophore_faiss import plugin
from photophore_faiss.config import FastScanConfig, FlatConfig, HnswConfig, IvfConfig
from photophore_faiss.indexes import BLOCKS, strided_rows
from photophore_faiss.structures import automatic_lists

SPECS = {spec.name: spec for spec in plugin.photophore_indexes()}
VARIANTS = [
    ("flat", FlatConfig(stride=1)),
    ("flat", FlatConfig(stride=1, mmap=True)),
    ("ivfpq", IvfConfig(stride=1, nprobe=16)),
    ("ivfpq", IvfConfig(stride=1, nprobe=16, mmap=True)),
    ("ivfpq", IvfConfig(stride=1, nprobe=16, code="fp16")),
    ("ivfpq", IvfConfig(stride=1, nprobe=16, code="sq4", refine="sq8")),
    ("ivfpq", IvfConfig(stride=1, nprobe=16, code="pq", pq_m=8, refine="fp16")),
    ("ivf-fastscan", FastScanConfig(stride=1, nprobe=16, pq_m=16)),
    ("hnsw", HnswConfig(stride=1, m=16)),
]
NAMES = [f"{name}-{i}" for i, (name, _) in enumerate(VARIANTS)]


def embeddings(values, lengths, digest="d" * 64):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = tuple(f"p{i}" for i in range(len(lengths)))
    return Embeddings(ids=ids, values=values, offsets=offsets, encoder="near", digest=digest)


@pytest.fixture(scope="module")
def world():
    """Sixty clusters of database vectors and queries close to them: neighbourhoods as real residues have them."""
    rng = np.random.default_rng(1)
    centres = unit(60, seed=2)

    def around(rows):
        values = centres[rng.integers(0, 60, rows)] + 0.12 * rng.standard_normal((rows, 32)).astype(np.float32)
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)

    return embeddings(around(6000), [6000]), embeddings(around(700), [1, 2, 97, 300, 0, 300])


def create(name, config, threads=1):
    return SPECS[name].create(config, Runtime(threads=threads))


def test_flat_finds_what_a_matrix_product_finds(world):
    database, queries = world
    index = create("flat", FlatConfig(k=5))
    index.build(database)
    found = index.search(queries)
    similarity = queries.values @ database.values.T  # (queries, rows)
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :5]
    assert np.array_equal(found.rows, best)
    assert np.allclose(found.scores, np.take_along_axis(similarity, best, axis=1), atol=1e-6)


@pytest.mark.parametrize(("name", "config"), VARIANTS, ids=NAMES)
def test_recall_against_flat(world, name, config):
    database, queries = world
    exact = create("flat", FlatConfig(k=10))
    exact.build(database)
    index = create(name, replace(config, k=10))
    index.build(database)
    truth, found = exact.search(queries).rows, index.search(queries).rows
    shared = sum(len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True))
    assert shared / truth.size >= 0.9


@pytest.mark.parametrize(("name", "config"), VARIANTS, ids=NAMES)
def test_saved_index_answers_the_same(world, name, config, tmp_path):
    database, queries = world
    index = create(name, config)
    index.build(database)
    before = index.search(queries)
    index.save(tmp_path / "index")
    again = create(name, config)
    again.load(tmp_path / "index")
    after = again.search(queries)
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.scores, after.scores)


def test_strided_rows_by_eye():
    offsets = np.array([0, 7, 7, 8, 11], dtype=np.int64)
    rows, positions, searched = strided_rows(offsets, 3)
    assert positions.tolist() == [0, 3, 6, 0, 0]
    assert rows.tolist() == [0, 3, 6, 7, 8]
    assert searched.tolist() == [0, 3, 3, 4, 5]


def test_stride_searches_each_protein_at_least_once(world):
    database, _ = world
    index = create("ivfpq", IvfConfig(stride=50, k=3))
    index.build(database)
    found = index.search(embeddings(unit(104), [1, 2, 100, 1]))
    assert found.offsets.tolist() == [0, 1, 2, 4, 5]
    assert found.positions.tolist() == [0, 0, 0, 50, 0]
    assert found.lengths.tolist() == [1, 2, 100, 1]


def test_k_above_the_number_of_rows_gives_missing_neighbours():
    for name, spec in SPECS.items():
        index = spec.create(spec.config(k=8, stride=1), Runtime())
        index.build(embeddings(unit(3), [3]))
        found = index.search(embeddings(unit(2, seed=5), [2]))
        assert sorted(found.rows[0].tolist()) == [-1] * 5 + [0, 1, 2], name
        assert np.isneginf(found.scores[found.rows < 0]).all(), name
        assert np.isfinite(found.scores[found.rows >= 0]).all(), name


@pytest.mark.parametrize("rows", [1, 2, 15, 40])
def test_tiny_databases_are_built_without_a_word(rows, capfd):
    for spec in SPECS.values():
        index = spec.create(spec.config(k=1, stride=1), Runtime())
        values = unit(rows, seed=3)
        index.build(embeddings(values, [rows]))
        found = index.search(embeddings(values, [rows]))
        assert found.rows[:, 0].tolist() == list(range(rows)), spec.name
    pq = create("ivfpq", IvfConfig(k=1, code="pq", pq_m=8))
    pq.build(embeddings(unit(rows), [rows]))
    assert capfd.readouterr().err == ""


def test_more_vectors_than_a_block(world):
    database, _ = world
    index = create("ivfpq", IvfConfig(stride=1, k=4))
    index.build(database)
    many = BLOCKS[0] + BLOCKS[1] + 5
    values = unit(many, seed=9)
    together = index.search(embeddings(values, [many]))
    apart = index.search(embeddings(values[-40:], [40]))
    assert np.array_equal(together.rows[-40:], apart.rows)
    assert np.array_equal(together.scores[-40:], apart.scores)


def test_half_precision_vectors_are_taken(world):
    database, queries = world
    index = create("flat", FlatConfig(k=1))
    index.build(database)
    half = replace(queries, values=queries.values.astype(np.float16))
    assert np.allclose(index.search(half).scores, index.search(queries).scores, atol=2e-3)


def test_two_builds_are_the_same_bytes(world, tmp_path):
    database, _ = world
    for name, config in VARIANTS:
        for folder in ("a", "b"):
            index = create(name, config)
            index.build(database)
            index.save(tmp_path / folder)
        for file in ("vectors.faiss", "index.json"):
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), (name, file)


def test_automatic_lists():
    assert [automatic_lists(n) for n in (1, 38, 78, 10_000, 250_000, 2_600_000)] == [1, 1, 2, 256, 1024, 4096]


def test_vectors_of_other_weights_are_refused(world):
    database, queries = world
    index = create("flat", FlatConfig())
    index.build(database)
    other = replace(queries, digest="e" * 64)
    with pytest.raises(DatabaseError, match=r"with weights dddddddddddd, but these are of 'near' with weights eeeeee"):
        index.search(other)
    with pytest.raises(DataError, match="vectors of length 8, the index holds vectors of length 32"):
        index.search(embeddings(unit(3, dim=8), [3]))


def test_nothing_to_index_search_or_save(tmp_path):
    index = create("flat", FlatConfig())
    with pytest.raises(DatabaseError, match="no vectors to index; give targets"):
        index.build(embeddings(unit(0), []))
    with pytest.raises(DatabaseError, match="nothing to search; build or load it first"):
        index.search(embeddings(unit(1), [1]))
    with pytest.raises(DatabaseError, match="nothing to save"):
        index.save(tmp_path)


def test_damaged_folders_are_named(world, tmp_path):
    database, _ = world
    index = create("flat", FlatConfig())
    with pytest.raises(DatabaseError, match=re.escape(f"{tmp_path / 'index.json'}: missing")):
        index.load(tmp_path)
    index.build(database)
    index.save(tmp_path)
    with pytest.raises(DatabaseError, match=r"holds an index of kind 'flat', not 'ivfpq'.*--index flat"):
        create("ivfpq", IvfConfig()).load(tmp_path)
    whole = (tmp_path / "vectors.faiss").read_bytes()
    (tmp_path / "vectors.faiss").write_bytes(whole[:1000])
    with pytest.raises(DatabaseError, match=r"vectors\.faiss: faiss cannot read it .*build the database again"):
        index.load(tmp_path)
    (tmp_path / "vectors.faiss").write_bytes(whole)
    facts = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(facts | {"rows": 7}))
    with pytest.raises(DatabaseError, match=r"has 6000 vectors of length 32, but index\.json says 7 of 32"):
        index.load(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps(facts | {"format": "photophore-faiss-9"}))
    with pytest.raises(DatabaseError, match="format is 'photophore-faiss-9', this version reads"):
        index.load(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(DatabaseError, match="not readable"):
        index.load(tmp_path)


def test_wrong_options_are_refused(world):
    with pytest.raises(ValueError, match="k is 0; give a whole number of at least 1"):
        FlatConfig(k=0)
    with pytest.raises(ValueError, match="code is 'sq9'; choose one of sq8, sq4, fp16, pq"):
        IvfConfig(code="sq9")
    with pytest.raises(ValueError, match="pq_nbits is 20; give 4 to 12"):
        IvfConfig(pq_nbits=20)
    database, _ = world
    with pytest.raises(UsageError, match=r"pq_m=5 does not divide the vector length 32; choose one of \[1, 2, 4, 8"):
        create("ivfpq", IvfConfig(code="pq", pq_m=5)).build(database)
