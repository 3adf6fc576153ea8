"""Look-up sets: tables and FASTA with EC numbers, what is wrong with one, and how the EC numbers are stored."""

from __future__ import annotations

import gzip
import re
import shutil

import numpy as np
import pytest

from photophore.errors import DatabaseError, InputError
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.labels import LABELS_FILE, LabelTable
from photophore_hifinn.lookup import read_labelled, read_targets

TABLE = "id\tec\tsequence\np1\t2.7.1.1;3.5.1.n3\tMKVL\np2\t\tMAAA\np3\t2.7.1.-\tMCCC*\n"


def write(path, text):
    path.write_text(text)
    return path


def read(path):
    return [(found.id, [str(ec) for ec in found.ecs], found.sequence) for found in read_labelled(path)]


def test_a_table(tmp_path):
    path = write(tmp_path / "lookup.tsv", TABLE)
    assert read(path) == [
        ("p1", ["2.7.1.1", "3.5.1.n3"], "MKVL"),
        ("p2", [], "MAAA"),
        ("p3", ["2.7.1.-"], "MCCC"),
    ]
    assert [found.source for found in read_labelled(path)] == [f"{path}:{line}" for line in (2, 3, 4)]


def test_columns_are_found_by_name(tmp_path):
    text = "Sequence\tLength\tEC number\tEntry\nmkvl\t4\t2.7.1.1; 1.1.1.1\tP1\n\n"
    assert read(write(tmp_path / "uniprot.tsv", text)) == [("P1", ["2.7.1.1", "1.1.1.1"], "MKVL")]


def test_a_compressed_table_of_windows(tmp_path):
    path = tmp_path / "lookup.tsv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode()))
    assert [name for name, _, _ in read(path)] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("header", "name", "ecs"),
    [
        ("p1|2.7.1.1", "p1", ["2.7.1.1"]),
        ("p1|2.7.1.1;3.5.1.n3", "p1", ["2.7.1.1", "3.5.1.n3"]),
        ("sp|P1|KIN_ECOLI|2.7.1.1", "sp|P1|KIN_ECOLI", ["2.7.1.1"]),
        ("sp|P1|KIN_ECOLI A kinase OS=Escherichia coli", "sp|P1|KIN_ECOLI", []),
        ("p1|", "p1", []),
        ("p1 EC=2.7.1.1", "p1", ["2.7.1.1"]),
        ("p1 EC=2.7.1.1;1.1.1.- length=40", "p1", ["2.7.1.1", "1.1.1.-"]),
        ("p1 kinase [EC:2.7.1.1 1.1.1.1]", "p1", ["2.7.1.1", "1.1.1.1"]),
        ("p1 kinase (EC 2.7.1.1) (EC 1.1.1.1)", "p1", ["2.7.1.1", "1.1.1.1"]),
        ("p1 version 2.7.1.1 of a gene", "p1", []),
        ("p1", "p1", []),
    ],
)
def test_fasta_headers(tmp_path, header, name, ecs):
    assert read(write(tmp_path / "lookup.faa", f">{header}\nMKVL\nAWYD\n")) == [(name, ecs, "MKVLAWYD")]


def test_targets_and_facts(tmp_path):
    path = write(tmp_path / "lookup.tsv", TABLE)
    source = read_targets([path], tmp_path, HifinnAnnotatorConfig())
    assert source.items.ids == ("p1", "p2", "p3")
    assert source.files == (LABELS_FILE,)
    assert source.metadata == {"proteins": 3, "enzymes": 2, "ec_numbers": 3}
    table = LabelTable.load(tmp_path)
    assert [[str(ec) for ec in table.of(row)] for row in range(3)] == [["2.7.1.1", "3.5.1.n3"], [], ["2.7.1.-"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n \n",
            "x.tsv: the file is empty; give a tab-separated table with the columns id, ec and sequence, or FASTA",
        ),
        ("id,ec,sequence\n", "x.tsv:1: the header has no column 'id' (it has: id,ec,sequence); give a tab-separated"),
        ("id\tsequence\np1\tMK\n", "x.tsv:1: the header has no column 'ec' (it has: id, sequence); give"),
        (
            "id\tec\tsequence\np1\t1.1.1.1\n",
            "x.tsv:2: has 2 cells, the header has 3; write every cell, also an empty one",
        ),
        ("id\tec\tsequence\n\t1.1.1.1\tMK\n", "x.tsv:2: the protein has no id; write one"),
        ("id\tec\tsequence\np1\t1.1.1.1\t\n", "x.tsv:2: 'p1' has no residues; remove the row"),
        ("id\tec\tsequence\np1\t1.1.1.1\tMK-V\n", "x.tsv:2: 'p1' has '-' at residue 3; only the letters"),
        ("id\tec\tsequence\np1\t9.1.1.1\tMK\n", "x.tsv:2: '9.1.1.1' is no EC number: class '9' is none of 1 to 7"),
        ("id\tec\tsequence\np1\t\tMK\n", "x.tsv: none of the 1 proteins has an EC number; give"),
        (">p1|1.1.1.x\nMK\n>p2\nMK\n", "x.tsv: none of the 2 proteins has an EC number"),
        (">p1|1.1..1\nMK\n", "x.tsv:1: '1.1..1' is no EC number"),
        (">p1 EC=1.1.1.1\nM1K\n", "x.tsv:2: 'p1' has '1' at residue 2; remove the numbers"),
        (TABLE + "p2\t1.1.1.1\tMK\n", "x.tsv:5: 'p2' stands at "),
    ],
)
def test_what_is_wrong_with_a_lookup_set(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_targets([write(tmp_path / "x.tsv", text)], tmp_path, HifinnAnnotatorConfig())


def test_a_name_in_two_files(tmp_path):
    first, second = write(tmp_path / "a.tsv", TABLE), write(tmp_path / "b.faa", ">p3 EC=1.1.1.1\nMK\n")
    message = (
        f"{second}:1: 'p3' stands at {first}:4 already; give each protein a name of its own, "
        "and one with several EC numbers one row (joined by ;)"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        read_targets([first, second], tmp_path, HifinnAnnotatorConfig())


def damaged(folder, **arrays):
    with np.load(folder / LABELS_FILE) as stored:
        np.savez(folder / LABELS_FILE, **{**{name: stored[name] for name in stored.files}, **arrays})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"schema": np.array(2)},
            "the EC numbers are stored in schema 2, this version reads 1; build the database again",
        ),
        ({"offsets": np.array([0, 2, 1, 3])}, "(its offsets do not fit its labels); the database is damaged: run"),
        ({"offsets": np.array([], dtype=np.int64)}, "(its offsets do not fit its labels)"),
        ({"labels": np.array([0, 1, 7], dtype=np.int32)}, "(a label is not one of its 3 EC numbers)"),
        (
            {"ecs": np.array(["1.1.1.1", "x", "2.2.2.2"])},
            "cannot be read as a table of EC numbers ('x' is no EC number",
        ),
    ],
)
def test_a_damaged_table(tmp_path, arrays, message):
    read_targets([write(tmp_path / "lookup.tsv", TABLE)], tmp_path, HifinnAnnotatorConfig())
    damaged(tmp_path, **arrays)
    with pytest.raises(DatabaseError, match=re.escape(message)):
        LabelTable.load(tmp_path)


def test_a_missing_and_a_cut_table(tmp_path):
    read_targets([write(tmp_path / "lookup.tsv", TABLE)], tmp_path, HifinnAnnotatorConfig())
    whole = tmp_path / LABELS_FILE
    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(DatabaseError, match="cannot be read as a table of EC numbers .*No such file"):
        LabelTable.load(cut)
    shutil.copy(whole, cut)
    (cut / LABELS_FILE).write_bytes(whole.read_bytes()[:100])
    with pytest.raises(DatabaseError, match="cannot be read as a table of EC numbers"):
        LabelTable.load(cut)
