"""HMMER's per-domain table, as ``hmmscan --domtblout`` prints it: target = profile, query = protein."""

from __future__ import annotations

import re

from photophore.errors import DataError
from photophore.hookspecs import Column
from photophore.writers.atomic import OutputFile
from photophore.writers.rows import Rows, map_distinct
from photophore.writers.tsv import one_cell

#: Columns that an annotator must declare for this table.
REQUIRED = (
    "family_length",
    "domain",
    "domains",
    "domain_score",
    "domain_bias",
    "i_evalue",
    "c_evalue",
    "bias",
    "family_start",
    "family_end",
    "envelope_start",
    "envelope_end",
    "accuracy",
)

_SPACE = re.compile(r"\s")
_NAME_WIDTH = 20
_ACCESSION_WIDTH = 10

#: Columns of `_LINE` after the widths of the two names, by column name of the annotations.
_FIELDS = (
    *("domain", "domains", "c_evalue", "i_evalue", "domain_score", "domain_bias"),
    *("family_start", "family_end", "start", "end", "envelope_start", "envelope_end", "accuracy"),
)
_LINE = (
    "%-*s %-*s %5d %-*s %-*s %5d %9.2g %6.1f %5.1f %3d %3d %9.2g %9.2g %6.1f %5.1f %5d %5d %5d %5d %5d %5d %4.2f %s\n"
)


#: What hmmscan prints above the rows of a protein whose names fit the columns.
HEADER = """\
#                                                                            --- full sequence --- -------------- this domain -------------   hmm coord   ali coord   env coord
# target name        accession   tlen query name           accession   qlen   E-value  score  bias   #  of  c-Evalue  i-Evalue  score  bias  from    to  from    to  from    to  acc description of target
#------------------- ---------- ----- -------------------- ---------- ----- --------- ------ ----- --- --- --------- --------- ------ ----- ----- ----- ----- ----- ----- ----- ---- ---------------------
"""


def missing_columns(columns: tuple[Column, ...]) -> list[str]:
    """Columns of `REQUIRED` that the annotator does not declare."""
    names = {column.name for column in columns}
    return [name for name in REQUIRED if name not in names]


class DomtbloutWriter:
    """Writes ``hits.domtblout``. Columns are as wide as hmmscan makes them for each protein."""

    name = "hits.domtblout"

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None:
        del columns
        self._file = file
        file.write_text(HEADER)

    def write(self, rows: Rows) -> None:
        """Append rows."""
        values = rows.values
        _check_complete(rows)
        targets = map_distinct(_one_word, rows.text["target"])
        accessions = map_distinct(_one_word, rows.text["accession"], missing="-")
        proteins = map_distinct(_one_word, rows.text["protein"])
        descriptions = map_distinct(_free_text, rows.text["description"])
        target_widths, accession_widths = (
            _widths(targets, _NAME_WIDTH, rows),
            _widths(accessions, _ACCESSION_WIDTH, rows),
        )
        protein_widths = [max(_NAME_WIDTH, len(name)) for name in proteins]
        cells = (
            *(target_widths, targets, accession_widths, accessions, values["family_length"]),
            *(protein_widths, proteins, [_ACCESSION_WIDTH] * len(rows), ["-"] * len(rows), values["protein_length"]),
            *(values["evalue"], values["score"], values["bias"]),
            *(values[name] for name in _FIELDS),
            descriptions,
        )
        self._file.write_text("".join([_LINE % row for row in zip(*cells, strict=True)]))

    def close(self) -> None:
        """Nothing is held back."""


def _check_complete(rows: Rows) -> None:
    for name in ("evalue", *REQUIRED):
        if None in rows.values[name]:
            row = rows.values[name].index(None)
            protein, target = rows.values["protein"][row], rows.values["target"][row]
            raise DataError(
                f"annotation of {protein!r} by {target!r}: column {name!r} is None, which domtblout cannot hold; "
                "the annotator must fill it, or leave out the format with --format"
            )


def _widths(names: list[str], least: int, rows: Rows) -> list[int]:
    """Width of a column on each row: that of the longest name among the hits of the same protein."""
    widths: list[int] = []
    for size in rows.groups:
        start = len(widths)
        widest = max(least, *map(len, names[start : start + size]))
        widths.extend([widest] * size)
    return widths


def _one_word(text: str) -> str:
    return _SPACE.sub("_", text) or "-"


def _free_text(text: str) -> str:
    return one_cell(text) or "-"
