"""What holds for every aggregator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import pytest

from photophore.hookspecs import Aggregator, AggregatorSpec, Runtime
from photophore.testing.declarations import SpecConformance, elsewhere
from photophore.testing.samples import TARGETS, neighbours, only
from photophore.types import Candidates, Neighbours, TargetTable


class AggregatorConformance(SpecConformance):
    """Scored targets of each protein, best first, from its own neighbours alone."""

    #: Residues of the longest protein tried.
    longest: ClassVar[int] = 3000
    #: Whether a target on which all residues of a protein agree must come first.
    finds_planted: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def aggregator(cls, spec: AggregatorSpec, config: Any, runtime: Runtime) -> Aggregator:
        """Return the aggregator under test."""
        return spec.create(config, runtime)

    @pytest.fixture(scope="class")
    @classmethod
    def targets(cls, aggregator: Aggregator) -> TargetTable:
        """Return targets with what the aggregator measured on background proteins."""
        return TargetTable(TARGETS.ids, TARGETS.offsets, dict(aggregator.calibrate(_background, TARGETS)))

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls) -> Neighbours:
        """Return neighbours of four proteins that agree on the target `gamma`."""
        return neighbours(60, 1, 33, 120, planted=3)

    def test_calibration_measures_each_target(self, aggregator: Aggregator) -> None:
        statistics = aggregator.calibrate(_background, TARGETS)
        for name, column in statistics.items():
            assert isinstance(name, str)
            assert column.dtype == np.float32
            assert column.shape == (len(TARGETS),)
            assert np.isfinite(column).all()

    def test_calibration_without_proteins(self, aggregator: Aggregator, found: Neighbours) -> None:
        statistics = dict(aggregator.calibrate(list, TARGETS))
        result = aggregator.aggregate(found, TargetTable(TARGETS.ids, TARGETS.offsets, statistics))
        assert np.isfinite(result.scores).all()

    def test_candidates_are_ordered_and_exist(
        self, aggregator: Aggregator, targets: TargetTable, found: Neighbours
    ) -> None:
        for sample in (found, neighbours(50, 80, 2, seed=4)):
            result = aggregator.aggregate(sample, targets)
            assert result.ids == sample.ids
            assert result.targets.dtype == np.int32
            assert result.scores.dtype == np.float32
            assert np.isfinite(result.scores).all()
            for protein in range(len(result)):
                _check_order(result, protein, len(targets))

    def test_the_agreed_target_comes_first(
        self, aggregator: Aggregator, targets: TargetTable, found: Neighbours
    ) -> None:
        if not self.finds_planted:
            pytest.skip("does not promise to")
        result = aggregator.aggregate(found, targets)
        for protein in (0, 2, 3):  # protein 1 has a single residue
            assert result.of(protein)[0] == 3

    def test_targets_without_rows_are_never_found(
        self, aggregator: Aggregator, targets: TargetTable, found: Neighbours
    ) -> None:
        assert 2 not in aggregator.aggregate(found, targets).targets

    def test_batch_mates_do_not_matter(self, aggregator: Aggregator, targets: TargetTable, found: Neighbours) -> None:
        for sample in (found, neighbours(50, 80, 2, seed=4)):
            together = aggregator.aggregate(sample, targets)
            for protein in range(len(sample.ids)):
                part = slice(int(together.offsets[protein]), int(together.offsets[protein + 1]))
                alone = aggregator.aggregate(only(sample, protein), targets)
                assert np.array_equal(alone.targets, together.targets[part])
                assert np.array_equal(alone.scores, together.scores[part])
                for name, column in together.evidence.items():
                    assert np.array_equal(alone.evidence[name], column[part])

    def test_a_long_protein_is_not_cut(self, aggregator: Aggregator, targets: TargetTable) -> None:
        found = neighbours(self.longest, seed=5, planted=3)
        result = aggregator.aggregate(found, targets)
        assert np.isfinite(result.scores).all()
        _check_order(result, 0, len(targets))

    def test_nothing_in_nothing_out(self, aggregator: Aggregator, targets: TargetTable) -> None:
        assert len(aggregator.aggregate(neighbours(), targets)) == 0
        without = aggregator.aggregate(neighbours(0, 0), targets)
        assert without.offsets.tolist() == [0, 0, 0]

    def test_missing_neighbours_count_nothing(self, aggregator: Aggregator, targets: TargetTable) -> None:
        sample = neighbours(30, seed=8)
        rows, scores = np.full_like(sample.rows, -1), np.full_like(sample.scores, -np.inf)
        empty = Neighbours(sample.ids, sample.offsets, sample.positions, sample.lengths, rows, scores)
        assert len(aggregator.aggregate(empty, targets).targets) == 0

    def test_two_runs_and_two_threads_are_the_same(
        self,
        spec: AggregatorSpec,
        config: Any,
        two_threads: Runtime,
        aggregator: Aggregator,
        targets: TargetTable,
        found: Neighbours,
    ) -> None:
        first = aggregator.aggregate(found, targets)
        other = spec.create(config, two_threads)
        results = (
            aggregator.aggregate(found, targets),
            other.aggregate(found, targets),
            elsewhere(aggregator.aggregate, found, targets),
        )
        for again in results:
            assert again.ids == first.ids
            assert np.array_equal(first.targets, again.targets)
            assert np.array_equal(first.scores, again.scores)


def _background() -> Iterable[Neighbours]:
    return [neighbours(40, 90, seed=21), neighbours(70, 15, seed=22)]


def _check_order(result: Candidates, protein: int, targets: int) -> None:
    """Best first, ties by index, no target twice."""
    part = slice(int(result.offsets[protein]), int(result.offsets[protein + 1]))
    found, scores = result.targets[part], result.scores[part]
    assert len(set(found.tolist())) == len(found)
    assert all(0 <= target < targets for target in found)
    pairs = [(-score, target) for score, target in zip(scores.tolist(), found.tolist(), strict=True)]
    assert pairs == sorted(pairs)
