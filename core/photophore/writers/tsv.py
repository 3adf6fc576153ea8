"""Tab-separated tables: one header line, one line a row, no quoting."""

from __future__ import annotations

import re
from collections.abc import Sequence

from photophore.hookspecs import Column
from photophore.types import Failure
from photophore.writers.atomic import OutputFile
from photophore.writers.fates import Fate
from photophore.writers.rows import Rows, map_distinct

_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")

FAILURE_COLUMNS = ("protein", "source", "stage", "reason")
PROTEIN_COLUMNS = ("protein", "length", "status", "annotations")


def one_cell(text: str) -> str:
    """Replace tabs, line breaks and other control characters by spaces: a cell stays one cell, a row one line."""
    return _BREAKS.sub(" ", text)


def _lines(cells: Sequence[Sequence[str]]) -> str:
    """Join columns of cells into lines."""
    return "".join(["\t".join(row) + "\n" for row in zip(*cells, strict=True)])


class TsvWriter:
    """Writes ``annotations.tsv``. A missing value is an empty cell."""

    name = "annotations.tsv"

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None:
        self._file = file
        file.write_text("\t".join(column.name for column in columns) + "\n")

    def write(self, rows: Rows) -> None:
        """Append rows."""
        cells = [
            map_distinct(one_cell, rows.text[column.name]) if column.type is str else rows.text[column.name]
            for column in rows.columns
        ]
        self._file.write_text(_lines(cells))

    def close(self) -> None:
        """Nothing is held back."""


class FailureWriter:
    """Writes ``failures.tsv``: input records that could not be worked on, and why."""

    name = "failures.tsv"

    def __init__(self, file: OutputFile) -> None:
        self._file = file
        file.write_text("\t".join(FAILURE_COLUMNS) + "\n")

    def write(self, failures: Sequence[Failure]) -> None:
        """Append failures."""
        for failure in failures:
            cells = (failure.protein, failure.source, failure.stage, failure.reason)
            self._file.write_text("\t".join(map(_safe, cells)) + "\n")


class ProteinWriter:
    """Writes ``proteins.tsv``: what became of each input record, in input order."""

    name = "proteins.tsv"

    def __init__(self, file: OutputFile) -> None:
        self._file = file
        file.write_text("\t".join(PROTEIN_COLUMNS) + "\n")

    def write(self, fates: Sequence[Fate]) -> None:
        """Append fates; the length of an unreadable record is missing."""
        lines = [
            f"{_safe(fate.protein)}\t{'' if fate.length is None else fate.length}\t{fate.status}\t{fate.annotations}\n"
            for fate in fates
        ]
        self._file.write_text("".join(lines))


def _safe(text: str) -> str:
    return one_cell(text).encode("utf-8", "backslashreplace").decode()
