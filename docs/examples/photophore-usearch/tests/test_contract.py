"""The index under Photophore's public suite: recall, scores, batches, saving, threads."""

from __future__ import annotations

import pytest

from photophore.testing import IndexConformance
from photophore_usearch.plugin import photophore_indexes


class TestUsearch(IndexConformance):
    recall_floor = 0.97

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return photophore_indexes()[0]


class TestEveryVector(TestUsearch):
    recall_floor = 0.99

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"stride": 1, "k": 8, "expansion_search": 400}


class TestHalfPrecision(TestUsearch):
    recall_floor = 0.95
    score_tolerance = 1e-3

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"dtype": "f16"}
