"""Evidence for EC numbers, by eye on a hand-made case."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.ec import split_ecs
from photophore_hifinn.evidence import FEATURES, KINSHIP, MOST_GROUPS, STRUCTURE, evidence_of
from photophore_hifinn.hits import LEAST_BITS, Hit

RESIDUES = 200
#: Two groups of 1.1.1.1, one of which is of 1.1.1.2 as well, and one of 2.7.1.1; one is too weak to count, the last is of proteins that are no enzymes.
HITS = (
    Hit(
        split_ecs("1.1.1.1;1.1.1.2"), positions=50, bits=20.0, found=3.0, protein_share=0.1, profile_share=0.2, alike=8
    ),
    Hit(split_ecs("1.1.1.1"), positions=100, bits=40.0, found=1.0, protein_share=0.3, profile_share=0.4, alike=12),
    Hit(split_ecs("3.1.1.1"), positions=10, bits=LEAST_BITS - 0.1, found=9.0, alike=99),
    Hit(split_ecs("2.7.1.1"), positions=60, bits=30.0, found=-2.0, protein_share=0.5, profile_share=0.6, alike=24),
    Hit((), positions=80, bits=25.0, found=5.0, protein_share=0.7, profile_share=0.8, alike=6),
)
#: What the groups weigh against the best, which is 20 and 10 bits ahead.
SECOND, THIRD = np.exp(-0.5), np.exp(-1.0)
ALL = 1 + SECOND + THIRD
#: What the other group weighs against these, 15 bits behind the best.
OTHER = np.exp(-0.75)


def evidence(hits=HITS, level=4):
    """Return what alignments say of each EC number, by name."""
    beside = (*STRUCTURE, *KINSHIP)
    return {
        number: {name: row[name] for name in row if name not in beside} for number, row in told(hits, level).items()
    }


def structure(hits=HITS, level=4):
    """Return what the siamese network says of each EC number, by name."""
    return {number: {name: row[name] for name in STRUCTURE} for number, row in told(hits, level).items()}


def told(hits, level):
    """Return the features of each EC number by name."""
    numbers, values = evidence_of(hits, RESIDUES, level)
    assert values.shape == (len(numbers), len(FEATURES))
    assert values.dtype == np.float32
    rows = [dict(zip(FEATURES, row.tolist(), strict=True)) for row in values]
    return dict(zip(map(str, numbers), rows, strict=True))


def approx(**features):
    return pytest.approx(features, abs=1e-6)


#: What all numbers of the protein share; 30 of 40 bits are enough for a rival, 20 are not.
SAME = {
    "other_score": 25,
    "other_per_residue": 0.125,
    "other_protein_span": 0.7,
    "other_profile_span": 0.8,
    "other_share": OTHER / (OTHER + ALL),
    "rivals": np.log(2),
    "others": np.log(2),
    "residues": np.log(RESIDUES),
}


def test_full_numbers_by_eye():
    found = evidence()
    assert list(found) == ["1.1.1.1", "2.7.1.1", "1.1.1.2"]
    same = {**SAME, "candidates": np.log(3)}
    assert found["1.1.1.1"] == approx(
        **same,
        score=40,
        gap=0,
        score_per_residue=0.2,
        score_per_position=0.4,
        protein_span=0.3,
        profile_span=0.4,
        score_share=1,
        second=0.5,
        share=(1 + THIRD) / ALL,
        parent_share=(1 + THIRD) / ALL,
        share_of_all=(1 + THIRD) / (ALL + OTHER),
        found=np.log(2),
        ahead=10,
        ahead_share=0.25,
        parent_ahead=10,
        lead=np.log(16),
        lead_share=15 / 40,
        groups=np.log(2),
        numbers=0,
        positions=np.log(0.5),
    )
    assert found["2.7.1.1"] == approx(
        **same,
        score=30,
        gap=np.log(11),
        score_per_residue=0.15,
        score_per_position=0.5,
        protein_span=0.5,
        profile_span=0.6,
        score_share=0.75,
        second=0,
        share=SECOND / ALL,
        parent_share=SECOND / ALL,
        share_of_all=SECOND / (ALL + OTHER),
        found=0,
        ahead=-10,
        ahead_share=-0.25,
        parent_ahead=-10,
        lead=np.log(6),
        lead_share=5 / 40,
        groups=0,
        numbers=0,
        positions=np.log(0.3),
    )
    assert found["1.1.1.2"] == approx(
        **same,
        score=20,
        gap=np.log(21),
        score_per_residue=0.1,
        score_per_position=0.4,
        protein_span=0.1,
        profile_span=0.2,
        score_share=0.5,
        second=0,
        share=THIRD / ALL,
        parent_share=(1 + THIRD) / ALL,
        share_of_all=THIRD / (ALL + OTHER),
        found=np.log(4),
        ahead=-20,
        ahead_share=-0.5,
        parent_ahead=-10,  # before the best group of another parent, not before its own
        lead=-np.log(6),
        lead_share=-5 / 40,
        groups=0,
        numbers=np.log(2),
        positions=np.log(0.25),
    )


#: What the groups weigh against the most alike, which is 12 and 16 ahead.
LESS, LEAST = np.exp(-1.0), np.exp(-16 / 12)
EVERY = 1 + LESS + LEAST


def test_structure_of_full_numbers_by_eye():
    found = structure()
    assert list(found) == ["1.1.1.1", "2.7.1.1", "1.1.1.2"]
    same = {"top_alike": np.log(25), "other_alike": 0.03}
    assert found["1.1.1.1"] == approx(
        **same,
        alike=np.log(13),
        alike_per_residue=0.06,
        alike_per_position=0.12,
        alike_per_root=1.2,
        alike_share=0.5,
        alike_weight=(LESS + LEAST) / EVERY,
        alike_ahead=-np.log(13),
        alike_ahead_share=-0.5,
        alike_lead=np.log(7),
        alike_lead_share=0.25,
        best_alike=np.log(13),
        best_alike_share=0.5,
    )
    assert found["2.7.1.1"] == approx(
        **same,
        alike=np.log(25),
        alike_per_residue=0.12,
        alike_per_position=0.4,
        alike_per_root=24 / np.sqrt(60),
        alike_share=1,
        alike_weight=1 / EVERY,
        alike_ahead=np.log(13),
        alike_ahead_share=0.5,
        alike_lead=np.log(19),
        alike_lead_share=0.75,
        best_alike=np.log(25),
        best_alike_share=1,
    )
    assert found["1.1.1.2"] == approx(
        **same,
        alike=np.log(9),
        alike_per_residue=0.04,
        alike_per_position=0.16,
        alike_per_root=8 / np.sqrt(50),
        alike_share=1 / 3,
        alike_weight=LEAST / EVERY,
        alike_ahead=-np.log(17),
        alike_ahead_share=-2 / 3,
        alike_lead=np.log(3),
        alike_lead_share=1 / 12,
        best_alike=np.log(9),
        best_alike_share=1 / 3,
    )


def test_the_most_alike_need_not_be_the_best_aligned():
    hits = (*HITS, Hit(split_ecs("1.1.1.1"), positions=40, bits=10.0, found=0.0, alike=36))
    found = structure(hits)["1.1.1.1"]
    assert found["alike"] == pytest.approx(np.log(37))
    assert found["alike_per_position"] == pytest.approx(0.9)
    assert found["best_alike"] == pytest.approx(np.log(13))


def test_where_the_siamese_network_sees_nothing_it_says_nothing():
    hits = [Hit(hit.ecs, hit.positions, hit.bits, hit.found) for hit in HITS]
    for features in structure(hits).values():
        assert all(value == 0 for name, value in features.items() if name != "alike_weight")


def test_classes_by_eye():
    found = evidence(level=1)
    assert list(found) == ["1.-.-.-", "2.-.-.-"]
    same = {**SAME, "candidates": np.log(2), "parent_share": 1, "numbers": 0}
    assert found["1.-.-.-"] == approx(
        **same,
        score=40,
        gap=0,
        score_per_residue=0.2,
        score_per_position=0.4,
        protein_span=0.3,
        profile_span=0.4,
        score_share=1,
        second=0.5,
        share=(1 + THIRD) / ALL,
        share_of_all=(1 + THIRD) / (ALL + OTHER),
        found=np.log(2),
        ahead=10,
        ahead_share=0.25,
        parent_ahead=40,  # classes have no parent but one
        lead=np.log(16),
        lead_share=15 / 40,
        groups=np.log(2),
        positions=np.log(0.5),
    )
    assert found["2.-.-.-"] == approx(
        **same,
        score=30,
        gap=np.log(11),
        score_per_residue=0.15,
        score_per_position=0.5,
        protein_span=0.5,
        profile_span=0.6,
        score_share=0.75,
        second=0,
        share=SECOND / ALL,
        share_of_all=SECOND / (ALL + OTHER),
        found=0,
        ahead=-10,
        ahead_share=-0.25,
        parent_ahead=30,
        lead=np.log(6),
        lead_share=5 / 40,
        groups=0,
        positions=np.log(0.3),
    )


def test_numbers_of_one_parent_are_one_number_a_level_up():
    found = evidence(level=3)
    assert list(found) == ["1.1.1.-", "2.7.1.-"]
    assert found["1.1.1.-"]["groups"] == pytest.approx(np.log(2))
    assert found["1.1.1.-"]["numbers"] == 0


def test_numbers_of_one_group_keep_their_order():
    """Else they would come in another order in every run, as sets of texts do."""
    numbers = [f"1.1.1.{serial}" for serial in (7, 2, 9, 1, 8, 3, 6, 5, 4)]
    assert list(evidence([Hit(split_ecs(";".join(numbers)), 10, 9.0, 1.0)])) == numbers


def test_an_open_serial_is_a_number_of_its_own():
    hits = [Hit(split_ecs("1.1.1.-"), 10, 8.0, 1.0), Hit(split_ecs("1.1.1.1"), 10, 9.0, 1.0)]
    assert list(evidence(hits)) == ["1.1.1.1", "1.1.1.-"]
    assert list(evidence(hits, level=2)) == ["1.1.-.-"]


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "hits",
    [
        (),
        (Hit(split_ecs("1.1.1.1"), 10, LEAST_BITS - 0.01, 1.0), Hit(split_ecs("2.7.1.1"), 10, -12.0, 1.0)),
        (Hit((), 10, 50.0, 1.0),),
    ],
    ids=["none", "weak", "no enzyme"],
)
def test_without_a_group_that_fits_there_is_no_evidence(hits, level):
    numbers, values = evidence_of(hits, RESIDUES, level)
    assert numbers == []
    assert (values.shape, values.dtype) == ((0, len(FEATURES)), np.float32)


def test_without_others_nothing_stands_against_the_enzymes():
    for features in evidence(HITS[:-1]).values():
        assert features["lead"] == pytest.approx(np.log1p(features["score"]))
        assert all(features[name] == 0 for name in features if name.startswith("other"))
        assert features["share_of_all"] == features["share"]


def test_only_the_best_groups_count():
    hits = [Hit(split_ecs("1.1.1.1"), 100, 10.0 + number, 1.0) for number in range(MOST_GROUPS + 5)]
    late = [Hit(split_ecs("2.7.1.1"), 100, 5.0, 1.0)]
    found = evidence(late + hits)
    assert list(found) == ["1.1.1.1"]
    assert found["1.1.1.1"]["groups"] == pytest.approx(np.log(MOST_GROUPS))


def test_the_order_of_what_is_given_changes_nothing():
    assert evidence() == evidence(HITS[::-1])
