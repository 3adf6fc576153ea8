"""The opened chain: encoder, index, aggregator and annotator, each held to its contract where its result comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from photophore.clock import Clock
from photophore.database import Database
from photophore.errors import DatabaseError, DataError, OutOfMemoryError, PluginError, RecordError
from photophore.hookspecs import Aggregator, Annotator, Encoder, EncoderSpec, Index, Runtime, UsesEncoder
from photophore.links import Link, method_name
from photophore.stream import StageError
from photophore.trace import calling
from photophore.types import Annotation, Candidates, Embeddings, Neighbours, ProfileBatch, SequenceBatch, TargetTable


@dataclass(frozen=True)
class Search:
    """The first half of the chain: encoder and index.

    Parameters
    ----------
    spec, encoder
        The encoder.
    index_name, index
        The index, built or loaded.
    rows
        Rows in the index.
    clock
        Takes the seconds of each stage.
    makers
        Distribution and version by stage, such as ``encoder near``, of the plugins that are not built in.
    """

    spec: EncoderSpec
    encoder: Encoder
    index_name: str
    index: Index
    rows: int
    clock: Clock = field(default_factory=Clock)
    makers: Mapping[str, str] = field(default_factory=dict)

    def neighbours(self, batch: SequenceBatch) -> Neighbours:
        """Encode proteins and search their vectors."""
        stage = f"encoder {self.spec.name}"
        with self.clock("encode"), self.guarded(stage, batch):
            embeddings = self.encoder.encode(batch)
            check_embeddings(embeddings, batch, self.spec, self.encoder.digest)
        stage = f"index {self.index_name}"
        with self.clock("search"), self.guarded(stage, batch):
            neighbours = self.index.search(embeddings)
            check_neighbours(neighbours, embeddings, self.rows, stage)
        return neighbours

    def guarded(self, stage: str, batch: SequenceBatch) -> AbstractContextManager[None]:
        """Run a stage on a batch, see `guarded`."""
        return guarded(stage, batch, self.makers.get(stage, ""))


@dataclass(frozen=True)
class Chain:
    """All four links of a method, opened on a database; annotations come out under the name of the method."""

    method: str
    search: Search
    aggregator_name: str
    aggregator: Aggregator
    annotator_name: str
    annotator: Annotator
    targets: TargetTable

    def annotate(self, batch: SequenceBatch, candidates: Candidates | None = None) -> Sequence[Annotation]:
        """Take proteins through the whole chain, or on from their candidates.

        Raises
        ------
        StageError
            A record of the batch cannot be worked on.
        """
        if candidates is None:
            candidates = self.candidates(batch)
        stage = f"annotator {self.annotator_name}"
        with self.search.clock("annotate"), self.search.guarded(stage, batch):
            annotations = self.annotator.annotate(batch, candidates)
            check_annotations(annotations, batch, stage)
        return [replace(annotation, method=self.method) for annotation in annotations]

    def candidates(self, batch: SequenceBatch) -> Candidates:
        """Take proteins through all but the annotator; `StageError` as above."""
        neighbours = self.search.neighbours(batch)
        stage = f"aggregator {self.aggregator_name}"
        with self.search.clock("aggregate"), self.search.guarded(stage, batch):
            candidates = self.aggregator.aggregate(neighbours, self.targets)
            check_candidates(candidates, batch, len(self.targets), stage)
        return candidates

    @property
    def in_halves(self) -> bool:
        """Whether candidates can be found for one batch while another is annotated: no link is asked for two things at once."""
        return not isinstance(self.annotator, UsesEncoder)


def open_chain(database: Database, links: Mapping[str, Link], runtime: Runtime, clock: Clock | None = None) -> Chain:
    """Open every link on the database; `DatabaseError` where the database was made with other weights."""
    encoder = links["encoder"].create(runtime)
    made_with = database.manifest.links["encoder"].digest
    if encoder.digest != made_with:
        raise DatabaseError(
            f"{database.path}: was made with other weights of encoder {links['encoder'].name!r} "
            f"({str(made_with)[:12]}, these are {encoder.digest[:12]}); choose those (--set encoder.weights=...) "
            "or build the database again"
        )
    index = links["index"].create(runtime)
    with links["index"].calling("load"):
        index.load(database.index_folder)
    annotator = links["annotator"]
    opened = annotator.create(database.annotator_folder, database.targets, runtime)
    if isinstance(opened, UsesEncoder):
        with annotator.calling("use_encoder"):
            opened.use_encoder(encoder)
    search = Search(
        links["encoder"].spec,
        encoder,
        links["index"].name,
        index,
        database.manifest.vectors,
        clock or Clock(),
        {f"{kind} {link.name}": link.maker for kind, link in links.items()},
    )
    return Chain(
        method_name(links),
        search,
        links["aggregator"].name,
        links["aggregator"].create(runtime),
        annotator.name,
        opened,
        database.targets,
    )


@contextmanager
def guarded(stage: str, batch: SequenceBatch, maker: str = "") -> Iterator[None]:
    """Turn a foreseen error into a `StageError`; let any other pass with a note of plugin, maker and batch."""
    plugin = f"{stage} of {maker}" if maker else stage
    try:
        with calling(plugin, f"{len(batch)} proteins"):
            yield
    except RecordError as error:
        raise StageError(stage, error) from error
    except MemoryError as error:
        raise StageError(stage, OutOfMemoryError(f"out of memory: {error}")) from error
    except Exception as error:
        if len(batch):
            error.add_note(
                f"in {plugin}, on a batch of {len(batch):,} proteins ({batch.residues:,} residues) "
                f"from {batch.ids[0]!r} ({batch.sources[0]}) to {batch.ids[-1]!r}"
            )
        raise


def check_embeddings(
    embeddings: Embeddings, batch: SequenceBatch | ProfileBatch, spec: EncoderSpec, digest: str
) -> None:
    """Raise `PluginError` unless an encoder returned finite rows for each item of ``batch``, in its order."""
    stage = f"encoder {spec.name}"
    _check_type(embeddings, Embeddings, stage)
    _check_ids(embeddings.ids, batch.ids, stage)
    if (embeddings.encoder, embeddings.digest) != (spec.name, digest):
        raise PluginError(
            f"{stage}: its vectors are marked {embeddings.encoder!r} {embeddings.digest[:12]!r}, "
            f"not {spec.name!r} {digest[:12]!r}; this is a fault of the plugin"
        )
    rows = np.diff(embeddings.offsets)
    wanted = item_lengths(batch)
    _check_spans(embeddings, wanted, spec, stage)
    if embeddings.spans is None:
        wanted = -(-wanted // embeddings.step) if spec.per_residue else np.ones_like(wanted)
    else:
        wanted = np.maximum(rows, 1)  # as many as it likes, but the whole of each item
    if not np.array_equal(rows, wanted):
        item = int(np.flatnonzero(rows != wanted)[0])
        raise PluginError(
            f"{stage}: {batch.ids[item]!r} has {rows[item]} vectors, not {wanted[item]}; this is a fault of the plugin"
        )
    if not _all_finite(embeddings.values):
        row = int(np.flatnonzero(~np.isfinite(embeddings.values).all(axis=1))[0])
        item = int(np.searchsorted(embeddings.offsets, row, side="right")) - 1
        raise PluginError(
            f"{stage}: the vector of {batch.ids[item]!r} at residue {(row - int(embeddings.offsets[item])) * embeddings.step + 1} "
            "is not finite; check the weights (photophore models verify)"
        )


def _check_spans(embeddings: Embeddings, lengths: npt.NDArray[np.int64], spec: EncoderSpec, stage: str) -> None:
    """Raise `PluginError` unless spans, where there are any, are the whole of each item and stretches of it."""
    spans = embeddings.spans
    if spans is None or not len(spans):
        return
    item = np.repeat(np.arange(len(lengths)), np.diff(embeddings.offsets))
    wrong = (spans[:, 0] < 0) | (spans[:, 0] >= spans[:, 1]) | (spans[:, 1] > lengths[item])
    first = np.unique(item, return_index=True)[1]
    wrong[first] |= (spans[first, 0] != 0) | (spans[first, 1] != lengths[item[first]])
    if spec.per_residue or wrong.any():
        row = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
        raise PluginError(
            f"{stage}: says that a vector of {embeddings.ids[item[row]]!r}, which has {lengths[item[row]]} residues, stands for "
            f"{spans[row, 0]}-{spans[row, 1]}; only encoders of whole proteins have spans, the first of each protein is the "
            "whole of it, and all lie within it; this is a fault of the plugin"
        )


def item_lengths(batch: SequenceBatch | ProfileBatch) -> npt.NDArray[np.int64]:
    """Return the residues or positions of each item."""
    if isinstance(batch, ProfileBatch):
        return np.diff(batch.offsets)
    return np.fromiter(map(len, batch.sequences), dtype=np.int64, count=len(batch))


def check_neighbours(neighbours: Neighbours, embeddings: Embeddings, rows: int, stage: str) -> None:
    """Raise `PluginError` unless an index returned rows that exist, for the proteins that it was asked about."""
    _check_type(neighbours, Neighbours, stage)
    _check_ids(neighbours.ids, embeddings.ids, stage)
    if not np.array_equal(neighbours.lengths, embeddings.lengths):
        raise PluginError(f"{stage}: lengths are not those of the searched proteins; this is a fault of the plugin")
    if neighbours.rows.size and not (neighbours.rows.min() >= -1 and neighbours.rows.max() < rows):
        raise PluginError(
            f"{stage}: returned rows from {neighbours.rows.min()} to {neighbours.rows.max()}, the database has "
            f"{rows}; verify it (photophore db verify)"
        )
    if np.isnan(neighbours.scores).any():
        raise PluginError(f"{stage}: returned a score that is not a number; this is a fault of the plugin")


def check_candidates(candidates: Candidates, batch: SequenceBatch, targets: int, stage: str) -> None:
    """Raise `PluginError` unless an aggregator returned targets that exist, with finite scores."""
    _check_type(candidates, Candidates, stage)
    _check_ids(candidates.ids, batch.ids, stage)
    if candidates.targets.size and not (candidates.targets.min() >= 0 and candidates.targets.max() < targets):
        raise PluginError(
            f"{stage}: returned targets from {candidates.targets.min()} to {candidates.targets.max()}, the database "
            f"has {targets}; this is a fault of the plugin"
        )
    if not _all_finite(candidates.scores):
        item = int(np.searchsorted(candidates.offsets, np.flatnonzero(~np.isfinite(candidates.scores))[0], "right")) - 1
        raise PluginError(f"{stage}: a score of {batch.ids[item]!r} is not finite; this is a fault of the plugin")


def check_annotations(annotations: Sequence[Annotation], batch: SequenceBatch, stage: str) -> None:
    """Raise `PluginError` unless an annotator returned annotations of these proteins, with finite scores."""
    _check_type(annotations, Sequence, stage)
    known = set(batch.ids)
    for annotation in annotations:
        _check_type(annotation, Annotation, stage)
        if annotation.protein not in known:
            raise PluginError(
                f"{stage}: annotated {annotation.protein!r}, which is not in the batch; this is a fault of the plugin"
            )
        if annotation.score - annotation.score != 0.0:  # NaN or infinite
            raise PluginError(
                f"{stage}: the score of {annotation.protein!r} by {annotation.target!r} is {annotation.score}; "
                "this is a fault of the plugin"
            )


def _check_type(returned: object, wanted: type, stage: str) -> None:
    if not isinstance(returned, wanted):
        raise PluginError(f"{stage}: returned {returned!r:.80}, not {wanted.__name__}; this is a fault of the plugin")


def _check_ids(returned: tuple[str, ...], given: tuple[str, ...], stage: str) -> None:
    if returned == given:
        return
    if len(returned) != len(given):
        raise PluginError(f"{stage}: returned {len(returned)} items for {len(given)}; this is a fault of the plugin")
    item = next(i for i, pair in enumerate(zip(returned, given, strict=True)) if pair[0] != pair[1])
    raise PluginError(
        f"{stage}: returned {returned[item]!r} where {given[item]!r} was given; this is a fault of the plugin"
    )


def _all_finite(values: npt.NDArray[np.float32] | npt.NDArray[np.float16]) -> bool:
    """Tell whether all values are finite; the sum alone tells so of nearly every array, for a fraction of the price."""
    return bool(np.isfinite(values.sum(dtype=np.float32))) or bool(np.isfinite(values).all())


def check_profiles(items: ProfileBatch | SequenceBatch) -> None:
    """Raise `DataError` where a database would hold nothing, or one name twice."""
    if not len(items):
        raise DataError("the annotator found nothing to put into the database; check the files given to db build")
    seen: set[str] = set()
    for name in items.ids:
        if name in seen:
            raise DataError(f"{name!r} stands twice in the sources; the names in a database must differ")
        seen.add(name)
