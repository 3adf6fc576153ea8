"""The bundled look-up `structures` and the shipped weights: domains inside proteins, and proteins of odd sizes."""

from __future__ import annotations

import pytest

from photophore.cli import main
from photophore.database import find
from photophore.testing.samples import random_proteins
from photophore_siamese.catalogue import Catalogue


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue.load(find("structures").annotator_folder)


@pytest.fixture(scope="module")
def rows(catalogue, tmp_path_factory):
    """Annotate domains inside random residues, and proteins of odd sizes; return the rows of each."""
    folder = tmp_path_factory.mktemp("structures")
    filler = random_proteins(35_000, seed=11).sequences[0]
    lysozyme, globin = (catalogue.sequences[catalogue.ids.index(name)] for name in ("107lA00", "1a4fB00"))
    proteins = {
        "whole": lysozyme,
        "inside": filler[:300] + globin + filler[300:500] + lysozyme + filler[500:700],
        "giant": filler[:20_000] + globin + filler[20_000:],
        "one": "M",
        "unknown": "X" * 60,
        "stranger": filler[1_000:1_200],
    }
    (folder / "proteins.faa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in proteins.items()))
    assert main(["annotate", str(folder / "proteins.faa"), "-d", "structures", "-o", str(folder / "out"), "-q"]) == 0
    header, *lines = (line.split("\t") for line in (folder / "out" / "annotations.tsv").read_text().splitlines())
    found = {}
    for line in lines:
        row = dict(zip(header, line, strict=True))
        found.setdefault(row["protein"], []).append(row)
    return found


def test_a_whole_domain(rows):
    (row,) = rows["whole"]
    assert (row["accession"].startswith("1.10.530"), row["start"], row["end"]) == (True, "1", "162")
    assert float(row["score"]) > 0.9
    assert float(row["confidence"]) > 0.9


def test_a_domain_inside_a_protein(rows):
    (row,) = [row for row in rows["inside"] if row["topology"] == "1.10.530"]
    assert abs(int(row["start"]) - 647) <= 15
    assert abs(int(row["end"]) - 808) <= 15


def test_a_giant_has_its_rows(rows):
    assert {row["protein_length"] for row in rows["giant"]} == {"35146"}


def test_what_cannot_be_compared_says_so(rows):
    for protein, reason in (
        ("one", "not compared: 1 known residues of 1, at least 20 wanted"),
        ("unknown", "not compared: 0 known residues of 60, at least 20 wanted"),
    ):
        (row,) = rows[protein]
        assert (row["target"], row["reason"]) == ("unassigned", reason)


def test_a_stranger_is_unassigned(rows):
    (row,) = rows["stranger"]
    assert row["target"] == "unassigned"
    assert row["reason"]
