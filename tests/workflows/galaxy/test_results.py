"""What a real Galaxy gives has the bytes of the plain command, through folders of the history too."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.workflows.galaxy.servers import TEST_DATA, Galaxy, Job
from tests.workflows.nextflow.runs import photophore

#: Outputs of photophore_annotate, and their files in a plain run.
FILES = {
    "tsv": "annotations.tsv",
    "gff3": "annotations.gff3",
    "jsonl": "annotations.jsonl",
    "parquet": "annotations.parquet",
    "domtblout": "hits.domtblout",
    "statuses": "proteins.tsv",
    "failures": "failures.tsv",
}
BUNDLED = {"method|name": "near-hmmer", "method|database|source": "bundled", "method|database|name": "default"}


def installed(method: str, database: str) -> dict[str, str]:
    return {"method|name": method, "method|database|source": "cached", "method|database|name": database}


#: A case: the file, its datatype, what is filled into the form, the same options of the plain command.
CASES = {
    "families": ("proteins.fasta", "fasta", BUNDLED, ()),
    "gzipped": ("proteins.fasta.gz", "fasta.gz", installed("near-hmmer", "families-test"), ("-d", TEST_DATA / "database_families")),
    "broken-records": (
        "broken_records.fasta",
        "fasta",
        {**BUNDLED, "method|reporting|by|by": "score", "method|reporting|by|score": "50", "input|stops": "fail"},
        ("--score", "50", "--stops", "fail"),
    ),
    "enzymes": (
        "proteins.fasta",
        "fasta",
        {**installed("hifinn", "labelled-test"), "method|reporting|shown": "2"},
        ("-d", TEST_DATA / "database_labelled", "--set", "annotator.shown=2"),
    ),
    "structures": ("haemoglobin.fasta", "fasta", installed("siamese", "domains-test"), ("-d", TEST_DATA / "database_domains")),
}


@pytest.fixture(scope="module")
def history(galaxy: Galaxy) -> str:
    return galaxy.new_history()


def annotate(galaxy: Galaxy, history: str, file: Path, datatype: str, **form: object) -> Job:
    proteins = galaxy.upload(history, file, datatype)
    return galaxy.run(history, "photophore_annotate", proteins=proteins, **form)


@pytest.mark.parametrize("case", CASES)
def test_every_output_has_the_bytes_of_the_plain_command(galaxy: Galaxy, history: str, tmp_path: Path, case: str) -> None:
    name, datatype, form, options = CASES[case]
    done = annotate(galaxy, history, TEST_DATA / name, datatype, **form, outputs=[*FILES, "facts", "report", "run"])
    assert done.state == "ok", done.stderr
    (tmp_path / name).write_bytes((TEST_DATA / name).read_bytes())
    photophore(tmp_path, "annotate", name, *options, "-o", "plain", "-q")
    wanted = {output: (tmp_path / "plain" / file).read_bytes() for output, file in FILES.items() if (tmp_path / "plain" / file).exists()}
    assert ("domtblout" in wanted) == (form["method|name"] == "near-hmmer")
    assert done.outputs.keys() == {*wanted, "facts", "report", "run"}
    assert [output for output, content in wanted.items() if galaxy.read(done.outputs[output]) != content] == []
    kept = {output: galaxy.read(done.outputs["run"], f"{name}/{FILES[output]}") for output in wanted}
    assert [output for output in wanted if kept[output] != wanted[output]] == []


def test_folders_of_the_history_are_merged_and_searched(galaxy: Galaxy, history: str, tmp_path: Path) -> None:
    profiles = galaxy.upload(history, TEST_DATA / "families.hmm", "hmm3")
    built = galaxy.run(history, "photophore_db_build", **{"method|name": "near-hmmer", "method|sources": profiles, "name": "mine"})
    assert built.state == "ok", built.stderr
    form = {
        "method|name": "near-hmmer",
        "method|database|source": "history",
        "method|database|folder": {"src": "hda", "id": built.outputs["database"]},
        "outputs": ["run"],
    }
    runs = [annotate(galaxy, history, TEST_DATA / f"{name}.fasta", "fasta", **form) for name in ("first", "second")]
    assert [run.state for run in runs] == ["ok", "ok"], runs
    values = [{"src": "hda", "id": run.outputs["run"]} for run in runs]
    merged = galaxy.run(history, "photophore_merge", runs={"values": values}, name="both", outputs=["tsv", "statuses", "facts"])
    assert merged.state == "ok", merged.stderr
    photophore(tmp_path, "annotate", TEST_DATA / "proteins.fasta", "-d", TEST_DATA / "database_families", "-o", "plain", "-q")
    for output in ("tsv", "statuses"):
        assert galaxy.read(merged.outputs[output]) == (tmp_path / "plain" / FILES[output]).read_bytes()
    reported = galaxy.run(history, "photophore_report", runs={"values": values}, title="Two")
    assert reported.state == "ok", reported.stderr
    rows = [line.split("\t")[:4] for line in galaxy.read(reported.outputs["table"]).decode().splitlines()[1:]]
    assert rows == [["first.fasta", "mine", "near-hmmer", "2"], ["second.fasta", "mine", "near-hmmer", "1"]]


def test_a_name_that_a_shell_would_mind_is_a_name(galaxy: Galaxy, history: str, tmp_path: Path) -> None:
    file = tmp_path / "-it's $(a) \"name\"; & more.fasta"
    file.write_bytes((TEST_DATA / "no_fasta.fasta").read_bytes())
    failed = annotate(galaxy, history, file, "fasta", **installed("near-hmmer", "families-test"))
    assert failed.state == "error"
    # Galaxy has written the quotes as __sq__ and __dq__, and $ and & as X.
    assert "photophore: error: _it__sq__s_X_a____dq__name__dq__X_X_more.fasta:1: text before the first '>'" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve the test data on loopback."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=TEST_DATA)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/database_families.tar.gz"
        server.shutdown()
        thread.join()


def test_database_of_an_address_is_offered_to_users(galaxy: Galaxy, history: str, address: str) -> None:
    checksum = hashlib.sha256((TEST_DATA / "database_families.tar.gz").read_bytes()).hexdigest()
    form = {"origin|origin": "url", "origin|source": address, "content": "database", "name": "It's downloaded"}
    wrong = galaxy.run(history, "photophore_install_database", **form, **{"origin|sha256": "0" * 64, "value": "wrong"})
    assert wrong.state == "error"
    assert f"photophore: error: {address}: SHA-256 is {checksum}, not {'0' * 64}; the file was not kept" in wrong.stderr
    without = galaxy.run(history, "photophore_install_database", **form, value="without")
    assert without.state == "error"
    assert f"photophore: error: {address}: give the SHA-256 of what is there" in without.stderr

    right = galaxy.run(history, "photophore_install_database", **form, **{"origin|sha256": checksum, "value": "downloaded"})
    assert right.state == "ok", right.stderr
    table = galaxy.ask("tool_data/photophore_databases")
    rows = {row[table["columns"].index("value")]: row for row in table["fields"]}
    assert {"wrong", "without"}.isdisjoint(rows)
    assert Path(rows["downloaded"][table["columns"].index("path")], "manifest.json").is_file()
    found = annotate(galaxy, history, TEST_DATA / "first.fasta", "fasta", **installed("near-hmmer", "downloaded"), outputs=["tsv"])
    assert found.state == "ok", found.stderr
    assert found.outputs.keys() == {"tsv"}
    assert b"EC5.2.1.8_P23869" in galaxy.read(found.outputs["tsv"])


def test_database_of_another_format_is_not_offered(galaxy: Galaxy, history: str) -> None:
    assert "old-test" in str(galaxy.ask("tool_data/photophore_databases"))
    form = str(galaxy.ask(f"tools/photophore_annotate/build?history_id={history}"))
    assert "families-test" in form
    assert "old-test" not in form
