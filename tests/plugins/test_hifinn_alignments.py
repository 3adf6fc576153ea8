"""Alignments of proteins to profiles: as the textbook and another program align, and by eye."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Align import PairwiseAligner, substitution_matrices
from tests.plugins.hifinn_groups import (
    blosum62,
    columns,
    columns_of,
    family_columns,
    metagenome_proteins,
    profiles_of,
    random_protein,
    relative,
)

from photophore_hifinn.rescoring import GAP_EXTEND, GAP_OPEN, SPANNED_BITS, align, align_slowly
from photophore_near.residues import AMINO_ACIDS

ODD_LETTERS = AMINO_ACIDS + "BJZXUO"


def pairs(*numbers):
    rows, groups = np.array(numbers, dtype=np.int64).reshape(-1, 2).T
    return rows, groups


def align_scores(*given, **options):
    return align(*given, telling_bits=0, **options).bits


def test_an_alignment_by_eye():
    """MKVL fits by 4 bits; of the profile backwards, a single residue fits."""
    profiles = profiles_of([columns("MKVL", 3)])
    scores = align_scores(profiles, ["AAMKVLAA", "GGGG"], *pairs((0, 0), (1, 0)))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [4 - 1, 0], rtol=1e-6)


def test_a_gap_by_eye():
    """Two stretches of 20 residues that fit by 4 bits each; a gap of 5 residues costs 17 + 4 * 4 thirds: 160 - 11.

    Backwards, the stretches have changed places, and only one of them fits.
    """
    profiles = profiles_of([columns("W" * 20 + "C" * 20, 12)])
    inserted, lost = "W" * 20 + "G" * 5 + "C" * 20, "W" * 20 + "C" * 15
    np.testing.assert_allclose(align_scores(profiles, [inserted], *pairs((0, 0))), [160 - 11 - 80], rtol=1e-6)
    np.testing.assert_allclose(align_scores(profiles, [lost], *pairs((0, 0))), [140 - 80], rtol=1e-6)
    apart = profiles_of([columns("W" * 20 + "A" * 5 + "C" * 20, 12)])
    np.testing.assert_allclose(align_scores(apart, ["W" * 20 + "C" * 20], *pairs((0, 0))), [160 - 11 - 80], rtol=1e-6)


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


def biopython_aligner():
    aligner = PairwiseAligner(mode="local", open_gap_score=-GAP_OPEN, extend_gap_score=-GAP_EXTEND)
    aligner.substitution_matrix = substitution_matrices.Array(AMINO_ACIDS, dims=2, data=blosum62().astype(float))
    return aligner


def test_scores_are_those_of_another_program(metagenome_faa):
    random = np.random.default_rng(4)
    families = metagenome_proteins(metagenome_faa, 4)
    proteins = [relative(random, each) for each in families]
    aligner = biopython_aligner()
    profiles = profiles_of([columns_of(each) for each in families])
    rows, groups = (grid.ravel() for grid in np.indices((len(proteins), len(families))))
    wanted = [
        (aligner.score(families[group], proteins[row]) - aligner.score(families[group][::-1], proteins[row])) / 3
        for row, group in zip(rows.tolist(), groups.tolist(), strict=True)
    ]
    np.testing.assert_allclose(align_scores(profiles, proteins, rows, groups), wanted, rtol=1e-5, atol=1e-5)


def test_spans_by_eye():
    """Of 14 positions and 16 residues, 8 fit; a family twice in a protein counts once; what hardly scores spans nothing."""
    inner, alone = "MKVLWWHC", columns_of("GGGGMKVLWWHCGG")
    proteins = ["AAAAA" + inner + "AAA", inner, "AAAA" + inner + "A" * 30 + inner, "A", "MK"]
    found = align(profiles_of([alone]), proteins, *pairs((0, 0), (1, 0), (2, 0), (3, 0), (4, 0)), telling_bits=0)
    np.testing.assert_allclose(found.protein_share[:2], [8 / 16, 1])
    np.testing.assert_allclose(found.profile_share[:2], [8 / 14, 8 / 14], rtol=1e-6)
    np.testing.assert_array_equal(found.bits[3:] < SPANNED_BITS, [True, True])
    np.testing.assert_array_equal([found.protein_share[3:], found.profile_share[3:]], np.zeros((2, 2)))
    for shares in (found.protein_share, found.profile_share):
        assert (shares.dtype, shares.shape) == (np.float32, (5,))
        assert (shares[:3] > 0).all()
        assert (shares <= 1).all()


def test_a_span_counts_what_a_gap_leaves_out():
    """Two stretches of 20 residues with 5 between them, in a protein of 55."""
    profiles = profiles_of([columns("W" * 20 + "C" * 20, 12)])
    found = align(profiles, ["A" * 10 + "W" * 20 + "G" * 5 + "C" * 20], *pairs((0, 0)), telling_bits=0)
    np.testing.assert_allclose([found.protein_share[0], found.profile_share[0]], [45 / 55, 1])


def test_spans_are_those_of_another_program(metagenome_faa):
    random = np.random.default_rng(4)
    families = metagenome_proteins(metagenome_faa, 10)
    proteins = [random_protein(random, 30) + relative(random, each[20:-20]) for each in families]
    aligner = biopython_aligner()
    same = np.arange(len(families))
    found = align(profiles_of([columns_of(each) for each in families]), proteins, same, same, telling_bits=0)
    for row, (family, protein) in enumerate(zip(families, proteins, strict=True)):
        ends = aligner.align(family, protein)[0].coordinates[:, [0, -1]]
        positions, residues = (ends[:, 1] - ends[:, 0]).tolist()
        assert found.profile_share[row] == pytest.approx(positions / len(family), abs=2 / len(family))
        assert found.protein_share[row] == pytest.approx(residues / len(protein), abs=2 / len(protein))
        assert 0.5 < found.profile_share[row] < 1


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


def test_other_pairs_change_nothing():
    random = np.random.default_rng(6)
    families = [random_protein(random, int(length)) for length in random.integers(20, 200, 50)]
    proteins = [relative(random, each) for each in families]
    profiles = profiles_of([columns_of(each) for each in families])
    rows, groups = random.integers(0, 50, (2, 1500))
    one = align(profiles, proteins, rows, groups, telling_bits=0)
    alone = [align_scores(profiles, proteins, rows[pair : pair + 1], groups[pair : pair + 1])[0] for pair in range(99)]
    np.testing.assert_array_equal(one.bits[:99], alone)


def test_no_pairs_have_no_scores():
    nothing = np.zeros(0, dtype=np.int64)
    scores = align_scores(profiles_of([columns_of("MKVL")]), ["MKVL"], nothing, nothing)
    assert (scores.shape, scores.dtype) == ((0,), np.float32)
    assert align_scores(profiles_of([columns_of("MKVL")]), [], nothing, nothing).shape == (0,)


def test_what_any_two_proteins_score_is_not_looked_at() -> None:
    profiles = profiles_of([columns_of("ACDEFGHIKLMNPQRSTVWY")])
    sequences = ["ACDEFGHIKLMNPQRSTVWY", "GGGGDEFGGGG"]
    everything = align(profiles, sequences, *pairs((0, 0), (1, 0)), telling_bits=0)
    telling = align(profiles, sequences, *pairs((0, 0), (1, 0)))
    assert everything.bits[1] > 0
    assert telling.bits.tolist() == [everything.bits[0], 0]
    assert telling.protein_share.tolist() == [1, 0]
