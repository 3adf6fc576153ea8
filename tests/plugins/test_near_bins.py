"""Bins of diagonals in C and in numpy: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.errors import DataError
from photophore_near import bins
from photophore_near.bins import BIN_BITS, WEIGHT_BITS, Binning, Found, best_bins, pack


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


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_are_the_same(seed, monkeypatch):
    if bins.library("photophore_near._bins") is None:
        pytest.skip("the functions in C are not built: there was no compiler")
    found, binning = searched(seed)
    packed = pack(found, binning)
    best = best_bins(np.sort(packed), 3)
    monkeypatch.setattr(bins, "library", lambda _: None)
    assert np.array_equal(pack(found, binning), packed)
    for one, other in zip(best_bins(np.sort(packed), 3), best, strict=True):
        assert np.array_equal(one, other)
    assert len(best[0]) > 10
    assert (best[2][:, 2] >= 0).any()


@pytest.mark.parametrize("compiled", [True, False])
def test_nothing_gives_nothing(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(bins, "library", lambda _: None)
    found, binning = searched(0, n=0)
    packed = pack(found, binning)
    assert [len(column) for column in (packed, *best_bins(packed, 2))] == [0, 0, 0, 0]


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
    weights = {3: 5, 4: 9, 5: 2, 6: 1, 9: 4, 12: 12}
    packed = np.array([bin_ << WEIGHT_BITS | weight for bin_, weight in weights.items()], dtype=np.int64)
    pairs, sums, best = best_bins(packed, 4)
    assert (pairs.tolist(), sums.tolist()) == ([0], [14])  # bins 3 and 4
    assert best.tolist() == [[3, 12, 9, 5]]
