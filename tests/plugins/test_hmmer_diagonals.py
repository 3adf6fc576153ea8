"""Scores on a band of diagonals: in C and in numpy the same, and those of a definition written cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugins.hmmer_cases import PROTEIN_HMMS, read_hmms

from photophore.types import Candidates
from photophore_hmmer import diagonals
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.diagonals import (
    BAND,
    ENOUGH,
    GAP_EXTEND,
    GAP_OPEN,
    NOWHERE,
    SEGMENT_ENOUGH,
    Places,
    best_alignments,
    best_segments,
    letter_scores,
    proposed_begins,
)

LETTERS = len(AMINO.symbols)
IMPOSSIBLE = -(10**6)


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(diagonals, "library", lambda _: None)
    elif diagonals.library("photophore_hmmer._diagonals") is None:
        pytest.skip("the functions in C are not built: there was no compiler")


def scores_of(inside):
    scores = np.full((LETTERS, inside.shape[1] + 2 * BAND), -120, dtype=np.int8)
    scores[:, BAND:-BAND] = inside
    return scores


def places(proteins, rows, begins):
    return Places(
        residues=np.concatenate([np.array(protein, dtype=np.uint8) for protein in proteins]),
        offsets=np.concatenate([[0], np.cumsum([len(protein) for protein in proteins])]).astype(np.int64),
        rows=np.array(rows, dtype=np.int64),
        begins=np.array(begins, dtype=np.int32),
    )


def by_definition(inside, protein, begin, *, gaps):
    """The best score of a cell by cell recursion over the band."""
    first, positions, best = -begin - BAND // 2, inside.shape[1], 0
    aligned, skipping, inserting = {}, {}, {}
    for i in range(len(protein)):
        for d in range(BAND):
            j = i + first + d
            before = max(0, aligned.get((i - 1, d), 0))
            if gaps:
                before = max(before, skipping.get((i - 1, d), IMPOSSIBLE), inserting.get((i - 1, d), IMPOSSIBLE))
            score = int(inside[protein[i], j]) if 0 <= j < positions else IMPOSSIBLE
            aligned[i, d] = max(0, before + score)
            best = max(best, aligned[i, d])
            above = min(d + 1, BAND - 1)
            opened = aligned.get((i - 1, above), 0) - GAP_OPEN
            inserting[i, d] = max(opened, inserting.get((i - 1, above), IMPOSSIBLE) - GAP_EXTEND)
        for d in range(BAND):
            below = max(d - 1, 0)
            skipping[i, d] = max(aligned[i, below] - GAP_OPEN, skipping.get((i - 1, below), IMPOSSIBLE) - GAP_EXTEND)
    return best


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("positions", [1, 7, 60])
def test_equal_the_definition(positions):
    rng = np.random.default_rng(positions)
    inside = rng.integers(-9, 10, (LETTERS, positions))
    proteins = [rng.integers(0, LETTERS, length) for length in (1, 30, 90)]
    rows = np.repeat(np.arange(3), 8)
    begins = rng.integers(-positions - 40, 130, len(rows))
    given = places(proteins, rows, begins)
    where = list(zip(rows.tolist(), begins.tolist(), strict=True))
    segments = [by_definition(inside, proteins[row], begin, gaps=False) for row, begin in where]
    alignments = [by_definition(inside, proteins[row], begin, gaps=True) for row, begin in where]
    assert best_segments(scores_of(inside), given).tolist() == segments
    assert best_alignments(scores_of(inside), given).tolist() == alignments
    assert max(segments) > 0


def test_both_ways_are_the_same_on_many(monkeypatch):
    if diagonals.library("photophore_hmmer._diagonals") is None:
        pytest.skip("the functions in C are not built: there was no compiler")
    rng = np.random.default_rng(0)
    scores = scores_of(rng.integers(-20, 19, (LETTERS, 300)))
    given = places(
        [rng.integers(0, LETTERS, n) for n in rng.integers(1, 600, 100)],
        rng.integers(0, 100, 5000),
        rng.integers(-400, 700, 5000),
    )
    compiled = best_segments(scores, given), best_alignments(scores, given)
    assert np.array_equal(best_segments(scores, given, plain=True), compiled[0])
    monkeypatch.setattr(diagonals, "library", lambda _: None)
    assert np.array_equal(best_segments(scores, given), compiled[0])
    assert np.array_equal(best_alignments(scores, given), compiled[1])


@pytest.mark.usefixtures("way")
def test_a_gap_of_each_kind():
    """Ten residues that fit, three residues or positions that do not, ten that fit."""
    inside = np.full((LETTERS, 20), -30)
    inside[np.arange(20), np.arange(20)] = 10
    inserted = [*range(10), 25, 25, 25, *range(10, 20)]
    alignment = best_alignments(scores_of(inside), places([inserted], [0], [0]))
    assert alignment.tolist() == [200 - GAP_OPEN - 2 * GAP_EXTEND]
    assert best_segments(scores_of(inside), places([inserted], [0], [0])).tolist() == [100]
    longer = np.full((LETTERS, 23), -30)
    longer[:, :10], longer[:, 13:] = inside[:, :10], inside[:, 10:]
    skipped = best_alignments(scores_of(longer), places([range(20)], [0], [0]))
    assert skipped.tolist() == [200 - GAP_OPEN - 2 * GAP_EXTEND - 2 * 10]  # two residues go with the positions


@pytest.mark.usefixtures("way")
def test_no_score_overflows():
    inside = np.full((LETTERS, 3000), 120)
    given = places([np.zeros(3000, dtype=np.uint8)], [0], [0])
    assert best_segments(scores_of(inside), given).tolist() == [SEGMENT_ENOUGH]
    assert best_alignments(scores_of(inside), given).tolist() == [ENOUGH]


@pytest.mark.usefixtures("way")
def test_a_place_beside_the_protein_scores_nothing():
    inside = np.full((LETTERS, 10), 5)
    given = places([[0] * 10], [0, 0], [500, -500])
    assert best_segments(scores_of(inside), given).tolist() == [0, 0]
    assert best_alignments(scores_of(inside), given).tolist() == [0, 0]


def test_letter_scores():
    hmm = read_hmms(PROTEIN_HMMS)[0]
    scores = letter_scores(hmm)
    assert scores.shape == (LETTERS, hmm.M + 2 * BAND)
    assert (scores[:, :BAND] == -120).all()
    assert (scores[:, -BAND:] == -120).all()
    consensus = [AMINO.symbols.index(letter.upper()) for letter in hmm.consensus]
    assert (scores[consensus, BAND + np.arange(hmm.M)] > 0).mean() > 0.95
    assert (scores[AMINO.symbols.index("X"), BAND:-BAND] == -1).all()


def candidates(**evidence):
    """Two proteins with a candidate each."""
    return Candidates(
        ids=("a", "b"),
        offsets=np.array([0, 1, 2]),
        targets=np.array([0, 0], dtype=np.int32),
        scores=np.array([1, 2], dtype=np.float32),
        evidence={name: np.array(values, dtype=np.int32) for name, values in evidence.items()},
    )


def test_places_are_those_that_the_evidence_proposes():
    begins = proposed_begins(candidates(offset=[3, -2], offset_2=[NOWHERE, 5], offsetting=[8, 8]))
    assert begins.dtype == np.int32
    assert begins.tolist() == [[3, NOWHERE], [-2, 5]]
    residues, offsets = np.zeros(20, dtype=np.uint8), np.array([0, 10, 20])
    given, pair = Places.proposed(residues, offsets, np.array([0, 1]), begins)
    assert given.rows.tolist() == [0, 1, 1]
    assert given.begins.tolist() == [3, -2, 5]
    assert pair.tolist() == [0, 1, 1]


def test_without_evidence_no_place_is_proposed():
    assert proposed_begins(candidates(confidence=[1, 2])) is None
