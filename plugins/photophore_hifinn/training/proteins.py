"""Proteins with EC numbers to train on, and the drawing of batches that hold hard negatives."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.ec import EC, split_ecs
from photophore.errors import InputError
from photophore.inputs import open_input
from photophore.types import RESIDUE_LETTERS
from photophore_near.packing import MULTIPLE
from photophore_near.residues import PAD_TOKEN, tokens

_UNKNOWN_LETTER = re.compile(rf"[^{RESIDUE_LETTERS}]")


@dataclass(frozen=True, slots=True)
class LabelledProtein:
    """A protein, its EC numbers (none: no enzyme), and the cluster of relatives that it is held out with."""

    name: str
    ecs: tuple[EC, ...]
    cluster: str
    residues: npt.NDArray[np.uint8]


def read_labelled(path: Path, *, cluster: str, min_residues: int = 1) -> list[LabelledProtein]:
    """Read a TSV file with the columns id, ec, sequence and, where it has it, ``cluster``.

    Raises
    ------
    InputError
        If a column is missing, a row has too few cells, an EC number is none or a letter no residue, with the line.
    """
    rows = _rows(path)
    _, header = next(rows, ("", []))
    missing = {"id", "ec", "sequence"} - set(header)
    if missing:
        raise InputError(f"{path}:1: has no column {min(missing)!r}; a look-up table has id, ec and sequence")
    proteins = []
    for place, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{place}: has {len(cells)} cells, the header has {len(header)}; write every cell, also an empty one"
            )
        row = dict(zip(header, cells, strict=True))
        ecs = split_ecs(row["ec"], place=place)
        sequence = row["sequence"].upper().rstrip("*")
        if unknown := _UNKNOWN_LETTER.search(sequence):
            raise InputError(
                f"{place}: {row['id']!r} has {unknown[0]!r} at residue {unknown.start() + 1}; "
                f"only the letters {RESIDUE_LETTERS} are residues"
            )
        if len(sequence) >= min_residues:
            proteins.append(LabelledProtein(row["id"], ecs, row.get(cluster) or row["id"], tokens(sequence)))
    return proteins


def has_column(path: Path, name: str) -> bool:
    """Say whether the header of a TSV file names a column."""
    _, header = next(_rows(path), ("", []))
    return name in header


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ``file:line`` and the cells of each line that is not empty."""
    with open_input(path) as (_, stream):
        for line, raw in enumerate(stream, start=1):
            place = f"{path}:{line}"
            try:
                text = raw.decode("utf-8-sig").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise InputError(f"{place}: is no text in UTF-8 ({error.reason}); convert the file") from error
            if text.strip():
                yield place, text.split("\t")


def hold_out(
    proteins: Sequence[LabelledProtein], *, share: float, largest: int, seed: int
) -> tuple[list[LabelledProtein], list[LabelledProtein]]:
    """Return the proteins to train on, and those of whole clusters that are kept out.

    Clusters of more than ``largest`` proteins stay in training, so that little is lost.
    """
    sizes: dict[str, int] = defaultdict(int)
    for protein in proteins:
        sizes[protein.cluster] += 1
    names = sorted(sizes)
    drawn = np.random.default_rng(seed).random(len(names)) < share
    out = {name for name, chosen in zip(names, drawn, strict=True) if chosen and sizes[name] <= largest}
    kept = [protein for protein in proteins if protein.cluster not in out]
    return kept, [protein for protein in proteins if protein.cluster in out]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees.

    Parameters
    ----------
    tokens
        ``shape=(proteins, length), dtype=uint8``: residues, padded.
    lengths
        ``shape=(proteins,)``: residues of each.
    proteins
        The drawn proteins.
    """

    tokens: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    proteins: tuple[LabelledProtein, ...]


class BatchSampler:
    """Draws groups of one ``a.b.c``: several serials each, several proteins a serial, of other clusters where it can.

    In a random batch nearly all pairs share nothing, and the few that do are easy; what misleads a look-up is another
    serial of the same ``a.b.c``.
    """

    def __init__(
        self,
        proteins: Sequence[LabelledProtein],
        *,
        groups: int,
        serials: int,
        of_each: int,
        non_enzymes: int,
        max_residues: int,
        seed: int | tuple[int, int],
    ) -> None:
        self._proteins = proteins
        self._shape = (groups, serials, of_each, non_enzymes)
        self._max_residues = max_residues
        self._random = np.random.default_rng(seed)
        by_ec: dict[EC, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._others: list[int] = []
        for number, protein in enumerate(proteins):
            for ec in protein.ecs:
                by_ec[ec][protein.cluster].append(number)
            if not protein.ecs:
                self._others.append(number)
        if not by_ec:
            raise InputError("none of the proteins has an EC number; check the column ec of the training files")
        self._members = {ec: list(clusters.values()) for ec, clusters in by_ec.items()}
        families: dict[tuple[str, ...], list[EC]] = defaultdict(list)
        for ec in self._members:
            families[ec.parts[:3]].append(ec)
        self._families = list(families.values())
        weights = np.sqrt([len(serials) for serials in self._families])
        self._chances = weights / weights.sum()

    def draw(self) -> Batch:
        """Draw one batch."""
        groups, serials, of_each, non_enzymes = self._shape
        chosen: list[int] = []
        for family in self._random.choice(len(self._families), size=groups, p=self._chances):
            ecs = self._families[family]
            for number in self._random.choice(len(ecs), size=serials, replace=len(ecs) < serials):
                chosen += self._of_ec(ecs[number], of_each)
        if self._others:
            chosen += [self._others[i] for i in self._random.integers(len(self._others), size=non_enzymes)]
        return self._cropped([self._proteins[number] for number in chosen])

    def _of_ec(self, ec: EC, count: int) -> list[int]:
        clusters = self._members[ec]
        drawn = self._random.choice(len(clusters), size=count, replace=len(clusters) < count)
        return [clusters[i][self._random.integers(len(clusters[i]))] for i in drawn]

    def _cropped(self, proteins: list[LabelledProtein]) -> Batch:
        parts = []
        for protein in proteins:
            spare = len(protein.residues) - self._max_residues
            start = int(self._random.integers(spare + 1)) if spare > 0 else 0
            parts.append(protein.residues[start : start + self._max_residues])
        padded, lengths = pad(parts)
        return Batch(padded, lengths, tuple(proteins))


def pad(parts: Sequence[npt.NDArray[np.uint8]]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return token rows padded to a common multiple of 16, and their lengths."""
    lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    rows = np.full((len(parts), -(-int(lengths.max()) // MULTIPLE) * MULTIPLE), PAD_TOKEN, dtype=np.uint8)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows, lengths
