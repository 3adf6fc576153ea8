"""Vectors of stretches beside those of whole proteins: what the types, the chain and a built database make of them."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.building import _wholes
from photophore.chain import check_embeddings, check_neighbours
from photophore.errors import DataError, PluginError
from photophore.hookspecs import EncoderSpec, Runtime
from photophore.testing.samples import proteins
from photophore.types import Embeddings, Neighbours
from photophore_faiss.config import FlatConfig
from photophore_faiss.indexes import FlatIndex

BATCH = proteins("MKVLAWYDEC", "MKV")
SPANS = [[0, 10], [0, 6], [4, 10], [0, 3]]


def spec(*, per_residue=False):
    return EncoderSpec(name="toy", summary="Toy.", config=object, create=object, per_residue=per_residue)


def embedded(spans=SPANS, offsets=(0, 3, 4)):
    values = np.arange(len(spans) * 2, dtype=np.float32).reshape(-1, 2)
    return Embeddings(
        BATCH.ids, values, np.array(offsets, np.int64), "toy", "d" * 64, spans=np.array(spans, np.int64).reshape(-1, 2)
    )


def test_spans_are_taken_and_tell_the_lengths():
    embeddings = embedded()
    check_embeddings(embeddings, BATCH, spec(), "d" * 64)
    assert embeddings.lengths.tolist() == [10, 3]


def test_lengths_without_spans():
    embeddings = Embeddings(("a", "b"), np.zeros((5, 2), np.float32), np.array([0, 3, 5]), "toy", "d" * 64, step=2)
    assert embeddings.lengths.tolist() == [6, 4]


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([[0, 9], [0, 6], [4, 10], [0, 3]], "a vector of 'p1', which has 10 residues, stands for 0-9; only encoders of whole"),
        ([[0, 10], [0, 6], [4, 11], [0, 3]], "a vector of 'p1', which has 10 residues, stands for 4-11"),
        ([[0, 10], [6, 6], [4, 10], [0, 3]], "stands for 6-6"),
        ([[0, 10], [0, 6], [4, 10], [1, 3]], "a vector of 'p2', which has 3 residues, stands for 1-3"),
    ],
)
def test_spans_that_do_not_fit(spans, text):
    with pytest.raises(PluginError, match=f"encoder toy: says that .*{text}"):
        check_embeddings(embedded(spans), BATCH, spec(), "d" * 64)


def test_spans_of_residues():
    with pytest.raises(PluginError, match="only encoders of whole proteins have spans"):
        check_embeddings(embedded(), BATCH, spec(per_residue=True), "d" * 64)


def test_a_protein_without_any_vector():
    with pytest.raises(PluginError, match="'p2' has 0 vectors, not 1"):
        check_embeddings(embedded(SPANS[:3], (0, 3, 3)), BATCH, spec(), "d" * 64)


def test_spans_of_another_shape():
    with pytest.raises(DataError, match=r"spans must be int64 of shape \(4, 2\), got int64 \(4, 1\)"):
        Embeddings(
            BATCH.ids, np.zeros((4, 2), np.float32), np.array([0, 3, 4]), "toy", "d" * 64, spans=np.zeros((4, 1), np.int64)
        )


def test_neighbours_keep_where_stretches_begin_and_end():
    index = FlatIndex(FlatConfig(k=2), Runtime())
    index.build(embedded([[0, 5], [0, 5]], (0, 1, 2)))
    embeddings = embedded()
    found = index.search(embeddings)
    assert found.positions.tolist() == [0, 0, 4, 0]
    assert found.ends.tolist() == [10, 6, 10, 3]
    assert found.lengths.tolist() == [10, 3]
    check_neighbours(found, embeddings, 2, "index flat")


def test_ends_of_another_shape():
    with pytest.raises(DataError, match=r"Neighbours: ends has shape \(2,\), not \(1,\)"):
        Neighbours(
            ("p",), np.array([0, 1]), np.zeros(1, np.int32), np.ones(1, np.int32), np.zeros((1, 1), np.int64),
            np.zeros((1, 1), np.float32), np.zeros(2, np.int32),
        )  # fmt: skip


def test_targets_are_kept_as_wholes():
    kept = _wholes(embedded())
    assert kept.values.tolist() == [[0.0, 1.0], [6.0, 7.0]]
    assert kept.offsets.tolist() == [0, 1, 2]
    assert kept.spans is None
