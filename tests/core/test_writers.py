"""TSV, GFF3, JSON lines, Parquet, proteins.tsv, failures.tsv and run.json of small results."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.core.writer_cases import EVIDENCE, HMMER_COLUMNS, RESULT, annotation, batch, facts, real_hits, write_all

from photophore.errors import DataError, UsageError
from photophore.hookspecs import Column
from photophore.runfacts import read_run
from photophore.types import BatchResult
from photophore.writers import ALL_FILES, FIXED_COLUMNS, FORMATS
from photophore.writers.rows import float_text, one_based


def one(row, *, length=10):
    return BatchResult(batch((row.protein, "M" * length, "a.faa:1")), (row,), ())


@pytest.fixture
def out(tmp_path):
    return write_all(tmp_path / "out", [RESULT])


def test_every_file_is_there_and_nothing_else(out):
    assert sorted(path.name for path in out.iterdir()) == sorted(ALL_FILES)


def test_tsv(out):
    header, row = (line.split("\t") for line in (out / "annotations.tsv").read_text().splitlines())
    assert header == [column.name for column in (*FIXED_COLUMNS, *HMMER_COLUMNS)]
    cells = dict(zip(header, row, strict=True))
    assert (cells["protein"], cells["start"], cells["end"]) == ("p1", "3", "7")
    assert (cells["score"], cells["evalue"], cells["ecs"], cells["confidence"]) == (
        "21.5",
        "1.5e-09",
        "1.2.3.4;1.2.3.-",
        "",
    )
    assert [cells[name] for name in ("family_start", "family_end", "envelope_start", "envelope_end")] == list("1538")


def test_tsv_keeps_a_row_on_one_line(tmp_path):
    odd = annotation(description="tab\there\r\nand\u2028there")
    text = (write_all(tmp_path / "out", [one(odd)]) / "annotations.tsv").read_text()
    assert "tab here  and there" in text
    assert text.count("\n") == 2


def test_jsonl_has_the_same_values(out):
    (row,) = map(json.loads, (out / "annotations.jsonl").read_text().splitlines())
    assert list(row) == [column.name for column in (*FIXED_COLUMNS, *HMMER_COLUMNS)]
    assert row["ecs"] == ["1.2.3.4", "1.2.3.-"]
    assert (row["start"], row["end"], row["score"], row["evalue"], row["confidence"]) == (3, 7, 21.5, 1.5e-9, None)


def test_jsonl_escapes(tmp_path):
    odd = annotation(description='a "quoted"\ttab \\ and é', accession="")
    text = (write_all(tmp_path / "out", [one(odd)]) / "annotations.jsonl").read_text()
    assert json.loads(text)["description"] == odd.description


def test_parquet_has_types_full_precision_and_meanings(tmp_path):
    out = write_all(tmp_path / "out", [one(annotation(score=1 / 3))])
    table = pq.read_table(out / "annotations.parquet")
    assert table.to_pylist()[0] | {"score": 0} == {
        **{column.name: getattr(annotation(), column.name) for column in FIXED_COLUMNS},
        **EVIDENCE,
        "start": 3,
        "ecs": ["1.2.3.4", "1.2.3.-"],
        "score": 0,
        "family_start": 1,
        "envelope_start": 3,
    }
    assert table["score"].to_pylist() == [1 / 3]
    assert [str(table.schema.field(name).type) for name in ("start", "score", "target", "ecs")] == [
        "int64",
        "double",
        "string",
        "list<element: string>",
    ]
    assert table.schema.field("end").metadata[b"description"] == FIXED_COLUMNS[7].help.encode()


def test_text_formats_and_parquet_hold_the_same_rows_of_real_hits(tmp_path):
    results, _ = real_hits()
    out = write_all(tmp_path / "out", results)
    table = pq.read_table(out / "annotations.parquet")
    with (out / "annotations.tsv").open() as stream:
        tsv = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    jsonl = [json.loads(line) for line in (out / "annotations.jsonl").read_text().splitlines()]
    gff = [line for line in (out / "annotations.gff3").read_text().splitlines() if not line.startswith("#")]
    assert len(tsv) == len(jsonl) == len(gff) == table.num_rows == read_run(out)["counts"]["annotations"] > 50
    for row, text, parsed in zip(table.to_pylist(), tsv, jsonl, strict=True):
        assert parsed["evalue"] == float(text["evalue"]) == float(f"{row['evalue']:.6g}")
        assert parsed["protein"] == text["protein"] == row["protein"]
        assert parsed["envelope_start"] == int(text["envelope_start"]) == row["envelope_start"]


def test_gff3(out):
    header, line = (out / "annotations.gff3").read_text().splitlines()
    assert header == "##gff-version 3"
    assert line.split("\t") == [
        *("p1", "Photophore", "protein_match", "3", "7", "1.5e-09", ".", "."),
        (
            "ID=p1:Fam:3-7;Name=Fam;Target=Fam 1 5;Dbxref=Pfam:PF00001.2,EC:1.2.3.4,EC:1.2.3.-;"
            "Note=A family%3B of two%2C really;accession=PF00001.2;method=near-hmmer;score=21.5"
        ),
    ]


def test_gff3_escapes_what_the_specification_says(tmp_path):
    odd = annotation("a>b;%é", target="f 1=2", accession="", description="", evalue=None, ecs=())
    out = write_all(tmp_path / "out", [one(odd)], formats=("gff3",))
    cells = (out / "annotations.gff3").read_text().splitlines()[1].split("\t")
    assert cells[0] == "a%3Eb%3B%25%C3%A9"
    assert cells[5] == "21.5"
    assert cells[8] == "ID=a>b%3B%25é:f 1%3D2:3-7;Name=f 1%3D2;Target=f%201%3D2 1 5;method=near-hmmer;score=21.5"


def test_proteins_tell_the_fate_of_each_record_in_input_order(out):
    assert (out / "proteins.tsv").read_text().splitlines() == [
        "protein\tlength\tstatus\tannotations",
        "p1\t10\tannotated\t1",
        "p2\t2\tunannotated\t0",
        "bad\t\tfailed\t0",
        "p3\t3\tfailed\t0",
    ]


def test_failures_are_written_one_a_line(out):
    assert (out / "failures.tsv").read_text().splitlines() == [
        "protein\tsource\tstage\treason",
        "bad\ta.faa:5\tread\ta.faa:5: 'bad' has '7' at residue 2",
        "p3\ta.faa:9\tencoder near\tno vector",
    ]


def test_run_without_proteins_writes_headers(tmp_path):
    out = write_all(tmp_path / "out", [])
    assert (out / "failures.tsv").read_text() == "protein\tsource\tstage\treason\n"
    assert (out / "annotations.jsonl").read_text() == ""
    assert pq.read_table(out / "annotations.parquet").num_rows == 0
    assert read_run(out)["counts"] == dict.fromkeys(
        ("proteins", "annotated", "unannotated", "failed", "annotations"), 0
    )


def test_run_file_says_what_is_needed_to_repeat_the_run(tmp_path):
    run = facts()
    run.warnings.append("slow disk")
    run.seconds["encode"] = 1.23456
    out = write_all(tmp_path / "out", [RESULT], run=run)
    told = read_run(out)
    assert told["command"] == ["photophore", "annotate", "a.faa"]
    assert told["plugins"][0] == {
        "kind": "encoder",
        "name": "near",
        "distribution": "photophore",
        "version": "0.1.0",
        "options": {"dim": 128},
        "digest": "ab" * 32,
    }
    assert told["database"] == {"path": "/db", "digest": "cd" * 32, "manifest": {"profiles": 14}}
    assert told["counts"] == {"proteins": 4, "annotated": 1, "unannotated": 1, "failed": 2, "annotations": 1}
    assert told["seconds"]["encode"] == 1.235
    assert told["warnings"] == ["slow disk"]
    assert told["platform"]["libraries"]["numpy"] == np.__version__
    for output in told["outputs"]:
        data = (out / output["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output["bytes"], output["sha256"])
    assert {output["name"] for output in told["outputs"]} == set(ALL_FILES) - {"run.json"}


def test_only_chosen_formats_are_written(tmp_path):
    out = write_all(tmp_path / "out", [RESULT], formats=("tsv",))
    assert sorted(path.name for path in out.iterdir()) == [
        "annotations.tsv",
        "failures.tsv",
        "proteins.tsv",
        "run.json",
    ]


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--format xml: there is no such format; choose from tsv, gff3, jsonl"):
        write_all(tmp_path / "out", [], formats=("xml",))


def test_numbers_have_six_digits_and_none_is_empty():
    assert float_text([1 / 3, 1234567.0, 0.0, 1e-320]) == ["0.333333", "1.23457e+06", "0", "9.99989e-321"]
    assert float_text([None, 2.0]) == ["", "2"]
    assert float_text([]) == []
    assert one_based(0) == 1


def test_numpy_numbers_and_bools_are_taken(tmp_path):
    columns = (Column("hits", int, "."), Column("near", float, "."), Column("sure", bool, "."), Column("kin", str, "."))
    evidence = {"hits": np.int32(3), "near": np.float32(0.5), "sure": np.bool_(True), "kin": None}
    out = write_all(
        tmp_path / "out", [one(annotation(evidence=evidence, score=7))], columns=columns, formats=FORMATS[:4]
    )
    assert (out / "annotations.tsv").read_text().splitlines()[1].split("\t")[-4:] == ["3", "0.5", "true", ""]
    row = json.loads((out / "annotations.jsonl").read_text())
    assert (row["hits"], row["near"], row["sure"], row["kin"], row["score"]) == (3, 0.5, True, None, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"score": float("nan")},
            "annotation of 'p1' by 'Fam': column 'score' is nan; it must be a finite number or None",
        ),
        ({"score": None}, "annotation of 'p1' by 'Fam': column 'score' is None; it must be of type float"),
        ({"evidence": {"domain": "x"}}, "annotation of 'p1' by 'Fam': column 'domain' is 'x'; it must be of type int"),
        (
            {"evidence": {"colour": 1}},
            (
                "annotation of 'p1' by 'Fam': evidence 'colour' is not declared; "
                "name it among the columns of the AnnotatorSpec"
            ),
        ),
    ],
)
def test_values_that_a_column_does_not_hold_are_named(tmp_path, changes, message):
    with pytest.raises(DataError) as caught:
        write_all(tmp_path / "out", [one(annotation(**changes))])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Column("score", float, "."), "output column 'score' is declared twice"),
        (Column("tags", list, "."), "output column 'tags' has type <class 'list'>; use str, int, float or bool"),
    ],
)
def test_columns_that_no_file_holds_are_refused(tmp_path, column, message):
    with pytest.raises(DataError, match=message):
        write_all(tmp_path / "out", [], columns=(column,), formats=("tsv",))


def test_bytes_that_are_no_text_are_escaped_in_every_format(tmp_path):
    row = annotation(b"p\xff".decode("utf-8", "surrogateescape"))
    out = write_all(tmp_path / "out", [one(row)])
    assert json.loads((out / "annotations.jsonl").read_text())["protein"] == r"p\udcff"
    assert pq.read_table(out / "annotations.parquet")["protein"].to_pylist() == [r"p\udcff"]
    assert (out / "proteins.tsv").read_text().splitlines()[1].startswith("p\\udcff\t")


def test_cut_into_batches_does_not_show(tmp_path):
    results, _ = real_hits()
    joined = BatchResult(
        batch(
            *(
                record
                for part in results
                for record in zip(part.batch.ids, part.batch.sequences, part.batch.sources, strict=True)
            )
        ),
        tuple(row for part in results for row in part.annotations),
        (),
    )
    many, single = write_all(tmp_path / "many", results), write_all(tmp_path / "one", [joined])
    for name in set(ALL_FILES) - {"run.json"}:
        assert (many / name).read_bytes() == (single / name).read_bytes(), name


def test_pyarrow_is_imported_only_for_parquet(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.core.writer_cases import RESULT, write_all; "
        f"write_all(Path({str(tmp_path / 'out')!r}), [RESULT], formats=('tsv', 'gff3', 'jsonl', 'domtblout')); "
        "assert 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_gff3_reads_back(tmp_path):
    """Split as the specification says, then unescape: nothing is lost."""
    odd = annotation("a;b=c", target="f,1 %&", description="50% of a=b; c,d\té", accession="K01234", ecs=("1.1.1.1",))
    cells = (write_all(tmp_path / "out", [one(odd)]) / "annotations.gff3").read_text().splitlines()[1].split("\t")
    attributes = dict(part.split("=") for part in cells[8].split(";"))
    read = {key: [unquote(part) for part in value.split(",")] for key, value in attributes.items()}
    assert unquote(cells[0]) == odd.protein
    assert read == {
        "ID": ["a;b=c:f,1 %&:3-7"],
        "Name": ["f,1 %&"],
        "Target": ["f,1 %& 1 5"],
        "Dbxref": ["KEGG:K01234", "EC:1.1.1.1"],
        "Note": [odd.description],
        "accession": ["K01234"],
        "method": ["near-hmmer"],
        "score": ["21.5"],
    }
    assert attributes["Target"].count(" ") == 2
