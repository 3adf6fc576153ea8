"""Runs over the shards of a split input are merged only when all are there, in their order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.writer_cases import RESULT, facts, write_all

from photophore.errors import Problems
from photophore.merge import merge
from photophore.runfacts import read_run
from photophore.shards import ShardFact


def run_over(folder, name, *shards):
    run = replace(facts(), shards=tuple(ShardFact(split, number, of) for split, number, of in shards))
    return write_all(folder / name, [RESULT], run=run)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            [1, 3],
            "/3: is the run over shard 3 of 3, where shard 2 of 3 should follow; name the runs over all shards, in",
        ),
        ([2, 1, 3], "/2: is the run over shard 2 of 3, where shard 1 of 3 should follow"),
        (
            [1, 2],
            "/2: is the run over shard 2 of 3, and the last one named; name the runs over all 3 shards, in their order",
        ),
    ],
)
def test_missing_and_misplaced_shards_are_told(tmp_path, order, message):
    runs = {number: run_over(tmp_path, str(number), ("x", number, 3)) for number in (1, 2, 3)}
    with pytest.raises(Problems) as caught:
        merge([runs[number] for number in order], tmp_path / "merged")
    assert message in str(caught.value)
    assert not (tmp_path / "merged").exists()


def test_shards_of_two_inputs_do_not_mix(tmp_path):
    runs = [run_over(tmp_path, "1", ("x", 1, 2)), run_over(tmp_path, "2", ("y", 2, 2))]
    with pytest.raises(Problems, match="2: is the run over shard 2 of 2, where shard 2 of 2 of another input should"):
        merge(runs, tmp_path / "merged")


def test_whole_sets_and_plain_runs_may_follow_each_other(tmp_path):
    runs = [
        run_over(tmp_path, "a", ("x", 1, 2), ("x", 2, 2)),
        run_over(tmp_path, "plain"),
        run_over(tmp_path, "b", ("y", 1, 1)),
    ]
    merge(runs, tmp_path / "merged")
    assert [fact["split"] for fact in read_run(tmp_path / "merged")["shards"]] == ["x", "x", "y"]
    merge([tmp_path / "merged"], tmp_path / "again")
