"""The data that travels along the chain: frozen, checked once when made, never matched by position alone.

Ragged arrays are stored as flat values plus ``offsets``, ``shape=(n + 1,), dtype=int64``: item ``i`` owns
``values[offsets[i]:offsets[i + 1]]``. Coordinates are 0-based and half-open. Larger scores are better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from photophore.errors import DataError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

#: Residue letters that every encoder accepts. Anything else is refused by the reader.
RESIDUE_LETTERS = "ACDEFGHIKLMNPQRSTVWYBJZXUO"

Scalar = str | int | float | bool | None


def _check_offsets(offsets: IntArray, items: int, rows: int, what: str) -> None:
    """Raise `DataError` unless ``offsets`` cuts ``rows`` rows into ``items`` consecutive pieces."""
    if offsets.dtype != np.int64 or offsets.shape != (items + 1,):
        raise DataError(f"{what}: offsets must be int64 of shape ({items + 1},), got {offsets.dtype} {offsets.shape}")
    if offsets[0] != 0 or offsets[-1] != rows or np.any(np.diff(offsets) < 0):
        raise DataError(f"{what}: offsets must rise from 0 to {rows}, got {offsets[0]} to {offsets[-1]}")


@dataclass(frozen=True, slots=True)
class SequenceBatch:
    """Proteins in input order.

    Parameters
    ----------
    ids
        Names as in the input. They may repeat (HMMER allows it); each record keeps its own row everywhere.
    sequences
        Upper-case residues out of `RESIDUE_LETTERS`, at least one each.
    descriptions
        Rest of the header line, empty where there is none.
    sources
        Where each record came from, ``file:line``, for messages and ``failures.tsv``.
    """

    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    descriptions: tuple[str, ...]
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.sequences), len(self.descriptions), len(self.sources)}
        if len(lengths) != 1:
            raise DataError(f"SequenceBatch: columns differ in length: {sorted(lengths)}")
        for name, sequence in zip(self.ids, self.sequences, strict=True):
            if not sequence:
                raise DataError(f"SequenceBatch: {name!r} has no residues")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def residues(self) -> int:
        """Total number of residues."""
        return sum(map(len, self.sequences))

    def select(self, rows: range | list[int]) -> SequenceBatch:
        """Return the records at ``rows``, in that order."""
        return SequenceBatch(
            ids=tuple(self.ids[i] for i in rows),
            sequences=tuple(self.sequences[i] for i in rows),
            descriptions=tuple(self.descriptions[i] for i in rows),
            sources=tuple(self.sources[i] for i in rows),
        )


@dataclass(frozen=True, slots=True)
class ProfileBatch:
    """Profiles as distributions over residues, one row per model position.

    Parameters
    ----------
    ids
        Unique profile names.
    values
        ``shape=(positions, 20), dtype=float32``: probabilities in the order ``ACDEFGHIKLMNPQRSTVWY``; rows sum to 1.
    offsets
        ``shape=(n + 1,), dtype=int64``.
    """

    ids: tuple[str, ...]
    values: FloatArray
    offsets: IntArray

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 2 or self.values.shape[1] != 20:
            raise DataError(
                f"ProfileBatch: values must be float32 (positions, 20), got {self.values.dtype} {self.values.shape}"
            )
        _check_offsets(self.offsets, len(self.ids), len(self.values), "ProfileBatch")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of proteins or profiles: one every `step` residues or positions, or one per protein.

    Parameters
    ----------
    ids
        Names of the encoded items, equal to the ids of the encoded batch.
    values
        ``shape=(rows, dim), dtype=float32|float16``, finite.
    offsets
        ``shape=(n + 1,), dtype=int64``: rows of each item. One row each for per-protein encoders, else one for every
        `step` residues, rounded up.
    encoder
        Name of the encoder.
    digest
        SHA-256 of its weights: an index refuses vectors of another encoder or of other weights.
    informativeness
        ``shape=(rows,), dtype=float32``: how much each row tells, larger is more, comparable within one item; an index
        may leave out the rows that tell least. None where the encoder does not know.
    step
        Residues or positions between two rows: row ``r`` of an item stands for residue ``r * step``. 1 for per-protein encoders.
    spans
        ``shape=(rows, 2), dtype=int64``: the stretch, start and stop, that each row stands for, where a per-protein encoder
        gives more than one row: the first is that of the whole item, the others windows of it. None for all others.
    """

    ids: tuple[str, ...]
    values: npt.NDArray[np.float32] | npt.NDArray[np.float16]
    offsets: IntArray
    encoder: str
    digest: str
    informativeness: FloatArray | None = None
    step: int = 1
    spans: IntArray | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise DataError(f"Embeddings of {self.encoder!r}: step must be at least 1, got {self.step}")
        known = self.informativeness
        if known is not None and (known.dtype != np.float32 or known.shape != self.values.shape[:1]):
            raise DataError(
                f"Embeddings of {self.encoder!r}: informativeness must be float32 of shape {self.values.shape[:1]}, "
                f"got {known.dtype} {known.shape}"
            )
        if self.values.ndim != 2 or self.values.dtype not in (np.float32, np.float16):
            raise DataError(
                f"Embeddings of {self.encoder!r}: values must be float32 or float16 (rows, dim), "
                f"got {self.values.dtype} {self.values.shape}"
            )
        _check_offsets(self.offsets, len(self.ids), len(self.values), f"Embeddings of {self.encoder!r}")
        spans = self.spans
        if spans is not None and (spans.dtype != np.int64 or spans.shape != (len(self.values), 2)):
            raise DataError(
                f"Embeddings of {self.encoder!r}: spans must be int64 of shape ({len(self.values)}, 2), "
                f"got {spans.dtype} {spans.shape}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> IntArray:
        """Residues that the rows of each item stand for: rows times the step, or what the spans say."""
        if self.spans is None:
            return np.asarray(np.diff(self.offsets) * self.step)
        return np.asarray(self.spans[self.offsets[:-1], 1])

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return int(self.values.shape[1])


@dataclass(frozen=True, slots=True)
class TargetTable:
    """What the rows of an index stand for: the targets (profiles, proteins, domains) of a database.

    Parameters
    ----------
    ids
        Unique target names, in database order.
    offsets
        ``shape=(n + 1,), dtype=int64``: rows of each target in the index; row ``offsets[t] + r`` is position ``r * step`` of target ``t``.
    statistics
        Named arrays of shape ``(n,)`` that an aggregator measured when the database was built (background means and so on).
    step
        Residues or positions between two rows of a target.
    """

    ids: tuple[str, ...]
    offsets: IntArray
    statistics: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            raise DataError(f"TargetTable: step must be at least 1, got {self.step}")
        _check_offsets(self.offsets, len(self.ids), int(self.offsets[-1]) if len(self.offsets) else 0, "TargetTable")
        if len(set(self.ids)) != len(self.ids):
            raise DataError("TargetTable: target names repeat")
        for key, column in self.statistics.items():
            if column.shape != (len(self.ids),):
                raise DataError(f"TargetTable: statistic {key!r} has shape {column.shape}, not ({len(self.ids)},)")
        object.__setattr__(self, "statistics", MappingProxyType(dict(self.statistics)))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest database rows of each searched vector.

    Parameters
    ----------
    ids
        Proteins whose vectors were searched.
    offsets
        ``shape=(n + 1,), dtype=int64``: searched vectors of each protein.
    positions
        ``shape=(searched,), dtype=int32``: residue (0-based) of each searched vector; 0 for per-protein vectors.
    lengths
        ``shape=(n,), dtype=int32``: residues that the vectors of each protein stand for, see `Embeddings.lengths`.
    rows
        ``shape=(searched, k), dtype=int64``: database rows, -1 where fewer than k were found.
    scores
        ``shape=(searched, k), dtype=float32``: similarity (inner product), larger is nearer; -inf where ``rows`` is -1.
    ends
        ``shape=(searched,), dtype=int32``: where the stretch ends that each searched vector stands for and that begins at its
        position; None where vectors have no stretches of their own (`Embeddings.spans`).
    """

    ids: tuple[str, ...]
    offsets: IntArray
    positions: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    rows: IntArray
    scores: FloatArray
    ends: npt.NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        _check_offsets(self.offsets, len(self.ids), len(self.rows), "Neighbours")
        if self.ends is not None and self.ends.shape != self.positions.shape:
            raise DataError(f"Neighbours: ends has shape {self.ends.shape}, not {self.positions.shape}")
        if self.rows.ndim != 2 or self.rows.shape != self.scores.shape or self.positions.shape != (len(self.rows),):
            raise DataError(
                f"Neighbours: rows {self.rows.shape}, scores {self.scores.shape} and positions "
                f"{self.positions.shape} do not fit together"
            )
        if self.lengths.shape != (len(self.ids),):
            raise DataError(f"Neighbours: lengths has shape {self.lengths.shape}, not ({len(self.ids)},)")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Scored targets of each protein: what goes on to the annotator.

    Parameters
    ----------
    ids
        Proteins, equal to the ids of the batch.
    offsets
        ``shape=(n + 1,), dtype=int64``: candidates of each protein.
    targets
        ``shape=(c,), dtype=int32``: indices into ``TargetTable.ids``; best first, ties by index, no repeats within a protein.
    scores
        ``shape=(c,), dtype=float32``: larger is better.
    evidence
        Named arrays of shape ``(c,)`` with what the aggregator knows beyond the score (best diagonal, confidence, ...).
    """

    ids: tuple[str, ...]
    offsets: IntArray
    targets: npt.NDArray[np.int32]
    scores: FloatArray
    evidence: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_offsets(self.offsets, len(self.ids), len(self.targets), "Candidates")
        for name, column in {"scores": self.scores, **self.evidence}.items():
            if column.shape != self.targets.shape:
                raise DataError(f"Candidates: {name!r} has shape {column.shape}, not {self.targets.shape}")
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, protein: int) -> npt.NDArray[np.int32]:
        """Target indices of the protein at row ``protein``, best first."""
        return self.targets[self.offsets[protein] : self.offsets[protein + 1]]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row of the output: one target found at one place of one protein.

    Parameters
    ----------
    protein, protein_length
        Name and residues of the annotated protein.
    method
        Name of the method, as in the manifest of the database.
    target, accession, description
        What was found; accession and description may be empty.
    start, end
        Place on the protein, 0-based, half-open.
    score
        Larger is better; bits for ``hmmer``.
    evalue
        Expected number of as good hits by chance, or None where the method has none.
    ecs
        EC numbers carried by the target, possibly none.
    confidence
        Probability that the annotation is right, or None where the method has none.
    evidence
        Values of the extra columns that the annotator declares, by column name.
    """

    protein: str
    protein_length: int
    method: str
    target: str
    accession: str
    description: str
    start: int
    end: int
    score: float
    evalue: float | None = None
    ecs: tuple[str, ...] = ()
    confidence: float | None = None
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= self.protein_length:
            raise DataError(
                f"annotation of {self.protein!r} by {self.target!r}: {self.start}-{self.end} "
                f"is not within 0-{self.protein_length}"
            )


@dataclass(frozen=True, slots=True)
class Failure:
    """An input record that could not be worked on, and why.

    Parameters
    ----------
    protein
        Name of the record, empty where it has none.
    source
        ``file:line`` of its header.
    stage
        ``read``, or the kind and name of the plugin that failed, such as ``encoder near``.
    reason
        What was wrong, the value, and what to do.
    """

    protein: str
    source: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one batch: its annotations, its failures, and the proteins in neither."""

    batch: SequenceBatch
    annotations: tuple[Annotation, ...]
    failures: tuple[Failure, ...]

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.annotations)
