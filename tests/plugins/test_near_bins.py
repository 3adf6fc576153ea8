"""Bins of diagonals in C and in numpy: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.errors import DataError
from photophore_near import bins
from photophore_near.bins import (
    BIN_BITS,
    NO_OFFSET,
    TARGET_BITS,
    WEIGHT_BITS,
    WEIGHT_MAX,
    Binning,
    Found,
    Scale,
    best_bins,
    pack,
)


def searched(seed, n=400, k=9):
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.random((n, k), dtype=np.float32), axis=1)
    scores[rng.random((n, k)) < 0.2] = -np.inf
    scores[:1] = -np.inf
    found = Found(
        scores=scores,
        rows=rng.integers(0, 300, (n, k)),
        positions=rng.integers(0, 500, n).astype(np.int32),
        proteins=np.sort(rng.integers(0, 7, n)),
    )
    begins = np.array([0, 40, 40, 240, 300], dtype=np.int64)
    targets = np.repeat(np.arange(4, dtype=np.int32), np.diff(begins))
    return found, Binning(targets, begins, step=2, longest=512, bin=8, margin=0.1, gate=0.2)


SCALE = Scale(np.array([0.1, 0.2, 0.3, 0.2], np.float32), np.array([0.3, 0.1, 0.2, 0.1], np.float32), threshold=-0.5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [Scale(), SCALE])
def test_both_ways_are_the_same(seed, scale, monkeypatch):
    if bins.library("photophore_near._bins") is None:
        pytest.skip("the functions in C are not built: there was no compiler")
    found, binning = searched(seed)
    packed = pack(found, binning)
    best = best_bins(np.sort(packed), 8, binning, 3, scale)
    monkeypatch.setattr(bins, "library", lambda _: None)
    assert np.array_equal(pack(found, binning), packed)
    for one, other in zip(best_bins(np.sort(packed), 8, binning, 3, scale), best, strict=True):
        assert np.array_equal(one, other)
        assert one.dtype == other.dtype
    assert len(best.targets) > 10
    assert (best.offsets[2] != NO_OFFSET).any()


@pytest.mark.parametrize("compiled", [True, False])
def test_those_of_a_protein_come_best_first(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(bins, "library", lambda _: None)
    _, binning = searched(0, n=0)
    # By protein, target and weight, in one bin each: scores are spreads above the mean, those of -0.5 and more count.
    weights = {(1, 0): 0, (1, 1): 819, (1, 2): 820, (1, 3): 1228, (2, 0): 409, (2, 2): 4095, (3, 2): 737}
    pairs = [(protein << TARGET_BITS | target) << BIN_BITS for protein, target in weights]
    packed = (np.array(pairs, dtype=np.int64) << WEIGHT_BITS) + np.array(list(weights.values()))
    scored = best_bins(packed, 5, binning, 1, SCALE)
    assert scored.counts.tolist() == [0, 4, 2, 0, 0]
    assert scored.targets.tolist() == [3, 1, 0, 2, 2, 0]
    expected = [
        (weights[pair] / WEIGHT_MAX - SCALE.mean[pair[1]]) / SCALE.spread[pair[1]]
        for pair in ((1, 3), (1, 1), (1, 0), (1, 2), (2, 2), (2, 0))
    ]
    assert scored.scores == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_nothing_gives_nothing(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(bins, "library", lambda _: None)
    found, binning = searched(0, n=0)
    packed = pack(found, binning)
    scored = best_bins(packed, 2, binning, 2, Scale())
    assert [column.shape for column in (packed, *scored)] == [(0,), (2,), (0,), (0,), (2, 0)]


@pytest.mark.parametrize("compiled", [True, False])
def test_what_cannot_be_packed_is_refused(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(bins, "library", lambda _: None)
    found, binning = searched(1)
    wide = Binning(binning.target_of_row, binning.target_begins, 2, longest=8 << BIN_BITS, bin=8, margin=0.1, gate=0.2)
    with pytest.raises(DataError, match="bins; give a larger aggregator.width"):
        pack(found, wide)
    found.rows[5, 3] = 300
    with pytest.raises(DataError, match="neighbour 300 is not one of the 300 rows of the database"):
        pack(found, binning)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_best_bins_lie_apart(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(bins, "library", lambda _: None)
    _, binning = searched(0, n=0)
    weights = {3: 5, 4: 9, 5: 2, 6: 1, 9: 4, 12: 12}
    packed = np.array([bin_ << WEIGHT_BITS | weight for bin_, weight in weights.items()], dtype=np.int64)
    scored = best_bins(packed, 1, binning, 5, Scale())
    assert scored.scores.tolist() == [np.float32(14 / WEIGHT_MAX)]  # bins 3 and 4
    offsets = [binning.longest - (bin_ + 1) * binning.bin for bin_ in (3, 12, 9, 5)]
    assert scored.offsets[:, 0].tolist() == [*offsets, NO_OFFSET]
