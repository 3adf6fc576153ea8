"""Alignment on residue similarities: against a slow one read off the recurrence, parasail, and itself in bands."""

from __future__ import annotations

import numpy as np
import pytest

from photophore_siamese.aligning import (
    CHANCE_RESIDUES,
    UNITS,
    Gaps,
    align_long,
    align_many,
    align_many_by_rows,
    best_score,
    text_score_by_rows,
    text_scores,
)
from photophore_siamese.striped import MOST_SCORE

GAPS = Gaps(1.0, 0.25)


def slow(similarity, gaps):
    """The recurrence cell by cell, with the alignment found by asking every cell where its score came from."""
    n, m = similarity.shape
    never = -1e30
    h, e, f = np.zeros((n + 1, m + 1)), np.full((n + 1, m + 1), never), np.full((n + 1, m + 1), never)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            e[i, j] = max(h[i, j - 1] - gaps.open, e[i, j - 1] - gaps.extend)
            f[i, j] = max(h[i - 1, j] - gaps.open, f[i - 1, j] - gaps.extend)
            h[i, j] = max(0.0, h[i - 1, j - 1] + similarity[i - 1, j - 1], e[i, j], f[i, j])
    best = h.max()
    i, j = np.argwhere(h == best)[0].tolist()
    pairs, state = [], "h"
    while best > 0 and i > 0 and j > 0 and (state != "h" or h[i, j] > 0):
        if state == "h" and h[i, j] == h[i - 1, j - 1] + similarity[i - 1, j - 1]:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif state == "h":
            state = "e" if h[i, j] == e[i, j] else "f"
        elif state == "e":
            state = "e" if e[i, j - 1] - gaps.extend >= h[i, j - 1] - gaps.open else "h"
            j -= 1
        else:
            state = "f" if f[i - 1, j] - gaps.extend >= h[i - 1, j] - gaps.open else "h"
            i -= 1
    return pairs[::-1], best


def whole_numbers(n, m, seed):
    """Similarities in quarters: ties abound, and float32 adds them without rounding."""
    return (np.random.default_rng(seed).integers(-6, 5, (n, m)) / 4).astype(np.float32)


SIZES = [(1, 1), (1, 9), (9, 1), (7, 7), (12, 30), (30, 12), (33, 41), (50, 50), (3, 80)]


@pytest.mark.parametrize("align", [align_many, align_many_by_rows])
def test_many_pairs_equal_the_recurrence_one_by_one(align):
    matrices = [whole_numbers(n, m, seed) for seed in range(4) for n, m in SIZES]
    for matrix, (pairs, score, chance) in zip(matrices, align(matrices, GAPS), strict=True):
        expected, best = slow(matrix, GAPS)
        assert score == best == best_score(matrix, GAPS)
        assert chance == slow(matrix[::-1], GAPS)[1]
        assert pairs.tolist() == [list(pair) for pair in expected]
        assert pairs.dtype == np.int32


@pytest.mark.parametrize("shape", [(255, 300), (256, 300), (300, 20), (40, 1000)])
@pytest.mark.parametrize("most", [5, 300, 5000])
def test_parasail_and_rows_give_the_same_pairs_of_any_size(shape, most):
    random = np.random.default_rng(most)
    matrix = (random.integers(-most, most // 2 + 1, shape) / 16).astype(np.float32)
    gaps = Gaps(most / 20, most / 80)
    ((pairs, score, chance),) = align_many([matrix], gaps)
    ((by_rows, score_by_rows, chance_by_rows),) = align_many_by_rows([matrix], gaps)
    assert np.array_equal(pairs, by_rows)
    assert score == score_by_rows == best_score(matrix, gaps)
    shorter = matrix if shape[0] <= shape[1] else matrix.T
    assert chance == chance_by_rows == best_score(shorter[:CHANCE_RESIDUES, ::-1], gaps)


def test_batch_mates_do_not_matter():
    random = np.random.default_rng(0)
    matrices = [(random.normal(size=(n, m)) - 0.3).astype(np.float32) for n, m in SIZES]
    together = align_many(matrices, GAPS)
    for matrix, (pairs, score, _) in zip(matrices, together, strict=True):
        ((alone, alone_score, _),) = align_many([matrix], GAPS)
        assert np.array_equal(alone, pairs)
        assert alone_score == score


@pytest.mark.parametrize("band_cells", [60, 200, 900, 1 << 24])
def test_bands_of_a_long_pair_are_the_whole(band_cells):
    for seed in range(3):
        for n, m in SIZES:
            matrix = whole_numbers(n, m, seed)
            ((pairs, score, _),) = align_many([matrix], GAPS)
            long_pairs, long_score = align_long(
                lambda start, stop, matrix=matrix: matrix[start:stop], matrix.shape, GAPS, band_cells=band_cells
            )
            assert long_score == score
            assert long_pairs.tolist() == pairs.tolist()


def test_scores_are_parasail_s():
    parasail = pytest.importorskip("parasail")
    random = np.random.default_rng(3)
    letters = np.array(list("ARNDCQEGHILKMFPSTWYV"))
    for n, m in [(40, 60), (90, 90), (150, 30)]:
        one, other = random.integers(0, 20, n), random.integers(0, 20, m)
        other[5:25] = one[5:25]
        matrix = parasail.blosum62.matrix[:20, :20][one][:, other].astype(np.float32)
        ((pairs, score, _),) = align_many([matrix], Gaps(11, 1))
        found = parasail.sw_trace_striped_32("".join(letters[one]), "".join(letters[other]), 11, 1, parasail.blosum62)
        assert score == found.score
        assert pairs[-1].tolist() == [found.end_query, found.end_ref]
        gaps = sum(11 + (jump - 1) for axis in (0, 1) for jump in (np.diff(pairs[:, axis]) - 1).tolist() if jump)
        assert score == matrix[pairs[:, 0], pairs[:, 1]].sum() - gaps


def test_nothing_alike_aligns_nothing():
    ((pairs, score, _),) = align_many([np.full((5, 4), -1.0, np.float32)], GAPS)
    assert pairs.shape == (0, 2)
    assert score == 0.0
    pairs, score = align_long(lambda start, stop: np.full((stop - start, 4), -1.0, np.float32), (5, 4), GAPS)
    assert pairs.shape == (0, 2)
    assert score == 0.0


def test_no_pairs():
    assert align_many([], GAPS) == []


def test_a_gap_by_eye():
    """MKVLAW against MKAW: VL stands alone, for open + extend."""
    one, other = "MKVLAW", "MKAW"
    matrix = np.array([[1.0 if a == b else -1.0 for b in other] for a in one], dtype=np.float32)
    ((pairs, score, _),) = align_many([matrix], Gaps(1.0, 0.5))
    assert pairs.tolist() == [[0, 0], [1, 1], [4, 2], [5, 3]]
    assert score == 2.5


@pytest.mark.parametrize(("opened", "extend"), [(1.0, 2.0), (1.0, 0.0), (-1.0, -2.0)])
def test_gaps_that_make_no_sense(opened, extend):
    with pytest.raises(ValueError, match=r"gaps cost open=.*; give 0 < extend <= open"):
        Gaps(opened, extend)


@pytest.mark.parametrize("lengths", [(0, 5), (1, 1), (40, 30), (300, 700)])
def test_texts_score_as_their_matrices_do(lengths):
    random = np.random.default_rng(5)
    columns = random.integers(-60, 40, (lengths[0], 241)).astype(np.int32)
    texts = [random.integers(0, 241, length).astype(np.uint8) for length in (lengths[1], 12, 1)]
    scores = text_scores(columns, texts, GAPS)
    for text, score in zip(texts, scores.tolist(), strict=True):
        assert score == UNITS * best_score((columns[:, text] / UNITS).astype(np.float32), GAPS)
        assert score == text_score_by_rows(columns, text, GAPS)


def test_scores_of_texts_have_a_bound():
    columns = np.full((400, 2), 200, dtype=np.int32)
    text = np.zeros(300, dtype=np.uint8)
    assert text_scores(columns, [text], GAPS).tolist() == [MOST_SCORE]
    assert text_score_by_rows(columns, text, GAPS) == MOST_SCORE


def test_without_parasail_all_is_the_same(monkeypatch):
    random = np.random.default_rng(8)
    matrices = [whole_numbers(n, m, seed) for seed in range(2) for n, m in SIZES]
    columns = random.integers(-60, 40, (50, 241)).astype(np.int32)
    texts = [random.integers(0, 241, length).astype(np.uint8) for length in (30, 90)]

    def all_of_them():
        aligned = [(pairs.tolist(), score) for pairs, score, _ in align_many(matrices, GAPS)]
        return aligned, [best_score(matrix, GAPS) for matrix in matrices], text_scores(columns, texts, GAPS).tolist()

    usual = all_of_them()
    monkeypatch.setattr("photophore_siamese.aligning.MOST_ROWS", 0)
    assert all_of_them() == usual
