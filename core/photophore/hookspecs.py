"""The contract between Photophore and its plugins: the only file that a plugin author must read.

A plugin is a module (or object) named by an entry point in the group ``photophore.v1``. It implements one or more of
the four hooks below, each of which returns *specs*: plain descriptions, made without importing a runtime, opening a
file or touching a device. The core checks them, lists them, and calls ``spec.create(...)`` only when a run needs one.

    from photophore.hookspecs import AggregatorSpec, hookimpl

    @hookimpl
    def photophore_aggregators():
        return [AggregatorSpec(name="first", summary="The single best neighbour.", config=FirstConfig, create=create_first)]

Options of a plugin are the fields of its ``config``: a frozen dataclass whose every field has a default and
``metadata={"help": ...}`` (and optionally ``"choices": (...)``). They are set by ``--set KIND.FIELD=VALUE`` or in the YAML configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pluggy

from photophore.comparison import Comparison
from photophore.types import (
    Annotation,
    Candidates,
    Embeddings,
    Neighbours,
    ProfileBatch,
    SequenceBatch,
    TargetTable,
)

#: Entry-point group. The number is the version of this contract: it rises only when an old plugin would break.
GROUP = "photophore.v1"
API_VERSION = 1

#: Marks the functions at the end of this file, which Photophore calls.
hookspec = pluggy.HookspecMarker("photophore")
#: Marks the functions of a plugin that answer them.
hookimpl = pluggy.HookimplMarker("photophore")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a plugin may use of the machine.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is resolved before a plugin sees it.
    threads
        Number of threads to use, at least 1.
    """

    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Requirement:
    """A module that a plugin needs at run time, and the command that brings it."""

    module: str
    install: str


@dataclass(frozen=True, slots=True)
class Column:
    """An output column that an annotator adds: name, type (``str``, ``int``, ``float`` or ``bool``) and meaning with units."""

    name: str
    type: type
    help: str


@runtime_checkable
class Encoder(Protocol):
    """Proteins or profiles in, vectors out. Rows of one item never depend on its batch mates."""

    @property
    def dim(self) -> int:
        """Length of one vector."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights and of every option that shapes a vector: databases of another one are refused."""

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return the vectors of proteins, ``shape=(rows, dim)``, in their order and under their ids.

        An encoder of whole proteins may add windows of long ones (`Embeddings.spans`).

        Every letter of `photophore.types.RESIDUE_LETTERS` is encoded, and a long protein is not cut.

        Raises
        ------
        RecordError
            A protein cannot be encoded; the core halves the batch until it stands alone, and reports it.
        OutOfMemoryError
            The batch is too much for the device; the core halves it and goes on.
        """

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Return the vectors of profiles; an encoder that cannot encode them raises `PluginError`."""


@runtime_checkable
class Index(Protocol):
    """Database vectors, and the search among them."""

    def build(self, embeddings: Embeddings) -> None:
        """Take all vectors of a database; row ``i`` of ``embeddings.values`` becomes database row ``i``."""

    def search(self, embeddings: Embeddings) -> Neighbours:
        """Return the nearest rows of (some of) the vectors of each protein; scores are inner products.

        Each protein that has vectors is searched with one of them at least, and the answer for one does not depend on the others.

        Raises
        ------
        DatabaseError
            The vectors are of another encoder or of other weights than those that were indexed.
        """

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs into ``folder``, which the core has made; files of any name."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; `DatabaseError` where it is missing, damaged or of another version."""


@runtime_checkable
class Aggregator(Protocol):
    """Neighbours of one protein in, scored candidates of that protein out. Proteins never see each other."""

    def calibrate(self, background: Callable[[], Iterable[Neighbours]], targets: TargetTable) -> Mapping[str, Any]:
        """Measure per-target statistics on neighbours of background proteins when a database is built; may return {}.

        Keys are names of statistics, values float32 arrays of shape ``(targets,)``; they come back in `TargetTable.statistics`.
        """

    def aggregate(self, neighbours: Neighbours, targets: TargetTable) -> Candidates:
        """Return the scored targets of each protein, best first, ties by index; rows of -1 count nothing.

        ``targets.offsets`` says which database rows are whose: row ``r`` belongs to target
        ``numpy.searchsorted(targets.offsets, r, side="right") - 1``.
        """


@runtime_checkable
class Annotator(Protocol):
    """Proteins and candidates in, annotations with evidence out."""

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> Sequence[Annotation]:
        """Return annotations in the order of the batch, then of increasing E-value (or falling score).

        Only candidates are annotated, and an annotation depends on its protein and that protein's candidates alone.

        Raises
        ------
        RecordError
            A protein cannot be worked on; the core halves the batch until it stands alone, and reports it.
        """


@runtime_checkable
class UsesEncoder(Protocol):
    """An annotator that works with the encoder of its chain, which is handed to it before the first protein."""

    def use_encoder(self, encoder: Encoder) -> None:
        """Take the opened encoder; `PluginError` where it is not one that the annotator can work with."""


@runtime_checkable
class Comparer(Protocol):
    """Two proteins in, what they have in common out."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights."""

    def compare(
        self,
        one: SequenceBatch,
        other: SequenceBatch,
        pairs: Sequence[tuple[int, int]],
        *,
        by_position: bool = False,
    ) -> Iterable[Comparison]:
        """Return the comparison of each of ``pairs``, rows of ``one`` and of ``other``, in their order.

        With ``by_position`` residues of two proteins of one length pair up by their position, as those of mutants do.
        """


@dataclass(frozen=True, slots=True)
class TargetSource:
    """What an annotator read from the sources of a new database, ready to be encoded.

    Parameters
    ----------
    items
        Profiles or proteins in database order, one `TargetTable` entry each.
    files
        Files that the annotator wrote into the database folder, relative names.
    metadata
        JSON-ready facts for the manifest (number of profiles, cut-offs that exist, ...).
    """

    items: ProfileBatch | SequenceBatch
    files: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What every kind of plugin declares.

    Parameters
    ----------
    name
        Lower-case letters, digits and hyphens; unique within its kind.
    summary
        One line for ``photophore plugins list``.
    config
        Frozen dataclass of options, each with a default and ``metadata={"help": ...}``.
    requires
        Modules needed at run time; a missing one is reported with the command that installs it.
    models
        Names of the bundled or downloadable weights that it can load (``photophore models list``).
    """

    kind: ClassVar[str]

    name: str
    summary: str
    config: type
    requires: tuple[Requirement, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec(Spec):
    """Declares an encoder.

    Parameters
    ----------
    create
        ``create(config, runtime)`` loads the weights and returns the encoder.
    per_residue
        Whether there is a vector for every `Embeddings.step`-th residue, or one for each protein.
    train
        ``train(config_file, overrides)`` is ``photophore train NAME --config FILE --set KEY=VALUE``; None where there is no training.
    compare
        ``compare(config, runtime)`` opens the same weights for ``photophore compare``, where residues of two proteins can be compared; else None.
    own_copies
        ``own_copies(config)`` says whether each of several processes may open these weights for itself; None where they always may. Weights
        that fill much of the memory are opened once, and compute with all threads.
    """

    kind: ClassVar[str] = "encoder"

    create: Callable[[Any, Runtime], Encoder]
    per_residue: bool = True
    train: Callable[[Path, Mapping[str, str]], None] | None = None
    compare: Callable[[Any, Runtime], Comparer] | None = None
    own_copies: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec(Spec):
    """Declares an index. ``create(config, runtime)`` returns an empty one, to be built or loaded."""

    kind: ClassVar[str] = "index"

    create: Callable[[Any, Runtime], Index]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorSpec(Spec):
    """Declares an aggregator. ``create(config, runtime)`` returns it."""

    kind: ClassVar[str] = "aggregator"

    create: Callable[[Any, Runtime], Aggregator]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorSpec(Spec):
    """Declares an annotator.

    Parameters
    ----------
    create
        ``create(folder, targets, config, runtime)`` opens again what ``read_targets`` wrote and returns the annotator.
    read_targets
        ``read_targets(sources, folder, config)`` reads what the user gave to ``db build``, writes the annotator's own part into
        ``folder`` and returns what is to be encoded.
    check
        ``check(folder, metadata, config)`` returns the problems of these options with that database, before any work
        (``metadata`` is what ``read_targets`` put into the manifest).
    columns
        Output columns that it adds. Whole numbers called ``..._start`` are 0-based inside and written 1-based, as ``start`` is.
    holds_lock
        Whether it keeps Python busy, so that threads cannot share its work: where there are several, the core runs a process
        for each, all with a chain of their own. Without, it works with ``runtime.threads`` threads itself.
    """

    kind: ClassVar[str] = "annotator"

    create: Callable[[Path, TargetTable, Any, Runtime], Annotator]
    read_targets: Callable[[Sequence[Path], Path, Any], TargetSource]
    check: Callable[[Path, Mapping[str, Any], Any], list[Exception]] | None = None
    columns: tuple[Column, ...] = ()
    holds_lock: bool = False


@hookspec
def photophore_encoders() -> Iterable[EncoderSpec]:
    """Return the encoders of this plugin."""
    raise NotImplementedError


@hookspec
def photophore_indexes() -> Iterable[IndexSpec]:
    """Return the indexes of this plugin."""
    raise NotImplementedError


@hookspec
def photophore_aggregators() -> Iterable[AggregatorSpec]:
    """Return the aggregators of this plugin."""
    raise NotImplementedError


@hookspec
def photophore_annotators() -> Iterable[AnnotatorSpec]:
    """Return the annotators of this plugin."""
    raise NotImplementedError
