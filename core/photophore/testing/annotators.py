"""What holds for every annotator."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from photophore.errors import PhotophoreError
from photophore.hookspecs import Annotator, AnnotatorSpec, Encoder, Runtime, TargetSource, UsesEncoder
from photophore.testing.declarations import SpecConformance, elsewhere
from photophore.testing.samples import UNUSUAL_LETTERS, offsets_of, proteins, random_proteins
from photophore.types import Annotation, Candidates, ProfileBatch, SequenceBatch, TargetTable


class AnnotatorConformance(SpecConformance):
    """Annotations of each protein from its own candidates alone; give `sources` and `batch` beside the spec."""

    #: Residues of the longest protein tried.
    longest: ClassVar[int] = 3000
    #: Whether annotations name targets of the database; False where they name what those carry, such as EC numbers.
    names_targets: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls) -> Sequence[Path]:
        """Return files that ``db build`` would be given; every suite overrides this."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls) -> SequenceBatch:
        """Return three proteins or more, of which at least one is annotated; every suite overrides this."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return the folder of the annotator's files."""
        return tmp_path_factory.mktemp("annotator")

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, spec: AnnotatorSpec, config: Any, sources: Sequence[Path], folder: Path) -> TargetSource:
        """Return what the annotator read for a new database."""
        return spec.read_targets(sources, folder, config)

    @pytest.fixture(scope="class")
    @classmethod
    def targets(cls, source: TargetSource) -> TargetTable:
        """Return the targets as a database would hold them."""
        items = source.items
        lengths = np.diff(items.offsets) if isinstance(items, ProfileBatch) else [len(s) for s in items.sequences]
        return TargetTable(items.ids, offsets_of(lengths))  # type: ignore[arg-type]

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder | None:
        """Return the encoder that an annotator which uses that of its chain (`UsesEncoder`) is handed."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def annotator(
        cls,
        spec: AnnotatorSpec,
        config: Any,
        runtime: Runtime,
        folder: Path,
        targets: TargetTable,
        encoder: Encoder | None,
    ) -> Annotator:
        """Return the annotator under test, opened on that database."""
        return _opened(spec.create(folder, targets, config, runtime), encoder)

    def test_what_was_read_can_be_kept(self, source: TargetSource, folder: Path) -> None:
        assert len(source.items) >= 1
        assert len(set(source.items.ids)) == len(source.items)
        assert json.loads(json.dumps(dict(source.metadata))) == dict(source.metadata)
        for name in source.files:
            assert not Path(name).is_absolute()
            assert (folder / name).is_file()

    def test_a_second_reading_is_the_same(
        self, spec: AnnotatorSpec, config: Any, sources: Sequence[Path], source: TargetSource, tmp_path: Path
    ) -> None:
        again = spec.read_targets(sources, tmp_path, config)
        assert again.items.ids == source.items.ids
        assert again.files == source.files

    def test_no_problems_with_its_own_database(
        self, spec: AnnotatorSpec, config: Any, source: TargetSource, folder: Path
    ) -> None:
        if spec.check is not None:
            assert spec.check(folder, source.metadata, config) == []

    def test_annotations_fit_proteins_and_columns(
        self, spec: AnnotatorSpec, annotator: Annotator, targets: TargetTable, batch: SequenceBatch
    ) -> None:
        annotations = annotator.annotate(batch, every_candidate(batch, targets))
        assert annotations, "the proteins of the suite must include one that is annotated"
        lengths = dict(zip(batch.ids, map(len, batch.sequences), strict=True))
        columns = {column.name: column.type for column in spec.columns}
        for annotation in annotations:
            assert annotation.protein_length == lengths[annotation.protein]
            assert annotation.target in targets.ids or not self.names_targets
            assert np.isfinite(annotation.score)
            assert set(annotation.evidence) <= set(columns)
            for name, value in annotation.evidence.items():
                assert value is None or type(value) is columns[name], name

    def test_annotations_say_where_they_come_from(
        self, spec: AnnotatorSpec, annotator: Annotator, targets: TargetTable, batch: SequenceBatch
    ) -> None:
        """Each names its method and a candidate of its own protein, and fills or leaves empty every declared column."""
        shares = [[target for target in range(len(targets)) if target % 2 == row % 2] for row in range(len(batch))]
        candidates = Candidates(
            ids=batch.ids,
            offsets=offsets_of(list(map(len, shares))),
            targets=np.array([target for share in shares for target in share], dtype=np.int32),
            scores=np.ones(sum(map(len, shares)), dtype=np.float32),
        )
        own = {name: {targets.ids[t] for t in share} for name, share in zip(batch.ids, shares, strict=True)}
        columns = {column.name for column in spec.columns}
        for annotation in annotator.annotate(batch, candidates):
            assert annotation.method, "an annotation names the method that made it"
            assert annotation.target, "an annotation names what was found"
            assert annotation.target in own[annotation.protein] or not self.names_targets
            assert set(annotation.evidence) == columns, "every declared column has a value, if only None"
            assert annotation.evalue is None or annotation.evalue >= 0
            assert annotation.confidence is None or 0 <= annotation.confidence <= 1

    def test_annotations_travel_between_processes(
        self, annotator: Annotator, targets: TargetTable, batch: SequenceBatch
    ) -> None:
        annotations = list(annotator.annotate(batch, every_candidate(batch, targets)))
        assert pickle.loads(pickle.dumps(annotations)) == annotations  # noqa: S301 - made in this line

    def test_files_that_are_gone_are_named(
        self, spec: AnnotatorSpec, config: Any, runtime: Runtime, source: TargetSource, targets: TargetTable, tmp_path: Path
    ) -> None:
        if not source.files:
            pytest.skip("keeps no files in the database")
        with pytest.raises(PhotophoreError, match=re.escape(str(tmp_path))):
            spec.create(tmp_path, targets, config, runtime)

    def test_a_source_that_is_something_else_is_named(self, spec: AnnotatorSpec, config: Any, tmp_path: Path) -> None:
        folder = tmp_path / "annotator"
        folder.mkdir()
        for name, content in (("nothing.txt", b""), ("noise.txt", b"\x89\x00no source\n\xff")):
            path = tmp_path / name
            path.write_bytes(content)
            with pytest.raises(PhotophoreError, match=re.escape(name)):
                spec.read_targets([path], folder, config)

    def test_order(self, annotator: Annotator, targets: TargetTable, batch: SequenceBatch) -> None:
        annotations = annotator.annotate(batch, every_candidate(batch, targets))
        places = [batch.ids.index(annotation.protein) for annotation in annotations]
        assert places == sorted(places)
        for name in batch.ids:
            ranks = [_rank(annotation) for annotation in annotations if annotation.protein == name]
            assert ranks == sorted(ranks)

    def test_batch_mates_do_not_matter(self, annotator: Annotator, targets: TargetTable, batch: SequenceBatch) -> None:
        together = annotator.annotate(batch, every_candidate(batch, targets))
        for item, name in enumerate(batch.ids):
            one = batch.select([item])
            alone = annotator.annotate(one, every_candidate(one, targets))
            assert list(alone) == [annotation for annotation in together if annotation.protein == name]

    def test_odd_residues_and_long_proteins_are_taken(self, annotator: Annotator, targets: TargetTable) -> None:
        odd = proteins(*UNUSUAL_LETTERS, UNUSUAL_LETTERS * 5, f"MKVL{UNUSUAL_LETTERS}AWYDE")
        for batch in (odd, random_proteins(self.longest)):
            lengths = dict(zip(batch.ids, map(len, batch.sequences), strict=True))
            for annotation in annotator.annotate(batch, every_candidate(batch, targets)):
                assert annotation.protein_length == lengths[annotation.protein]

    def test_only_candidates_are_annotated(
        self, annotator: Annotator, targets: TargetTable, batch: SequenceBatch
    ) -> None:
        full = annotator.annotate(batch, every_candidate(batch, targets))
        if self.names_targets:
            kept = [targets.ids.index(full[0].target)]
            part = annotator.annotate(batch, every_candidate(batch, targets, kept))
            assert {annotation.target for annotation in part} == {full[0].target}
        assert list(annotator.annotate(batch, every_candidate(batch, targets, []))) == []

    def test_no_proteins(self, annotator: Annotator, targets: TargetTable, batch: SequenceBatch) -> None:
        nothing = batch.select([])
        assert list(annotator.annotate(nothing, every_candidate(nothing, targets))) == []

    def test_two_runs_and_two_threads_are_the_same(
        self,
        spec: AnnotatorSpec,
        config: Any,
        two_threads: Runtime,
        folder: Path,
        annotator: Annotator,
        encoder: Encoder | None,
        targets: TargetTable,
        batch: SequenceBatch,
    ) -> None:
        candidates = every_candidate(batch, targets)
        first = annotator.annotate(batch, candidates)
        other = _opened(spec.create(folder, targets, config, two_threads), encoder)
        assert list(annotator.annotate(batch, candidates)) == list(first)
        assert list(elsewhere(annotator.annotate, batch, candidates)) == list(first)
        assert list(other.annotate(batch, candidates)) == list(first)

    def _open(self, spec: Any, config: Any, runtime: Runtime, folder: Path) -> Any:
        none = TargetTable((), offsets_of([]))
        return spec.create(folder, none, config, runtime)


def every_candidate(batch: SequenceBatch, targets: TargetTable, kept: Sequence[int] | None = None) -> Candidates:
    """Return candidates that pair each protein with every target, or with those in ``kept``, all with score 1."""
    chosen = np.arange(len(targets)) if kept is None else np.array(kept, dtype=np.int64)
    return Candidates(
        ids=batch.ids,
        offsets=offsets_of([len(chosen)] * len(batch)),
        targets=np.tile(chosen, len(batch)).astype(np.int32),
        scores=np.ones(len(chosen) * len(batch), dtype=np.float32),
    )


def _opened(annotator: Annotator, encoder: Encoder | None) -> Annotator:
    """Hand the encoder to an annotator that uses it, as a run does."""
    if isinstance(annotator, UsesEncoder):
        assert encoder is not None, "the annotator uses the encoder of its chain: override the fixture `encoder`"
        annotator.use_encoder(encoder)
    return annotator


def _rank(annotation: Annotation) -> float:
    return -annotation.score if annotation.evalue is None else annotation.evalue
