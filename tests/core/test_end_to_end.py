"""The shipped links together, from files to files: real proteins and profiles, every number as hmmscan prints it.

The network is untrained and lets every pair through: what is left to see is whether anything is lost on the way.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.plugins.hmmer_cases import METAGENOME, PROTEIN_HMMS, hmmscan, make_batch, read_hmms, scan_lines

from photophore.cli import main
from photophore.fasta import Record, read_fasta
from photophore.types import SequenceBatch

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

#: Proteins with hits, one of which HMMER's own filters drop; every 25th protein joins them.
WITH_HITS = frozenset(["3688_1", "3688_14", "3689_19", "3691_51", "3685_95", "3686_266", "3686_714", "3686_770"])
LINKS = ("--index", "flat", "--aggregator", "near-sum")
EVERY_PAIR = ("--set", "index.k=4000", "--set", "index.stride=200", "--set", "aggregator.gate=-2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database ``db`` and ``proteins.faa``: some 90 real proteins, a few with hits."""
    from photophore_near.export import export_float
    from photophore_near.model import NearNetwork, save_network
    from photophore_near.shape import NearShape

    folder = tmp_path_factory.mktemp("real")
    torch.manual_seed(0)
    network = NearNetwork(NearShape(stem=8, width=16, blocks=2, kernel=3, dim=16)).eval()
    save_network(network, folder / "tiny.safetensors", {})
    export_float(network, folder / "tiny.fp32.onnx")
    weights = ("--set", f"encoder.weights={folder / 'tiny.safetensors'}", "--set", "encoder.precision=fp32")
    sources = [str(path) for path in PROTEIN_HMMS]
    assert main(["db", "build", *sources, "-o", str(folder / "db"), "-q", "--device", "cpu", *weights, *LINKS]) == 0
    records = METAGENOME.read_text().split(">")[1:]
    chosen = [
        record
        for number, record in enumerate(records)
        if number % 25 == 0 or record.split()[0].removeprefix("938293.PRJEB85.HG00") in WITH_HITS
    ]
    (folder / "proteins.faa").write_text("".join(f">{record}" for record in chosen))
    return folder


@pytest.fixture
def annotate(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that annotates and returns the folder of the results."""

    def run(*arguments: str | Path, out: str = "out") -> Path:
        given = [str(argument) for argument in arguments or (folder / "proteins.faa",)]
        code = main(
            [
                "annotate",
                *given,
                "-d",
                str(folder / "db"),
                "-o",
                str(tmp_path / out),
                "-q",
                "--device",
                "cpu",
                *EVERY_PAIR,
            ]
        )
        assert code == 0
        return tmp_path / out

    return run


def batch_of(path: Path) -> SequenceBatch:
    """Return the proteins of a file as the pipeline reads them: without the stop at their end."""
    return make_batch([(record.id, record.sequence) for record in read_fasta([path]) if isinstance(record, Record)])


def table(out: Path, name: str = "annotations.tsv") -> list[str]:
    return (out / name).read_text().splitlines()[1:]


def test_every_number_is_the_one_that_hmmscan_prints(annotate: Callable[..., Path], folder: Path) -> None:
    out = annotate()
    lines = [line.split()[:22] for line in table(out, "hits.domtblout") if not line.startswith("#")]
    expected = scan_lines(hmmscan(batch_of(folder / "proteins.faa"), read_hmms(PROTEIN_HMMS), E=1e-3))
    assert len(expected) >= 5
    assert lines == expected


def test_batches_threads_and_compression_change_nothing(annotate: Callable[..., Path], folder: Path) -> None:
    whole = annotate()
    packed = folder / "proteins.faa.xz"
    packed.write_bytes(lzma.compress((folder / "proteins.faa").read_bytes()))
    other = annotate(packed, "--batch-records", "41", "--threads", "2", out="other")
    for name in ("annotations.tsv", "annotations.gff3", "annotations.jsonl", "hits.domtblout", "proteins.tsv"):
        assert (other / name).read_bytes() == (whole / name).read_bytes(), name


def test_shards_and_shuffled_input_give_the_same_rows(
    annotate: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    whole = table(annotate())
    records = (folder / "proteins.faa").read_text().split(">")[1:]
    rows: list[str] = []
    for shard in range(3):
        path = tmp_path / f"shard{shard}.faa"
        path.write_text("".join(f">{record}" for record in records[shard::3]))
        rows += table(annotate(path, out=f"out{shard}"))
    assert sorted(rows) == sorted(whole)
    shuffled = tmp_path / "shuffled.faa"
    order = np.random.default_rng(1).permutation(len(records))
    shuffled.write_text("".join(f">{records[row]}" for row in order))
    assert sorted(table(annotate(shuffled, out="shuffled"))) == sorted(whole)


def test_names_that_repeat_and_odd_proteins(annotate: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    first_hit = table(annotate())[0].split("\t")[0]
    records = {
        record.id: record.sequence for record in read_fasta([folder / "proteins.faa"]) if isinstance(record, Record)
    }
    hit = records[first_hit]
    odd = tmp_path / "odd.faa"
    odd.write_text(
        f">same\n{hit}\n>same\n{hit.lower()}*\n>one\nM\n>x\nXBZJUO\n>empty\n>gap\nM-M\n>long\n{(hit + 'GSGSG') * 30}\n>stop\nM*{hit}\n"
    )
    out = annotate(odd, "--batch-records", "3", out="odd")
    fates = [line.split("\t") for line in table(out, "proteins.tsv")]
    assert [(fate[0], fate[2]) for fate in fates] == [
        ("same", "annotated"),
        ("same", "annotated"),
        ("one", "unannotated"),
        ("x", "unannotated"),
        ("empty", "failed"),
        ("gap", "failed"),
        ("long", "annotated"),
        ("stop", "annotated"),
    ]
    assert fates[0][3] == fates[1][3]
