"""Shards merged give the bytes of one run; runs that do not belong together are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.core.writer_cases import RESULT, annotation, batch, facts, real_hits, write_all

from photophore.cli.merge import merge as merge_command
from photophore.errors import InputError, OutputError, Problems, UsageError
from photophore.merge import merge
from photophore.runfacts import DatabaseFact, PluginFact, read_run
from photophore.types import BatchResult, Failure
from photophore.writers import ALL_FILES, parquet

SAME_BYTES = sorted(set(ALL_FILES) - {"run.json"})


def write_shards(folder, results, cuts, **options):
    """Write runs over consecutive parts of the results; return their folders."""
    edges = [0, *cuts, len(results)]
    return [
        write_all(folder / f"shard{number}", results[start:end], **options)
        for number, (start, end) in enumerate(pairwise(edges))
    ]


def assert_same_bytes(merged, single):
    for name in SAME_BYTES:
        assert (merged / name).read_bytes() == (single / name).read_bytes(), name


@pytest.mark.parametrize("cuts", [[], [1], [3, 5, 5, 9, 14, 20]])
def test_merged_shards_of_real_hits_are_the_bytes_of_one_run(tmp_path, cuts):
    results, _ = real_hits()
    single = write_all(tmp_path / "single", results)
    shards = write_shards(tmp_path, results, cuts)
    counts = merge(shards, tmp_path / "merged")
    assert_same_bytes(tmp_path / "merged", single)
    assert counts.proteins == 2_100
    ours, theirs = read_run(tmp_path / "merged"), read_run(single)
    assert ours["merged_from"] == list(map(str, shards))
    assert {key: ours[key] for key in ("counts", "plugins", "database", "options", "outputs")} == {
        key: theirs[key] for key in ("counts", "plugins", "database", "options", "outputs")
    }


def test_row_groups_do_not_depend_on_the_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 7)
    results = [
        BatchResult(batch((f"p{at}", "M" * 10, f"a:{at}")), tuple(
            annotation(f"p{at}", target=f"F{n}", ecs=("1.1.1.1",) * (n % 3), confidence=None if at % 2 else 0.5)
            for n in range(at % 6)
        ), ())
        for at in range(60)
    ]  # fmt: skip
    single = write_all(tmp_path / "single", results)
    merge(write_shards(tmp_path, results, [4, 5, 31]), tmp_path / "merged")
    assert_same_bytes(tmp_path / "merged", single)
    metadata = pq.read_metadata(single / "annotations.parquet")
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert rows == [7] * 21 + [3]


def test_failures_and_warnings_are_kept(tmp_path):
    failed = BatchResult(batch(("q", "MK", "b.faa:1")), (), (Failure("", "b.faa:3", "read", "no name"),))
    warm, cold = facts(), facts(inputs=("b.faa",))
    warm.warnings.append("warm")
    cold.warnings.extend(["cold", "warm"])
    warm.seconds["encode"], cold.seconds["encode"] = 1.0, 2.5
    shards = [write_all(tmp_path / "1", [RESULT], run=warm), write_all(tmp_path / "2", [failed], run=cold)]
    merge(shards, tmp_path / "merged", command=("photophore", "merge"))
    both = write_all(tmp_path / "both", [RESULT, failed], run=facts(inputs=("a.faa", "b.faa")))
    assert_same_bytes(tmp_path / "merged", both)
    told = read_run(tmp_path / "merged")
    assert told["counts"] == read_run(both)["counts"]
    assert (told["warnings"], told["inputs"]) == (["warm", "cold"], ["a.faa", "b.faa"])
    assert (told["seconds"]["encode"], told["command"]) == (3.5, ["photophore", "merge"])


def test_merged_runs_can_be_merged(tmp_path):
    results, _ = real_hits()
    shards = write_shards(tmp_path, results, [5, 12])
    merge(shards[:2], tmp_path / "first")
    merge([tmp_path / "first", shards[2]], tmp_path / "all")
    assert_same_bytes(tmp_path / "all", write_all(tmp_path / "single", results))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"database": DatabaseFact("/db", "ee" * 32)},
            f"the database differ: '{'ee' * 32}' there, '{'cd' * 32}' in {{first}}; merge runs of one database",
        ),
        (
            {"options": {"z": 5, "evalue": 10.0}},
            "the options differ: {{'z': 5}} there, {{'z': None}} in {first}; repeat one run with the options of the other",
        ),
        ({"version": "0.0.9"}, "the version of Photophore differ: '0.0.9' there, '0.1.0' in {first}; repeat one run"),
        (
            {"plugins": (PluginFact("encoder", "near", "photophore", "0.1.0", {"dim": 64}, "ab" * 32),)},
            (
                "the plugins differ: [{{'kind': 'encoder', 'name': 'near', 'distribution': 'photophore', "
                "'version': '0.1.0', 'options': {{'dim': 64}}"
            ),
        ),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(tmp_path, changes, message):
    first = write_all(tmp_path / "1", [RESULT], run=facts(version="0.1.0"))
    second = write_all(tmp_path / "2", [RESULT], run=replace(facts(version="0.1.0"), **changes))
    with pytest.raises(Problems) as caught:
        merge([first, second], tmp_path / "merged")
    assert str(caught.value).startswith(f"{second}: cannot be merged with {first}: {message.format(first=first)}")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "merged").exists()


def test_every_difference_is_told_at_once(tmp_path):
    first = write_all(tmp_path / "1", [RESULT])
    second = write_all(tmp_path / "2", [RESULT], run=facts(options={}, database=None), formats=("tsv",))
    with pytest.raises(Problems) as caught:
        merge([first, second], tmp_path / "merged")
    assert [line.split(" differ: ")[0].rpartition("the ")[2] for line in str(caught.value).splitlines()] == [
        "database",
        "options",
        "output files",
    ]


def test_unfinished_run_is_named(tmp_path):
    first = write_all(tmp_path / "1", [RESULT])
    (tmp_path / "2").mkdir()
    with pytest.raises(InputError) as caught:
        merge([first, tmp_path / "2"], tmp_path / "merged")
    assert str(caught.value) == (
        f"{tmp_path / '2' / 'run.json'}: there is no such file, so the run did not finish; "
        "give folders that 'photophore annotate -o' has completed"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"run\.json: cannot be read as JSON: "),
        ('{"schema_version": 9}', r"run\.json: schema_version is 9, this Photophore reads 1; use the version that"),
        ("[]", r"run\.json: schema_version is None, this Photophore reads 1"),
    ],
)
def test_damaged_run_file_is_named(tmp_path, text, message):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=message):
        merge([tmp_path], tmp_path / "merged")


@pytest.mark.parametrize("name", SAME_BYTES)
def test_file_cut_after_the_run_is_named(tmp_path, name):
    shard = write_all(tmp_path / "1", [RESULT])
    (shard / name).write_bytes((shard / name).read_bytes()[:-1])
    with pytest.raises(InputError, match="was changed or cut after the run: its SHA-256 is") as caught:
        merge([shard], tmp_path / "merged")
    assert str(caught.value).startswith(f"{shard / name}: ")
    assert not (tmp_path / "merged").exists()


def test_missing_file_is_named(tmp_path):
    shard = write_all(tmp_path / "1", [RESULT])
    (shard / "annotations.tsv").unlink()
    with pytest.raises(
        InputError, match=r"annotations\.tsv: cannot be read: No such file or directory; repeat the run"
    ):
        merge([shard], tmp_path / "merged")


def test_other_columns_are_refused(tmp_path):
    first = write_all(tmp_path / "1", [], formats=("tsv",))
    second = write_all(tmp_path / "2", [], formats=("tsv",), columns=())
    with pytest.raises(InputError, match=r"2/annotations\.tsv: its header is not that of .*1/annotations\.tsv; repeat"):
        merge([first, second], tmp_path / "merged")


def test_misuse_is_told(tmp_path):
    shard = write_all(tmp_path / "1", [RESULT])
    with pytest.raises(UsageError, match="nothing to merge: name at least one folder"):
        merge([], tmp_path / "merged")
    with pytest.raises(UsageError, match="is named twice; name each run once"):
        merge([shard, tmp_path / "x" / ".." / "1"], tmp_path / "merged")
    with pytest.raises(UsageError, match="is one of the runs and the result at once"):
        merge([shard], Path(f"{shard}/"))


def test_earlier_results_need_force(tmp_path):
    shard, old = write_all(tmp_path / "1", [RESULT]), write_all(tmp_path / "old", [])
    with pytest.raises(OutputError, match="holds results of an earlier run"):
        merge([shard], old)
    merge([shard], old, force=True)
    assert_same_bytes(old, shard)


def test_libraries_that_differ_are_told(tmp_path):
    first, second = (write_all(tmp_path / name, [RESULT]) for name in "12")
    told = read_run(second)
    told["platform"]["libraries"]["numpy"] = "1.0"
    (second / "run.json").write_text(json.dumps(told))
    merge([first, second], tmp_path / "merged")
    (warning,) = read_run(tmp_path / "merged")["warnings"]
    assert warning.startswith(f"{second} ran with numpy 1.0, {first} with ")


def test_command(tmp_path):
    shards = write_shards(tmp_path, [RESULT, RESULT], [1])
    done = CliRunner().invoke(merge_command, [*map(str, shards), "-o", str(tmp_path / "merged")])
    assert done.exit_code == 0
    assert done.stderr == f"{tmp_path / 'merged'}: 8 proteins of 2 runs: 2 annotated (2 annotations), 2 not, 4 failed\n"
    assert read_run(tmp_path / "merged")["counts"]["proteins"] == 8
