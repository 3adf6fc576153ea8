"""The aggregator `top`: the nearest rows, by eye."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.hookspecs import Runtime
from photophore.types import Neighbours, TargetTable
from photophore_siamese.config import TopConfig
from photophore_siamese.top import Top

TARGETS = TargetTable(("a", "b", "c", "d"), np.arange(5))


def searched(*, ends=True):
    """Protein p as a whole (0-300) and by two windows, then q, which is short."""
    return Neighbours(
        ids=("p", "q"),
        offsets=np.array([0, 3, 4]),
        positions=np.array([0, 0, 172, 0], np.int32),
        lengths=np.array([300, 90], np.int32),
        rows=np.array([[0, 1, 2], [3, 0, -1], [1, 0, 2], [2, -1, -1]]),
        scores=np.array([[0.5, 0.4, 0.3], [0.9, 0.5, -np.inf], [0.8, 0.2, 0.1], [0.7, -np.inf, -np.inf]], np.float32),
        ends=np.array([300, 128, 300, 90], np.int32) if ends else None,
    )


def told(found):
    """Per protein: (target, score, start, end)."""
    columns = [found.targets, found.scores.round(2), found.evidence["start"], found.evidence["end"]]
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    return [rows[found.offsets[item] : found.offsets[item + 1]] for item in range(len(found))]


def test_each_target_comes_once_by_its_best_stretch():
    found = Top(TopConfig(min_score=-1.0), Runtime()).aggregate(searched(), TARGETS)
    p, q = told(found)
    assert [(target, start, end) for target, _, start, end in p] == [(3, 0, 128), (1, 172, 300), (0, 0, 300), (2, 0, 300)]
    assert found.scores == pytest.approx([0.9, 0.8, 0.5, 0.3, 0.7])
    assert [(target, start, end) for target, _, start, end in q] == [(2, 0, 90)]


def test_k_counts_for_each_stretch():
    p, _ = told(Top(TopConfig(k=1), Runtime()).aggregate(searched(), TARGETS))
    assert [target for target, *_ in p] == [3, 1, 0]


def test_a_least_score():
    p, q = told(Top(TopConfig(min_score=0.75), Runtime()).aggregate(searched(), TARGETS))
    assert [target for target, *_ in p] == [3, 1]
    assert q == []


def test_vectors_without_stretches_have_no_end():
    found = Top(TopConfig(), Runtime()).aggregate(searched(ends=False), TARGETS)
    assert set(found.evidence) == {"start"}


def test_rows_of_a_target_with_several():
    targets = TargetTable(("a", "b"), np.array([0, 3, 4]))
    found = Top(TopConfig(), Runtime()).aggregate(searched(), targets)
    assert found.of(0).tolist() == [1, 0]


def test_options():
    with pytest.raises(ValueError, match="k is 0; give at least 1"):
        TopConfig(k=0)
