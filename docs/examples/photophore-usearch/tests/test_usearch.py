"""What is wrong with an index on disk, or with its options, is said in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from photophore.config import make_config
from photophore.errors import DatabaseError, DataError, UsageError
from photophore.hookspecs import Runtime
from photophore.testing.samples import vectors
from photophore_usearch.index import FACTS_FILE, GRAPH_FILE
from photophore_usearch.plugin import photophore_indexes

SPEC = photophore_indexes()[0]
AXES = np.eye(4, dtype=np.float32)


def empty(**options):
    return SPEC.create(make_config(SPEC, options), Runtime())


@pytest.fixture
def folder(tmp_path):
    index = empty()
    index.build(vectors(AXES, 3, 1))
    index.save(tmp_path)
    return tmp_path


def test_each_axis_finds_itself_first(folder):
    index = empty(k=2, stride=1)
    index.load(folder)
    found = index.search(vectors(AXES[[2, 0]], 2))
    assert found.rows[:, 0].tolist() == [2, 0]
    assert found.scores[:, 0].tolist() == [1.0, 1.0]
    assert found.scores[:, 1].tolist() == [0.0, 0.0]
    assert found.positions.tolist() == [0, 1]


def test_a_stride_leaves_vectors_out(folder):
    index = empty(stride=3)
    index.load(folder)
    found = index.search(vectors(AXES, 4))
    assert found.positions.tolist() == [0, 3]
    assert found.rows[:, 0].tolist() == [0, 3]


def test_nothing_to_build_save_or_search(tmp_path):
    with pytest.raises(DatabaseError, match="there are no vectors to index; give targets with at least one position"):
        empty().build(vectors(AXES[:0]))
    with pytest.raises(DatabaseError, match="nothing to save in .*; build it first"):
        empty().save(tmp_path)
    with pytest.raises(DatabaseError, match="nothing to search; build or load it first"):
        empty().search(vectors(AXES, 4))


def test_vectors_of_another_encoder_or_length(folder):
    index = empty()
    index.load(folder)
    with pytest.raises(
        DatabaseError, match="'sample' with weights 5a5a5a5a5a5a, but these are of 'sample' with weights b2b2"
    ):
        index.search(vectors(AXES, 4, digest="b2" * 32))
    with pytest.raises(DataError, match="the vectors have length 3, the index 4"):
        index.search(vectors(AXES[:, :3], 4))


@pytest.mark.parametrize("name", [FACTS_FILE, GRAPH_FILE])
@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_damaged_index(folder, name, content):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DatabaseError, match="build the database again"):
        empty().load(folder)


def test_a_graph_of_another_build(folder):
    facts = json.loads((folder / FACTS_FILE).read_text())
    (folder / FACTS_FILE).write_text(json.dumps(facts | {"rows": 5}))
    with pytest.raises(DatabaseError, match=r"is not the graph that facts\.json describes"):
        empty().load(folder)


@pytest.mark.parametrize("option", ["k", "stride", "expansion_search", "connectivity", "expansion_add"])
def test_options_below_their_least(option):
    with pytest.raises(UsageError, match=f"{option} is 0; give [12] or more"):
        make_config(SPEC, {option: "0"})
