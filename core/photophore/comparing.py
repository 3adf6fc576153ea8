"""``photophore compare``: pairs of proteins compared, as tables, as text for the terminal, and as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.comparison import Comparison
from photophore.errors import InputError, PluginError, UsageError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import Comparer
from photophore.mutants import MUTANT_COLUMNS, mutant_row
from photophore.progress import Progress
from photophore.types import SequenceBatch
from photophore.writers.atomic import OutputFile, OutputFolder
from photophore.writers.rows import FLOAT_FORMAT

COMPARISONS_FILE = "comparisons.tsv"
RESIDUES_FILE = "residues.tsv"
MUTANTS_FILE = "mutants.tsv"
PLOT_PREFIX = "plot-"

PAIRINGS = ("all", "rows")
PLOT_FORMATS = ("png", "svg", "pdf", "none")

COMPARISON_COLUMNS = (
    "protein_1", "protein_2", "length_1", "length_2", "tm_score_1", "tm_score_2", "lddt", "lddt_1", "aligned", "identical",
    "start_1", "end_1", "start_2", "end_2", "alignment_1", "alignment_2", "lddt_along",
)  # fmt: skip
RESIDUE_COLUMNS = ("protein_1", "protein_2", "position_1", "residue_1", "position_2", "residue_2", "lddt")

_BLOCK = 60


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What is compared and what is written.

    Parameters
    ----------
    pairing
        ``all``: each protein of the first file with each of the second; ``rows``: the first with the first, and so on.
    mutant
        The first file holds wild types, the second their mutants: residues of proteins of one length go by position.
    plot
        Format of the pictures, or ``none``.
    most_plots
        Pictures at most, of the first pairs.
    force
        Replace the results of an earlier run.
    """

    pairing: str = "all"
    mutant: bool = False
    plot: str = "png"
    most_plots: int = 20
    force: bool = False


def read_proteins(path: str | Path) -> SequenceBatch:
    """Return the proteins of a FASTA file; `InputError` where one of them cannot be read."""
    records = []
    for record in read_fasta([path]):
        if not isinstance(record, Record):
            raise InputError(record.reason)
        records.append(record)
    if not records:
        raise InputError(f"{path}: holds no protein; give a FASTA file with at least one")
    return SequenceBatch(
        ids=tuple(record.id for record in records),
        sequences=tuple(record.sequence for record in records),
        descriptions=tuple(record.description for record in records),
        sources=tuple(record.source for record in records),
    )


def pairs_of(one: SequenceBatch, other: SequenceBatch, pairing: str) -> list[tuple[int, int]]:
    """Return which proteins are compared, rows of both; `UsageError` where they cannot be paired so."""
    if pairing == "all":
        return [(first, second) for first in range(len(one)) for second in range(len(other))]
    if len(one) != len(other):
        raise UsageError(
            f"--pairs rows: the first file has {len(one)} proteins and the second {len(other)}; give as many, or --pairs all"
        )
    return [(row, row) for row in range(len(one))]


def comparisons(
    comparer: Comparer, one: SequenceBatch, other: SequenceBatch, options: CompareOptions
) -> Iterator[Comparison]:
    """Yield the comparison of each pair; `PluginError` where the plugin returns others."""
    wanted = pairs_of(one, other, options.pairing)
    done = 0
    for each in comparer.compare(one, other, wanted, by_position=options.mutant):
        names = (one.ids[wanted[done][0]], other.ids[wanted[done][1]]) if done < len(wanted) else ("", "")
        if (each.one, each.other) != names:
            raise PluginError(
                f"the comparer returned {each.one!r} and {each.other!r} where {names[0]!r} and {names[1]!r} were given; "
                "this is a fault of the plugin"
            )
        done += 1
        yield each
    if done != len(wanted):
        raise PluginError(f"the comparer returned {done} of {len(wanted)} comparisons; this is a fault of the plugin")


def write_comparisons(
    found: Iterable[Comparison], folder: Path, options: CompareOptions, total: int, progress: Progress
) -> int:
    """Write tables and pictures into ``folder``, which appear when whole; return the number of pictures."""
    drawn = 0
    tables = [COMPARISONS_FILE, RESIDUES_FILE, MUTANTS_FILE]
    old = [path.name for path in folder.glob(f"{PLOT_PREFIX}*")] if folder.is_dir() else []
    with OutputFolder(folder, [*tables, *old], marker=COMPARISONS_FILE, force=options.force) as output:
        summary = _table(output, COMPARISONS_FILE, COMPARISON_COLUMNS)
        residues = _table(output, RESIDUES_FILE, RESIDUE_COLUMNS)
        mutants = _table(output, MUTANTS_FILE, MUTANT_COLUMNS) if options.mutant else None
        progress.begin("comparing", float(total))
        for number, each in enumerate(found, start=1):
            summary.write_text(_line(summary_row(each)))
            residues.write_text("".join(map(_line, residue_rows(each))))
            if mutants is not None:
                mutants.write_text(_line(mutant_row(each)))
            if options.plot != "none" and number <= options.most_plots:
                from photophore.picture import picture

                name = f"{PLOT_PREFIX}{number:04d}-{_file_name(each.one)}-{_file_name(each.other)}.{options.plot}"
                output.create(name).write(picture(each, options.plot, mutant=options.mutant))
                drawn += 1
            progress.advance(float(number), f"{number:,} of {total:,} pairs")
        progress.end()
        output.publish()
    return drawn


def summary_row(each: Comparison) -> tuple[str | int | float | None, ...]:
    """Return the row of `COMPARISON_COLUMNS` of one pair."""
    first, second, along = gapped(each)
    pairs = each.pairs
    ends = (*(pairs[[0, -1], 0] + 1).tolist(), *(pairs[[0, -1], 1] + 1).tolist()) if len(pairs) else (None,) * 4
    lengths = len(each.one_sequence), len(each.other_sequence)
    total = float(each.lddt.sum(dtype=np.float64))
    mean = total / len(pairs) if len(pairs) else None
    scores = (each.tm_score, each.tm_score_other, mean, total / lengths[0])
    return (each.one, each.other, *lengths, *scores, len(pairs), identical(each), *ends, first, second, along)


def residue_rows(each: Comparison) -> Iterator[tuple[str | int | float | None, ...]]:
    """Yield a row of `RESIDUE_COLUMNS` for each residue of the first protein; one that is not aligned has the lDDT 0."""
    partner = {
        first: (second, lddt) for (first, second), lddt in zip(each.pairs.tolist(), each.lddt.tolist(), strict=True)
    }
    for place, residue in enumerate(each.one_sequence):
        second, lddt = partner.get(place, (None, 0.0))
        told = (None, None) if second is None else (second + 1, each.other_sequence[second])
        yield (each.one, each.other, place + 1, residue, *told, lddt)


def identical(each: Comparison) -> int:
    """Return how many pairs are of one residue."""
    return sum(each.one_sequence[i] == each.other_sequence[j] for i, j in each.pairs.tolist())


def gapped(each: Comparison) -> tuple[str, str, str]:
    """Return both proteins from the first to the last aligned residue with gaps (-), and a digit of lDDT a pair.

    A digit is the first one behind the point: 9 stands for 0.9 and above; a space where residues are not aligned.
    """
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    before: tuple[int, int] | None = None
    for (i, j), digit in zip(each.pairs.tolist(), lddt_digits(each.lddt), strict=True):
        ones, others = (
            (each.one_sequence[before[0] + 1 : i], each.other_sequence[before[1] + 1 : j]) if before else ("", "")
        )
        parts[0].append(ones + "-" * len(others) + each.one_sequence[i])
        parts[1].append("-" * len(ones) + others + each.other_sequence[j])
        parts[2].append(" " * (len(ones) + len(others)) + digit)
        before = (i, j)
    return "".join(parts[0]), "".join(parts[1]), "".join(parts[2])


def lddt_digits(lddt: npt.NDArray[np.float32]) -> str:
    """Return one digit for each lDDT, the first behind the point: 0 for below 0.1, 9 for 0.9 and above."""
    tenths = np.floor(lddt.astype(np.float64) * 10 + 1e-6)  # float32 has no 0.7
    return (np.clip(tenths, 0, 9).astype(np.uint8) + np.uint8(ord("0"))).tobytes().decode("ascii")


def as_text(each: Comparison) -> str:
    """Return a comparison for the terminal: scores, then the alignment in blocks."""
    lines = [
        f"{each.one} ({len(each.one_sequence)} residues) and {each.other} ({len(each.other_sequence)} residues)",
        f"predicted TM-score {each.tm_score:.4f} by the length of {each.one}, {each.tm_score_other:.4f} by that of {each.other}",
    ]
    if not len(each.pairs):
        return "\n".join([*lines, "nothing aligns", ""])
    lines.append(
        f"predicted lDDT {float(each.lddt.mean()):.4f} along {len(each.pairs)} aligned residues, {identical(each)} of them "
        "identical"
    )
    first, second, along = gapped(each)
    places = (each.pairs[0] + 1).tolist()
    width = max(len(each.one), len(each.other), 4)
    number = len(str(max(len(each.one_sequence), len(each.other_sequence))))
    for start in range(0, len(first), _BLOCK):
        parts = [text[start : start + _BLOCK] for text in (first, second)]
        lines.append("")
        for row, (name, part) in enumerate(zip((each.one, each.other), parts, strict=True)):
            residues = len(part) - part.count("-")
            lines.append(f"{name:{width}} {places[row]:{number}} {part} {places[row] + residues - 1}")
            places[row] += residues
            if row == 0:
                marks = "".join("|" if a == b else " " for a, b in zip(*parts, strict=True))
                lines.append(f"{'':{width}} {'':{number}} {marks}".rstrip())
        lines.append(f"{'lDDT':{width}} {'':{number}} {along[start : start + _BLOCK]}".rstrip())
    return "\n".join([*lines, ""])


def _table(output: OutputFolder, name: str, columns: Sequence[str]) -> OutputFile:
    file = output.create(name)
    file.write_text("\t".join(columns) + "\n")
    return file


def _line(row: Iterable[str | int | float | None]) -> str:
    cells = ["" if cell is None else FLOAT_FORMAT % cell if isinstance(cell, float) else str(cell) for cell in row]
    return "\t".join(cells) + "\n"


def _file_name(protein: str) -> str:
    """Return the name of a protein with nothing in it that a file system minds."""
    return "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in protein)[:60]
