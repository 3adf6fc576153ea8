"""Every built-in index under the public suite."""

from __future__ import annotations

import pytest

from photophore.testing import IndexConformance
from photophore_faiss.plugin import photophore_indexes

SPECS = {spec.name: spec for spec in photophore_indexes()}


class TestFlat(IndexConformance):
    recall_floor = 0.999  # ties at the last place

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["flat"]


class TestIvf(IndexConformance):
    recall_floor = 0.97
    score_tolerance = 0.02

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["ivfpq"]


class TestIvfPq(TestIvf):
    recall_floor = 0.5
    score_tolerance = 0.3

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"code": "pq", "pq_m": 16, "k": 8, "stride": 1}


class TestIvfPqRefinedMapped(TestIvf):
    recall_floor = 0.9
    score_tolerance = 0.02

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"code": "pq", "pq_m": 16, "refine": "sq8", "mmap": True}


class TestIvfFastScan(IndexConformance):
    recall_floor = 0.9
    score_tolerance = 0.02

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["ivf-fastscan"]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"pq_m": 16}


class TestHnsw(IndexConformance):
    recall_floor = 0.95

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["hnsw"]


class TestLists(IndexConformance):
    recall_floor = 0.9
    score_tolerance = 0.02

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["ivf-lists"]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"first_share": 1.0, "k": 16}
