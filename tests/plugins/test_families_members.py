"""Families: reading tables, grouping, naming, choosing and holding out members."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from photophore.errors import InputError
from photophore_hmmer.ec import ec_numbers
from photophore_hmmer.families.ec_classes import meaning
from photophore_hmmer.families.grouping import Choice, Family, choose_members, group_enzymes, split_members
from photophore_hmmer.families.tables import Member, read_members, read_proteins

HEADER = "id\tec\tcluster50\tcluster30\tsequence\n"


def member(name: str, *, cluster50: str = "", length: int = 10, ecs: tuple[str, ...] = ("1.1.1.1",)) -> Member:
    return Member(name, ecs, cluster50 or name, "C", "A" * length)


def test_table_of_enzymes_and_of_others(tmp_path: Path) -> None:
    table = tmp_path / "train.tsv.xz"
    with lzma.open(table, "wt") as stream:
        stream.write(HEADER + "P1\t1.1.1.1;2.2.2.2\tP9\tP8\tMKu\n")
    assert list(read_members(table)) == [Member("P1", ("1.1.1.1", "2.2.2.2"), "P9", "P8", "MKU")]
    others = tmp_path / "others.tsv"
    others.write_text("id\tec\tsequence\nQ1\t\tMK\n")
    assert list(read_members(others)) == [Member("Q1", (), "Q1", "Q1", "MK")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tec\nP1\t1.1.1.1\n", r"t\.tsv:1: the columns are 'id ec', not id ec cluster50 cluster30 sequence"),
        (HEADER + "P1\t1.1.1.1\tMK\n", r"t\.tsv:2: 3 columns instead of 5; repair the table"),
        (HEADER + "P1\t1.1.1.1\tP1\tP1\tM1K\n", r"t\.tsv:2: '1' is not a residue; repair or remove this protein"),
    ],
)
def test_broken_tables_say_where(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "t.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_members(table))


def test_blanks_and_stops_inside_a_sequence_are_left_out(tmp_path: Path) -> None:
    fasta = tmp_path / "p.faa"
    fasta.write_text(">a first\nMK L\nvv*\n>empty\n>b\nMM\n")
    assert list(read_proteins(fasta)) == [("a", "MKLVV"), ("b", "MM")]


def test_families_share_cluster_and_all_ec_numbers() -> None:
    rows = [
        Member("P3", ("1.1.1.2",), "P3", "B", "M"),
        Member("P1", ("1.1.1.1",), "P1", "B", "M"),
        Member("P2", ("1.1.1.1", "1.1.1.2"), "P2", "B", "M"),
        Member("P4", ("1.1.1.1",), "P4", "A", "M"),
        Member("P5", ("1.1.1.1",), "P5", "B", "M"),
    ]
    families = group_enzymes(rows)
    assert [(family.name, [m.id for m in family.members]) for family in families] == [
        ("EC1.1.1.1_A", ["P4"]),
        ("EC1.1.1.1_B", ["P1", "P5"]),
        ("EC1.1.1.1+1.1.1.2_B", ["P2"]),
        ("EC1.1.1.2_B", ["P3"]),
    ]


def test_description_says_what_it_does_and_names_every_ec_number() -> None:
    family = Family("P0A8V2", ("2.7.7.6", "3.6.1.1"), (member("a"), member("b")))
    text = family.description(3)
    assert text == (
        "nucleotidyltransferase and hydrolase of phosphorus anhydrides, EC 2.7.7.6, EC 3.6.1.1 "
        "(2 reviewed proteins and 3 relatives, cluster of P0A8V2)"
    )
    assert tuple(ec_numbers(text)) == family.ecs
    assert Family("Q1", (), (member("a"),)).description(0, "chaperone DnaK").startswith("chaperone DnaK (1 reviewed")


@pytest.mark.parametrize(
    ("ecs", "words"),
    [
        (("6.1.1.4",), "aminoacyl-tRNA synthetase"),
        (("1.20.4.1",), "oxidoreductase of phosphorus or arsenic"),
        (("4.77.1.1",), "lyase"),
        (("2.1.1.1", "2.1.1.2"), "methyltransferase"),
    ],
)
def test_meaning_of_ec_numbers(ecs: tuple[str, ...], words: str) -> None:
    assert meaning(ecs) == words


def test_members_are_taken_in_turn_from_the_clusters_and_of_typical_length() -> None:
    rows = [member(f"a{i}", cluster50="A") for i in range(3)]
    rows += [
        member("b0", cluster50="B"),
        member("short", length=5),
        member("long", length=17),
        member("huge", length=99),
    ]
    chosen = choose_members(rows, Choice(most=3, longest=50))
    assert [m.id for m in chosen] == ["a0", "b0", "a1"]
    assert choose_members([member("huge", length=99)], Choice(longest=50)) == []


def test_whole_clusters_are_held_out() -> None:
    family = Family("C", ("1.1.1.1",), tuple(member(f"{c}{i}", cluster50=c) for c in "ABCDE" for i in range(2)))
    split = split_members(family, 0.2, seed=1)
    assert split.by_cluster
    assert len(split.held) == 2
    assert len({m.cluster50 for m in split.held}) == 1
    assert sorted(m.id for m in (*split.kept, *split.held)) == sorted(m.id for m in family.members)
    assert split == split_members(family, 0.2, seed=1)


def test_of_a_single_cluster_members_are_held_out() -> None:
    family = Family("C", ("1.1.1.1",), tuple(member(f"m{i}", cluster50="A") for i in range(10)))
    split = split_members(family, 0.2, seed=1)
    assert not split.by_cluster
    assert (len(split.kept), len(split.held)) == (8, 2)
