"""Annotations of one batch as columns: checked, coordinates as they are written, text made once for all formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from numbers import Integral, Real
from typing import Any

from photophore.errors import DataError
from photophore.hookspecs import Column
from photophore.types import Annotation

#: Columns that every annotation has, in the order of the files. ``ecs`` is a list of strings.
FIXED_COLUMNS = (
    Column("protein", str, "Name of the protein, as in the input."),
    Column("protein_length", int, "Length of the protein, residues."),
    Column("method", str, "Name of the method, as in the manifest of the database."),
    Column("target", str, "Name of what was found: a profile or a protein of the database."),
    Column("accession", str, "Accession of the target; empty where it has none."),
    Column("description", str, "Description of the target; empty where it has none."),
    Column("start", int, "First residue of the place on the protein, 1-based."),
    Column("end", int, "Last residue of the place on the protein, 1-based, inclusive."),
    Column("score", float, "Score, larger is better; bits of the whole protein for hmmer."),
    Column("evalue", float, "Expected number of as good hits by chance; missing where the method has none."),
    Column("ecs", str, "EC numbers of the target: a list in JSONL and Parquet, joined by ';' in TSV."),
    Column("confidence", float, "Probability that the annotation is right; missing where the method has none."),
)
_ALWAYS_THERE = frozenset({"protein", "protein_length", "method", "target", "start", "end", "score"})

#: Digits of a floating-point number in every text format.
FLOAT_FORMAT = "%.6g"

_ABSTRACT: Mapping[type, type] = {int: Integral, float: Real}


def one_based(start: int) -> int:
    """Turn a 0-based start into a 1-based one, here and nowhere else; half-open ends are inclusive ends as they are."""
    return start + 1


def is_start(column: Column) -> bool:
    """Whether a column holds 0-based starts: whole numbers called ``start`` or ``..._start``."""
    return column.type is int and (column.name == "start" or column.name.endswith("_start"))


def float_text(values: Sequence[float | None]) -> list[str]:
    """Format numbers, ``""`` for None."""
    if None in values:
        return ["" if value is None else FLOAT_FORMAT % value for value in values]
    return ((FLOAT_FORMAT + "\n") * len(values) % tuple(values)).split("\n")[:-1]


def map_distinct(function: Callable[[str], str], values: Iterable[str | None], missing: str = "") -> list[str]:
    """Apply ``function`` to each value, once for each distinct one; None becomes ``missing``."""
    values = list(values)
    known = {value: missing if value is None else function(value) for value in set(values)}
    return [known[value] for value in values]


@dataclass(frozen=True)
class Rows:
    """Rows of one batch by column.

    Parameters
    ----------
    columns
        Fixed ones, then those of the annotator.
    values
        One list a column, all of the same length; starts are 1-based here. ``ecs`` holds tuples.
    groups
        Numbers of rows of consecutive records, zeros left out; they add up to the number of rows.
    """

    columns: tuple[Column, ...]
    values: Mapping[str, list[Any]]
    groups: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values["protein"])

    @cached_property
    def text(self) -> Mapping[str, list[str]]:
        """Numbers and truth values as they are written everywhere, ``""`` where missing; strings as they are."""
        return {column.name: _column_text(column, self.values[column.name]) for column in self.columns}


def rows_of(annotations: Sequence[Annotation], columns: tuple[Column, ...], groups: tuple[int, ...]) -> Rows:
    """Turn annotations into columns; `DataError` where a value is not what its column declares."""
    values: dict[str, list[Any]] = {
        column.name: _checked(column, [getattr(row, column.name) for row in annotations], annotations)
        for column in FIXED_COLUMNS
        if column.name != "ecs"
    }
    values["ecs"] = [tuple(row.ecs) for row in annotations]
    names = frozenset(column.name for column in columns)
    for row in annotations:
        if not row.evidence.keys() <= names:
            extra = ", ".join(sorted(map(repr, row.evidence.keys() - names)))
            raise DataError(
                f"annotation of {row.protein!r} by {row.target!r}: evidence {extra} is not declared; "
                "name it among the columns of the AnnotatorSpec"
            )
    for column in columns:
        values[column.name] = _checked(column, [row.evidence.get(column.name) for row in annotations], annotations)
    return Rows((*FIXED_COLUMNS, *columns), values, groups)


def check_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the annotator's columns, or raise `DataError` where they clash or have a type that files cannot hold."""
    columns = tuple(columns)
    seen = {column.name for column in FIXED_COLUMNS}
    for column in columns:
        if column.name in seen:
            raise DataError(f"output column {column.name!r} is declared twice; the annotator must give it another name")
        if column.type not in (str, int, float, bool):
            raise DataError(f"output column {column.name!r} has type {column.type!r}; use str, int, float or bool")
        seen.add(column.name)
    return columns


def _checked(column: Column, values: list[Any], annotations: Sequence[Annotation]) -> list[Any]:
    types = set(map(type, values))
    if column.name not in _ALWAYS_THERE:
        types.discard(type(None))
    if types - {column.type}:
        values = [_coerced(column, value, row) for value, row in zip(values, annotations, strict=True)]
    if column.type is float:
        if not all(map(math.isfinite, filter(None, values))):
            for value, row in zip(values, annotations, strict=True):
                if value is not None and not math.isfinite(value):
                    raise _wrong(column, value, row, "a finite number or None")
    elif column.type is str:
        values = _encodable(values)
    elif is_start(column):
        values = [None if value is None else one_based(value) for value in values]
    return values


def _coerced(column: Column, value: Any, row: Annotation) -> Any:
    """Take numpy scalars and whole numbers for real ones; refuse everything else."""
    if value is None and column.name not in _ALWAYS_THERE:
        return None
    if type(value) is column.type:
        return value
    wanted = _ABSTRACT.get(column.type)
    if wanted and isinstance(value, wanted) and not isinstance(value, bool):
        return column.type(value)
    if column.type is bool and type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    if column.type is str and isinstance(value, str):
        return str(value)
    raise _wrong(column, value, row, f"of type {column.type.__name__}")


def _wrong(column: Column, value: Any, row: Annotation, wanted: str) -> DataError:
    return DataError(
        f"annotation of {row.protein!r} by {row.target!r}: column {column.name!r} is {value!r}; it must be {wanted}"
    )


def _encodable(values: list[Any]) -> list[Any]:
    """Escape what UTF-8 cannot hold: bytes of the input that were not text."""
    try:
        "".join(filter(None, set(values))).encode()
    except UnicodeEncodeError:
        return [value and value.encode("utf-8", "backslashreplace").decode() for value in values]
    return values


def _column_text(column: Column, values: list[Any]) -> list[str]:
    if column.name == "ecs":
        return list(map(str.join, repeat(";"), values))
    if column.type is float:
        return float_text(values)
    if column.type is bool:
        return ["" if value is None else ("true" if value else "false") for value in values]
    if column.type is int:
        return ["" if value is None else str(value) for value in values] if None in values else list(map(str, values))
    return ["" if value is None else value for value in values] if None in values else values
