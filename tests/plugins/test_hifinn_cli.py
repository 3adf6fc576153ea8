"""From a look-up table and the published formats of weights to annotations, by the commands that a user types."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("esm")

from tests.plugins.plm_cases import esm2_network, head_tensors, save_esm2, save_head

from photophore.cli import main
from photophore.testing.samples import random_proteins

LABELS = ("2.7.1.1", "2.7.1.1", "3.5.1.n3;1.1.1.-", "", "4.2.1.43", "6.1.1.1")
LENGTHS = (40, 55, 120, 31, 80, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with weights under names, a look-up table, proteins (two strangers among them), and a database."""
    folder = tmp_path_factory.mktemp("hifinn")
    lookup = random_proteins(*LENGTHS, seed=1)
    rows = zip(lookup.sequences, LABELS, strict=True)
    lines = [f"t{number}\t{ecs}\t{sequence}" for number, (sequence, ecs) in enumerate(rows)]
    (folder / "lookup.tsv").write_text("\n".join(["id\tec\tsequence", *lines, ""]))
    queries = [*lookup.sequences, *random_proteins(45, 90, seed=9).sequences]
    (folder / "proteins.faa").write_text("".join(f">q{n} protein\n{s}\n" for n, s in enumerate(queries)))
    save_esm2(esm2_network(), folder / "esm2_small.pt")
    save_head(head_tensors(), folder / "hifinn.ckpt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPHORE_MODELS", str(folder / "models"))
        assert main(["models", "add", str(folder / "esm2_small.pt"), "--name", "esm2-small", "--encoder", "esm2"]) == 0
        assert main(["models", "add", str(folder / "hifinn.ckpt"), "--name", "published", "--encoder", "hifinn"]) == 0
        build = ["db", "build", "--method", "hifinn", str(folder / "lookup.tsv"), "-o", str(folder / "db"), "-q"]
        weights = ["--set", "encoder.weights=published", "--set", "encoder.esm2=esm2-small", "--device", "cpu"]
        assert main([*build, *weights]) == 0
        yield folder


def annotate(folder, out, *options):
    arguments = ["annotate", str(folder / "proteins.faa"), "-d", str(folder / "db"), "-o", str(out), "-q"]
    return main([*arguments, "--device", "cpu", *options])


def table(path):
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_database_says_what_it_holds(folder):
    manifest = json.loads((folder / "db" / "manifest.json").read_text())
    assert (manifest["method"], manifest["targets"], manifest["vectors"]) == ("hifinn", 6, 6)
    assert manifest["metadata"] == {"proteins": 6, "enzymes": 5, "ec_numbers": 5}
    assert manifest["links"]["index"] == {"name": "flat", "options": {"k": 20}, "digest": None}
    assert main(["db", "verify", str(folder / "db")]) == 0


def test_proteins_of_the_lookup_set_get_their_own_ec_numbers(folder, tmp_path):
    assert annotate(folder, tmp_path / "out", "--set", "aggregator.temperature=1e-6") == 0
    rows = table(tmp_path / "out" / "annotations.tsv")
    expected = [(f"q{n}", ec) for n, label in enumerate(LABELS) for ec in sorted(label.split(";") or [""])]
    found = [(row["protein"], row["ecs"]) for row in rows if int(row["protein"][1:]) < len(LABELS)]
    assert sorted(found) == sorted(expected)
    for row in rows[:3]:
        assert float(row["distance"]) < 1e-6
        assert float(row["confidence"]) > 0.99
        assert (row["start"], row["end"], row["method"]) == ("1", row["protein_length"], "hifinn")
    (none,) = [row for row in rows if row["protein"] == "q3"]
    assert (none["target"], none["confidence"], none["level"]) == ("unassigned", "", "")
    assert none["reason"].startswith("no enzyme found: the neighbours are no enzymes")
    assert none["neighbours"].startswith("t3:")


def test_every_format_but_domtblout_is_written(folder, tmp_path):
    assert annotate(folder, tmp_path / "out") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *(f"annotations.{suffix}" for suffix in ("tsv", "gff3", "jsonl", "parquet")),
        *("proteins.tsv", "failures.tsv", "run.json"),
    }
    assert "EC:2.7.1.1" in (tmp_path / "out" / "annotations.gff3").read_text()


def test_batches_change_nothing(folder, tmp_path):
    assert annotate(folder, tmp_path / "whole") == 0
    assert annotate(folder, tmp_path / "cut", "--batch-records", "3", "--threads", "1") == 0
    assert (tmp_path / "whole" / "annotations.tsv").read_bytes() == (tmp_path / "cut" / "annotations.tsv").read_bytes()


def test_the_cut_off_leaves_strangers_unannotated(folder, tmp_path):
    assert annotate(folder, tmp_path / "out", "--set", "aggregator.max_distance=1e-5") == 0
    status = {row["protein"]: row["status"] for row in table(tmp_path / "out" / "proteins.tsv")}
    assert status == {**{f"q{n}": "annotated" for n in range(6)}, "q6": "unannotated", "q7": "unannotated"}


def test_other_weights_are_refused(folder, tmp_path, capsys):
    save_head(head_tensors(seed=8), tmp_path / "other.ckpt")
    assert annotate(folder, tmp_path / "out", "--set", f"encoder.weights={tmp_path / 'other.ckpt'}") == 4
    assert "was made with other weights of encoder 'hifinn'" in capsys.readouterr().err


def test_the_confidence_of_a_stranger_is_equation_6(folder, tmp_path):
    options = (
        "--set",
        "aggregator.temperature=0.1",
        "--set",
        "annotator.min_confidence=0",
        "--set",
        "annotator.shown=20",
    )
    assert annotate(folder, tmp_path / "out", *options) == 0
    rows = [row for row in table(tmp_path / "out" / "annotations.tsv") if row["protein"] == "q6"]
    relatives = [text.split(":") for text in rows[0]["neighbours"].split(",")]
    assert len(relatives) <= 6
    weights = {name: np.exp(-float(distance) / 0.1) for name, distance, _ in relatives}
    carried = {name: ecs.split(";") for name, _, ecs in relatives}
    for row in rows:
        share = sum(weights[name] for name in weights if row["ecs"] in carried[name]) / sum(weights.values())
        assert float(row["confidence"]) == pytest.approx(share, abs=2e-3)  # distances are printed with four digits
