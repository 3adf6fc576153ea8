"""Conformance suites for plugins: subclass one, give it your spec, and pytest checks the whole contract.

    # tests/conftest.py
    import pytest
    pytest.register_assert_rewrite("photophore.testing")

    # tests/test_contract.py
    import pytest
    from photophore.testing import AggregatorConformance
    from my_plugin.plugin import photophore_aggregators

    class TestFirst(AggregatorConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def spec(cls):
            return photophore_aggregators()[0]

Every suite makes the config with `options` (a fixture, ``{}`` by default), tries that those in `refused` are refused by the text given with them,
and states its tolerances as class attributes: `tolerance`, `gpu_tolerance` (None for a plugin that uses no GPU), `recall_floor` and so on.
"""

from __future__ import annotations

from photophore.testing.aggregators import AggregatorConformance
from photophore.testing.annotators import AnnotatorConformance
from photophore.testing.declarations import SpecConformance
from photophore.testing.encoders import EncoderConformance
from photophore.testing.indexes import IndexConformance

__all__ = [
    "AggregatorConformance",
    "AnnotatorConformance",
    "EncoderConformance",
    "IndexConformance",
    "SpecConformance",
]
