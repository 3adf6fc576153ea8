"""GFF3: one ``protein_match`` (SO:0000349) a row on the protein itself."""

from __future__ import annotations

import re

from photophore.hookspecs import Column
from photophore.writers.atomic import OutputFile
from photophore.writers.rows import Rows, map_distinct

HEADER = "##gff-version 3\n"
_SOURCE = "Photophore"
_TYPE = "protein_match"

_NOT_IN_SEQID = re.compile(r"[^a-zA-Z0-9.:^*$@!+_?|-]")
_NOT_IN_ATTRIBUTE = re.compile(r"[\x00-\x1f\x7f%;=&,]")
_NOT_IN_TARGET = re.compile(r"[\x00-\x20\x7f%;=&,]")

#: Accessions that say of which database they are, and its name for ``Dbxref``.
_DATABASES = (
    (re.compile(r"PF\d{5}(\.\d+)?"), "Pfam"),
    (re.compile(r"TIGR\d{5}(\.\d+)?"), "NCBIFAM"),
    (re.compile(r"NF\d{6}(\.\d+)?"), "NCBIFAM"),
    (re.compile(r"PTHR\d{5}(:SF\d+)?"), "PANTHER"),
    (re.compile(r"K\d{5}"), "KEGG"),
    (re.compile(r"COG\d{4}"), "COG"),
    (re.compile(r"[1-9]\d*(\.\d+){2,3}"), "CATH"),
)

#: Columns that say which part of the target was found.
_TARGET_PLACES = (("family_start", "family_end"), ("target_start", "target_end"))


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def escape_seqid(text: str) -> str:
    """Escape a name for column 1."""
    return _NOT_IN_SEQID.sub(_percent, text)


def escape_attribute(text: str) -> str:
    """Escape an attribute value."""
    return _NOT_IN_ATTRIBUTE.sub(_percent, text)


def escape_target(text: str) -> str:
    """Escape the name in a ``Target`` attribute, where spaces part the fields."""
    return _NOT_IN_TARGET.sub(_percent, text)


class Gff3Writer:
    """Writes ``annotations.gff3``: E-value (score where there is none) in column 6."""

    name = "annotations.gff3"

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None:
        self._file = file
        names = {column.name for column in columns}
        self._place = next((place for place in _TARGET_PLACES if names.issuperset(place)), None)
        file.write_text(HEADER)

    def write(self, rows: Rows) -> None:
        """Append rows."""
        text = rows.text
        proteins = map_distinct(escape_seqid, text["protein"])
        sixth = [evalue or score for evalue, score in zip(text["evalue"], text["score"], strict=True)]
        cells = (proteins, text["start"], text["end"], sixth, self._attributes(rows))
        lines = [
            f"{protein}\t{_SOURCE}\t{_TYPE}\t{start}\t{end}\t{score}\t.\t.\t{attributes}\n"
            for protein, start, end, score, attributes in zip(*cells, strict=True)
        ]
        self._file.write_text("".join(lines))

    def close(self) -> None:
        """Nothing is held back."""

    def _attributes(self, rows: Rows) -> list[str]:
        text = rows.text
        proteins = map_distinct(escape_attribute, text["protein"])
        targets = map_distinct(escape_attribute, text["target"])
        methods = map_distinct(escape_attribute, text["method"])
        cells = (proteins, targets, text["start"], text["end"], self._places(rows), _references(rows))
        return [
            f"ID={protein}:{target}:{start}-{end};Name={target}{place}{references};method={method};score={score}"
            for protein, target, start, end, place, references, method, score in zip(
                *cells, methods, text["score"], strict=True
            )
        ]

    def _places(self, rows: Rows) -> list[str]:
        """``;Target=target start end`` where the annotator says which part of the target was found."""
        if self._place is None:
            return [""] * len(rows)
        names = map_distinct(escape_target, rows.text["target"])
        cells = (names, *(rows.text[column] for column in self._place))
        return [
            f";Target={name} {start} {end}" if start and end else "" for name, start, end in zip(*cells, strict=True)
        ]


def _references(rows: Rows) -> list[str]:
    """``;Dbxref=...;accession=...;Note=...`` of each row, empty parts left out."""
    keys = list(zip(rows.text["accession"], rows.text["description"], rows.values["ecs"], strict=True))
    known = {key: _reference(*key) for key in set(keys)}
    return [known[key] for key in keys]


def _reference(accession: str, description: str, ecs: tuple[str, ...]) -> str:
    links = [f"{database}:{accession}" for pattern, database in _DATABASES if pattern.fullmatch(accession)]
    links += [f"EC:{ec}" for ec in ecs]
    parts = (
        ("Dbxref", ",".join(map(escape_attribute, links))),
        ("Note", escape_attribute(description)),
        ("accession", escape_attribute(accession)),
    )
    return "".join(f";{key}={value}" for key, value in parts if value)
