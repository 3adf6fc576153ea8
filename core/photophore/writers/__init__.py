"""Result files of a run: the same rows in every format, whole or not there at all.

``with open_writers(folder, formats, columns, run) as writer:`` and then ``writer.write(result)`` for each batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from photophore.errors import UsageError
from photophore.hookspecs import Column
from photophore.runfacts import RUN_FILE, Counts, OutputFact, RunFacts, render_run
from photophore.types import BatchResult
from photophore.writers.atomic import OutputFile, OutputFolder
from photophore.writers.domtblout import DomtbloutWriter, missing_columns
from photophore.writers.fates import ANNOTATED, FAILED, annotations_per_record, fates_of, in_input_order
from photophore.writers.gff3 import Gff3Writer
from photophore.writers.jsonl import JsonlWriter
from photophore.writers.parquet import ParquetWriter
from photophore.writers.rows import FIXED_COLUMNS, Rows, check_columns, rows_of
from photophore.writers.tsv import FailureWriter, ProteinWriter, TsvWriter

__all__ = ["ALL_FILES", "FIXED_COLUMNS", "FORMATS", "ResultWriter", "formats_for", "open_writers"]


class FormatWriter(Protocol):
    """One format: made with a file and the columns, fed with rows, closed at the end."""

    name: str

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None: ...

    def write(self, rows: Rows) -> None: ...

    def close(self) -> None: ...


_WRITERS: dict[str, type[FormatWriter]] = {
    "tsv": TsvWriter,
    "gff3": Gff3Writer,
    "jsonl": JsonlWriter,
    "parquet": ParquetWriter,
    "domtblout": DomtbloutWriter,
}

#: Names of the formats. ``failures.tsv``, ``proteins.tsv`` and ``run.json`` are always written.
FORMATS = tuple(_WRITERS)

#: Every file that a run may leave in its folder.
ALL_FILES = (*(writer.name for writer in _WRITERS.values()), ProteinWriter.name, FailureWriter.name, RUN_FILE)


def formats_for(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the formats that an annotator with these columns can fill: domtblout needs those of HMMER."""
    return tuple(name for name in FORMATS if name != "domtblout" or not missing_columns(tuple(columns)))


def open_writers(
    folder: Path, formats: Sequence[str], columns: Sequence[Column], run: RunFacts, *, force: bool = False
) -> ResultWriter:
    """Return the writer of a run, to be used in a ``with`` statement.

    Parameters
    ----------
    folder
        Where the files are to stand; made where missing.
    formats
        Out of `FORMATS`.
    columns
        Those that the annotator declares, beyond `FIXED_COLUMNS`.
    run
        What goes into ``run.json``; its seconds and warnings are read at the end.
    force
        Replace the results of an earlier run, at the end.
    """
    columns = check_columns(columns)
    for name in formats:
        if name not in _WRITERS:
            raise UsageError(f"--format {name}: there is no such format; choose from {', '.join(FORMATS)}")
    missing = missing_columns(columns)
    if "domtblout" in formats and missing:
        raise UsageError(
            f"--format domtblout: the annotator gives no {', '.join(missing)}; "
            f"choose from {', '.join(formats_for(columns))}"
        )
    return ResultWriter(folder, tuple(dict.fromkeys(formats)), columns, run, force=force)


class ResultWriter:
    """Writes results batch by batch; nothing stands under a final name until the ``with`` block ends without error."""

    def __init__(
        self, folder: Path, formats: tuple[str, ...], columns: tuple[Column, ...], run: RunFacts, *, force: bool
    ) -> None:
        self.counts = Counts()
        self.outputs: tuple[OutputFact, ...] = ()
        self._run = run
        self._formats = formats
        self._columns = columns
        self._folder = OutputFolder(folder, ALL_FILES, marker=RUN_FILE, force=force)

    def __enter__(self) -> Self:
        self._folder.__enter__()
        try:
            create = self._folder.create
            columns = (*FIXED_COLUMNS, *self._columns)
            kinds = [_WRITERS[name] for name in self._formats]
            self._writers = [kind(create(kind.name), columns) for kind in kinds]
            self._proteins = ProteinWriter(create(ProteinWriter.name))
            self._failures = FailureWriter(create(FailureWriter.name))
        except BaseException as error:
            self._folder.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._folder.__exit__(kind, error, trace)

    def write(self, result: BatchResult) -> None:
        """Append what became of one batch."""
        per_record = annotations_per_record(result.batch, result.annotations)
        if result.annotations:
            groups = tuple(count for count in per_record if count)
            rows = rows_of(result.annotations, self._columns, groups)
            for writer in self._writers:
                writer.write(rows)
        fates = fates_of(result, per_record, self._run.inputs)
        self._failures.write(in_input_order(result.failures, self._run.inputs))
        self._proteins.write(fates)
        self.counts.proteins += len(fates)
        self.counts.annotated += sum(fate.status == ANNOTATED for fate in fates)
        self.counts.failed += sum(fate.status == FAILED for fate in fates)
        self.counts.unannotated = self.counts.proteins - self.counts.annotated - self.counts.failed
        self.counts.annotations += len(result.annotations)

    def _finish(self) -> None:
        for writer in self._writers:
            writer.close()
        self.outputs = self._folder.close_files()
        self._folder.create(RUN_FILE).write_text(render_run(self._run, self.counts, self.outputs))
        self._folder.publish()
