"""`photophore compare`: tables, text, pictures and mutants of comparisons that one can check by eye."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from photophore.comparing import (
    COMPARISON_COLUMNS,
    COMPARISONS_FILE,
    MUTANTS_FILE,
    RESIDUES_FILE,
    CompareOptions,
    as_text,
    comparisons,
    gapped,
    lddt_digits,
    pairs_of,
    read_proteins,
    residue_rows,
    summary_row,
    write_comparisons,
)
from photophore.comparison import Comparison
from photophore.errors import DataError, InputError, OutputError, PluginError, UsageError
from photophore.mutants import MUTANT_COLUMNS, changed_stretches, mutant_row, mutant_text, mutations
from photophore.picture import CLASSES, colour_of, picture
from photophore.progress import NoProgress
from photophore.testing.samples import proteins

#: ..MKVLAW..   MK-VL aligned with a residue of each left out between.
PAIRS = np.array([[2, 0], [3, 1], [5, 3], [6, 4]], np.int32)
LDDT = np.array([0.95, 0.75, 0.5, 0.1], np.float32)


def compared(**changes):
    values = {
        "one": "first",
        "other": "second",
        "one_sequence": "GGMKVLAW",
        "other_sequence": "MKDLG",
        "pairs": PAIRS,
        "tm_score": 0.5,
        "tm_score_other": 0.8,
        "lddt": LDDT,
    }
    return Comparison(**{**values, **changes})


NOTHING = {"pairs": np.zeros((0, 2), np.int32), "lddt": np.zeros(0, np.float32)}


def test_gaps_and_digits():
    assert gapped(compared()) == ("MKV-LA", "MK-DLG", "97  51")
    assert gapped(compared(**NOTHING)) == ("", "", "")
    assert lddt_digits(np.array([-0.2, 0.0, 0.09, 0.1, 0.7, 0.8999, 0.9, 1.0, 1.2], np.float32)) == "000178999"


def test_the_row_of_a_pair():
    row = dict(zip(COMPARISON_COLUMNS, summary_row(compared()), strict=True))
    assert row["tm_score_1"] == 0.5
    assert row["tm_score_2"] == 0.8
    assert row["lddt"] == pytest.approx(2.3 / 4)
    assert row["lddt_1"] == pytest.approx(2.3 / 8), "residues that are not aligned count 0"
    assert (row["aligned"], row["identical"]) == (4, 3)
    assert (row["start_1"], row["end_1"], row["start_2"], row["end_2"]) == (3, 7, 1, 5)
    assert (row["alignment_1"], row["alignment_2"], row["lddt_along"]) == ("MKV-LA", "MK-DLG", "97  51")


def test_the_row_of_a_pair_that_does_not_align():
    row = dict(zip(COMPARISON_COLUMNS, summary_row(compared(**NOTHING)), strict=True))
    assert (row["lddt"], row["lddt_1"], row["aligned"], row["start_1"], row["alignment_1"]) == (None, 0.0, 0, None, "")


def test_a_row_for_each_residue_of_the_first():
    rows = [(place, residue, second, partner) for *_, place, residue, second, partner, _ in residue_rows(compared())]
    assert rows[:4] == [(1, "G", None, None), (2, "G", None, None), (3, "M", 1, "M"), (4, "K", 2, "K")]
    assert rows[4:] == [(5, "V", None, None), (6, "L", 4, "L"), (7, "A", 5, "G"), (8, "W", None, None)]
    assert [row[-1] for row in residue_rows(compared())] == pytest.approx([0, 0, 0.95, 0.75, 0, 0.5, 0.1, 0])


def test_text():
    assert as_text(compared()).splitlines() == [
        "first (8 residues) and second (5 residues)",
        "predicted TM-score 0.5000 by the length of first, 0.8000 by that of second",
        "predicted lDDT 0.5750 along 4 aligned residues, 3 of them identical",
        "",
        "first  3 MKV-LA 7",
        "         ||  |",
        "second 1 MK-DLG 5",
        "lDDT     97  51",
    ]


def test_text_in_blocks_goes_on_counting():
    sequence = "MKVLAWYDEC" * 13
    pairs = np.repeat(np.arange(130, dtype=np.int32)[:, None], 2, axis=1)
    each = compared(one_sequence=sequence, other_sequence=sequence, pairs=pairs, lddt=np.ones(130, np.float32))
    lines = [line for line in as_text(each).splitlines() if line.startswith("second ")]
    assert [(line.split()[1], line.split()[3]) for line in lines] == [("1", "60"), ("61", "120"), ("121", "130")]


def test_text_of_a_pair_that_does_not_align():
    assert as_text(compared(**NOTHING)).splitlines()[-1] == "nothing aligns"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"lddt": LDDT[:2]}, r"comparison of 'first' and 'second': pairs \(4, 2\) and lddt \(2,\) do not fit together"),
        ({"pairs": PAIRS + np.int32(2)}, "a pair lies beyond the ends"),
        ({"pairs": PAIRS[[1, 0, 2, 3]]}, "pairs must rise on both sides"),
    ],
)
def test_comparisons_that_make_no_sense(changes, text):
    with pytest.raises(DataError, match=text):
        compared(**changes)


class Identity:
    """Compares residue by residue from the first on."""

    digest = "0" * 64

    def compare(self, one, other, pairs, *, by_position=False):
        for first, second in pairs:
            sequences = one.sequences[first], other.sequences[second]
            length = min(map(len, sequences))
            alike = np.array([a == b for a, b in zip(sequences[0][:length], sequences[1][:length], strict=True)])
            places = np.repeat(np.arange(length, dtype=np.int32)[:, None], 2, axis=1)
            scores = [float(alike.sum() / len(sequence)) for sequence in sequences]
            yield Comparison(
                one.ids[first], other.ids[second], *sequences, places, *scores, np.where(alike, 1.0, 0.5).astype(np.float32)
            )


def test_pairs():
    one, other = proteins("MK", "MV"), proteins("MKV", "W")
    assert pairs_of(one, other, "all") == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert pairs_of(one, other, "rows") == [(0, 0), (1, 1)]
    with pytest.raises(UsageError, match="--pairs rows: the first file has 2 proteins and the second 1; give as many"):
        pairs_of(one, proteins("W"), "rows")


def test_a_comparer_that_mixes_up_its_answers():
    one, other = proteins("MK", "MV"), proteins("MKV")

    class Backwards(Identity):
        def compare(self, one, other, pairs, *, by_position=False):
            return super().compare(one, other, pairs[::-1])

    class Lazy(Identity):
        def compare(self, one, other, pairs, *, by_position=False):
            return super().compare(one, other, pairs[:1])

    with pytest.raises(PluginError, match="returned 'p2' and 'p1' where 'p1' and 'p1' were given; this is a fault"):
        list(comparisons(Backwards(), one, other, CompareOptions()))
    with pytest.raises(PluginError, match="the comparer returned 1 of 2 comparisons; this is a fault of the plugin"):
        list(comparisons(Lazy(), one, other, CompareOptions()))


def written(folder, **options):
    options = CompareOptions(**{"plot": "none", **options})
    one, other = proteins("MKVLAW", "MKDLAW"), proteins("MKVLAWGG")
    found = comparisons(Identity(), one, other, options)
    return write_comparisons(found, folder, options, 2, NoProgress())


def test_tables(tmp_path):
    assert written(tmp_path / "out") == 0
    rows = [line.split("\t") for line in (tmp_path / "out" / COMPARISONS_FILE).read_text().splitlines()]
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert [row[4:6] for row in rows[1:]] == [["1", "0.75"], ["0.833333", "0.625"]]
    residues = (tmp_path / "out" / RESIDUES_FILE).read_text().splitlines()
    assert residues[9] == "p2\tp1\t3\tD\t3\tV\t0.5"
    assert len(residues) == 13
    assert not (tmp_path / "out" / MUTANTS_FILE).exists()


def test_results_are_replaced_only_when_asked(tmp_path):
    written(tmp_path, mutant=True)
    with pytest.raises(OutputError, match=r"holds results of an earlier run \(comparisons.tsv, residues.tsv, mutants.tsv\)"):
        written(tmp_path)
    written(tmp_path, force=True)
    assert not (tmp_path / MUTANTS_FILE).exists()


def test_pictures_of_the_first_pairs(tmp_path):
    pytest.importorskip("matplotlib")
    assert written(tmp_path, plot="svg", most_plots=1) == 1
    assert [path.name for path in tmp_path.glob("plot-*")] == ["plot-0001-p1-p1.svg"]
    assert written(tmp_path, plot="png", force=True) == 2
    assert sorted(path.name for path in tmp_path.glob("plot-*")) == ["plot-0001-p1-p1.png", "plot-0002-p2-p1.png"]


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_what_it_is_asked_for_and_always_the_same(kind, magic):
    pytest.importorskip("matplotlib")
    drawn = picture(compared(), kind)
    assert drawn.startswith(magic)
    assert picture(compared(), kind) == drawn


def test_what_the_picture_shows():
    pytest.importorskip("matplotlib")
    text = picture(compared(one="first $x_1$", other="z" * 40), "svg").decode()
    assert "TM-score 0.50 by first $x_1$, 0.80 by" in text
    assert "lDDT 0.57 over 4 aligned residues" in text or "lDDT 0.58 over 4 aligned residues" in text
    assert f"{'z' * 25}..." in text
    for _, colour, name in CLASSES:
        assert colour in text
        assert name in text


@pytest.mark.parametrize("mutant", [False, True])
def test_a_picture_where_nothing_aligns(mutant):
    pytest.importorskip("matplotlib")
    assert "nothing aligns" in picture(compared(**NOTHING), "svg", mutant=mutant).decode()


def test_colours_by_class():
    colours = [colour for _, colour, _ in CLASSES]
    assert [colour_of(value) for value in (0.9, 0.8999, 0.5, 0.4999, -0.3)] == [*colours[:3], *colours[3:], colours[3]]


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PluginError, match=r"pictures need matplotlib .*pip install 'photophore\[plot\]', or give --plot none"):
        picture(compared(), "png")


def mutant(sequence, changed, lddt):
    places = np.repeat(np.arange(len(sequence), dtype=np.int32)[:, None], 2, axis=1)
    return compared(
        one_sequence=sequence, other_sequence=changed, pairs=places, lddt=np.array(lddt, np.float32), tm_score=0.9
    )


def test_mutations_by_name():
    assert mutations(mutant("MKVLAW", "MKDLAG", [1.0] * 6)) == ["V3D", "W6G"]
    assert mutations(compared()) == ["del1-2", "del5", "ins4_D", "A7G", "del8"]
    assert mutations(mutant("MKV", "MKV", [1.0] * 3)) == []
    assert mutations(compared(**NOTHING, one_sequence="M", other_sequence="W")) == ["del1", "ins0_W"]


def test_stretches_that_change():
    """Two dips in a protein that keeps the rest: residues 10 to 12, and 20 with 22."""
    lddt = [1.0] * 40
    lddt[9:12] = [0.95, 0.6, 0.95]
    lddt[19], lddt[21] = 0.9, 0.8
    each = mutant("A" * 40, f"{'A' * 10}W{'A' * 29}", lddt)
    assert [(start, stop) for start, stop, _ in changed_stretches(each)] == [(9, 12), (19, 22)]
    row = dict(zip(MUTANT_COLUMNS, mutant_row(each), strict=True))
    assert (row["mutations"], row["changed"], row["changed_residues"]) == ("A11W", "10-12:0.600;20-22:0.800", 6)
    assert (row["tm_score"], row["least_position"]) == (0.9, 11)
    assert row["least_lddt"] == pytest.approx(0.6)
    assert mutant_text(each).splitlines() == [
        "mutations: A11W",
        "changed: residues 10-12, lDDT down to 0.600",
        "changed: residues 20-22, lDDT down to 0.800",
    ]


def test_a_mutant_that_changes_nothing():
    each = mutant("MKVLAW", "MKVLAW", [0.999, 1.0, 0.995, 1.0, 0.998, 1.0])
    assert changed_stretches(each) == []
    assert mutant_text(each).splitlines() == ["mutations: none", "changed: nothing that stands out"]


def test_a_mutant_that_does_not_align():
    row = dict(zip(MUTANT_COLUMNS, mutant_row(compared(**NOTHING)), strict=True))
    assert (row["lddt"], row["least_lddt"], row["changed"], row["changed_residues"]) == (None, None, "", 0)


def test_files_that_hold_no_proteins(tmp_path):
    (tmp_path / "empty.faa").write_text("")
    with pytest.raises(InputError, match="empty.faa"):
        read_proteins(tmp_path / "empty.faa")
    (tmp_path / "odd.faa").write_text(">p\nMK7\n")
    with pytest.raises(InputError, match="odd.faa:2: 'p' has '7' at residue 3"):
        read_proteins(tmp_path / "odd.faa")
