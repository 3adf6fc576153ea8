"""Genes are those that Prodigal finds, in the order of the contigs, and what cannot be right is refused."""

from __future__ import annotations

import gzip
import importlib.resources
import sys

import pytest
from click.testing import CliRunner

from photophore.cli.genes import genes as genes_command
from photophore.errors import InputError, OutputError, PluginError, Problems, UsageError
from photophore.fasta import read_fasta
from photophore.genes import GeneCounts, GeneOptions, call_genes

pytest.importorskip("pyrodigal", reason="genes are called by the extra 'genes'")
REAL = importlib.resources.files("pyrodigal").joinpath("tests/data")


@pytest.fixture
def contigs(tmp_path):
    """Return a file with two contigs, each the same 79,939 nucleotides of a real metagenome, and one without genes."""
    path = tmp_path / "contigs.fna"
    text = gzip.decompress(REAL.joinpath("SRR492066.fna.gz").read_bytes()).decode().partition("\n")[2]
    path.write_text(f">one first\n{text.strip()}\n>none\nACGTAC\n>two\n{text.strip().lower()}\n")
    return path


def test_proteins_are_those_of_prodigal_itself(tmp_path, contigs):
    counts = call_genes([str(contigs)], tmp_path / "p.faa", tmp_path / "g.gff", GeneOptions(threads=2))
    assert counts == GeneCounts(contigs=3, nucleotides=159_884, genes=140)
    theirs = [record.sequence for record in read_fasta([str(REAL.joinpath("SRR492066.meta.faa.gz"))])]
    ours = list(read_fasta([tmp_path / "p.faa"]))
    assert [record.sequence for record in ours] == theirs * 2
    assert [ours[0].id, ours[69].id, ours[70].id] == ["one_1", "one_70", "two_1"]
    assert ours[0].description.startswith("# 1 # 177 # -1 # ID=one_1;partial=10;start_type=ATG")
    header, *lines = (tmp_path / "g.gff").read_text().splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    assert (header, len(rows)) == ("##gff-version 3", 140)
    assert rows[0].split("\t")[0::3] == ["one", "1", "-"]
    assert rows[0].split("\t")[3:5] == ["1", "177"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["contigs.fna", "g.gff", "p.faa"]


def test_answer_does_not_depend_on_threads_or_batches(tmp_path, contigs, monkeypatch):
    call_genes([str(contigs)], tmp_path / "one.faa", tmp_path / "one.gff", GeneOptions(threads=1))
    monkeypatch.setattr("photophore.genes._BATCH_NUCLEOTIDES", 10)
    call_genes([str(contigs)], tmp_path / "many.faa", tmp_path / "many.gff", GeneOptions(threads=3))
    assert (tmp_path / "one.faa").read_bytes() == (tmp_path / "many.faa").read_bytes()
    assert (tmp_path / "one.gff").read_bytes() == (tmp_path / "many.gff").read_bytes()


def test_contigs_are_numbered_as_they_stand(tmp_path, contigs):
    """Several at a time, of which the long first one is done last."""
    for _ in range(3):
        call_genes([str(contigs)], tmp_path / "p.faa", tmp_path / "g.gff", GeneOptions(threads=3))
        lines = [line for line in (tmp_path / "g.gff").read_text().splitlines() if line.startswith("# Sequence Data")]
        assert [line.split(";")[0] for line in lines] == [f"# Sequence Data: seqnum={n}" for n in (1, 2, 3)]


def test_single_mode_trains_on_the_contigs(tmp_path):
    path = str(REAL.joinpath("KK037166.fna.gz"))
    counts = call_genes([path], tmp_path / "p.faa", None, GeneOptions(mode="single"))
    theirs = [record.sequence for record in read_fasta([str(REAL.joinpath("KK037166.single.faa.gz"))])]
    assert [record.sequence for record in read_fasta([tmp_path / "p.faa"])] == theirs
    assert counts.genes == len(theirs)


@pytest.mark.parametrize(
    ("text", "options", "kind", "message"),
    [
        (">p\n" + "MKVWLAEDRS" * 9, {}, InputError, r"c\.fna:1: 10 % of the next 90 letters .* these are no contigs"),
        (
            ">c\nACGT\n>d\nAC-GT\n",
            {},
            InputError,
            r"c\.fna:4: 'd' has '-' at residue 3; .* mend this contig or leave it out",
        ),
        (">c\nACGTACGTAC\n", {}, InputError, r"c\.fna: no genes on 1 contigs \(10 nucleotides\)"),
        (
            ">c\nACGTACGTAC\n",
            {"mode": "single"},
            InputError,
            "10 nucleotides are too few to train on, .* use --mode meta",
        ),
        (
            ">c\n" + "ACGTTGCA" * 4000,
            {"mode": "single", "table": 7},
            UsageError,
            "--table 7: .*; give the number of a genetic",
        ),
        (">c\nACGT\n", {"mode": "fast"}, UsageError, "--mode fast: there is no such mode; choose from meta, single"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path, text, options, kind, message):
    (tmp_path / "c.fna").write_text(text)
    with pytest.raises(kind, match=message):
        call_genes([str(tmp_path / "c.fna")], tmp_path / "p.faa", tmp_path / "g.gff", GeneOptions(**options))
    assert [path.name for path in tmp_path.iterdir()] == ["c.fna"], "nothing half done is left"


def test_everything_that_is_wrong_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrodigal", None)
    with pytest.raises(Problems) as caught:
        call_genes(["none.fna", "-"], tmp_path, None, GeneOptions(mode="single"))
    assert str(caught.value).splitlines() == [
        "- none.fna: there is no such file; check the path (- reads standard input)",
        "- --mode single reads the contigs twice, standard input can be read once; name a file",
        f"- {tmp_path}: exists and is no file; give another name",
        "- genes are called by pyrodigal, which is not installed; pip install 'photophore[genes]'",
    ]
    assert [type(problem) for problem in caught.value.problems] == [InputError, UsageError, OutputError, PluginError]


def test_command(tmp_path, contigs):
    done = CliRunner().invoke(genes_command, [str(contigs), "-o", str(tmp_path / "p.faa"), "-t", "1"])
    assert (done.exit_code, done.stderr) == (
        0,
        f"{tmp_path}/p.faa: 140 proteins of 3 contigs (159,884 nucleotides)\n",
    )
