"""The EC benchmark beyond its metrics: tables of hits, votes, and what counts as right."""

from __future__ import annotations

import math
import shutil
import sys

import ec as command
import ec_peers
import pytest
from ec_cases import write_table
from ec_peers import Hit, Labelled, diamond_hits, phmmer_hits, read_labelled
from ec_votes import choose_share, every_ec, vote, voted

from photophore.ec import parse_ec

ECS = {
    "t1": frozenset({"1.1.1.1"}),
    "t2": frozenset({"1.1.1.2", "2.7.1.1"}),
    "t3": frozenset({"1.1.1.1"}),
}
HITS = {"q": [Hit("t1", 140.0, 1e-30), Hit("t2", 100.0, 1e-20), Hit("t3", 60.0, 1e-9)], "none": []}


def test_every_ec_of_the_best() -> None:
    assert every_ec(HITS, ECS, 1) == {"q": {"1.1.1.1"}, "none": set()}
    assert every_ec(HITS, ECS, 3) == {"q": {"1.1.1.1", "1.1.1.2", "2.7.1.1"}, "none": set()}


def test_votes_are_weighted_by_the_score_and_sum_to_one() -> None:
    e = math.e
    total = 1 + 2 / e + 1 / e**2
    assert vote(HITS["q"], ECS, 5) == pytest.approx(
        {"1.1.1.1": (1 + 1 / e**2) / total, "1.1.1.2": 1 / e / total, "2.7.1.1": 1 / e / total}
    )
    assert vote([], ECS, 5) == {}
    assert voted(HITS, ECS, 5, 0.19) == {"q": {"1.1.1.1", "1.1.1.2", "2.7.1.1"}, "none": set()}
    assert voted(HITS, ECS, 5, 0.3) == {"q": {"1.1.1.1"}, "none": set()}


def test_the_share_is_chosen_on_the_validation_sets() -> None:
    hits = {"val30": HITS, "val50": HITS, "price149": {"q": HITS["q"]}}
    truth = {name: {"q": {"1.1.1.1"}, "none": {"3.1.1.1"}} for name in ("val30", "val50")}
    truth["price149"] = {"q": {"2.7.1.1"}}
    # the two wrong labels have 0.197 of the vote each: 0.2 is the smallest share tried that leaves them out
    assert choose_share(hits, truth, ECS, 5, "sample_f1") == 0.2
    # nobody carries them in these sets, so the weighted figure does not mind them
    assert choose_share(hits, truth, ECS, 5, "f1") == 0.02


def test_reading_a_set(small) -> None:
    queries = read_labelled("price149")
    assert queries.ids == ("q1", "q2", "q3")
    assert queries.ecs == {"q1": {"2.7.1.1"}, "q2": frozenset(), "q3": {"1.1.1.1"}}
    with pytest.raises(SystemExit, match="holds no val30.tsv or val30.tsv.xz"):
        read_labelled("val30")
    write_table(small / "data" / "ec", "val50", [("a", "", "MK"), ("a", "", "MK")])
    with pytest.raises(SystemExit, match="val50.tsv: 1 names repeat"):
        read_labelled("val50")


def test_phmmer_hits_are_kept_and_taken_up_again(small) -> None:
    queries, lookup, work = read_labelled("price149"), read_labelled("train"), small / "work"
    hits = phmmer_hits("price149", queries, lookup, work=work)
    assert {query: [hit.target for hit in found] for query, found in hits.items()} == {
        "q1": ["HXK"],
        "q2": [],
        "q3": ["ADH"],
    }
    assert hits["q1"][0].score > 300
    table = next(work.glob("*.tsv"))
    text = table.read_text()
    assert phmmer_hits("price149", queries, lookup, work=work) == hits
    # broken off in the middle of a line of the third query
    table.rename(table.with_suffix(".partial")).write_text(text[: text.index("q3\tADH") + 5])
    assert phmmer_hits("price149", queries, lookup, work=work) == hits
    assert table.read_text() == text


@pytest.mark.skipif(shutil.which("diamond") is None, reason="needs the program diamond")
def test_diamond_hits(small) -> None:
    hits = diamond_hits("price149", read_labelled("price149"), read_labelled("train"), work=small / "work", threads=1)
    assert {query: [hit.target for hit in found] for query, found in hits.items()} == {
        "q1": ["HXK"],
        "q2": [],
        "q3": ["ADH"],
    }


def test_diamond_that_is_missing(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as error:
        ec_peers.diamond()
    assert str(error.value) == "diamond: not found; install it (Debian: apt install diamond-aligner, Bioconda: diamond)"


def test_rows_of_annotate(tmp_path) -> None:
    table = tmp_path / "annotations.tsv"
    table.write_text(
        "protein\ttarget\tecs\tconfidence\n"
        "val30|a\t2.7.1.1\t2.7.1.1\t0.9\nval30|a\t1.1.1.-\t1.1.1.-\t0.5\nval30|b|c\tunassigned\t\t\n"
        "nonenzyme_val|n\t3.1.1.1\t3.1.1.1\t0.25\n"
    )
    rows = list(command.read_rows(table))
    assert [(row.set, row.protein, str(row.ec), row.confidence) for row in rows] == [
        ("val30", "a", "2.7.1.1", 0.9),
        ("val30", "a", "1.1.1.-", 0.5),
        ("nonenzyme_val", "n", "3.1.1.1", 0.25),
    ]
    assert command.full_ecs(rows, ["val30", "nonenzyme_val"]) == {
        "val30": {"a": {"2.7.1.1"}},
        "nonenzyme_val": {"n": {"3.1.1.1"}},
    }


def test_of_several_numbers_the_first_may_stand_alone() -> None:
    told = (("a", "2.7.1.2"), ("a", "2.7.1.1"), ("b", "1.1.1.-"), ("b", "1.1.1.1"))
    rows = [command.Row("val30", protein, parse_ec(ec), 0.5) for protein, ec in told]
    assert command.full_ecs(rows, ["val30"], first=True) == {"val30": {"a": {"2.7.1.2"}, "b": {"1.1.1.1"}}}


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("1.1.1.1", True),
        ("1.1.1.-", True),
        ("1.-.-.-", True),
        ("2.7.1.3", True),
        ("1.1.1.2", False),
        ("3.-.-.-", False),
    ],
)
def test_what_counts_as_right(given, right) -> None:
    sets = {
        "val30": Labelled(("a",), {"a": frozenset({"1.1.1.1", "2.7.1.3"})}, {"a": "MK"}),
        "nonenzyme_val": Labelled(("n",), {"n": frozenset()}, {"n": "MK"}),
    }
    assert command.is_right(command.Row("val30", "a", parse_ec(given), 1.0), sets) is right
    assert not command.is_right(command.Row("nonenzyme_val", "n", parse_ec(given), 1.0), sets)


def test_the_peers_table(small, monkeypatch, capsys) -> None:
    monkeypatch.setattr(
        sys,
        "argv",
        ["ec.py", "quality", "--sets", "price149", "--peers", "phmmer", "--setting", "--work", str(small / "work")],
    )
    command.main()
    printed = capsys.readouterr().out
    assert "price149 (3 proteins)" in printed
    assert "| phmmer, best hit | 0.750 / 1.000 / 0.833 | " not in printed  # a class nobody carries weighs nothing
    assert "| phmmer, best hit | 1.000 / 1.000 / 1.000 | 0.556 | 0.800 | 1.00 | 66.7 % |" in printed


def test_a_row_of_the_calibration_table() -> None:
    truth = {"val30": ("1.1.1.1", "2.7.1.1"), "val50": ("3.1.1.1",), "nonenzyme_val": ("",)}
    sets = {
        name: Labelled(
            tuple(map(str, range(len(ecs)))), {str(n): frozenset(filter(None, [ec])) for n, ec in enumerate(ecs)}, {}
        )
        for name, ecs in truth.items()
    }
    given = [("val30", "0", "1.1.1.1", 0.9), ("val30", "1", "2.7.-.-", 0.8), ("val50", "0", "3.1.1.2", 0.6)]
    rows = [command.Row(name, protein, parse_ec(ec), value) for name, protein, ec, value in given]
    rows.append(command.Row("nonenzyme_val", "0", parse_ec("3.1.1.1"), 0.1))
    # gaps of the four bins: 0.1, 0.2, 0.6, 0.1
    assert command.promise_row(0.05, rows, sets) == (
        "| 0.05 | 0.500 | 0.667 | 0.000 | 1.000 | 0.333 | 2 of 4 | 100.0 % | 0.250 |"
    )
    assert (
        command.promise_row(0.05, [], sets)
        == "| 0.05 | 0.000 | 0.000 | 0.000 | 0.000 | 0.000 | 0 of 0 | 0.0 % | 0.000 |"
    )
