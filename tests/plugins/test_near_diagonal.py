"""`diagonal` against a slow reference, one neighbour at a time; its bins, its independence of the batch, its calibration."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from photophore.errors import DataError
from photophore.hookspecs import Runtime
from photophore.types import Neighbours, TargetTable
from photophore_near import diagonal
from photophore_near.bins import Scale
from photophore_near.diagonal import PAIR_SHARES, Diagonal, DiagonalConfig

TARGETS = TargetTable(ids=("a", "empty", "b", "c"), offsets=np.array([0, 40, 40, 240, 300], dtype=np.int64))


def neighbours(proteins, k=4):
    """``proteins``: for each (length, {residue: [(row, score), ...]}); fewer than k neighbours are filled up with none."""
    searched = [(number, at, found) for number, (_, residues) in enumerate(proteins) for at, found in residues.items()]
    filled = [[*found, *[(-1, -math.inf)] * (k - len(found))] for _, _, found in searched]
    counts = [len(residues) for _, residues in proteins]
    return Neighbours(
        ids=tuple(f"p{number}" for number in range(len(proteins))),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        positions=np.array([at for _, at, _ in searched], dtype=np.int32),
        lengths=np.array([length for length, _ in proteins], dtype=np.int32),
        rows=np.array([[row for row, _ in found] for found in filled], dtype=np.int64).reshape(-1, k),
        scores=np.array([[score for _, score in found] for found in filled], dtype=np.float32).reshape(-1, k),
    )


def random_proteins(seed, lengths, k=4, stride=1, rows=300):
    """Chance neighbours, some missing, and in every other protein a stretch on one diagonal of target b."""
    rng = np.random.default_rng(seed)
    proteins = []
    for number, length in enumerate(lengths):
        residues = {}
        for at in range(0, length, stride):
            found = [(int(rng.integers(rows)), float(rng.uniform(-0.1, 0.8))) for _ in range(int(rng.integers(k + 1)))]
            if number % 2 and found and at < 190:
                found[0] = (40 + at + 7, 0.9)
            residues[at] = sorted(found, key=lambda pair: -pair[1])
        proteins.append((length, residues))
    return neighbours(proteins, k)


def reference(found, targets, config):
    """The definition: for each protein ``{target: (score, first diagonal of the best bin)}``."""
    half, result = config.width // 2, []
    for protein in range(len(found.ids)):
        sums = defaultdict(int)
        for searched in range(found.offsets[protein], found.offsets[protein + 1]):
            given = [s for s in found.scores[searched] if s > -math.inf]
            for row, score in zip(found.rows[searched], found.scores[searched], strict=True):
                if row < 0:
                    continue
                floor = max(min(given) - np.float32(config.margin), np.float32(config.gate))
                if score - floor <= 0:
                    continue
                target = next(t for t in range(len(targets)) if targets.offsets[t] <= row < targets.offsets[t + 1])
                place = int(row - targets.offsets[target]) - int(found.positions[searched])
                sums[target, place // half] += min(round(float((score - floor) * np.float32(4095))), 4095)
        best = {}
        for (target, place), own in sorted(sums.items()):
            total = own + sums.get((target, place + 1), 0)
            best[target] = max(total, best.get(target, 0))
        result.append({target: np.float32(total / 4095) for target, total in best.items()})
    return result


def score(found, targets=TARGETS, threads=1, **options):
    """What the fast one finds, in the form of `reference`."""
    scored = Diagonal(DiagonalConfig(**options), Runtime(threads=threads))._score(found, targets, Scale())
    pairs = iter(zip(scored.targets.tolist(), scored.scores, strict=True))
    return [dict(islice(pairs, count)) for count in scored.counts.tolist()]


def pairs(candidates, protein):
    """Candidates of one protein: ``{target: score}``."""
    part = slice(candidates.offsets[protein], candidates.offsets[protein + 1])
    return dict(zip(candidates.targets[part].tolist(), candidates.scores[part].tolist(), strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"width": 2}, {"width": 32, "gate": 0.3}, {"margin": 0.5}, {"margin": 1.0, "gate": -0.5}]
)
@pytest.mark.parametrize("stride", [1, 3])
def test_equals_the_reference(options, stride):
    found = random_proteins(1, (1, 50, 0, 7, 120, 211), stride=stride)
    assert score(found, **options) == reference(found, TARGETS, DiagonalConfig(**options))


def test_a_score_by_eye():
    stretch = {at: [(43 + at, 0.8), (290 - at, 0.5)] for at in range(10)}  # diagonal 3 of b; c on scattered ones
    found = neighbours([(10, stretch)], k=2)
    (scored,) = score(found, margin=0.1, width=2)
    assert scored[2] == pytest.approx(10 * 0.4, abs=1e-3)
    assert scored[3] == pytest.approx(0.1, abs=1e-3)  # every second diagonal: never two in one bin
    assert set(scored) == {2, 3}


@pytest.mark.parametrize("shift", range(16))
def test_a_stretch_on_a_border_is_not_halved(shift):
    """An indel of half a width: wherever the border of a bin falls, one of the two grids holds both parts."""
    residues = {at: [(40 + at + shift + (8 if at >= 20 else 0), 0.5)] for at in range(40)}
    (scored,) = score(neighbours([(40, residues)], k=1), margin=0.25)
    assert scored[2] == pytest.approx(40 * 0.25, abs=2e-2)


def test_only_the_lead_over_the_last_neighbour_counts():
    clear = {0: [(5, 0.9), (100, 0.3)]}
    alike = {0: [(5, 0.9), (100, 0.89)]}
    scored = score(neighbours([(1, clear), (1, alike)], k=2), margin=0.05)
    assert scored[0][0] == pytest.approx(0.65, abs=1e-3)
    assert scored[1][0] == pytest.approx(0.06, abs=1e-3)
    assert scored[0][2] == scored[1][2] == pytest.approx(0.05, abs=1e-3)


def test_shifting_all_similarities_changes_nothing():
    found = random_proteins(2, (30, 80))
    scores = (np.round(found.scores * 64) / 64).astype(np.float32)  # so that a shift by 1/4 is exact
    higher = replace(found, scores=scores + np.float32(0.25))
    assert score(replace(found, scores=scores), gate=-1.0) == score(higher, gate=-1.0)


def test_a_neighbour_counts_one_at_most():
    found = neighbours([(1, {0: [(5, 1.0), (100, -0.9)]})], k=2)
    assert score(found, margin=1.0, gate=-1.0)[0][0] == 1.0


def test_missing_neighbours_count_nothing():
    found = neighbours([(2, {0: [], 1: [(5, 0.5)]}), (1, {0: []})], k=3)
    scored = score(found)
    assert list(scored[0]) == [0]
    assert scored[0][0] == pytest.approx(0.03, abs=1e-3)
    assert scored[1] == {}


def test_nothing_in_nothing_out():
    aggregator = Diagonal(DiagonalConfig(), Runtime())
    assert aggregator.aggregate(neighbours([]), TARGETS).offsets.tolist() == [0]
    assert aggregator.aggregate(neighbours([(3, {}), (0, {})]), TARGETS).offsets.tolist() == [0, 0, 0]
    nothing = TargetTable(ids=(), offsets=np.zeros(1, dtype=np.int64))
    assert aggregator.aggregate(neighbours([(1, {0: []})]), nothing).offsets.tolist() == [0, 0]
    assert aggregator.calibrate(list, TARGETS) == {}
    assert aggregator.calibrate(lambda: [neighbours([(1, {0: []})])], nothing) == {}


@pytest.mark.parametrize("mate", [1, 57, 211, 5000, 35_213])
def test_batch_mates_do_not_matter(mate):
    """Above all not the length of the longest, from whose end the diagonals are counted."""
    mates = (mate, {0: [(60, 0.9), (61, 0.3)], mate - 1: [(260, 0.7)]})
    alone = random_proteins(3, (120, 43))
    ours = [
        (120, {at: _found(alone, at) for at in range(120)}),
        (43, {at: _found(alone, 120 + at) for at in range(43)}),
    ]
    expected = score(neighbours(ours))
    assert expected == score(alone)
    assert score(neighbours([mates, *ours]))[1:] == expected
    assert score(neighbours([*ours, mates]))[:2] == expected


def _found(found, searched):
    listed = zip(found.rows[searched].tolist(), found.scores[searched].tolist(), strict=True)
    return [pair for pair in listed if pair[0] >= 0]


@pytest.mark.parametrize("chunk", [1, 100, 1000])
def test_chunks_and_threads_do_not_matter(monkeypatch, chunk):
    found = random_proteins(4, (30, 0, 200, 1, 0, 64, 90, 0))
    expected = Diagonal(DiagonalConfig(), Runtime()).aggregate(found, TARGETS)
    monkeypatch.setattr(diagonal, "_CHUNK", chunk)
    pieces = list(diagonal._pieces(found))
    assert [piece.start for piece in pieces] == [0, *[piece.stop for piece in pieces[:-1]]]
    assert pieces[-1].stop == 8
    assert len(pieces) > 1
    cut = Diagonal(DiagonalConfig(), Runtime(threads=3)).aggregate(found, TARGETS)
    for name in ("offsets", "targets", "scores"):
        assert np.array_equal(getattr(cut, name), getattr(expected, name))


def test_more_proteins_than_a_packed_number_holds():
    found = neighbours([(1, {0: [(5, 0.5)]})] * 20_000, k=1)
    candidates = Diagonal(DiagonalConfig(), Runtime()).aggregate(found, TARGETS)
    assert candidates.targets.tolist() == [0] * 20_000
    assert len(set(candidates.scores.tolist())) == 1


def test_the_longest_proteins_and_profiles_fit():
    """A protein of titin's length in the narrowest bins: distinct targets and diagonals stay distinct."""
    length = 35_213
    targets = TargetTable(ids=("t", "u"), offsets=np.array([0, 30_000, 30_010], dtype=np.int64))
    residues = {0: [(29_999, 0.5)], length - 1: [(0, 0.5)], 7: [(30_007, 0.5)]}
    scored = score(neighbours([(length, residues)], k=1), targets, width=2)
    assert scored == reference(neighbours([(length, residues)], k=1), targets, DiagonalConfig(width=2))
    with pytest.raises(DataError, match="width=2 cuts .* diagonals into more than 131072 bins; give a larger"):
        score(neighbours([(140_000, {0: [(29_999, 0.5)]})], k=1), targets, width=2)


def test_without_calibration_the_score_is_the_sum():
    found = random_proteins(5, (40, 90))
    expected = score(found)
    candidates = Diagonal(DiagonalConfig(), Runtime()).aggregate(found, TARGETS)
    assert pairs(candidates, 1) == {target: float(value) for target, value in expected[1].items()}
    assert next(iter(pairs(candidates, 1))) == 2  # the stretch, best first
    best = Diagonal(DiagonalConfig(max_candidates=1), Runtime()).aggregate(found, TARGETS)
    assert list(pairs(best, 1)) == [2]
    above = Diagonal(DiagonalConfig(threshold=1.0), Runtime()).aggregate(found, TARGETS)
    assert pairs(above, 1) == {t: s for t, s in pairs(candidates, 1).items() if s >= 1.0}


# ---------------------------------------------------------------------------------------------- calibration


def background_batches(seed, proteins, targets=30, positions=50, k=6):
    """Proteins without homologs in two batches; the first targets draw more neighbours than the last."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(proteins):
        rows = (targets * positions * rng.random((60, k)) ** 1.5).astype(int)
        scores = np.sort(rng.uniform(0.3, 0.6, (60, k)))[:, ::-1]
        listed = [list(zip(r.tolist(), s.tolist(), strict=True)) for r, s in zip(rows, scores, strict=True)]
        found.append((60, dict(enumerate(listed))))
    table = TargetTable(
        ids=tuple(f"t{number}" for number in range(targets)),
        offsets=np.arange(0, (targets + 1) * positions, positions, dtype=np.int64),
    )
    return [neighbours(found[: proteins // 3], k), neighbours(found[proteins // 3 :], k)], table


def test_statistics_are_those_of_all_background_pairs():
    batches, targets = background_batches(1, 60)
    statistics = Diagonal(DiagonalConfig(), Runtime()).calibrate(lambda: batches, targets)
    raw = np.zeros((60, len(targets)))
    for number, protein in enumerate(pair for found in batches for pair in score(found, targets)):
        for target, value in protein.items():
            raw[number, target] = value
    spread = raw.std(axis=0)
    spread += spread.mean()
    assert np.allclose(statistics["mean"], raw.mean(axis=0), atol=1e-5)
    assert np.allclose(statistics["spread"], spread, atol=1e-5)
    normalised = np.sort(((raw - raw.mean(axis=0)) / spread).ravel())[::-1]
    for share in PAIR_SHARES:
        column = statistics[f"pass_{share:g}"]
        assert column.dtype == np.float32
        assert np.allclose(column, normalised[int(share * 60 * len(targets))], atol=1e-4)
    passing = [statistics[f"pass_{share:g}"][0] for share in PAIR_SHARES]
    assert passing == sorted(passing, reverse=True)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1])
def test_the_share_of_fresh_background_that_passes(share):
    batches, targets = background_batches(1, 80)
    aggregator = Diagonal(DiagonalConfig(pairs=share), Runtime())
    calibrated = replace(targets, statistics=aggregator.calibrate(lambda: batches, targets))
    fresh, _ = background_batches(2, 80)
    passed = sum(len(aggregator.aggregate(found, calibrated).targets) for found in fresh)
    assert 0.5 * share < passed / (80 * len(targets)) < 2 * share


def test_a_busy_target_must_do_more():
    """Targets that background proteins hit more have a higher mean: the same sum is worth less there."""
    batches, targets = background_batches(1, 100)
    aggregator = Diagonal(DiagonalConfig(pairs=0.1), Runtime())
    calibrated = replace(targets, statistics=aggregator.calibrate(lambda: batches, targets))
    assert calibrated.statistics["mean"][0] > 1.5 * calibrated.statistics["mean"][-1]
    residues = {at: [(at, 0.9), (29 * 50 + at, 0.9), (700 + 7 * at, 0.4)] for at in range(20)}
    candidates = pairs(aggregator.aggregate(neighbours([(20, residues)], k=3), calibrated), 0)
    assert candidates[29] > candidates[0]
    fixed = Diagonal(DiagonalConfig(threshold=candidates[29] - 1e-3), Runtime())
    assert list(pairs(fixed.aggregate(neighbours([(20, residues)], k=3), calibrated), 0)) == [29]


def test_background_without_a_single_neighbour():
    silent = neighbours([(5, {0: [], 1: []})] * 3)
    statistics = Diagonal(DiagonalConfig(), Runtime()).calibrate(lambda: [silent], TARGETS)
    assert statistics["mean"].tolist() == [0.0] * 4
    assert np.all(statistics["spread"] > 0)
    assert all(np.isfinite(column).all() for column in statistics.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": 0.5}, "pairs is 0.5; give a share from 0.0003 to 0.3"),
        ({"pairs": 0.0}, "pairs is 0.0; give a share from 0.0003 to 0.3"),
        ({"gate": 1.0}, "gate is 1.0; similarities lie between -1 and 1, give a number below 1"),
        ({"margin": 0.0}, "margin is 0.0; give a similarity above 0 and at most 1"),
        ({"margin": 1.5}, "margin is 1.5; give a similarity above 0 and at most 1"),
        ({"width": 7}, "width is 7; give an even number of at least 2"),
        ({"width": 0}, "width is 0; give an even number of at least 2"),
        ({"nearest": 0.0}, "nearest is 0.0; give a share above 0 and at most 1"),
        ({"bins": 0}, "bins is 0; give a whole number of at least 1"),
        ({"max_candidates": -1}, "max_candidates is -1; give 0 for all, or a number above"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError) as refused:
        DiagonalConfig(**options)
    assert str(refused.value) == message


def test_too_many_targets_are_refused(monkeypatch):
    monkeypatch.setattr(diagonal, "TARGET_BITS", 2)
    with pytest.raises(DataError, match="aggregator diagonal: 4 targets; it holds at most 3"):
        Diagonal(DiagonalConfig(), Runtime()).aggregate(neighbours([]), TARGETS)


def test_vectors_every_few_residues_lie_on_the_diagonals_of_their_residues():
    """A protein searched every 4th residue, in targets with a vector a position and in ones with one every 4th."""
    found = neighbours([(40, {at: [(40 + 3 + at, 0.5)] for at in range(0, 40, 4)})], k=1)
    dense = score(found, margin=0.25, width=2)[0][2]
    assert dense == pytest.approx(10 * 0.25, abs=1e-2)
    sparse = replace(TARGETS, offsets=np.array([0, 10, 10, 60, 75], dtype=np.int64), step=4)
    rows = neighbours([(40, {at: [(10 + 1 + at // 4, 0.5)] for at in range(0, 40, 4)})], k=1)
    assert score(rows, sparse, margin=0.25, width=2)[0][2] == dense


def test_in_a_small_database_only_the_nearest_count():
    """Of 300 positions, 5 % are 15: what is found beside those adds nothing, as if it had not been searched for."""
    found = random_proteins(4, (60, 130), k=40)
    few = replace(found, rows=found.rows[:, :15], scores=found.scores[:, :15])
    assert score(found, nearest=0.05) == score(few)
    assert score(found, nearest=0.05) != score(found)
    assert score(found, nearest=0.001) == score(replace(found, rows=found.rows[:, :8], scores=found.scores[:, :8]))
