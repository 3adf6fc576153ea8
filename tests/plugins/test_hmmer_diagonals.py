"""Scores on a band of diagonals: in C and in numpy the same, those of a definition written cell by cell, and near HMMER's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyhmmer.easel import DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import Pipeline
from tests.plugins.hmmer_cases import HMMS, PROTEIN_HMMS, HmmerDatabase, make_batch, read_hmms

from photophore.types import Candidates
from photophore_hmmer import band, diagonals
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.band import (
    BAND,
    ENOUGH,
    EXTEND,
    FRACTIONS,
    GAP_EXTEND,
    GAP_OPEN,
    NOWHERE,
    OPEN,
    SCORED,
    SEGMENT_ENOUGH,
    UNITS,
    Least,
    ProfileScores,
    Proteins,
    profile_scores,
)
from photophore_hmmer.bits import domain_bits, least_bits, pair_bits
from photophore_hmmer.config import HmmerConfig
from photophore_hmmer.diagonals import good_places, score_places
from photophore_hmmer.search import Digits, Searcher
from photophore_hmmer.store import ProfileStore, Thresholds
from photophore_hmmer.work import Work

LETTERS = 21
IMPOSSIBLE = -(10**6)
ALL = Least(-1000, -1000)


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(diagonals, "library", lambda _: None)
    else:
        needs_compiled()


def needs_compiled():
    if diagonals.library("photophore_hmmer._diagonals") is None:
        pytest.skip("the functions in C are not built: there was no compiler")


def profile_of(inside):
    """A profile in which letters score so many thirds of a bit, and have the odds ratios that go with it."""
    scores = np.full((LETTERS, inside.shape[1] + 2 * BAND), -120, dtype=np.int8)
    scores[:, BAND:-BAND] = inside
    odds = np.full(scores.shape, -128, dtype=np.int8)
    odds[:, BAND:-BAND] = band.pack_ratios((2.0 ** (inside / UNITS)).astype(np.float32))
    return ProfileScores(scores, odds)


def proteins_of(proteins):
    digits = np.concatenate([np.array(protein, dtype=np.uint8) for protein in proteins])
    return Proteins.of(
        digits, np.concatenate([[0], np.cumsum([len(protein) for protein in proteins])]).astype(np.int64)
    )


def score(profile, proteins, rows, begins, least=ALL, **options):
    begins = np.array(begins, dtype=np.int32).reshape(len(rows), -1)
    return score_places(profile, proteins_of(proteins), np.array(rows, dtype=np.int64), begins, least, **options)


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


def forward_by_definition(profile, protein, begin):
    """What all alignments weigh together, by a recursion over the cells in float64."""
    odds = band.unpack_ratios(profile.odds[:, BAND:-BAND]).astype(np.float64)
    first, positions, total = -begin - BAND // 2, odds.shape[1], 0.0
    inside, aligned, skipping, inserting = (len(protein) + 3) / len(protein), {}, {}, {}
    for i in range(len(protein)):
        for d in range(BAND):
            j = i + first + d
            before = aligned.get((i - 1, d), 0) * (1 - 2 * OPEN)
            before += (skipping.get((i - 1, d), 0) + inserting.get((i - 1, d), 0)) * (1 - EXTEND)
            aligned[i, d] = (before + 1) * inside * odds[protein[i], j] if 0 <= j < positions else 0
            total += aligned[i, d]
            inserting[i, d] = inside * (
                aligned.get((i - 1, d + 1), 0) * OPEN + inserting.get((i - 1, d + 1), 0) * EXTEND
            )
        for d in range(BAND):
            skipping[i, d] = aligned.get((i, d - 1), 0) * OPEN + skipping.get((i - 1, d - 1), 0) * EXTEND
    return total


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("positions", [1, 7, 60])
def test_equal_the_definition(positions):
    rng = np.random.default_rng(positions)
    inside = rng.integers(-9, 10, (LETTERS, positions))
    proteins = [rng.integers(0, LETTERS, length) for length in (1, 30, 90)]
    rows = np.repeat(np.arange(3), 8)
    begins = rng.integers(-positions - 40, 130, len(rows))
    profile = profile_of(inside)
    scored = score(profile, proteins, rows, begins)[:, 0]
    where = [(proteins[row], begin) for row, begin in zip(rows.tolist(), begins.tolist(), strict=True)]
    assert scored["segment"].tolist() == [by_definition(inside, *place, gaps=False) for place in where]
    assert scored["alignment"].tolist() == [by_definition(inside, *place, gaps=True) for place in where]
    forward = np.array([forward_by_definition(profile, *place) for place in where])
    beside = forward == 0
    assert np.allclose(
        (scored["sum"] * 2.0 ** scored["halved"])[~beside], forward[~beside], rtol=1e-3
    )  # beside a profile, odds are small, not 0
    assert (scored["sum"][beside] < 1e-3).all()
    assert scored["segment"].max() > 0


def some_places(rng):
    """A profile, and proteins that hold parts of it, with gaps of both kinds, besides much that is alike by chance."""
    inside = rng.integers(-20, 12, (LETTERS, 300))
    best = inside[:20].argmax(axis=0)
    proteins = []
    for _ in range(100):
        start, end = np.sort(rng.integers(0, 300, 2))
        core = best[start:end].tolist()
        middle = len(core) // 2
        core[middle : middle + rng.integers(0, 4)] = rng.integers(0, LETTERS, rng.integers(0, 5)).tolist()
        proteins.append(
            [*rng.integers(0, LETTERS, rng.integers(0, 200)), *core, *rng.integers(0, 20, 1 + rng.integers(0, 200))]
        )
    begins = rng.integers(-300, 400, (2000, 3))
    begins[::7, 2] = NOWHERE
    return profile_of(inside), proteins, rng.integers(0, 100, 2000), begins


@pytest.mark.parametrize("least", [ALL, Least(1, 4)])
def test_both_ways_are_the_same_on_many(monkeypatch, least):
    needs_compiled()
    given = some_places(np.random.default_rng(0))
    compiled = score(*given, least)
    assert np.array_equal(score(*given, least, plain=True), compiled)
    monkeypatch.setattr(diagonals, "library", lambda _: None)
    in_numpy = score(*given, least)
    for name in SCORED.names:
        assert np.array_equal(in_numpy[name], compiled[name]), name
    assert (compiled["alignment"] > 300).any()
    assert (compiled["composition"] != 0).any()


@pytest.mark.usefixtures("way")
def test_a_step_is_taken_where_the_one_before_was_good_enough():
    profile, proteins, rows, begins = some_places(np.random.default_rng(1))
    everything, few = score(profile, proteins, rows, begins), score(profile, proteins, rows, begins, Least(1, 4))
    shorter = np.log2(np.minimum([len(proteins[row]) for row in rows], 300))[:, None]
    asked = begins != NOWHERE
    good = asked & (everything["segment"] >= UNITS * (1 + shorter))
    better = good & (everything["alignment"] >= UNITS * (4 + shorter))
    assert 0 < better.sum() < good.sum() < asked.sum()
    assert np.array_equal(few["segment"], np.where(asked, everything["segment"], 0))
    assert np.array_equal(few["alignment"], np.where(good, everything["alignment"], 0))
    assert np.array_equal(few["sum"], np.where(better, everything["sum"], 0))


@pytest.mark.usefixtures("way")
def test_of_several_profiles_the_proteins_with_a_good_place_are_kept():
    rng = np.random.default_rng(2)
    places = [some_places(rng) for _ in range(3)]
    proteins, least = proteins_of(places[0][1]), Least(1, 4)
    counts = np.array([2000, 0, 700], dtype=np.int64)
    rows = np.concatenate([rows[:count] for (_, _, rows, _), count in zip(places, counts, strict=True)])
    begins = np.concatenate([begins[:count] for (*_, begins), count in zip(places, counts, strict=True)]).astype(np.int32)
    profiles = [places[1][0], places[2][0], places[0][0]]
    kept, scored = good_places(profiles, counts, proteins, rows, begins, least)
    each = [
        score_places(profiles[0], proteins, rows[:2000], begins[:2000], least),
        score_places(profiles[2], proteins, rows[2000:], begins[2000:], least),
    ]
    every = np.concatenate(each)
    assert kept.tolist() == np.flatnonzero((every["sum"] > 0).any(axis=1)).tolist()
    assert scored.tolist() == every[kept].tolist()
    assert kept[0] < 2000 < kept[-1]


@pytest.mark.usefixtures("way")
def test_a_gap_of_each_kind():
    """Ten residues that fit, three residues or positions that do not, ten that fit."""
    inside = np.full((LETTERS, 20), -30)
    inside[np.arange(20), np.arange(20)] = 10
    inserted = [*range(10), 20, 20, 20, *range(10, 20)]
    found = score(profile_of(inside), [inserted], [0], [0])
    assert found["alignment"].tolist() == [[200 - GAP_OPEN - 2 * GAP_EXTEND]]
    assert found["segment"].tolist() == [[100]]
    longer = np.full((LETTERS, 23), -30)
    longer[:, :10], longer[:, 13:] = inside[:, :10], inside[:, 10:]
    skipped = score(profile_of(longer), [range(20)], [0], [0])
    assert skipped["alignment"].tolist() == [
        [200 - GAP_OPEN - 2 * GAP_EXTEND - 2 * 10]
    ]  # two residues go with the positions


@pytest.mark.usefixtures("way")
def test_no_score_overflows():
    given = profile_of(np.full((LETTERS, 3000), 18)), [np.zeros(3000, dtype=np.uint8)], [0], [0]
    assert score(*given)["segment"].tolist() == [[SEGMENT_ENOUGH]]
    assert score(*given)["alignment"].tolist() == [[ENOUGH]]
    found = score(*given)[0, 0]
    assert 1 <= found["sum"] < 4 * BAND
    assert found["halved"] == pytest.approx(3000 * 6, rel=0.01)


@pytest.mark.usefixtures("way")
def test_a_place_beside_the_protein_scores_nothing():
    given = score(profile_of(np.full((LETTERS, 10), 5)), [[0] * 10], [0], [[500, -500, NOWHERE]])
    assert given.tolist() == [[(0, 0, 0.0, 0, 0)] * 3]


@pytest.mark.usefixtures("way")
def test_composition_is_what_the_mean_of_the_positions_explains():
    """Twenty positions that favour letter 0 and 1 in turn, and a protein of the two: its composition is all there is to it."""
    inside = np.full((LETTERS, 20), -30)
    inside[0, ::2] = inside[1, 1::2] = 12
    found = score(profile_of(inside), [[2] * 30 + [0, 1] * 10 + [3] * 30], [0], [30])[0, 0]
    assert found["alignment"] == 240
    means = [(2.0**4 + 2.0**-10) / 2] * 2
    assert found["composition"] / FRACTIONS == pytest.approx(20 * np.log2(means[0]), abs=0.05)


def test_profile_scores():
    hmm = read_hmms(PROTEIN_HMMS)[0]
    given = profile_scores(hmm)
    assert given.scores.shape == given.odds.shape == (LETTERS, hmm.M + 2 * BAND)
    assert given.positions == hmm.M
    assert (given.scores[:, :BAND] == -120).all()
    assert (given.scores[:, -BAND:] == -120).all()
    consensus = [AMINO.symbols.index(letter.upper()) for letter in hmm.consensus]
    assert (given.scores[consensus, BAND + np.arange(hmm.M)] > 0).mean() > 0.95
    assert (given.scores[20, BAND:-BAND] == -1).all()
    odds = band.unpack_ratios(given.odds[:, BAND:-BAND])
    assert np.abs(np.log2(odds) - given.scores[:, BAND:-BAND] / UNITS).max() < 1 / 6 + 1 / 8


@pytest.mark.usefixtures("way")
def test_the_score_of_a_domain_is_near_that_of_hmmer():
    """A consensus between two stretches of nothing, and half of it: one domain, without gaps."""
    rng = np.random.default_rng(5)
    own, hmmers = [], []
    for hmm in read_hmms(PROTEIN_HMMS):
        beside = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 120))
        consensus = hmm.consensus.upper()
        for core in (consensus, consensus[: hmm.M // 2]):
            sequence = TextSequence(name="one", sequence=beside + core + beside).digitize(AMINO)
            hits = Pipeline(AMINO, Z=1).search_hmm(hmm, DigitalSequenceBlock(AMINO, [sequence]))
            scored = score(profile_scores(hmm), [np.asarray(sequence.sequence)], [0], [len(beside)])
            own += domain_bits(scored, np.array([[len(sequence)]]), np.array([[hmm.M]])).ravel().tolist()
            hmmers.append(hits[0].score)
    difference = np.abs(np.array(own) - hmmers)
    assert len(difference) > 20
    assert np.median(difference) < 2
    assert np.mean(difference < 4) > 0.8


def test_places_that_were_not_good_enough_have_no_score():
    assert domain_bits(np.zeros((1, 1), dtype=SCORED), np.array([[50]]), np.array([[60]])).tolist() == [[-math.inf]]


def test_the_score_of_a_pair_is_of_places_that_share_no_diagonal():
    bits = np.array([[20.0, 30, 10], [20, 30, 10], [-5, -3, -math.inf], [5, 30, -1]])
    begins = np.array([[100, 0, 40], [5, 0, 40], [100, 0, NOWHERE], [2, 0, 300]], dtype=np.int32)
    assert pair_bits(bits, begins).tolist() == [60, 40, -3, 30]


def test_what_is_needed_is_what_hmmer_reports_but_no_more_than_by_default():
    hmm = read_hmms(PROTEIN_HMMS)[0]
    chance, thresholds = hmm.evalue_parameters, Thresholds.of(hmm)

    def evalue(**options):
        bits = least_bits(thresholds._replace(gathering=9.0, trusted=500.0, noise=4.0), HmmerConfig(**options), 500)
        return bits, 500 * math.exp(-chance.f_lambda * (bits - chance.f_tau))

    assert evalue(evalue=10.0)[1] == pytest.approx(10)
    by_default, default = evalue()
    assert default == pytest.approx(1e-3)
    for strict in ({"evalue": 1e-100}, {"score": 200.0}, {"cut": "tc"}):
        assert evalue(**strict)[0] == by_default
    assert [evalue(**loose)[0] for loose in ({"score": 3.5}, {"cut": "ga"}, {"cut": "nc"})] == [3.5, 9, 4]


def test_a_strict_threshold_loses_nothing_that_lies_beside_the_diagonals(tmp_path):
    """Half of a consensus where it is proposed, and the rest far from there: HMMER's score is high, that near the place is not."""
    (hmm,) = read_hmms([HMMS / "KR.hmm"])
    consensus = hmm.consensus.upper()
    half = hmm.M // 2
    proteins = make_batch([("own", "MKT" + consensus[:half] + "GSAP" * 20 + consensus[half:]), ("none", "W" * 40)])
    database = HmmerDatabase([HMMS / "KR.hmm"], tmp_path)
    (full,) = {row.score for row in database.annotate(proteins)}
    found = database.annotate(proteins, candidates(ids=proteins.ids, offset=[3, 0]), score=full - 1)
    assert {row.protein for row in found} == {"own"}


@pytest.mark.parametrize(("margin", "found"), [(0.0, ["own"]), (math.inf, ["own"]), (-1000.0, [])])
def test_only_pairs_that_come_near_what_is_reported_are_compared(tmp_path, margin, found):
    """A consensus where it is proposed; one that HMMER would find, but elsewhere than proposed; and nothing at all."""
    database = HmmerDatabase([HMMS / "KR.hmm"], tmp_path)
    (hmm,) = read_hmms([HMMS / "KR.hmm"])
    core = hmm.consensus.upper()
    proteins = make_batch([("own", "MKT" + core), ("elsewhere", "ACDEFGHIKL" * 40 + core)])
    proposed = candidates(ids=proteins.ids, offset=[3, 0])
    assert [row.protein for row in database.annotate(proteins, proposed, margin=margin)] == found


def test_a_threshold_of_0_asks_for_nothing(tmp_path):
    """Five residues of a profile are no segment; HMMER decides about them where everything is let through."""
    (hmm,) = read_hmms([HMMS / "KR.hmm"])
    proteins = make_batch([("own", "MKT" + hmm.consensus.upper()[:25]), ("none", "W" * 40)])
    batch, proposed = Digits(proteins), np.array([[3], [0]], dtype=np.int32)
    store = ProfileStore(HmmerDatabase([HMMS / "KR.hmm"], tmp_path).folder)
    works = [Work(0, np.arange(2), proposed)]
    margins = [Searcher(store, HmmerConfig(segment=s, alignment=s)).margins(works, batch)[0] for s in (0, 25)]
    assert np.isfinite(margins[0]).all()
    assert margins[1][1] == -math.inf


def test_a_margin_is_a_number():
    with pytest.raises(ValueError, match="margin is nan; give a number of bits, or inf to ask for none"):
        HmmerConfig(margin=math.nan)


def candidates(*, ids=("a", "b"), **evidence):
    """Two proteins with a candidate each."""
    return Candidates(
        ids=ids,
        offsets=np.array([0, 1, 2]),
        targets=np.array([0, 0], dtype=np.int32),
        scores=np.array([1, 2], dtype=np.float32),
        evidence={name: np.array(values, dtype=np.int32) for name, values in evidence.items()},
    )
