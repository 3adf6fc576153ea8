"""Families: shared words, prevalence, cut-offs, rounding and settings, on numbers that one can check by eye."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from photophore.errors import UsageError
from photophore_hmmer.families.cutoffs import CutoffRule, Scored, choose_cutoff, is_negative
from photophore_hmmer.families.grouping import Family
from photophore_hmmer.families.kmers import WordIndex, candidates, words
from photophore_hmmer.families.relatives import spread, unlike
from photophore_hmmer.families.rounding import round_rows
from photophore_hmmer.families.search import Hits
from photophore_hmmer.families.selection import Budget, Prevalence, best_families, prevalence, select
from photophore_hmmer.families.settings import Settings, read_settings
from photophore_hmmer.families.tables import Member

RULE = CutoffRule(precision=0.9, margin=0.25, least=20.0, least_domain=10.0)


def test_words_are_different_and_free_of_unknown_residues() -> None:
    assert words("AAAA", 3).tolist() == [0]
    assert words("AAC", 3).tolist() == [1]
    assert words("AAXAA", 2).tolist() == [0]
    assert words("AC", 3).tolist() == []


def test_groups_that_share_words_most_first() -> None:
    index = WordIndex([["ACDEF"], ["CDEFG", "CDEFH"], ["WWWWW"]], length=3)
    groups, shared = index.shared("MCDEFG")
    assert groups.tolist() == [1, 0]
    assert shared.tolist() == [3, 2]  # CDE DEF EFG; CDE DEF
    assert candidates(index, ["MCDEFG", "AAAAA", "WWWW"], 3, least=2, best=1) == [[], [(3, 0)], []]


def test_words_of_many_groups_are_left_out() -> None:
    index = WordIndex([["ACD"], ["ACD"], ["CDE"]], length=3, most=1)
    assert index.shared("ACDE")[0].tolist() == [2]


def hits(*rows: tuple[int, int, float, float, float]) -> Hits:
    table = np.array(rows).reshape(-1, 5)
    return Hits(
        profiles=table[:, 0].astype(np.int32),
        proteins=table[:, 1].astype(np.int32),
        scores=table[:, 2].astype(np.float32),
        evalues=table[:, 3],
        domain_scores=table[:, 2].astype(np.float32),
        coverages=table[:, 4].astype(np.float32),
        protein_coverages=table[:, 4].astype(np.float32),
    )


def test_a_protein_counts_for_its_best_family() -> None:
    found = hits(
        (0, 0, 90, 1e-30, 0.9),
        (1, 0, 95, 1e-31, 0.9),
        (0, 1, 80, 1e-25, 0.9),
        (2, 1, 99, 1e-40, 0.3),
        (0, 2, 30, 1e-5, 1),
    )
    best = best_families(found, evalue=1e-20, coverage=0.6)
    assert best == {0: 1, 1: 0}
    assert prevalence(best, ["eco|a", "u7"], 3) == [Prevalence(0, 0, 1), Prevalence(1, 1, 0), Prevalence()]


def test_selection_prefers_many_genomes_and_new_ec_numbers() -> None:
    found = [Prevalence(1, 1, 9), Prevalence(6, 6, 0), Prevalence(2, 2, 0), Prevalence(), Prevalence(1, 1, 1)]
    ecs = [("1.1.1.1",), ("1.1.1.1",), ("2.2.2.2",), ("3.3.3.3",), ()]
    assert select(found, ecs, [100] * 5, Budget(positions=500)) == [1, 2, 4, 0]
    assert select(found, ecs, [100] * 5, Budget(positions=300)) == [1, 2, 4]
    assert select(found, ecs, [100, 400, 100, 100, 100], Budget(positions=300)) == [2, 0, 4]


def scored(*bits: float) -> list[Scored]:
    return [Scored(b, b - 5) for b in bits]


def test_cutoff_stands_in_the_gap_between_wrong_and_right() -> None:
    cutoff = choose_cutoff(scored(100, 120, 200), [30.0, 60.0], RULE)
    assert (cutoff.sequence, cutoff.domain) == (70.0, 70.0)  # 60 + (100 - 60) / 4
    assert (cutoff.held, cutoff.found, cutoff.false) == (3, 3, 0)


def test_cutoff_without_negatives_starts_from_the_least() -> None:
    assert choose_cutoff(scored(100.0), [], RULE).sequence == 40.0


def test_members_below_wrong_proteins_are_given_up_for_precision() -> None:
    cutoff = choose_cutoff(scored(50, 150, 160), [90.0, 80.0], RULE)
    assert 90 < cutoff.sequence < 150
    assert (cutoff.found, cutoff.false) == (2, 0)


def test_one_wrong_protein_among_many_right_ones_is_allowed() -> None:
    cutoff = choose_cutoff(scored(*range(60, 80), 120), [70.5], RULE)
    assert (cutoff.found, cutoff.false) == (21, 1)


def test_no_cutoff_is_precise_enough() -> None:
    cutoff = choose_cutoff(scored(50.0), [90.0, 95.0], RULE)
    assert cutoff.sequence > 95
    assert (cutoff.found, cutoff.false) == (0, 0)


def test_domain_cutoff_lets_every_accepted_member_pass() -> None:
    cutoff = choose_cutoff([Scored(100.0, 30.0), Scored(110.0, 90.0)], [80.0], RULE)
    assert (cutoff.sequence, cutoff.domain) == (85.0, 30.0)


def test_negatives_do_something_else() -> None:
    family = Family("C", ("2.7.7.6",), ())

    def protein(ecs: tuple[str, ...], cluster: str) -> Member:
        return Member("P", ecs, cluster, cluster, "M")

    assert is_negative(family, protein(("1.1.1.1",), "D"), placed=False)
    assert not is_negative(family, protein(("1.1.1.1",), "C"), placed=False)
    assert not is_negative(family, protein(("1.1.1.1", "2.7.7.9"), "D"), placed=False)
    assert is_negative(family, protein((), "D"), placed=False)
    other = Family("Q", (), ())
    assert not is_negative(other, protein((), "D"), placed=False)
    assert is_negative(other, protein((), "D"), placed=True)


def test_relatives_are_spread_and_unlike_what_is_held_out() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread([5, 6], 4) == [5, 6]
    held = [Member("h", (), "h", "h", "ACDEFGHIKLMNPQRSTVWY")]
    assert unlike(["ACDEFGHIKLMNPQRSTVWY", "YWVTSRQPNMLKIHGFEDCA"], held, 0.05) == [False, True]


@pytest.mark.parametrize("bits", [6, 8, 10])
def test_rounded_rows_are_short_and_sum_to_exactly_one(bits: int) -> None:
    rows = np.random.default_rng(7).dirichlet(np.full(20, 0.3), size=200) * 0.98 + 0.001
    rounded = round_rows(rows, bits)
    assert (rounded.sum(axis=1) == 1).all()
    mantissa, _ = np.frexp(np.sort(rounded, axis=1)[:, :-1])
    assert (mantissa * 2 ** (bits + 2) % 1 == 0).all()
    change = np.abs(np.log2(rounded / (rows / rows.sum(axis=1, keepdims=True))))
    assert np.median(change) < 2.0 ** (3 - bits)
    assert change.max() < 2.0 ** (6 - bits)


def test_a_rare_transition_keeps_its_size() -> None:
    rounded = round_rows(np.array([[0.9985, 0.001, 0.0005]]), 8)[0]
    assert rounded.sum() == 1
    assert np.allclose(np.log2(rounded), np.log2([0.9985, 0.001, 0.0005]), atol=0.1)


def test_zeros_and_ones_stay() -> None:
    assert round_rows(np.array([[1.0, 0.0], [0.5, 0.5]]), 8).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_settings_of_the_bundled_families_are_read() -> None:
    import photophore_hmmer.families as package

    settings = read_settings(Path(package.__file__).with_name("default.yaml"))
    assert settings.seed == Settings().seed
    assert math.isclose(settings.relatives.evalue, 1e-20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 1", "there is no setting 'sed'; there are seed, "),
        ("seed: x", "seed is 'x', which is no int such as 42"),
        ("budget: {position: 1}", "budget: there is no setting 'position'; there are positions, "),
        ("budget: 5", "budget: found 5 where a table of positions, "),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_settings(path)
