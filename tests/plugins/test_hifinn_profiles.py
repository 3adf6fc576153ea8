"""Profiles of groups: stored small, aligned as the textbook and another program align, found by the near network."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from Bio.Align import PairwiseAligner, substitution_matrices
from tests.plugins.hifinn_groups import (
    FREQUENCIES,
    batch_of,
    blosum62,
    columns_of,
    metagenome_proteins,
    profiles_of,
    random_protein,
    relative,
)

from photophore.background import background_batches
from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn import compact
from photophore_hifinn.compact import CODEBOOK, PROFILES_FILE, GroupProfiles, compress
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.rescoring import GAP_EXTEND, GAP_OPEN, align_scores, align_slowly
from photophore_near.residues import AMINO_ACIDS

ODD_LETTERS = AMINO_ACIDS + "BJZXUO"
GROUPS = 40


def column(**steps):
    """Return one position with the scores given by residue, -3 steps for the others."""
    return np.array([[steps.get(letter, -3) for letter in AMINO_ACIDS]], dtype=np.int8)


def columns(text, steps):
    """Return one position a letter, which alone scores ``steps`` there."""
    return np.concatenate([column(**{letter: steps}) for letter in text])


def family_columns(count, seed=0):
    """Return columns as profiles have them: log odds of what BLOSUM62 expects beside up to three residues."""
    random = np.random.default_rng(seed)
    beside = FREQUENCIES * np.exp2(blosum62() * compact.BITS_PER_STEP)
    beside /= beside.sum(axis=1, keepdims=True)  # (seen residue, residue)
    seen = random.choice(20, (count, 3), p=FREQUENCIES)
    shares = random.dirichlet([0.7, 0.7, 0.7], count)  # (count, 3)
    odds = np.log2(np.einsum("cs,csr->cr", shares, beside[seen]) / FREQUENCIES)
    return np.rint(odds / compact.BITS_PER_STEP).astype(np.int8)


def pairs(*numbers):
    rows, groups = np.array(numbers, dtype=np.int64).reshape(-1, 2).T
    return rows, groups


# Stored.


def test_profiles_come_back_as_they_were_saved(tmp_path):
    scores = [columns_of("MKVLAW"), columns_of("G"), columns_of("MCCHHY")]
    ecs = ["1.1.1.1;2.7.1.-", "", "3.5.1.n3"]
    profiles = profiles_of(scores, ecs)
    profiles.save(tmp_path)
    loaded = GroupProfiles.load(tmp_path)
    assert (loaded.names, loaded.clusters) == (("g0", "g1", "g2"), ("cg0", "cg1", "cg2"))
    assert [";".join(map(str, each)) for each in loaded.ecs] == ecs
    assert len(loaded) == 3
    for name in ("members", "codebook", "codes", "offsets"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(profiles, name))
        assert getattr(loaded, name).dtype == getattr(profiles, name).dtype
    for group, wanted in enumerate(scores):
        np.testing.assert_array_equal(loaded.scores(group), wanted)


def test_many_columns_come_back_as_they_were_saved(tmp_path):
    profiles = profiles_of([family_columns(3000)])
    assert profiles.codes.max() > 255
    profiles.save(tmp_path)
    np.testing.assert_array_equal(GroupProfiles.load(tmp_path).codes, profiles.codes)


def test_consensus_and_information_by_eye():
    profiles = profiles_of([np.concatenate([column(M=12), column(K=6, R=5), column(W=3)]), column(G=9)])
    assert [profiles.consensus(group) for group in range(2)] == ["MKW", "G"]
    np.testing.assert_allclose(profiles.information(), [4, 2, 1, 3], rtol=1e-6)


@pytest.mark.parametrize("distinct", [20, CODEBOOK])
def test_few_different_columns_are_kept_as_they_are(distinct):
    given = np.unique(family_columns(6000), axis=0)[:distinct]
    given = given[np.random.default_rng(1).integers(0, distinct, 9000)]
    codebook, codes = compress(given, seed=1, threads=1)
    assert len(codebook) <= distinct
    assert (codebook.dtype, codes.dtype) == (np.int8, np.uint16)
    np.testing.assert_array_equal(codebook[codes], given)


@pytest.fixture(scope="module")
def many():
    """Return columns of which more differ than the codebook holds, the last 3,000 of a single protein; and both parts of them."""
    single = columns_of(random_protein(np.random.default_rng(0), 3000))
    given = np.concatenate([family_columns(12_000), single])
    return given, *compress(given, seed=1, threads=1)


def test_many_different_columns_come_close(many):
    """Each takes its nearest of the codebook: the error is less than half a step, where the scores are of three steps."""
    given, codebook, codes = many
    assert codebook.shape == (CODEBOOK, 20)
    chosen = given[:12_000:240].astype(int)  # (50, 20)
    distances = ((codebook.astype(int) - chosen[:, None]) ** 2).sum(axis=2)  # (50, columns)
    np.testing.assert_array_equal(distances[np.arange(50), codes[:12_000:240]], distances.min(axis=1))
    off = codebook[codes[:12_000]].astype(int) - given[:12_000]
    assert np.sqrt((off**2).mean()) < 0.5
    assert np.sqrt((given[:12_000].astype(int) ** 2).mean()) > 3.0


def test_columns_of_single_proteins_stay_exact_among_many(many):
    given, codebook, codes = many
    np.testing.assert_array_equal(codebook[codes[-3000:]], given[-3000:])


def test_threads_do_not_change_the_codebook(many):
    given, codebook, codes = many
    again = compress(given, seed=1, threads=2)
    np.testing.assert_array_equal(again[0], codebook)
    np.testing.assert_array_equal(again[1], codes)


@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "changed", "text"])
def test_a_damaged_file_is_refused(tmp_path, harm):
    profiles_of([columns_of(random_protein(np.random.default_rng(0), 400))]).save(tmp_path)
    path = tmp_path / PROFILES_FILE
    content = path.read_bytes()
    middle = content.index(b"codebook.npy") + 60
    path.write_bytes(
        {
            "gone": b"",
            "empty": b"",
            "cut": content[: len(content) // 2],
            "changed": content[:middle]
            + bytes(byte ^ 0xFF for byte in content[middle : middle + 40])
            + content[middle + 40 :],
            "text": b"these are no profiles",
        }[harm]
    )
    if harm == "gone":
        path.unlink()
    with pytest.raises(DatabaseError) as error:
        GroupProfiles.load(tmp_path)
    assert str(error.value).startswith(f"{path}: cannot be read (")
    assert str(error.value).endswith("); copy or build the database again (photophore db verify)")


def test_a_file_without_an_array_is_refused(tmp_path):
    np.savez_compressed(tmp_path / PROFILES_FILE, schema=np.array(1))
    with pytest.raises(DatabaseError, match="cannot be read .*names.*; copy or build the database again"):
        GroupProfiles.load(tmp_path)


def test_offsets_that_do_not_fit_are_refused(tmp_path):
    whole = profiles_of([columns_of("MKVL"), columns_of("GG")])
    for offsets in ([0, 4], [0, 4, 7]):
        broken = GroupProfiles(
            whole.names,
            whole.clusters,
            whole.ecs,
            whole.members,
            whole.codebook,
            whole.codes,
            np.array(offsets, dtype=np.int64),
        )
        broken.save(tmp_path)
        with pytest.raises(DatabaseError) as error:
            GroupProfiles.load(tmp_path)
        assert str(error.value) == (
            f"{tmp_path / PROFILES_FILE}: its offsets do not fit its positions; copy or build the database again"
        )


def test_another_schema_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "SCHEMA", 2)
    profiles_of([columns_of("MKVL")]).save(tmp_path)
    monkeypatch.undo()
    with pytest.raises(DatabaseError) as error:
        GroupProfiles.load(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / PROFILES_FILE}: the profiles are stored in schema 2, this version reads 1; build the database "
        "again, or use the version of photophore that built it"
    )


# Aligned.


def test_an_alignment_by_eye():
    """MKVL fits by 4 bits; of the profile backwards, a single residue fits."""
    profiles = profiles_of([columns("MKVL", 3)])
    scores = align_scores(profiles, ["AAMKVLAA", "GGGG"], *pairs((0, 0), (1, 0)))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [4 - 1, 0], rtol=1e-6)


def test_a_gap_by_eye():
    """Two stretches of 20 residues that fit by 4 bits each; a gap of 5 residues costs 11 and 4 bits: 160 - 15.

    Backwards, the stretches have changed places, and only one of them fits.
    """
    profiles = profiles_of([columns("W" * 20 + "C" * 20, 12)])
    inserted, lost = "W" * 20 + "G" * 5 + "C" * 20, "W" * 20 + "C" * 15
    np.testing.assert_allclose(align_scores(profiles, [inserted], *pairs((0, 0))), [160 - 15 - 80], rtol=1e-6)
    np.testing.assert_allclose(align_scores(profiles, [lost], *pairs((0, 0))), [140 - 80], rtol=1e-6)
    apart = profiles_of([columns("W" * 20 + "A" * 5 + "C" * 20, 12)])
    np.testing.assert_allclose(align_scores(apart, ["W" * 20 + "C" * 20], *pairs((0, 0))), [160 - 15 - 80], rtol=1e-6)


def test_scores_are_those_of_the_textbook():
    random = np.random.default_rng(3)
    family = [random_protein(random, length) for length in (1, 2, 30, 75, 120)]
    noise = [random.integers(-2, 3, (len(each), 20)) for each in family]
    scores = [(columns_of(each) + extra).astype(np.int8) for each, extra in zip(family, noise, strict=True)]
    scores.append(family_columns(60))
    proteins = [relative(random, each) for each in family[2:]]
    proteins += [random_protein(random, length, ODD_LETTERS) for length in (1, 2, 40, 150)]
    proteins += ["".join(random.choice([*each, *"BJZXUO"]) for each in family[3]), *"BJZXUO", family[4][40:] * 3]
    profiles = profiles_of(scores)
    rows, groups = (grid.ravel() for grid in np.indices((len(proteins), len(scores))))
    order = random.permutation(len(rows))
    found = align_scores(profiles, proteins, rows[order], groups[order])
    wanted = [
        align_slowly(scores[group], proteins[row]) - align_slowly(scores[group][::-1], proteins[row])
        for row, group in zip(rows[order].tolist(), groups[order].tolist(), strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert max(wanted) > 30
    assert min(wanted) < 0


def test_scores_are_those_of_another_program(metagenome_faa):
    random = np.random.default_rng(4)
    families = metagenome_proteins(metagenome_faa, 4)
    proteins = [relative(random, each) for each in families]
    aligner = PairwiseAligner(mode="local", open_gap_score=-GAP_OPEN, extend_gap_score=-GAP_EXTEND)
    aligner.substitution_matrix = substitution_matrices.Array(AMINO_ACIDS, dims=2, data=blosum62().astype(float))
    profiles = profiles_of([columns_of(each) for each in families])
    rows, groups = (grid.ravel() for grid in np.indices((len(proteins), len(families))))
    wanted = [
        (aligner.score(families[group], proteins[row]) - aligner.score(families[group][::-1], proteins[row])) / 3
        for row, group in zip(rows.tolist(), groups.tolist(), strict=True)
    ]
    np.testing.assert_allclose(align_scores(profiles, proteins, rows, groups), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("odd", ["BD", "JI", "ZE", "UC", "OK", "XA"])
def test_odd_residues_score_as_what_they_are_like(odd):
    letter, like = odd
    profiles = profiles_of([columns_of(AMINO_ACIDS)])
    scores = align_scores(profiles, [AMINO_ACIDS.replace(like, letter), AMINO_ACIDS], *pairs((0, 0), (1, 0)))
    assert scores[0] == scores[1] > 0


def test_scores_beyond_16_bits_are_whole():
    """600 positions of 127 steps are more than 65,535; thousands of residues in their own profile are as well."""
    random = np.random.default_rng(5)
    sequence = random_protein(random, 600)
    profile = columns(sequence, 127)
    (score,) = align_scores(profiles_of([profile]), [sequence], *pairs((0, 0)))
    assert score == pytest.approx(align_slowly(profile, sequence) - align_slowly(profile[::-1], sequence), rel=1e-6)
    assert align_slowly(profile, sequence) == pytest.approx(600 * 127 / 3)
    long = random_protein(random, 9000)
    own = columns_of(long).max(axis=1).sum(dtype=int) / 3
    (score,) = align_scores(profiles_of([columns_of(long)]), [long], *pairs((0, 0)))
    assert 65_536 / 3 < own - 100 < score < own


def test_threads_change_nothing():
    random = np.random.default_rng(6)
    families = [random_protein(random, int(length)) for length in random.integers(20, 200, 50)]
    proteins = [relative(random, each) for each in families]
    profiles = profiles_of([columns_of(each) for each in families])
    rows, groups = random.integers(0, 50, (2, 1500))
    one, two = (align_scores(profiles, proteins, rows, groups, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    alone = [align_scores(profiles, proteins, rows[pair : pair + 1], groups[pair : pair + 1])[0] for pair in range(99)]
    np.testing.assert_array_equal(one[:99], alone)


def test_no_pairs_have_no_scores():
    nothing = np.zeros(0, dtype=np.int64)
    scores = align_scores(profiles_of([columns_of("MKVL")]), ["MKVL"], nothing, nothing)
    assert (scores.shape, scores.dtype) == ((0,), np.float32)
    assert align_scores(profiles_of([columns_of("MKVL")]), [], nothing, nothing).shape == (0,)


# Found.


@pytest.fixture(scope="module")
def families(metagenome_faa):
    """Proteins of which each is a group."""
    return metagenome_proteins(metagenome_faa, GROUPS)


@pytest.fixture(scope="module")
def group_profiles(families):
    return profiles_of([columns_of(each) for each in families])


@pytest.fixture(scope="module", autouse=True)
def short_background():
    """Measure on the first 200 of the background proteins: the same code in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photophore_hifinn.finding.background_batches", partial(background_batches, 200, batch=120))
        yield


@pytest.fixture(scope="module")
def measured(group_profiles, short_background):
    """Return a finder that measured, and what it measured."""
    finder = GroupFinder(group_profiles, Runtime(), groups=GROUPS)
    return finder, finder.measure()


def test_what_is_measured_is_finite_and_complete(measured):
    _, statistics = measured
    assert {"mean", "spread", "pass_0.03"} <= set(statistics)
    for values in statistics.values():
        assert (values.shape, values.dtype) == ((GROUPS,), np.float32)
        assert np.isfinite(values).all()
    assert (statistics["spread"] > 0).all()


def test_measuring_again_gives_the_same(group_profiles, measured):
    _, statistics = measured
    again = GroupFinder(group_profiles, Runtime(threads=2), groups=GROUPS, statistics=statistics).measure()
    assert set(again) == set(statistics)
    for name, values in statistics.items():
        np.testing.assert_array_equal(again[name], values)


def test_a_relative_is_proposed_its_group(families, measured):
    random = np.random.default_rng(7)
    batch = batch_of([relative(random, each) for each in families])
    rows, groups, scores = measured[0].find(batch)
    assert (rows.dtype, groups.dtype, scores.dtype) == (np.int64, np.int64, np.float32)
    assert len(rows) == len(groups) == len(scores)
    found = set(zip(rows.tolist(), groups.tolist(), strict=True))
    assert found >= {(number, number) for number in range(GROUPS)}
    assert len(found) == len(rows) < GROUPS * GROUPS / 4
    assert (np.diff(rows) >= 0).all()
    assert (np.diff(scores)[np.diff(rows) == 0] <= 0).all()


def test_strangers_are_proposed_little(measured):
    random = np.random.default_rng(8)
    batch = batch_of([random_protein(random, 250) for _ in range(20)])
    rows, _, _ = measured[0].find(batch)
    assert len(rows) < 0.1 * len(batch) * GROUPS


def test_statistics_of_the_build_serve_when_opened(families, group_profiles, measured):
    finder, statistics = measured
    opened = GroupFinder(group_profiles, Runtime(), groups=GROUPS, statistics=statistics)
    batch = batch_of(families[:5])
    for mine, theirs in zip(opened.find(batch), finder.find(batch), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_no_more_groups_than_asked_for(families, group_profiles, measured):
    opened = GroupFinder(group_profiles, Runtime(), groups=1, statistics=measured[1])
    rows, groups, _ = opened.find(batch_of(families))
    assert np.bincount(rows).max() == 1
    assert np.mean(rows == groups) > 0.9


def test_groups_beyond_one_batch_of_consensus(families, group_profiles, measured, monkeypatch):
    finder, statistics = measured
    monkeypatch.setattr("photophore_hifinn.finding._TOGETHER", 7)
    opened = GroupFinder(group_profiles, Runtime(), groups=GROUPS, statistics=statistics)
    batch = batch_of(families[:5])
    for mine, theirs in zip(opened.find(batch), finder.find(batch), strict=True):
        np.testing.assert_array_equal(mine, theirs)
