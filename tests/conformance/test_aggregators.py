"""Every built-in aggregator under the public suite."""

from __future__ import annotations

import pytest

from photophore.testing import AggregatorConformance
from photophore_hifinn import plugin as hifinn
from photophore_near.plugin import photophore_aggregators
from photophore_siamese import plugin as siamese

SPECS = {spec.name: spec for spec in photophore_aggregators()}


class TestNearSum(AggregatorConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["near-sum"]


@pytest.mark.skipif("diagonal" not in SPECS, reason="diagonal is not declared yet")
class TestDiagonal(AggregatorConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["diagonal"]


class TestLabelDensity(AggregatorConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return hifinn.photophore_aggregators()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"temperature": 0.1}  # that of one vector a protein lets the many of these samples underflow


class TestTop(AggregatorConformance):
    finds_planted = False  # the single nearest row decides, not what the residues of a protein agree on

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return siamese.photophore_aggregators()[0]
