"""The figures of a finished run that a report shows, gathered from its files in one pass, whatever their size."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from photophore.ec import UNASSIGNED
from photophore.errors import InputError
from photophore.runfacts import read_run
from photophore.writers.jsonl import JsonlWriter
from photophore.writers.parquet import ParquetWriter
from photophore.writers.tsv import FAILURE_COLUMNS, FailureWriter, TsvWriter

#: Names of the classes of enzymes, by the first level of the EC number.
EC_CLASSES = {
    "1": "Oxidoreductases",
    "2": "Transferases",
    "3": "Hydrolases",
    "4": "Lyases",
    "5": "Isomerases",
    "6": "Ligases",
    "7": "Translocases",
}

#: Failed records that a report lists one by one.
FAILURES_SHOWN = 100
#: Powers of ten below which E-values are not told apart.
LEAST_EXPONENT = -100

_COLUMNS = ("protein", "target", "accession", "description", "score", "evalue", "ecs", "confidence")


@dataclass
class RunFigures:
    """What a report says of one run.

    Parameters
    ----------
    sample
        Name of the folder.
    facts
        What ``run.json`` says.
    targets
        Proteins by target; each protein counts once for a target.
    names
        Accession and description of each target.
    ecs
        Proteins by EC number.
    with_ec
        Proteins that carry at least one EC number.
    bits, exponents, confidences
        Rows by whole score, by the power of ten of the E-value, and by confidence in steps of 0.05.
    unassigned
        Proteins that were given no EC number by a method that gives them, though they have a row that says why.
    failures
        The first failed records, columns as in ``failures.tsv``.
    stages
        Failed records by the stage at which they failed.
    has_rows
        Whether the run wrote its rows in a format that is read here; without, the counts alone are known.
    """

    sample: str
    facts: dict[str, Any]
    targets: Counter[str] = field(default_factory=Counter)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    ecs: Counter[str] = field(default_factory=Counter)
    with_ec: int = 0
    bits: Counter[int] = field(default_factory=Counter)
    exponents: Counter[int] = field(default_factory=Counter)
    confidences: Counter[int] = field(default_factory=Counter)
    unassigned: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    stages: Counter[str] = field(default_factory=Counter)
    has_rows: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """Proteins by what became of them."""
        return dict(self.facts["counts"])

    @property
    def database(self) -> str:
        """Name of the database."""
        known = self.facts["database"] or {}
        return str(known.get("manifest", {}).get("name") or Path(known.get("path", "-")).name)

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.facts["options"].get("method", ""))


def gather(folder: Path) -> RunFigures:
    """Read the figures of the run in ``folder``; `InputError` where it is not whole."""
    figures = RunFigures(folder.resolve().name, read_run(folder))
    rows = _rows(folder, {output["name"] for output in figures.facts["outputs"]})
    if rows is None:
        figures.has_rows = False
    else:
        _count(figures, rows)
    with _opened(folder / FailureWriter.name) as stream:
        table = csv.DictReader(stream, FAILURE_COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE)
        for row in islice(table, 1, None):
            figures.stages[row["stage"]] += 1
            if len(figures.failures) < FAILURES_SHOWN:
                figures.failures.append(row)
    return figures


def _count(figures: RunFigures, rows: Iterator[Mapping[str, Any]]) -> None:
    """Add up rows; those of one protein follow each other."""
    protein: str | None = None
    targets: set[str] = set()
    ecs: set[str] = set()
    for row in rows:
        if row["protein"] != protein:
            protein = row["protein"]
            targets, ecs = set(), set()
        target = row["target"]
        if target == UNASSIGNED:
            figures.unassigned += 1
            continue
        if target not in targets:
            targets.add(target)
            figures.targets[target] += 1
            figures.names.setdefault(target, (row["accession"] or "", row["description"] or ""))
        for ec in row["ecs"]:
            if ec not in ecs:
                figures.with_ec += not ecs
                ecs.add(ec)
                figures.ecs[ec] += 1
        _count_scores(figures, row)


def _count_scores(figures: RunFigures, row: Mapping[str, Any]) -> None:
    evalue, confidence = row["evalue"], row["confidence"]
    if evalue is not None:
        figures.bits[math.floor(row["score"])] += 1
        figures.exponents[max(LEAST_EXPONENT, math.floor(math.log10(evalue))) if evalue > 0 else LEAST_EXPONENT] += 1
    if confidence is not None:
        figures.confidences[min(19, int(confidence * 20))] += 1


def _rows(folder: Path, names: set[str]) -> Iterator[Mapping[str, Any]] | None:
    """Return the rows of a run from whichever of its files holds them."""
    for name, read in (
        (TsvWriter.name, _tsv_rows),
        (JsonlWriter.name, _jsonl_rows),
        (ParquetWriter.name, _parquet_rows),
    ):
        if name in names:
            return read(folder / name)
    return None


def _tsv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path) as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {
                **row,
                "ecs": [ec for ec in row["ecs"].split(";") if ec],
                "score": float(row["score"]),
                "evalue": float(row["evalue"]) if row["evalue"] else None,
                "confidence": float(row["confidence"]) if row["confidence"] else None,
            }


def _jsonl_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path) as stream:
        yield from map(json.loads, stream)


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    with _opened(path, "rb") as stream, pq.ParquetFile(stream) as source:
        for batch in source.iter_batches(columns=list(_COLUMNS)):
            yield from batch.to_pylist()


def _opened(path: Path, mode: str = "r") -> Any:
    try:
        return path.open(mode) if "b" in mode else path.open(mode, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; repeat the run") from error
