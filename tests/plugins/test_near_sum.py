"""`near-sum` against a slow reference written from the paper's definition."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from photophore.hookspecs import Runtime
from photophore.types import Neighbours, TargetTable
from photophore_near.near_sum import NearSum, NearSumConfig

TARGETS = TargetTable(ids=("a", "empty", "b", "c"), offsets=np.array([0, 3, 3, 7, 10], dtype=np.int64))


def neighbours(per_protein):
    """``per_protein``: for each protein, for each residue, a list of (row, score)."""
    counts = [len(residues) for residues in per_protein]
    flat = [residue for residues in per_protein for residue in residues]
    k = len(flat[0]) if flat else 4
    rows = np.array([[row for row, _ in residue] for residue in flat], dtype=np.int64).reshape(len(flat), k)
    scores = np.array([[score for _, score in residue] for residue in flat], dtype=np.float32).reshape(len(flat), k)
    return Neighbours(
        ids=tuple(f"p{i}" for i in range(len(per_protein))),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        positions=np.concatenate([np.arange(n) for n in counts] or [[]]).astype(np.int32),
        lengths=np.array(counts, dtype=np.int32),
        rows=rows,
        scores=scores,
    )


def reference(found, targets, gate):
    """The definition, one neighbour at a time."""
    result = []
    for protein in range(len(found.ids)):
        sums = defaultdict(float)
        for searched in range(found.offsets[protein], found.offsets[protein + 1]):
            for row, score in zip(found.rows[searched], found.scores[searched], strict=True):
                if row < 0 or score - gate <= 0:
                    continue
                owner = next(t for t in range(len(targets)) if targets.offsets[t] <= row < targets.offsets[t + 1])
                sums[owner] += float(score) - gate
        result.append(sorted(((np.float32(s), t) for t, s in sums.items()), key=lambda pair: (-pair[0], pair[1])))
    return result


def as_lists(candidates):
    pairs = list(zip(candidates.scores.tolist(), candidates.targets.tolist(), strict=True))
    return [pairs[candidates.offsets[i] : candidates.offsets[i + 1]] for i in range(len(candidates))]


def aggregate(found, **options):
    return NearSum(NearSumConfig(**options), Runtime()).aggregate(found, TARGETS)


def test_sums_by_eye():
    found = neighbours(
        [
            [[(0, 0.75), (4, 0.5)], [(2, 0.5), (9, 0.2)]],
            [[(7, 0.25), (-1, -np.inf)]],
        ]
    )
    candidates = aggregate(found, gate=0.25)
    assert as_lists(candidates) == [[(0.75, 0), (0.25, 2)], []]
    assert candidates.ids == ("p0", "p1")


@pytest.mark.parametrize("gate", [0.0, 0.1875, 0.6])
def test_equals_the_reference(gate):
    rng = np.random.default_rng(3)
    proteins = [
        [[(int(rng.integers(-1, 10)), float(rng.normal(0.3, 0.3))) for _ in range(6)] for _ in range(length)]
        for length in (1, 40, 0, 7, 120)
    ]
    found = neighbours(proteins)
    scores = np.where(found.rows < 0, -np.inf, found.scores).astype(np.float32)
    found = Neighbours(found.ids, found.offsets, found.positions, found.lengths, found.rows, scores)
    expected = reference(found, TARGETS, gate)
    result = as_lists(aggregate(found, gate=gate))
    assert [[t for _, t in protein] for protein in result] == [[t for _, t in protein] for protein in expected]
    for ours, theirs in zip(result, expected, strict=True):
        assert np.allclose([s for s, _ in ours], [s for s, _ in theirs], rtol=1e-6)


def test_ties_go_to_the_earlier_target():
    found = neighbours([[[(8, 0.5), (4, 0.5), (1, 0.5)]]])
    assert [t for _, t in as_lists(aggregate(found))[0]] == [0, 2, 3]


def test_threshold_and_most_candidates():
    found = neighbours([[[(0, 0.9), (4, 0.6), (8, 0.3)]], [[(8, 0.9), (4, 0.2), (0, 0.3)]]])
    assert [[t for _, t in p] for p in as_lists(aggregate(found, gate=0.0, threshold=0.5))] == [[0, 2], [3]]
    assert [[t for _, t in p] for p in as_lists(aggregate(found, gate=0.0, max_candidates=2))] == [[0, 2], [3, 0]]
    with pytest.raises(ValueError, match="max_candidates is -1; give 0 for all"):
        NearSumConfig(max_candidates=-1)


def test_no_proteins_and_no_neighbours():
    empty = neighbours([])
    assert as_lists(aggregate(empty)) == []
    assert as_lists(aggregate(neighbours([[], []]))) == [[], []]
    nothing = TargetTable(ids=(), offsets=np.zeros(1, dtype=np.int64))
    assert as_lists(NearSum(NearSumConfig(), Runtime()).aggregate(neighbours([[]]), nothing)) == [[]]


def test_a_protein_does_not_see_its_batch():
    rng = np.random.default_rng(5)
    first = [[(int(rng.integers(0, 10)), float(rng.random())) for _ in range(8)] for _ in range(50)]
    second = [[(int(rng.integers(0, 10)), float(rng.random())) for _ in range(8)] for _ in range(33)]
    alone = as_lists(aggregate(neighbours([second])))
    together = as_lists(aggregate(neighbours([first, second])))
    assert alone[0] == together[1]
