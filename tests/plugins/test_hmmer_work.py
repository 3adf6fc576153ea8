"""The candidates of a batch, profile by profile."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugins.hmmer_cases import make_batch

from photophore.types import Candidates
from photophore_hmmer import work
from photophore_hmmer.band import NOWHERE
from photophore_hmmer.work import proposed_begins, work_of

PROTEINS = make_batch([("a", "M" * 10), ("b", "M" * 30), ("none", "M"), ("c", "M" * 20)])
#: Targets of each protein, and positions of the five profiles.
TARGETS, LENGTHS = ([3, 1], [1, 0, 3], [], [3]), (100, 10, 5, 40, 7)


def candidates(**evidence):
    targets = np.concatenate(TARGETS).astype(np.int32)
    return Candidates(
        ids=PROTEINS.ids,
        offsets=np.concatenate([[0], np.cumsum([len(own) for own in TARGETS])]).astype(np.int64),
        targets=targets,
        scores=np.zeros(len(targets), dtype=np.float32),
        evidence={name: np.array(values, dtype=np.int32) for name, values in evidence.items()},
    )


@pytest.mark.parametrize("compiled", [True, False])
def test_the_heaviest_profile_comes_first_with_its_proteins_in_order(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(work, "library", lambda _: None)
    works = list(work_of(PROTEINS, candidates(offset=[1, 2, 3, 4, 5, 6], offset_2=[7, 8, 9, NOWHERE, 11, 12]), LENGTHS))
    assert [one.target for one in works] == [0, 3, 1]  # 30 x 100, 60 x 40 and 40 x 10 cells
    assert [one.rows.tolist() for one in works] == [[1], [0, 1, 3], [0, 1]]
    assert [one.begins.tolist() for one in works] == [[[4, NOWHERE]], [[1, 7], [5, 11], [6, 12]], [[2, 8], [3, 9]]]


@pytest.mark.parametrize("compiled", [True, False])
def test_no_place_is_known_where_none_is_proposed(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(work, "library", lambda _: None)
    works = work_of(PROTEINS, candidates(confidence=range(6)), LENGTHS)
    assert [one.begins for one in works] == [None] * 3
    assert [one.rows.tolist() for one in works] == [[1], [0, 1, 3], [0, 1]]


@pytest.mark.parametrize("compiled", [True, False])
def test_no_candidates_are_no_work(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(work, "library", lambda _: None)
    none = Candidates(("a",), np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    assert not work_of(make_batch([("a", "MK")]), none, LENGTHS)


def test_places_are_those_that_the_evidence_proposes():
    begins = proposed_begins(candidates(offset=range(6), offset_2=[NOWHERE] * 6, offsetting=range(6)))
    assert [column.dtype for column in begins] == [np.int32] * 2
    assert [column.tolist() for column in begins] == [list(range(6)), [NOWHERE] * 6]
    assert proposed_begins(candidates(confidence=range(6))) == ()
