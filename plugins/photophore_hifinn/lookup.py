"""Reads labelled proteins, the look-up set of a new database: tab-separated tables and FASTA, plain or compressed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from photophore.ec import EC, split_ecs
from photophore.errors import InputError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import TargetSource
from photophore.inputs import open_input
from photophore.types import RESIDUE_LETTERS, SequenceBatch
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.labels import LABELS_FILE, LabelTable

#: Names of the columns, in lower case: ours first, then those of UniProt's and CLEAN's tables.
_COLUMNS = {
    "id": ("id", "entry", "accession"),
    "ec": ("ec", "ec number", "ec_number"),
    "sequence": ("sequence", "seq"),
}
#: Columns that a table may have: the cluster of relatives of a protein, and the part of it.
_OPTIONAL = {"cluster": ("cluster", "cluster30"), "subcluster": ("subcluster", "cluster50")}
_TOKEN = r"[0-9][0-9n-]*\.[0-9n.-]*"  # noqa: S105 - part of a pattern; malformed numbers match, and are refused later
_LIST = rf"{_TOKEN}(?:[\s;,/]+(?:EC\s*[:=]?\s*)?{_TOKEN})*"
#: ``EC=1.2.3.4``, ``[EC:1.2.3.4 2.3.4.-]``, ``(EC 1.2.3.4)`` in a FASTA description.
_IN_DESCRIPTION = re.compile(rf"\bEC(?:\s*[:=]\s*|\s+)({_LIST})")
#: ``id|1.2.3.4;2.3.4.5`` as the name of a FASTA record.
_IN_NAME = re.compile(rf"([^|].*)\|(?:EC[:=]?)?({_TOKEN}(?:[;,]{_TOKEN})*)")
_UNKNOWN_LETTER = re.compile(rf"[^{RESIDUE_LETTERS}]")
_SHAPES = "give a tab-separated table with the columns id, ec and sequence, or FASTA with EC=... in the headers"


class Labelled(NamedTuple):
    """A protein with its EC numbers (none: no enzyme), its place (``file:line``), and the clusters of relatives it is in."""

    id: str
    ecs: tuple[EC, ...]
    sequence: str
    source: str
    cluster: str = ""
    subcluster: str = ""

    @property
    def relatives(self) -> str:
        """Name of the cluster; a protein without one is a cluster of its own."""
        return self.cluster or self.id


def group_names(proteins: Sequence[Labelled]) -> list[str]:
    """Return the name of each protein's group, ``cluster/EC;EC``; nothing follows the stroke where it is no enzyme."""
    return [f"{protein.relatives}/{';'.join(sorted(map(str, protein.ecs)))}" for protein in proteins]


def read_targets(sources: Sequence[Path], folder: Path, config: HifinnAnnotatorConfig) -> TargetSource:
    """Read the labelled proteins of ``sources`` and write what the annotator needs into ``folder``.

    Raises
    ------
    InputError
        With ``file:line`` for what cannot be read, for a name that stands twice, and where no protein has an EC number.
    """
    proteins = list(_each_once(protein for path in sources for protein in read_labelled(path)))
    if not any(protein.ecs for protein in proteins):
        names = ", ".join(map(str, sources))
        raise InputError(f"{names}: none of the {len(proteins):,} proteins has an EC number; {_SHAPES}")
    table = LabelTable.make([protein.id for protein in proteins], [protein.ecs for protein in proteins])
    table.save(folder)
    files = [LABELS_FILE]
    if config.profiles != "none":
        from photophore_hifinn.families import write_families

        files += write_families(proteins, folder, config)
    batch = SequenceBatch(
        ids=tuple(protein.id for protein in proteins),
        sequences=tuple(protein.sequence for protein in proteins),
        descriptions=("",) * len(proteins),
        sources=tuple(protein.source for protein in proteins),
    )
    facts = {
        "proteins": len(proteins),
        "enzymes": sum(bool(protein.ecs) for protein in proteins),
        "ec_numbers": len(table.ecs),
    }
    return TargetSource(batch, tuple(files), facts)


def read_labelled(path: Path) -> Iterator[Labelled]:
    """Yield the proteins of one file, told apart by its first letter: '>' begins FASTA."""
    with open_input(path) as (_, stream):
        first, line = b"", 0
        for line, first in enumerate(stream, start=1):  # noqa: B007 - both are wanted after the loop
            if first.strip():
                break
        if not first.strip():
            raise InputError(f"{path}: the file is empty; {_SHAPES}")
        if not first.lstrip(b"\xef\xbb\xbf \t").startswith(b">"):
            yield from _rows(path, _text(first).removeprefix("\ufeff"), line, stream)
            return
    yield from _records(path)


def _records(path: Path) -> Iterator[Labelled]:
    """Yield the records of a FASTA file; a record that cannot be read stops the reading."""
    for record in read_fasta([path]):
        if not isinstance(record, Record):
            raise InputError(record.reason)
        named = _IN_NAME.fullmatch(record.id)
        described = " ".join(_IN_DESCRIPTION.findall(record.description))
        name = named[1] if named else record.id.rstrip("|") or record.id
        ecs = split_ecs(" ".join(filter(None, [named[2] if named else "", described])), place=record.source)
        yield Labelled(name, ecs, record.sequence, record.source)


def _rows(path: Path, header: str, line: int, lines: Iterable[bytes]) -> Iterator[Labelled]:
    """Yield the rows of a table whose ``header`` stands on ``line``."""
    names = [name.strip().lower() for name in header.rstrip("\r\n").split("\t")]
    at = {}
    for column, known in _COLUMNS.items():
        found = [names.index(name) for name in known if name in names]
        if not found:
            raise InputError(
                f"{path}:{line}: the header has no column {column!r} (it has: {', '.join(names)[:80]}); {_SHAPES}"
            )
        at[column] = found[0]
    also = {column: names.index(name) for column, known in _OPTIONAL.items() for name in known[::-1] if name in names}
    for number, raw in enumerate(lines, start=line + 1):
        cells = _text(raw).rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        source = f"{path}:{number}"
        if len(cells) <= max(*at.values(), *also.values()):
            raise InputError(
                f"{source}: has {len(cells)} cells, the header has {len(names)}; write every cell, also an empty one"
            )
        name, sequence = cells[at["id"]].strip(), cells[at["sequence"]].strip().upper().rstrip("*")
        _check_row(name, sequence, source)
        clusters = {column: cells[place].strip() or name for column, place in also.items()}
        yield Labelled(name, split_ecs(cells[at["ec"]], place=source), sequence, source, **clusters)


def _check_row(name: str, sequence: str, source: str) -> None:
    """Raise `InputError` unless a row has a name and residues."""
    if not name:
        raise InputError(f"{source}: the protein has no id; write one")
    if not sequence:
        raise InputError(f"{source}: {name!r} has no residues; remove the row")
    if unknown := _UNKNOWN_LETTER.search(sequence):
        raise InputError(
            f"{source}: {name!r} has {unknown[0]!r} at residue {unknown.start() + 1}; "
            f"only the letters {RESIDUE_LETTERS} are residues"
        )


def _each_once(proteins: Iterable[Labelled]) -> Iterator[Labelled]:
    """Yield the proteins, and raise `InputError` at a name that was there before."""
    seen: dict[str, str] = {}
    for protein in proteins:
        if protein.id in seen:
            raise InputError(
                f"{protein.source}: {protein.id!r} stands at {seen[protein.id]} already; "
                "give each protein a name of its own, and one with several EC numbers one row (joined by ;)"
            )
        seen[protein.id] = protein.source
        yield protein


def _text(raw: bytes) -> str:
    """Return bytes as text: UTF-8, or Latin-1 where they are not."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
