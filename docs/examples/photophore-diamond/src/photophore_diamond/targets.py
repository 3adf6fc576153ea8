"""The proteins of a database: read from FASTA once, kept beside the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photophore.errors import DatabaseError, InputError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import TargetSource
from photophore.types import SequenceBatch

TARGETS_FILE = "targets.faa"


def read_targets(sources: Sequence[Path], folder: Path) -> TargetSource:
    """Read the proteins of ``sources`` and write `TARGETS_FILE` into ``folder``; `InputError` names a faulty record."""
    proteins = read_proteins(sources)
    with (folder / TARGETS_FILE).open("w", encoding="utf-8", errors="surrogateescape") as stream:
        for name, text, sequence in zip(proteins.ids, proteins.descriptions, proteins.sequences, strict=True):
            stream.write(f">{name} {text}".rstrip() + f"\n{sequence}\n")
    return TargetSource(proteins, (TARGETS_FILE,), {"proteins": len(proteins), "residues": proteins.residues})


def load_targets(folder: Path) -> SequenceBatch:
    """Return what `read_targets` wrote."""
    path = folder / TARGETS_FILE
    try:
        return read_proteins([path])
    except InputError as error:
        raise DatabaseError(f"{path}: cannot be read ({error}); build the database again") from error


def read_proteins(paths: Sequence[Path]) -> SequenceBatch:
    """Return every record of FASTA files, plain or compressed; one that cannot be read stops the reading."""
    records: list[Record] = []
    for record in read_fasta(paths):
        if not isinstance(record, Record):
            raise InputError(record.reason)
        records.append(record)
    return SequenceBatch(
        ids=tuple(record.id for record in records),
        sequences=tuple(record.sequence for record in records),
        descriptions=tuple(record.description for record in records),
        sources=tuple(record.source for record in records),
    )
