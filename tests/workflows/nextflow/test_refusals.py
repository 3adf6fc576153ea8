"""Sample sheets and parameters that cannot be used are refused before anything runs, every problem with its place."""

from __future__ import annotations

import pytest
from tests.workflows.nextflow.conftest import write_sheet


def problems(done) -> list[str]:
    assert done.code == 1, done.text
    assert "Submitted process" not in done.text
    return [line.strip().removeprefix("- ") for line in done.text.splitlines() if line.startswith("  - ")]


def test_every_problem_of_every_row_is_told(launch):
    (launch.folder / "a.faa").write_text(">a\nMKV\n")
    (launch.folder / "folder").mkdir()
    sheet = write_sheet(
        launch.folder,
        "good,a.faa,",
        "good,a.faa,",
        "",
        "two words,a.faa,",
        "missing,none.faa,",
        "both,a.faa,a.faa",
        "neither,,",
        '"folder",,"folder"',
        "short,a.faa",
    )
    done = launch.run("--input", sheet)
    assert f"{sheet} cannot be used:" in done.text
    assert problems(done) == [
        "row 3, column 'sample': 'good' stands in row 2 too; names must differ",
        "row 5, column 'sample': 'two words' is no name; use letters, digits, '.', '_' and '-'",
        f"row 6, column 'proteins': there is no file {launch.folder}/none.faa",
        "row 7, column 'contigs': the row has proteins as well; give one of both",
        "row 8, column 'proteins': the row has neither proteins nor contigs; give one of both",
        f"row 9, column 'contigs': {launch.folder}/folder is a folder; name a FASTA file",
        "row 10: has 2 columns, the header has 3",
    ]


def test_every_problem_of_the_header_is_told(launch):
    sheet = write_sheet(launch.folder, "a,b,c", header="name,fasta,fasta")
    assert problems(launch.run("--input", sheet)) == [
        "row 1, column 1: there is no column 'name'; the columns are sample, proteins, contigs",
        "row 1, column 2: there is no column 'fasta'; the columns are sample, proteins, contigs",
        "row 1, column 3: there is no column 'fasta'; the columns are sample, proteins, contigs",
        "row 1: column 'fasta' stands twice",
        "row 1: the column 'sample' is missing",
        "row 1: the columns 'proteins' and 'contigs' are both missing; one is needed",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it needs the header 'sample,proteins,contigs' and a row for each sample"),
        ("sample,proteins\n\n", "has a header but no samples; add a row for each"),
    ],
)
def test_sheet_without_samples_is_refused(launch, text, message):
    sheet = launch.folder / "sheet.csv"
    sheet.write_text(text)
    done = launch.run("--input", sheet)
    assert (done.code, f"{sheet}: {message}" in done.text) == (1, True), done.text


def test_every_problem_of_the_parameters_is_told(launch):
    done = launch.run("--inptu", "x.csv", "--shards", "0", "--shard_residues", "many", "--gene_mode", "fast", "--weights", "none.onnx")
    assert sorted(problems(done)) == [
        "--gene_mode is 'fast'; choose from meta, single",
        "--inptu is no parameter; did you mean --input?",
        "--input is missing: sample sheet, CSV or TSV, with the columns sample, proteins and contigs",
        "--shard_residues is 'many'; give a whole number",
        "--shards is 0; give at least 1",
        "--weights: there is no none.onnx; check the path",
    ]


def test_databases_that_cannot_be_used_are_told(launch):
    (launch.folder / "a.faa").write_text(">a\nMKV\n")
    (launch.folder / "mine").mkdir()
    sheet = write_sheet(launch.folder, "good,a.faa,")
    assert problems(launch.run("--input", sheet, "--databases", "default,mine,./mine,/nowhere/default")) == [
        "'mine' is taken for a database that Photophore brings; if you mean the folder, write ./mine",
        f"{launch.folder}/mine is no database: it holds no manifest.json; photophore db build makes one",
        "/nowhere/default is no database: it holds no manifest.json; photophore db build makes one",
        "two databases are called 'default'; rename one folder",
        "two databases are called 'mine'; rename one folder",
    ]
