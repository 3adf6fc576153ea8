"""``photophore annotate`` as a user meets it, with the toy chain installed as a stranger's plugin."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.core.conftest import Site
from tests.core.toy_runs import PROTEINS, TARGETS, install, links

from photophore.building import BuildOptions, build
from photophore.cli import main
from photophore.registry import load_registry


@pytest.fixture
def toys(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the database ``toys`` and ``queries.faa``, which is where commands run."""
    install(site)
    (tmp_path / "words.faa").write_text(TARGETS)
    (tmp_path / "queries.faa").write_text(PROTEINS)
    registry = load_registry(only=("toys",), strict=True)
    build([tmp_path / "words.faa"], tmp_path / "toys", registry=registry, options=BuildOptions(links=links()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "toys")
    return tmp_path


def annotate(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return site.photophore("annotate", "-d", "toys", "--allow-nucleotide-like", "--device", "cpu", *arguments)


def test_annotate(site: Site, toys: Path) -> None:
    result = annotate(site, "queries.faa", "-o", "out")
    assert (result.returncode, result.stdout) == (0, "")
    summary = "4 proteins (28 residues): 3 annotated, 1 unannotated, 0 failed; 4 annotations in out\n"
    assert summary in result.stderr
    assert sorted(path.name for path in (toys / "out").iterdir()) == [
        "annotations.gff3",
        "annotations.jsonl",
        "annotations.parquet",
        "annotations.tsv",
        "failures.tsv",
        "proteins.tsv",
        "run.json",
    ]


def test_quiet_formats_and_settings(site: Site, toys: Path) -> None:
    result = annotate(site, "queries.faa", "-o", "out", "-q", "--format", "tsv,jsonl", "--set", "annotator.shortest=4")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (toys / "out" / "annotations.gff3").exists()
    (row,) = [json.loads(line) for line in (toys / "out" / "annotations.jsonl").read_text().splitlines()]
    assert (row["protein"], row["target"], row["word"]) == ("p4", "wild", "WILD")


def test_standard_input(site: Site, toys: Path) -> None:
    command = [sys.executable, "-c", "import sys; from photophore.cli import main; sys.exit(main())"]
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    result = subprocess.run(
        [*command, "annotate", "-", "-d", "toys", "-o", "out", "--allow-nucleotide-like"],
        input=gzip.compress(PROTEINS.encode() + b">x\nM-M\n"),
        env=environment,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"warning: proteins that could not be worked on: 1; failures.tsv says why" in result.stderr
    assert "<stdin>:10: 'x' has '-' at residue 2" in (toys / "out" / "failures.tsv").read_text()


def test_config_file_and_dry_run(site: Site, toys: Path) -> None:
    (toys / "run.yaml").write_text("output: out\nthreads: 2\naggregator: sum\nset: {aggregator.threshold: 0.25}\n")
    result = annotate(site, "queries.faa", "--config", "run.yaml", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "aggregator sum (toys 3.1) threshold=0.25\n" in result.stdout
    assert "compute   cpu, 2 threads\n" in result.stdout
    assert "output    out: tsv, gff3, jsonl, parquet\n" in result.stdout
    assert result.stdout.endswith("Everything is in order; nothing was annotated (--dry-run).\n")
    assert not (toys / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.faa", "-o", "out"], 3, "photophore: error: absent.faa: there is no such file; check the path"),
        (["queries.faa"], 2, "photophore: error: no folder for the results: name one with -o"),
        (["-o", "out"], 3, "photophore: error: no input: name at least one FASTA file, or - for standard input"),
        (["queries.faa", "-o", "toys"], 7, "toys: is not empty (it holds annotator, index, manifest.json)"),
        (["queries.faa", "-o", "out", "--set", "x.y=1"], 2, "'x' is no link of the chain; known are: encoder, index"),
        (["queries.faa", "-o", "out", "-E", "1"], 2, "annotator 'words' has no option 'evalue'"),
        (
            ["queries.faa", "-o", "out", "--cut-ga", "--cut-tc"],
            2,
            "--cut-ga and --cut-tc exclude each other; choose one",
        ),
        (
            ["queries.faa", "-o", "out", "-E", "1", "--set", "annotator.evalue=2"],
            2,
            "annotator.evalue is set both by --set",
        ),
        (["queries.faa", "-o", "out", "--format", "xml"], 2, "--format xml: annotator 'words' cannot be written so"),
        (["queries.faa", "-o", "out", "--device", "gpu"], 2, "--device is 'gpu'; give cpu, cuda"),
        (["queries.faa", "-o", "out", "-d", "tyos"], 4, "there is no database 'tyos'"),
    ],
)
def test_what_is_refused_before_any_work(
    toys: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    returned = main(["annotate", "-d", "toys", "--allow-nucleotide-like", "--device", "cpu", *arguments])
    said = capsys.readouterr().err
    assert (message in said, returned) == (True, code), said
    assert not (toys / "out").exists()


def test_dna_is_refused_with_a_remedy(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toys / "genes.fna").write_text(">g\n" + "ATGC" * 30 + "\n")
    assert main(["annotate", "genes.fna", "-d", "toys", "-o", "out"]) == 3
    assert "translate it first, or pass --allow-nucleotide-like" in capsys.readouterr().err
    assert not (toys / "out").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing(site: Site, toys: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", "import sys; from photophore.cli import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*command, "annotate", "-", "-d", "toys", "-o", "out", "--batch-records", "2", "--allow-nucleotide-like"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(site.folder)},
    )
    try:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(PROTEINS.encode() * 100)
        process.stdin.flush()
        for _ in range(600):
            if list(toys.glob("out/.partial-*/annotations.tsv")):
                break
            time.sleep(0.05)
        assert [path.name[:9] for path in (toys / "out").iterdir()] == [".partial-"]
        time.sleep(0.3)  # until the reader has taken everything and waits for more
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert b"Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert not (toys / "out").exists()


def test_help_reads_well(site: Site) -> None:
    result = site.photophore("annotate", "--help")
    assert result.returncode == 0
    for text in (
        "Input:",
        "Output:",
        "Reporting (annotator hmmer):",
        "Chain:",
        "Resources:",
        "--cut-ga",
        "-E, --evalue X",
        "--dry-run",
    ):
        assert text in result.stdout
