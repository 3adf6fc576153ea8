"""Shards hold every record as it stood, in order and of about equal size, and merged runs over them are one run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.core import toy_chain  # noqa: F401 - what toy_runs installs
from tests.core.toy_runs import build_toys, install, run_toys

from photophore.cli.split import split as split_command
from photophore.errors import InputError, OutputError, Problems, UsageError
from photophore.fasta import FastaReader, Record
from photophore.merge import merge
from photophore.registry import load_registry
from photophore.runfacts import read_run
from photophore.shards import SHARD_FILE, Piece, ShardFact, read_shard
from photophore.split import SplitOptions, split
from photophore.stream import batches

#: Repeated names, no name, no residues, a broken record, Windows line ends, blank lines, no line end at the end.
AWKWARD = (
    "\ufeff\n>a first\r\nMMCATMM\r\n>a\nMHATMCATM\n\n>\nMKV\n>empty\n\n>>odd\nMMMM\n>a\nWILDWILD\n"
    ">bad\nMKV\nM1K\n>a\nMMCATMM\n>stop\nMK*V*\n>gap\nM-K"
)


def shards_of(paths, folder, **options):
    options.setdefault("allow_nucleotide_like", True)
    return split([str(path) for path in paths], folder, SplitOptions(**options))


def read(paths):
    return list(FastaReader(paths, allow_nucleotide_like=True))


@pytest.fixture
def awkward(tmp_path):
    path = tmp_path / "queries.faa"
    path.write_bytes(AWKWARD.encode())
    return path


@pytest.mark.parametrize("count", [1, 2, 3, 10, 100])
def test_records_of_the_shards_are_those_of_the_input(tmp_path, awkward, count):
    made = shards_of([awkward], tmp_path / "out", shards=count)
    folders = sorted((tmp_path / "out").iterdir())
    assert len(folders) == len(made) <= count
    assert read(folders) == read([awkward])
    assert [read_shard(folder).fact.number for folder in folders] == list(range(1, len(made) + 1))
    assert all(not path.name.startswith(".") for path in tmp_path.iterdir()), "nothing hidden is left"


@pytest.mark.parametrize("count", [1, 3, 10])
def test_merged_runs_over_the_shards_have_the_bytes_of_one_run(tmp_path, site, count):
    install(site)
    registry = load_registry()
    build_toys(tmp_path / "toys", registry)
    run_toys(tmp_path, registry, AWKWARD, output=str(tmp_path / "single"))
    shards_of([tmp_path / "queries.faa"], tmp_path / "shards", shards=count)
    runs = []
    for shard in sorted((tmp_path / "shards").iterdir()):
        run_toys(tmp_path, registry, AWKWARD, inputs=(str(shard),), output=str(tmp_path / f"run-{shard.name}"))
        runs.append(tmp_path / f"run-{shard.name}")
    merge(runs, tmp_path / "merged")
    names = {path.name for path in (tmp_path / "single").iterdir()} - {"run.json"}
    assert "failures.tsv" in names
    for name in names:
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "single" / name).read_bytes(), name
    ours, theirs = read_run(tmp_path / "merged"), read_run(tmp_path / "single")
    assert (ours["inputs"], ours["counts"], ours["outputs"]) == (theirs["inputs"], theirs["counts"], theirs["outputs"])
    assert [fact["number"] for fact in ours["shards"]] == list(range(1, len(runs) + 1))


def test_shards_are_even_and_may_cross_files(tmp_path):
    for name, residues in (("a.faa", (60, 40, 10)), ("b.faa", (50, 40))):
        (tmp_path / name).write_text("".join(f">{name}{at}\n{'M' * size}\n" for at, size in enumerate(residues)))
    made = shards_of([tmp_path / "a.faa", tmp_path / "b.faa"], tmp_path / "out", residues=70)
    assert [shard.residues for shard in made] == [60, 50, 90]
    made = shards_of([tmp_path / "a.faa", tmp_path / "b.faa"], tmp_path / "two", shards=2)
    assert [shard.residues for shard in made] == [100, 100]
    made = shards_of([tmp_path / "a.faa", tmp_path / "b.faa"], tmp_path / "one", residues=1_000)
    (only,) = made
    assert [(Path(piece.source).name, piece.line, piece.records) for piece in only.pieces] == [
        ("a.faa", 1, 3),
        ("b.faa", 1, 2),
    ]
    assert [record.source for record in read([tmp_path / "one" / "shard-1"])][-1] == f"{tmp_path}/b.faa:3"


def test_shards_of_a_shard_and_of_packed_input_remember_the_lines(tmp_path, awkward):
    packed = tmp_path / "packed.faa.gz"
    packed.write_bytes(gzip.compress(awkward.read_bytes()))
    shards_of([packed], tmp_path / "first", shards=2)
    second = tmp_path / "first" / "shard-2"
    shards_of([second], tmp_path / "second", shards=3)
    assert read(sorted((tmp_path / "second").iterdir())) == read([second])
    assert read([second]) == read([packed])[-len(read([second])) :]
    assert all(item.source.startswith(f"{packed}:") for item in read([second]))


def test_names_are_padded_so_that_they_sort(tmp_path):
    (tmp_path / "a.faa").write_text("".join(f">p{at}\nMMMM\n" for at in range(12)))
    shards_of([tmp_path / "a.faa"], tmp_path / "out", shards=12)
    assert sorted(path.name for path in (tmp_path / "out").iterdir())[::11] == ["shard-01", "shard-12"]


def test_no_batch_holds_a_name_twice():
    records = [Record(name, "", "MK", f"q:{at}") for at, name in enumerate("abacca")]
    cut = [batch.sequences.ids for batch in batches(records, max_residues=100, max_records=100)]
    assert cut == [("a", "b"), ("a", "c"), ("c", "a")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "q.faa: there is no sequence in this file"),
        ("MKV\n>a\nMKV\n", "q.faa:1: text before the first '>': 'MKV'"),
        (">a\n" + "ACGT" * 10, "q.faa: 100 % of the first 40 letters are A, C, G, T, U or N"),
        (">a\rMKV\r", "q.faa:1: lines end with carriage returns only"),
    ],
)
def test_what_ends_a_run_ends_the_split(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    Path("q.faa").write_text(text)
    with pytest.raises(InputError, match=message):
        split(["q.faa"], tmp_path / "out", SplitOptions(shards=2))
    assert [path.name for path in tmp_path.iterdir()] == ["q.faa"]


def test_misuse_is_told_at_once(tmp_path, awkward):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(Problems) as caught:
        split([str(awkward), "none.faa", "-"], tmp_path / "out", SplitOptions())
    assert str(caught.value).splitlines() == [
        "- none.faa: there is no such file; check the path (- reads standard input)",
        "- give either --shards or --residues: into how many shards, or how large ones",
        "- standard input cannot be split, since the input is read twice; name a file",
        f"- {tmp_path}/out: exists and is no empty folder; give another one with -o",
    ]
    with pytest.raises(UsageError, match="queries.faa: is named twice; name each file once"):
        split([str(awkward)] * 2, tmp_path / "new", SplitOptions(shards=2))
    with pytest.raises(OutputError, match="file/out: cannot be written"):
        (tmp_path / "file").touch()
        split([str(awkward)], tmp_path / "file" / "out", SplitOptions(shards=2, allow_nucleotide_like=True))


def test_damaged_shards_are_told(tmp_path, awkward):
    shards_of([awkward], tmp_path / "out", shards=1)
    shard = tmp_path / "out" / "shard-1"
    whole = (shard / "1.faa").read_bytes()
    (shard / "1.faa").write_bytes(whole[: whole.index(b">bad")])
    with pytest.raises(
        InputError, match=r"1\.faa: holds 6 records of .*queries\.faa, not the 10 that it was made with; split"
    ):
        read([shard])
    facts = json.loads((shard / SHARD_FILE).read_text())
    for change, message in (
        ({"schema_version": 9}, r"shard\.json: schema_version is 9, this Photophore reads 1; split the input again"),
        ({"pieces": [{"path": "1.faa"}]}, r"shard\.json: is damaged \(KeyError: 'source'\)"),
    ):
        (shard / SHARD_FILE).write_text(json.dumps({**facts, **change}))
        with pytest.raises(InputError, match=message):
            read_shard(shard)
    (shard / SHARD_FILE).write_text("{")
    with pytest.raises(InputError, match=r"shard\.json: cannot be read as JSON"):
        read_shard(shard)


def test_command(tmp_path, awkward):
    done = CliRunner().invoke(
        split_command, [str(awkward), "--shards", "2", "--allow-nucleotide-like", "-o", str(tmp_path / "out")]
    )
    assert (done.exit_code, done.stderr) == (0, f"{tmp_path}/out: 2 shards of 19 to 20 residues, 10 records\n")
    assert Piece("x", "x").whole
    assert read_shard(tmp_path / "out" / "shard-2").fact == ShardFact(
        read_shard(tmp_path / "out" / "shard-1").fact.split, 2, 2
    )
