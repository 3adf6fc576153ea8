"""Groups scored on the diagonals that the near network proposes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.plugins.hifinn_groups import batch_of, columns_of, family_columns, metagenome_proteins, profiles_of, relative

from photophore.types import Candidates
from photophore_hifinn.hits import LEAST_BITS
from photophore_hifinn.screening import Screen
from photophore_hmmer.band import NOWHERE

GROUPS = 12
#: Residues before the first one that is like the group.
AHEAD = 9


@pytest.fixture(scope="module")
def families(metagenome_faa):
    return metagenome_proteins(metagenome_faa, GROUPS)


@pytest.fixture(scope="module")
def profiles(families):
    return profiles_of([columns_of(each) for each in families])


@pytest.fixture(scope="module")
def batch(families):
    """Return a distant relative of each family, behind a stretch that is like none."""
    random = np.random.default_rng(5)
    return batch_of(["G" * AHEAD + relative(random, each, share=0.5) for each in families])


@pytest.fixture(scope="module")
def candidates(batch):
    """Return every group for every protein; on its own diagonal, and on one that is far from all residues."""
    pairs = len(batch) * GROUPS
    return Candidates(
        ids=batch.ids,
        offsets=np.arange(len(batch) + 1, dtype=np.int64) * GROUPS,
        targets=np.tile(np.arange(GROUPS, dtype=np.int32), len(batch)),
        scores=np.arange(pairs, dtype=np.float32),
        evidence={"offset": np.full(pairs, AHEAD, np.int32), "offset_2": np.full(pairs, NOWHERE, np.int32)},
    )


@pytest.fixture(scope="module")
def screen(profiles):
    return Screen(profiles, threads=1)


def from_the_start(batch, groups: list[int]) -> Candidates:
    """Return ``groups`` for the one protein of ``batch``, both beginning at the same place."""
    pairs = len(groups)
    return Candidates(
        ids=batch.ids,
        offsets=np.array([0, pairs]),
        targets=np.array(groups, dtype=np.int32),
        scores=np.ones(pairs, dtype=np.float32),
        evidence={"offset": np.zeros(pairs, np.int32)},
    )


def test_a_relative_comes_first(screen, batch, candidates):
    found = screen.best(batch, candidates, GROUPS)
    first = np.searchsorted(found.rows, np.arange(len(batch)))
    assert found.groups[first].tolist() == list(range(GROUPS))
    assert found.bits[first].min() > 50
    assert found.bits.min() >= LEAST_BITS
    assert len(found.rows) < 2 * GROUPS
    same_row = np.diff(found.rows) == 0
    assert (np.diff(found.rows) >= 0).all()
    assert (np.diff(found.bits)[same_row] <= 0).all()
    assert [column.dtype for column in found] == [np.int64, np.int64, np.float32, np.float32]


def test_the_score_is_that_of_the_alignments(profiles):
    """One alignment is far better than all others: its score, less HMMER's terms for where it begins and ends."""
    columns = family_columns(120)
    profiles = profiles_of([columns])
    batch = batch_of([profiles.consensus(0)])
    found = Screen(profiles, threads=1).best(batch, from_the_start(batch, [0]), 1)
    aligned = columns.max(axis=1).sum() / 3
    # log2 of 2 / (M (M + 1)) for the profile, and of (3 / (L + 3))^2 for the protein, which is no longer
    beside = 1 - np.log2(120 * 121) + 2 * np.log2(3 / 123)
    assert found.bits[0] == pytest.approx(aligned + beside, rel=0.05)


def test_the_near_networks_score_goes_with_each_pair(screen, batch, candidates):
    found = screen.best(batch, candidates, GROUPS)
    assert found.found.tolist() == (found.rows * GROUPS + found.groups).tolist()


def test_the_diagonals_decide(screen, batch, candidates):
    elsewhere = replace(candidates, evidence={"offset": np.full(len(candidates.targets), AHEAD + 500, np.int32)})
    assert len(screen.best(batch, elsewhere, GROUPS).rows) == 0


def test_no_more_than_asked_for(batch, families, candidates):
    doubled = Screen(profiles_of([columns_of(each) for each in families[: GROUPS // 2] * 2]), threads=1)
    found = doubled.best(batch, candidates, 2)
    fewer = doubled.best(batch, candidates, 1)
    half = GROUPS // 2
    assert np.bincount(found.rows, minlength=half)[:half].tolist() == [2] * half
    assert np.bincount(fewer.rows, minlength=half)[:half].tolist() == [1] * half
    assert fewer.groups[:half].tolist() == list(range(half))  # the first of equals


def test_what_is_nothing_beside_the_best_is_left_out():
    """A short stretch is worth aligning where nothing else is known, not beside a whole family."""
    columns = family_columns(400)
    screen = Screen(profiles_of([columns, columns[:20]]), threads=1)
    batch = batch_of([profiles_of([columns]).consensus(0)])
    assert screen.best(batch, from_the_start(batch, [0, 1]), 2).groups.tolist() == [0]
    assert screen.best(batch, from_the_start(batch, [1]), 2).groups.tolist() == [1]


def test_threads_and_company_change_nothing(screen, profiles, batch, candidates, monkeypatch):
    found = screen.best(batch, candidates, GROUPS)
    monkeypatch.setattr("photophore_hifinn.screening._TOGETHER", 5)
    for mine, theirs in zip(Screen(profiles, threads=3).best(batch, candidates, GROUPS), found, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for row in range(len(batch)):
        part = slice(row * GROUPS, (row + 1) * GROUPS)
        alone = Candidates(
            batch.ids[row : row + 1],
            np.array([0, GROUPS]),
            candidates.targets[part],
            candidates.scores[part],
            {name: column[part] for name, column in candidates.evidence.items()},
        )
        here = found.rows == row
        for mine, theirs in zip(screen.best(batch.select([row]), alone, GROUPS)[1:], found[1:], strict=True):
            np.testing.assert_array_equal(mine, theirs[here])


def test_without_candidates_there_is_nothing(screen, batch):
    none = Candidates(
        batch.ids, np.zeros(len(batch) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32),
        {"offset": np.empty(0, np.int32)},
    )  # fmt: skip
    found = screen.best(batch, none, GROUPS)
    assert [(len(column), column.dtype) for column in found] == [
        (0, np.int64), (0, np.int64), (0, np.float32), (0, np.float32)
    ]  # fmt: skip
