"""How the groups that a protein is like stand to each other: what is aligned for it, and what it says as evidence."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugins.hifinn_groups import columns_of, metagenome_proteins, profiles_of, relative

from photophore.ec import split_ecs
from photophore_hifinn import kinship
from photophore_hifinn.evidence import FEATURES, KINSHIP, evidence_of
from photophore_hifinn.hits import Hit, Part, Standing
from photophore_hifinn.kinship import MOST_KIN, Kinship, leaders
from photophore_hifinn.rescoring import align

KINASE, ISOMERASE = split_ecs("2.7.1.5;5.3.1.14")
FUSED, FIRST, SECOND, STRANGER, OTHER = range(5)


# ------------------------------------------------------------------------------------------------- which groups are looked at


def hit(group, bits, ecs=""):
    return Hit(split_ecs(ecs), positions=100, bits=bits, found=0.0, group=group)


def test_two_groups_of_each_leading_number_and_one_of_no_enzymes():
    hits = [
        hit(0, 10, "1.1.1.1"), hit(1, 90, "1.1.1.1"), hit(2, 50, "1.1.1.1"), hit(3, 80, "1.1.1.2;1.1.1.3"), hit(4, 60),
        hit(5, 70), *(hit(6 + n, 40 - n, f"2.7.1.{n + 1}") for n in range(5)),
    ]  # fmt: skip
    best, others = leaders(hits)
    assert [each.group for each in best] == [1, 3, 6]  # of four numbers, two of which one group carries
    assert [each.group for each in others] == [2, 5]


def test_a_second_group_that_is_the_best_of_another_number_is_told_once():
    best, others = leaders([hit(0, 90, "1.1.1.1"), hit(1, 80, "1.1.1.1;1.1.1.2")])
    assert [each.group for each in best] == [0, 1]
    assert others == []


# --------------------------------------------------------------------------------------------------------------- real proteins


@pytest.fixture(scope="module")
def proteins(metagenome_faa):
    return metagenome_proteins(metagenome_faa, 4)


@pytest.fixture(scope="module")
def profiles(proteins):
    """Return a fused group of both enzymes, a relative of either half, a stranger with both numbers, and one of no enzymes."""
    random = np.random.default_rng(3)
    kinase, isomerase, stranger, other = proteins
    halves = [relative(random, half, 0.4) for half in (kinase, isomerase)]
    texts = [kinase + isomerase, *halves, stranger, other]
    return profiles_of(
        [columns_of(text) for text in texts], ["2.7.1.5;5.3.1.14", "2.7.1.5", "5.3.1.14", "2.7.1.5;5.3.1.14", ""]
    )


def aligned(profiles, text, group):
    found = align(profiles, [text], np.array([0]), np.array([group]))
    return Hit(
        profiles.ecs[group], len(profiles.scores(group)), float(found.bits[0]), 0.0, float(found.protein_share[0]),
        float(found.profile_share[0]), profile_from=float(found.profile_from[0]), group=group,
    )  # fmt: skip


@pytest.fixture(scope="module")
def like_the_kinase(profiles, proteins):
    """Return the hits of a protein that is like the first half of the fused group."""
    text = relative(np.random.default_rng(4), proteins[0], 0.3)
    return [aligned(profiles, text, group) for group in (FUSED, FIRST, OTHER)]


def test_the_half_of_a_fusion_that_carries_a_number_is_known_by_others_that_carry_it(profiles, like_the_kinase):
    standing = Kinship(profiles).standings({7: like_the_kinase})[7][FUSED]
    kinase, isomerase = standing.parts[KINASE], standing.parts[ISOMERASE]
    assert (kinase.known, isomerase.known) == (1, 1)  # the stranger is like neither half
    assert kinase.peer_mean == kinase.peer_most / 2  # of two peers, one is like nothing of it
    assert kinase.peer_most == aligned(profiles, profiles.consensus(FIRST), FUSED).bits
    assert kinase.most > 0.9
    assert kinase.covered > 0.9
    assert isomerase.most == isomerase.covered == 0


def test_what_proteins_that_are_no_enzymes_share_is_known(proteins):
    """A protein without the half that makes the group an enzyme: others without it are like all that it is like."""
    random = np.random.default_rng(6)
    core, catalytic = proteins[:2]
    profiles = profiles_of(
        [columns_of(text) for text in (core + catalytic, relative(random, core, 0.4))], ["3.4.23.16", ""]
    )
    for text, wanted in ((core, 1.0), (core + catalytic, len(core) / len(core + catalytic)), (catalytic, 0.0)):
        hits = [aligned(profiles, text, group) for group in (0, 1)]
        assert Kinship(profiles).standings({0: hits})[0][0].shared == pytest.approx(wanted, abs=0.1)


def test_what_groups_have_in_common_is_their_alignment(profiles, like_the_kinase):
    standings = Kinship(profiles).standings({0: like_the_kinase})[0]
    assert list(standings) == [FUSED]  # the best of both numbers
    standing = standings[FUSED]
    assert list(standing.against) == [FIRST, OTHER]
    for group, bits in standing.against.items():
        assert bits == aligned(profiles, profiles.consensus(group), FUSED).bits
    scores = profiles.scores(FUSED).astype(int)
    assert standing.itself == pytest.approx(scores.max(axis=1).sum() / 3)


def test_kin_that_is_not_allowed_is_not_known(profiles, like_the_kinase):
    hits = {7: like_the_kinase}
    kin = Kinship(profiles)
    without = kin.standings(hits, allowed=lambda row, group: (row, group) != (7, FIRST))[7][FUSED]
    assert (without.parts[KINASE].known, without.parts[KINASE].peer_most) == (0, 0)
    assert without.parts[ISOMERASE].known == 1
    assert kin.standings(hits)[7][FUSED].parts[KINASE].known == 1  # and what is remembered is not changed by it


def test_what_is_remembered_changes_nothing(profiles, like_the_kinase, monkeypatch):
    kin = Kinship(profiles)
    first = kin.standings({0: like_the_kinase})
    assert kin.standings({0: like_the_kinase}) == first
    monkeypatch.setattr(kinship, "_REMEMBERED", 0)
    assert kin.standings({0: like_the_kinase, 1: like_the_kinase[1:]})[0] == first[0]


def test_of_many_kin_a_few_are_spread_over_all(proteins):
    profiles = profiles_of([columns_of(proteins[0])] * 30)
    found = Kinship(profiles)._kin(0, split_ecs("1.1.1.1")[0])
    assert MOST_KIN / 2 < len(found) <= MOST_KIN
    assert found[0] == 1
    assert found[-1] > 20
    assert 0 not in found


def test_without_hits_there_is_no_standing(profiles):
    assert Kinship(profiles).standings({}) == {}
    assert Kinship(profiles).standings({3: [hit(OTHER, 50.0)]}) == {3: {}}


# ---------------------------------------------------------------------------------------------------------------- as evidence


def kinship_of(hits, level=4):
    numbers, values = evidence_of(hits, 200, level)
    rows = [dict(zip(FEATURES, row.tolist(), strict=True)) for row in values]
    return {str(number): {name: row[name] for name in KINSHIP} for number, row in zip(numbers, rows, strict=True)}


def hits_with_standing():
    part = Part(0.9, 0.5, 0.8, 3, peer_most=90.0, peer_mean=64.0)
    standing = Standing(200.0, {2: 60.0, 3: 100.0, 4: 40.0}, {split_ecs("1.1.1.1")[0]: part}, 0.7)
    return [
        Hit(split_ecs("1.1.1.1"), 100, 80.0, 0.0, group=1, standing=standing),
        Hit(split_ecs("1.1.1.1"), 100, 70.0, 0.0, group=2),
        Hit(split_ecs("1.1.1.2"), 100, 75.0, 0.0, group=3),
        Hit((), 100, 30.0, 0.0, group=4),
    ]


def test_standing_by_eye():
    found = kinship_of(hits_with_standing())
    assert found["1.1.1.1"] == pytest.approx(
        {
            "of_itself": 0.4,
            "itself": np.log(201),
            "nearer_than_rivals": -np.log(21),  # 80 bits, where its rival has 100
            "nearer_than_rivals_share": -0.2,
            "nearer_than_kin": np.log(21),
            "nearer_than_kin_share": 0.25,
            "nearer_than_others": np.log(41),
            "nearer_than_others_share": 0.5,
            "rival_nearer": -np.log(26),  # the rival has 75 bits of the protein, and 100 of the group
            "rival_nearer_share": -0.25,
            "kin_share": 0.6,
            "part_most": 0.9,
            "part_mean": 0.5,
            "part_covered": 0.8,
            "parts": 3,
            "nearer_than_peers": -np.log(11),
            "nearer_than_peers_share": -1 / 9,
            "nearer_than_peers_mean": 0.2,
            "shared": 0.7,
        },
        abs=1e-6,
    )


def test_of_a_group_that_nobody_looked_at_nothing_is_known():
    unknown = dict.fromkeys(KINSHIP, 0.0) | dict.fromkeys(("part_most", "part_mean", "part_covered"), -1.0)
    assert kinship_of(hits_with_standing())["1.1.1.2"] == unknown


def test_a_level_up_a_rival_of_the_same_parent_is_kin():
    found = kinship_of(hits_with_standing(), level=3)["1.1.1.-"]
    assert found["nearer_than_rivals"] == pytest.approx(np.log(81))  # it has none
    assert found["nearer_than_kin"] == pytest.approx(-np.log(21))
    assert found["rival_nearer"] == 0
    assert found["part_most"] == pytest.approx(0.9)
