"""What holds for every index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from photophore.errors import DatabaseError
from photophore.hookspecs import Index, IndexSpec, Runtime
from photophore.testing.declarations import SpecConformance, elsewhere
from photophore.testing.samples import clustered, vectors
from photophore.types import Embeddings, Neighbours


class IndexConformance(SpecConformance):
    """The nearest rows of the vectors of each protein, whatever else is in the batch."""

    #: Share of the true neighbours, among 2,000 clustered vectors, that must be found.
    recall_floor: ClassVar[float] = 1.0
    #: Largest difference between a returned score and the inner product with that row.
    score_tolerance: ClassVar[float] = 1e-5
    #: Largest difference that batch mates, threads, or saving and loading may make; 0 asks for the same bits.
    tolerance: ClassVar[float] = 0.0

    @pytest.fixture(scope="class")
    @classmethod
    def database(cls) -> Embeddings:
        """Return the vectors of a database."""
        return vectors(clustered(2000, seed=1), 500, 1500)

    @pytest.fixture(scope="class")
    @classmethod
    def queries(cls) -> Embeddings:
        """Return the vectors of five proteins, one of which has but one."""
        return vectors(clustered(300, seed=2), 60, 1, 90, 9, 140)

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, spec: IndexSpec, config: Any, runtime: Runtime, database: Embeddings) -> Index:
        """Return the index under test, built."""
        return _built(spec, config, runtime, database)

    def test_neighbours_fit_the_proteins(self, index: Index, database: Embeddings, queries: Embeddings) -> None:
        found = index.search(queries)
        lengths = np.diff(queries.offsets)
        assert found.ids == queries.ids
        assert found.lengths.tolist() == lengths.tolist()
        assert (np.diff(found.offsets) >= 1).all(), "each protein is searched by one vector at least"
        for item, length in enumerate(lengths):
            positions = found.positions[found.offsets[item] : found.offsets[item + 1]]
            assert positions.min() >= 0
            assert positions.max() < length
            assert (np.diff(positions) > 0).all()
        assert found.rows.min() >= -1
        assert found.rows.max() < len(database.values)

    def test_scores_are_inner_products_and_fall(self, index: Index, database: Embeddings, queries: Embeddings) -> None:
        found = index.search(queries)
        searched = queries.values[_searched_rows(found, queries)]  # (searched, dim)
        exact = np.einsum("sd,skd->sk", searched, database.values[found.rows])  # (searched, k)
        present = found.rows >= 0
        assert np.abs(found.scores - exact)[present].max() <= self.score_tolerance
        assert np.isneginf(found.scores[~present]).all()
        falling = found.scores[:, :-1] >= found.scores[:, 1:]
        assert falling.all()

    def test_recall(self, index: Index, database: Embeddings, queries: Embeddings) -> None:
        found = index.search(queries)
        similarity = queries.values[_searched_rows(found, queries)] @ database.values.T  # (searched, rows)
        k = found.rows.shape[1]
        truth = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        shared = sum(len(np.intersect1d(one, other)) for one, other in zip(found.rows, truth, strict=True))
        assert shared / truth.size >= self.recall_floor

    def test_batch_mates_do_not_matter(self, index: Index, queries: Embeddings) -> None:
        together = index.search(queries)
        for item in range(len(queries)):
            rows = queries.values[queries.offsets[item] : queries.offsets[item + 1]]
            part = slice(int(together.offsets[item]), int(together.offsets[item + 1]))
            alone = index.search(vectors(rows, len(rows)))
            assert np.array_equal(alone.positions, together.positions[part])
            self._check_same(alone.rows, alone.scores, together.rows[part], together.scores[part])

    def test_saved_and_loaded(
        self, spec: IndexSpec, config: Any, runtime: Runtime, index: Index, queries: Embeddings, tmp_path: Path
    ) -> None:
        index.save(tmp_path / "index")
        loaded = spec.create(config, runtime)
        loaded.load(tmp_path / "index")
        before, after = index.search(queries), loaded.search(queries)
        self._check_same(after.rows, after.scores, before.rows, before.scores)

    def test_two_builds_and_two_threads_answer_the_same(
        self,
        spec: IndexSpec,
        config: Any,
        two_threads: Runtime,
        index: Index,
        database: Embeddings,
        queries: Embeddings,
    ) -> None:
        before, after = index.search(queries), _built(spec, config, two_threads, database).search(queries)
        self._check_same(after.rows, after.scores, before.rows, before.scores)

    def test_twice_the_same_and_in_another_thread(self, index: Index, queries: Embeddings) -> None:
        first = index.search(queries)
        for again in (index.search(queries), elsewhere(index.search, queries)):
            assert again.ids == first.ids
            self._check_same(again.rows, again.scores, first.rows, first.scores)

    def test_arguments_are_left_alone(
        self, spec: IndexSpec, config: Any, runtime: Runtime, database: Embeddings, queries: Embeddings
    ) -> None:
        before = database.values.copy(), queries.values.copy()
        _built(spec, config, runtime, database).search(queries)
        assert np.array_equal(database.values, before[0])
        assert np.array_equal(queries.values, before[1])

    def test_halves_merged_find_what_the_whole_finds(
        self, spec: IndexSpec, config: Any, runtime: Runtime, database: Embeddings, queries: Embeddings
    ) -> None:
        """The nearest rows of two halves, merged by their scores, are as good as those of the whole."""
        half = len(database.values) // 2
        parts = [
            _built(spec, config, runtime, vectors(rows, len(rows))).search(queries)
            for rows in (database.values[:half], database.values[half:])
        ]
        k = parts[0].rows.shape[1]
        assert np.array_equal(parts[0].positions, parts[1].positions)
        scores = np.concatenate([part.scores for part in parts], axis=1)  # (searched, 2 k)
        shifted = [np.where(part.rows < 0, -1, part.rows + shift) for part, shift in zip(parts, (0, half), strict=True)]
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        merged = np.take_along_axis(np.concatenate(shifted, axis=1), best, axis=1)
        similarity = queries.values[_searched_rows(parts[0], queries)] @ database.values.T  # (searched, rows)
        truth = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        shared = sum(len(np.intersect1d(one, other)) for one, other in zip(merged, truth, strict=True))
        assert shared / truth.size >= self.recall_floor

    def test_gpu_and_processor_agree(
        self, spec: IndexSpec, config: Any, gpu: Runtime, index: Index, database: Embeddings, queries: Embeddings
    ) -> None:
        found, other = index.search(queries), _built(spec, config, gpu, database).search(queries)
        present = (found.rows >= 0) & (other.rows >= 0)
        assert self.gpu_tolerance is not None
        assert np.abs(found.scores - other.scores)[present].max() <= self.gpu_tolerance

    def test_a_folder_without_an_index_is_named(
        self, spec: IndexSpec, config: Any, runtime: Runtime, tmp_path: Path
    ) -> None:
        with pytest.raises(DatabaseError, match=re.escape(str(tmp_path))):
            spec.create(config, runtime).load(tmp_path)

    def test_no_proteins(self, index: Index, queries: Embeddings) -> None:
        found = index.search(vectors(queries.values[:0]))
        assert found.ids == ()
        assert found.rows.shape[0] == 0
        without = index.search(vectors(queries.values[:3], 0, 3, 0))
        assert np.diff(without.offsets)[[0, 2]].tolist() == [0, 0]

    def test_one_vector_a_protein(self, index: Index, queries: Embeddings) -> None:
        found = index.search(vectors(queries.values[:20], *[1] * 20))
        assert np.diff(found.offsets).tolist() == [1] * 20
        assert found.positions.tolist() == [0] * 20

    def test_fewer_rows_than_neighbours(self, spec: IndexSpec, config: Any, runtime: Runtime) -> None:
        rows = clustered(2, seed=3)
        found = _built(spec, config, runtime, vectors(rows, 2)).search(vectors(rows, 2))
        assert found.rows[:, 0].tolist() == [0, 1][: len(found.rows)]
        missing = found.rows < 0
        assert (missing.sum(axis=1) == max(0, found.rows.shape[1] - 2)).all()
        assert np.isneginf(found.scores[missing]).all()

    def test_half_precision_is_taken(self, index: Index, queries: Embeddings) -> None:
        half = Embeddings(
            queries.ids, queries.values.astype(np.float16), queries.offsets, queries.encoder, queries.digest
        )
        assert index.search(half).rows.shape == index.search(queries).rows.shape

    def test_other_vectors_are_refused(self, index: Index, queries: Embeddings) -> None:
        with pytest.raises(DatabaseError, match="c3c3"):
            index.search(vectors(queries.values, len(queries.values), digest="c3" * 32))

    def _check_same(self, rows: Any, scores: Any, other_rows: Any, other_scores: Any) -> None:
        if not self.tolerance:
            assert np.array_equal(rows, other_rows)
            assert np.array_equal(scores, other_scores)
            return
        assert np.array_equal(rows < 0, other_rows < 0)
        present = rows >= 0
        assert np.abs(scores[present] - other_scores[present]).max() <= self.tolerance


def _built(spec: IndexSpec, config: Any, runtime: Runtime, database: Embeddings) -> Index:
    index = spec.create(config, runtime)
    index.build(database)
    return index


def _searched_rows(found: Neighbours, queries: Embeddings) -> Any:
    """Return the row of ``queries.values`` that each searched vector is."""
    return np.repeat(queries.offsets[:-1], np.diff(found.offsets)) + found.positions
