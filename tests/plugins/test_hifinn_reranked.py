"""`hifinn` with profiles, by the commands that a user types: who gets which EC number, at which rate, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyfamsa")
pytest.importorskip("parasail")
pytest.importorskip("Bio")

from tests.plugins.hifinn_table import ALONE, FAMILIES, annotate, build, make_table, plain_ranker, rows_of

from photophore.database import read_targets_file
from photophore.ec import split_ecs
from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn import plugin
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.families import Families
from photophore_hifinn.hits import Hit
from photophore_hifinn.ranking import decide
from photophore_hifinn.reranked import Ranked

FILES = ("profiles.npz", "families.npz", "ranker.json")


@pytest.fixture(scope="module")
def table(metagenome_faa):
    return make_table(metagenome_faa)


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Return a folder with a table, proteins, a database with profiles and one without."""
    folder = tmp_path_factory.mktemp("reranked")
    (folder / "lookup.tsv").write_text(table.text())
    plain_ranker().save(folder)
    queries = {
        **{f"enzyme {ec}": sequence for ec, sequence in table.enzymes.items()},
        **{f"other {place}": sequence for place, sequence in enumerate(table.others)},
        **{f"stranger {place}": sequence for place, sequence in enumerate(table.strangers)},
        "short": "MKV",
    }
    text = "".join(f">{name.replace(' ', '_')}\n{sequence}\n" for name, sequence in queries.items())
    (folder / "proteins.faa").write_text(text)
    assert build(folder / "lookup.tsv", folder / "db", "annotator.profiles=build", ranker_of(folder)) == 0
    assert build(folder / "lookup.tsv", folder / "bare") == 0
    return folder


def ranker_of(folder):
    return f"annotator.ranker={folder / 'ranker.json'}"


def run(folder, out, *options, database="db"):
    assert annotate(folder / "proteins.faa", folder / database, out, *options) == 0
    return rows_of(out / "annotations.tsv")


@pytest.fixture(scope="module")
def generous(folder, tmp_path_factory):
    """Return where the rows at a generous rate are."""
    out = tmp_path_factory.mktemp("generous") / "out"
    run(folder, out, "--fdr", "0.5")
    return out


@pytest.fixture(scope="module")
def rows(generous):
    return rows_of(generous / "annotations.tsv")


def of(rows, kind):
    return [row for row in rows if row["protein"].startswith(kind)]


# ----------------------------------------------------------------------------------------------------------- who gets what


def test_the_database_has_its_profiles(folder):
    manifest = json.loads((folder / "db" / "manifest.json").read_text())
    assert {f"annotator/{name}" for name in FILES} <= set(manifest["checksums"])
    assert manifest["links"]["annotator"]["options"]["profiles"] == "build"
    families = Families.load(folder / "db" / "annotator")
    assert len(families.profiles) == FAMILIES * 3 + ALONE
    assert len(families.of_protein) == manifest["targets"]
    bare = json.loads((folder / "bare" / "manifest.json").read_text())
    assert not {f"annotator/{name}" for name in FILES} & set(bare["checksums"])


def test_a_new_member_gets_the_number_of_its_cluster(rows, table):
    """Relatives with other numbers, two of five residues away, come after it or not at all."""
    assert len(table.enzymes) == 20
    best = {row["protein"]: row for row in reversed(of(rows, "enzyme"))}  # the first row of each stays
    for ec in table.enzymes:
        row = best[f"enzyme_{ec}"]
        assert (row["target"], row["ecs"], row["level"], row["reason"]) == (ec, ec, "4", "")
        assert float(row["confidence"]) > 0.9
        assert float(row["bits"]) > 100
        assert 0 < float(row["distance"]) < 1
        assert (row["start"], row["end"]) == ("1", row["protein_length"])


def test_relatives_of_what_is_no_enzyme_get_none(rows, table):
    found = of(rows, "other")
    assert len(found) == len(table.others) == FAMILIES // 3 + ALONE
    for row in found:
        assert (row["target"], row["ecs"], row["level"], row["confidence"]) == ("unassigned", "", "", "")
        assert row["reason"].startswith("no enzyme found: ")
        assert row["neighbours"].count(",") == 4
    beside = found[: FAMILIES // 3]
    assert any("0.50 is wanted at a false discovery rate of 0.5" in row["reason"] for row in beside)
    assert any("no family of enzymes is like it" in row["reason"] for row in found)


def test_strangers_get_none(rows, table):
    found = [*of(rows, "stranger"), *of(rows, "short")]
    assert len(found) == len(table.strangers) + 1
    assert {row["target"] for row in found} == {"unassigned"}
    assert all(row["reason"].startswith("no enzyme found: ") for row in found)
    assert found[-1]["reason"].endswith("no family of enzymes is like it")


def test_rivals_are_the_numbers_that_were_not_given(rows):
    shown = [row for row in rows if row["rivals"]]
    assert shown
    for row in shown:
        given = {other["ecs"] for other in rows if other["protein"] == row["protein"]}
        for text in row["rivals"].split(","):
            ec, probability = text.split(":")
            assert ec not in given
            assert 0.01 <= float(probability) <= 0.5


def test_a_protein_without_neighbours_is_left_alone(folder, tmp_path):
    assert run(folder, tmp_path / "out", "--fdr", "0.5", "--set", "aggregator.max_distance=1e-9") == []
    assert {row["status"] for row in rows_of(tmp_path / "out" / "proteins.tsv")} == {"unannotated"}


# --------------------------------------------------------------------------------------------------------------- the rate


def full(rows):
    return {(row["protein"], row["ecs"]) for row in rows if row["level"] == "4"}


def test_a_rate_of_0_reports_nothing(folder, tmp_path):
    found = run(folder, tmp_path / "out", "--fdr", "0")
    assert {row["target"] for row in found} == {"unassigned"}
    assert all("which is never enough" in row["reason"] or "is like it" in row["reason"] for row in found)


def test_a_lower_rate_reports_a_part(folder, rows, tmp_path):
    strict = run(folder, tmp_path / "out", "--set", "annotator.fdr=0.05")
    assert set() < full(strict) < full(rows)
    assert all(float(row["confidence"]) >= 0.95 for row in strict if row["ecs"])


def test_two_serials_that_are_alike_leave_the_serial_open():
    ranker = plain_ranker()
    hits = [Hit(split_ecs(f"2.7.1.{serial}"), 250, 150.0, 10.0, 0.9, 0.9) for serial in (1, 2)]
    ranked = Ranked(hits, 250, ranker)
    assert [str(ec) for ec, _ in ranked[4]] == ["2.7.1.1", "2.7.1.2"]
    assert [[str(ec) for ec, _ in ranked[level]] for level in (3, 2, 1)] == [["2.7.1.-"], ["2.7.-.-"], ["2.-.-.-"]]
    verdict = decide(ranked, ranker, 0.05)
    assert [str(ec) for ec, _ in verdict.given] == ["2.7.1.-"]
    assert verdict.reason.startswith("2.7.1.1 has probability 0.93, 0.95 is wanted")
    assert [str(ec) for ec, _ in decide(ranked, ranker, 0.5).given] == ["2.7.1.1", "2.7.1.2"]
    nothing = Ranked([], 250, ranker)
    assert [nothing[level] for level in (4, 3, 2, 1)] == [[]] * 4


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--fdr", "2"), 2, "2.0 is not in the range 0<=x<=1"),
        (("--fdr", "0.1", "--set", "annotator.fdr=0.2"), 2, "annotator.fdr is set both by --set and by an option"),
        (("--set", "annotator.fdr=-1"), 2, "fdr is -1.0; give a share from 0 to 1, such as 0.05"),
        (("--set", "annotator.rerank=maybe"), 2, "annotator.rerank of 'hifinn': 'maybe' is not one of auto"),
    ],
)
def test_wrong_options_are_refused(folder, tmp_path, capsys, options, code, message):
    assert annotate(folder / "proteins.faa", folder / "db", tmp_path / "out", *options) == code
    assert message in capsys.readouterr().err


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"fdr is 1\.5; give a share from 0 to 1, such as 0\.05"):
        HifinnAnnotatorConfig(fdr=1.5)
    with pytest.raises(ValueError, match="fdr is nan"):
        HifinnAnnotatorConfig(fdr=float("nan"))
    with pytest.raises(ValueError, match="rerank is 'maybe'; choose one of auto, profiles, none"):
        HifinnAnnotatorConfig(rerank="maybe")


# ------------------------------------------------------------------------------------------------------- what it rests on


def test_without_reranking_it_is_equation_6(folder, rows, tmp_path):
    """The same rows as of a database that never had profiles, whose sums test_hifinn_equation6 holds to the equation."""
    found = run(folder, tmp_path / "none", "--set", "annotator.rerank=none")
    assert found == run(folder, tmp_path / "bare", database="bare")
    assert found == run(folder, tmp_path / "other", "--fdr", "0.5", database="bare")
    assert all(row["bits"] == "" and row["rivals"] == "" for row in found)
    assert found != rows


def test_batches_change_nothing(folder, generous, tmp_path):
    run(folder, tmp_path / "out", "--fdr", "0.5", "--batch-records", "1")
    assert (tmp_path / "out" / "annotations.tsv").read_bytes() == (generous / "annotations.tsv").read_bytes()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(folder, generous, tmp_path, threads):
    run(folder, tmp_path / "out", "--fdr", "0.5", "--threads", threads)
    assert (tmp_path / "out" / "annotations.tsv").read_bytes() == (generous / "annotations.tsv").read_bytes()


def test_profiles_are_taken_over(folder, generous, tmp_path):
    """A second database is made of the first one's profiles: the same files, the same rows."""
    taken = f"annotator.profiles={folder / 'db' / 'annotator'}"
    assert build(folder / "lookup.tsv", tmp_path / "db", taken, ranker_of(folder)) == 0
    for name in (*FILES, "labels.npz"):
        assert (tmp_path / "db" / "annotator" / name).read_bytes() == (folder / "db" / "annotator" / name).read_bytes()
    assert annotate(folder / "proteins.faa", tmp_path / "db", tmp_path / "out", "--fdr", "0.5") == 0
    assert (tmp_path / "out" / "annotations.tsv").read_bytes() == (generous / "annotations.tsv").read_bytes()


def test_profiles_of_another_table_are_refused(folder, tmp_path, capsys):
    (tmp_path / "other.tsv").write_text("id\tec\tsequence\tcluster30\nmine\t6.1.1.1\tMKVLAW\tc\n")
    taken = f"annotator.profiles={folder / 'db' / 'annotator'}"
    assert build(tmp_path / "other.tsv", tmp_path / "db", taken, ranker_of(folder)) != 0
    error = capsys.readouterr().err
    assert "has no profile of 'c/6.1.1.1'; the profiles are of another look-up table, make new ones" in error
    assert not (tmp_path / "db").exists()


def test_vectors_of_8_bits_give_the_same_numbers(folder, rows, tmp_path):
    taken = f"annotator.profiles={folder / 'db' / 'annotator'}"
    assert build(folder / "lookup.tsv", tmp_path / "db", taken, ranker_of(folder), "index.code=sq8") == 0
    whole, small = ((path / "index" / "vectors.faiss").stat().st_size for path in (folder / "db", tmp_path / "db"))
    assert small < 0.35 * whole  # of few vectors; the ranges of the dimensions come on top
    assert annotate(folder / "proteins.faa", tmp_path / "db", tmp_path / "out", "--fdr", "0.5") == 0
    assert full(of(rows_of(tmp_path / "out" / "annotations.tsv"), "enzyme")) == full(of(rows, "enzyme"))


def test_without_parasail_it_says_what_to_do(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "parasail", None)
    assert annotate(folder / "proteins.faa", folder / "db", tmp_path / "out") != 0
    error = capsys.readouterr().err
    assert "aligning to profiles needs parasail, which is not installed; run: pip install parasail" in error
    assert "--set annotator.rerank=none" in error
    run(folder, tmp_path / "out", "--set", "annotator.rerank=none")
    run(folder, tmp_path / "bare", database="bare")


def test_profiles_that_are_not_there_cannot_be_asked_for(folder, tmp_path, capsys):
    options = ("--set", "annotator.rerank=profiles")
    assert annotate(folder / "proteins.faa", folder / "bare", tmp_path / "out", *options) == 2
    assert "annotator.rerank=profiles: the database of " in (error := capsys.readouterr().err)
    assert "has no profiles; build it with --set annotator.profiles=build, or leave rerank out" in error
    assert run(folder, tmp_path / "with", "--fdr", "0.5", *options)


# -------------------------------------------------------------------------------------------------------------- the damage


def opened(database: Path):
    targets = read_targets_file(database / "targets.npz")
    return plugin.create(database / "annotator", targets, HifinnAnnotatorConfig(rerank="profiles"), Runtime())


@pytest.mark.parametrize("name", [*FILES, "labels.npz"])
def test_damaged_files_are_refused(folder, tmp_path, name):
    copy = shutil.copytree(folder / "db", tmp_path / "db")
    whole = (copy / "annotator" / name).read_bytes()
    for content in (b"", whole[:150]):
        (copy / "annotator" / name).write_bytes(content)
        with pytest.raises(DatabaseError, match=rf"{name}: cannot be read .*photophore db verify"):
            opened(copy)


def test_files_of_two_builds_are_refused(folder, tmp_path, table):
    copy = shutil.copytree(folder / "db", tmp_path / "db")
    families = Families.load(copy / "annotator")
    replace(families, of_protein=families.of_protein[:-1]).save(copy / "annotator")
    count = len(table.rows)
    with pytest.raises(
        DatabaseError,
        match=f"the profiles are of {count - 1} proteins, the EC numbers of {count}; build the database again",
    ):
        opened(copy)


def test_a_changed_size_is_seen_before_anything_is_read(folder, tmp_path, capsys):
    copy = shutil.copytree(folder / "db", tmp_path / "db")
    (copy / "annotator" / "profiles.npz").write_bytes(b"PK")
    assert annotate(folder / "proteins.faa", copy, tmp_path / "out") != 0
    assert "profiles.npz: has 2 bytes, not " in capsys.readouterr().err
