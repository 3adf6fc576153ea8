"""Reads the tables and FASTA files that families are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from photophore.errors import InputError
from photophore.inputs import open_input
from photophore.types import RESIDUE_LETTERS

_ENZYME_COLUMNS = ("id", "ec", "cluster50", "cluster30", "sequence")
_NON_ENZYME_COLUMNS = ("id", "ec", "sequence")
_BLANKS = re.compile(r"[\s*]+")


@dataclass(frozen=True, slots=True)
class Member:
    """A protein that belongs to a family.

    Parameters
    ----------
    id
        Accession.
    ecs
        Full EC numbers, as in the table; none for a protein that is no enzyme.
    cluster50, cluster30
        Representatives of its clusters at 50 % and 30 % identity; its own id where the table has none.
    sequence
        Upper-case residues.
    """

    id: str
    ecs: tuple[str, ...]
    cluster50: str
    cluster30: str
    sequence: str


def read_members(path: Path) -> Iterator[Member]:
    """Yield the proteins of a tab-separated table with the columns id, ec, (cluster50, cluster30,) sequence."""
    with open_input(path) as (_, stream):
        rows = (line.decode().rstrip("\r\n").split("\t") for line in stream)
        header = tuple(next(rows, []))
        if header not in (_ENZYME_COLUMNS, _NON_ENZYME_COLUMNS):
            raise InputError(
                f"{path}:1: the columns are {' '.join(header) or 'none'!r}, not {' '.join(_ENZYME_COLUMNS)} "
                f"(or {' '.join(_NON_ENZYME_COLUMNS)}), separated by tabs; give a table of proteins"
            )
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise InputError(f"{path}:{number}: {len(row)} columns instead of {len(header)}; repair the table")
            cells = dict(zip(header, row, strict=True))
            yield Member(
                id=cells["id"],
                ecs=tuple(filter(None, cells["ec"].split(";"))),
                cluster50=cells.get("cluster50", cells["id"]),
                cluster30=cells.get("cluster30", cells["id"]),
                sequence=clean(cells["sequence"], f"{path}:{number}"),
            )


def read_proteins(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and residues of each record of a FASTA file; blanks and stops inside a sequence are left out."""
    with open_input(path) as (_, stream):
        name, start, pieces = "", 0, list[str]()
        for number, raw in enumerate(stream, start=1):
            line = raw.decode()
            if line.startswith(">"):
                if start and pieces:
                    yield name, clean("".join(pieces), f"{path}:{start}")
                name, start, pieces = (line[1:].split() or [f"record_{number}"])[0], number, []
            else:
                pieces.append(line.rstrip())
        if start and pieces:
            yield name, clean("".join(pieces), f"{path}:{start}")


def clean(sequence: str, place: str) -> str:
    """Return the residues of ``sequence`` in upper case, without blanks and stops."""
    if not sequence.strip(RESIDUE_LETTERS):  # as nearly all are
        return sequence
    residues = _BLANKS.sub("", sequence).upper()
    if strange := residues.strip(RESIDUE_LETTERS):
        raise InputError(f"{place}: {strange[0]!r} is not a residue; repair or remove this protein")
    return residues
