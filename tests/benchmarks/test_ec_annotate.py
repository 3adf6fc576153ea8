"""The EC benchmark's runs of `photophore annotate`, on a small database with random weights of the published format."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("esm")

import ec as command
from tests.plugins.plm_cases import esm2_network, head_tensors, save_esm2, save_head

from photophore.cli import main


@pytest.fixture
def database(small, monkeypatch):
    """Return a database of the two proteins of the small look-up set, which knows them again."""
    monkeypatch.setenv("PHOTOPHORE_MODELS", str(small / "models"))
    save_esm2(esm2_network(), small / "esm2_small.pt")
    save_head(head_tensors(), small / "head.ckpt")
    table = small / "data" / "ec" / "train.tsv"
    build = ["db", "build", "--method", "hifinn", str(table), "-o", str(small / "db"), "-q", "--device", "cpu"]
    weights = [f"encoder.weights={small / 'head.ckpt'}", f"encoder.esm2={small / 'esm2_small.pt'}"]
    assert main([*build, *(word for setting in weights for word in ("--set", setting))]) == 0
    return small / "db"


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["ec.py", *map(str, arguments)])
    command.main()


def test_quality(small, database, monkeypatch, capsys):
    table = small / "data" / "ec" / "train.tsv"
    shutil.copy(table, table.with_name("price149.tsv"))
    setting = "--set aggregator.temperature=1e-6"
    common = ["--database", database, "--work", small / "work", "--threads", 1]
    run(monkeypatch, "quality", *common, "--sets", "price149", "--peers", "--setting", setting)
    printed = capsys.readouterr().out
    assert f"| Photophore {setting} | 1.000 / 1.000 / 1.000 | 1.000 | 1.000 | 1.50 | 100.0 % |" in printed


@pytest.mark.skipif(shutil.which("diamond") is None, reason="needs the program diamond")
def test_speed(small, database, monkeypatch, capsys):
    (small / "few.faa").write_text(f">a\n{'MKLV' * 20}\n>b\n{'MAEG' * 30}\n")
    common = ["--database", database, "--work", small / "work", "--threads", 1]
    run(monkeypatch, "speed", *common, "--proteome", small / "few.faa", "--repeats", 1)
    printed = capsys.readouterr().out
    assert "1 threads; 2 proteins, 200 residues" in printed
    assert re.search(r"\| photophore annotate \| \d+\.\d \| \d+\.\d \|", printed)
    assert re.search(r"\| diamond blastp --ultra-sensitive \| \d+\.\d \| \d+\.\d \|", printed)
    assert re.search(r"Stages \(s\): .*encode \d", printed)
