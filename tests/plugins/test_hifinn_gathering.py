"""Evidence gathered for real proteins from groups that are like them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from tests.plugins.hifinn_groups import batch_of, columns_of, metagenome_proteins, profiles_of, relative

from photophore.background import background_batches
from photophore.ec import split_ecs
from photophore.hookspecs import Runtime
from photophore_hifinn.evidence import evidence_of
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.gathering import Gatherer, _unsettled
from photophore_hifinn.hits import LEAST_BITS, Hit
from photophore_hifinn.rescoring import align
from photophore_hifinn.spelling import SpelledGroups, spell

#: Half of the groups are kin, the others are alone with their number.
ECS = [f"1.1.1.{number + 1}" if number % 2 else "2.7.1.1;2.7.1.2" for number in range(20)]
KIN = range(0, 20, 2)


@pytest.fixture(scope="module")
def families(metagenome_faa):
    return metagenome_proteins(metagenome_faa, len(ECS))


@pytest.fixture(scope="module")
def profiles(families):
    return profiles_of([columns_of(each) for each in families], ECS)


@pytest.fixture(scope="module")
def finder(profiles):
    with pytest.MonkeyPatch.context() as patch:  # the same code in less time
        patch.setattr("photophore_hifinn.finding.background_batches", partial(background_batches, 200))
        finder = GroupFinder(profiles, Runtime(), groups=10)
        finder.measure()
    return finder


@pytest.fixture(scope="module")
def gatherer(profiles, finder):
    return Gatherer(profiles, finder, SpelledGroups(profiles, spell(profiles, Runtime()), Runtime()))


@pytest.fixture(scope="module")
def batch(families):
    random = np.random.default_rng(9)
    return batch_of([relative(random, each) for each in families])


@pytest.fixture(scope="module")
def aligned(batch, profiles):
    """Return the hits of all pairs, by protein row and group, as they would be were all groups proposed."""
    rows, groups = (grid.ravel() for grid in np.indices((len(batch), len(profiles))))
    found = align(profiles, batch.sequences, rows, groups)
    columns = (found.bits, found.protein_share, found.profile_share)
    return np.stack(columns, axis=1).reshape(len(batch), len(profiles), 3)


def values(hits):
    return [[hit.bits, hit.protein_share, hit.profile_share] for hit in hits]


def own(aligned, row):
    return aligned[row, row].tolist()


def test_a_relative_has_a_hit_of_its_family(batch, families, gatherer, aligned):
    hits = gatherer.hits(batch, [()] * len(batch))
    for row, (each, sequence, ecs) in enumerate(zip(hits, families, ECS, strict=True)):
        best = max(each, key=lambda hit: hit.bits)
        assert (best.ecs, best.positions) == (split_ecs(ecs), len(sequence))
        assert values([best]) == [own(aligned, row)]
        assert best.bits > 100
        assert best.found > 0
        numbers, _ = evidence_of(each, len(sequence), 4)
        assert numbers[: len(best.ecs)] == list(best.ecs)


def test_groups_of_the_neighbours_are_aligned_as_well(batch, gatherer, aligned):
    without = gatherer.hits(batch, [()] * len(batch))
    everything = gatherer.hits(batch, [range(len(ECS))] * len(batch))
    for few, each, wanted in zip(without, everything, aligned, strict=True):
        assert values(each) == [hit.tolist() for hit in wanted if hit[0] >= LEAST_BITS]
        assert all(value in values(each) for value in values(few))
    assert sum(map(len, without)) < sum(map(len, everything))


def test_kin_of_the_best_is_aligned_as_well(batch, finder, gatherer, aligned):
    rows, groups, _, _ = finder.find(batch)
    proposed = set(zip(rows.tolist(), groups.tolist(), strict=True))
    hits = gatherer.hits(batch, [()] * len(batch))
    unseen = 0
    for row in KIN:
        bits = [hit.bits for hit in hits[row]]
        for group in KIN:
            if aligned[row, group, 0] >= LEAST_BITS:
                assert aligned[row, group, 0] in bits
                unseen += (row, group) not in proposed
    assert unseen > 0


def test_weak_alignments_are_no_hits(batch, gatherer, aligned):
    everything = gatherer.hits(batch, [range(len(ECS))] * len(batch))
    assert min(hit.bits for hits in everything for hit in hits) >= LEAST_BITS > aligned[:, :, 0].min()


def test_a_group_that_both_propose_is_aligned_once(batch, gatherer):
    doubled = gatherer.hits(batch, [(row, row) for row in range(len(batch))])
    assert doubled == gatherer.hits(batch, [()] * len(batch))


def test_groups_that_are_not_allowed_are_left_out(batch, gatherer, aligned):
    everything = [range(len(ECS))] * len(batch)
    others = gatherer.hits(batch, everything, allowed=lambda row, group: row != group)
    for row, (few, each) in enumerate(zip(others, gatherer.hits(batch, everything), strict=True)):
        assert values(few) == [value for value in values(each) if value != own(aligned, row)]
    assert gatherer.hits(batch, everything, allowed=lambda *_: False) == [[]] * len(batch)
    for row, few in enumerate(gatherer.hits(batch, [()] * len(batch), allowed=lambda row, group: row != group)):
        assert own(aligned, row) not in values(few)


def test_a_protein_alone_has_the_hits_that_it_has_among_others(batch, gatherer):
    together = gatherer.hits(batch, [(1, 2)] * len(batch))
    alone = [gatherer.hits(batch.select([row]), [(1, 2)])[0] for row in range(len(batch))]
    assert alone == together


def test_the_siamese_network_is_asked_about_the_best_groups(batch, families, gatherer, monkeypatch):
    """Not about weak ones, and not where an alignment to one EC number is so good that nothing is left to ask."""
    random = np.random.default_rng(4)
    distant = batch_of([relative(random, each, share=0.55) for each in families])
    everything = [range(len(ECS))] * len(batch)
    assert all(hit.alike == 0 for each in gatherer.hits(batch, everything)[1::2] for hit in each)
    asked = gatherer.hits(distant, everything)
    best = [max(hit.bits for hit in each) for each in asked]
    unsettled = [
        row in KIN or top < 0.9 * len(sequence)
        for row, (top, sequence) in enumerate(zip(best, distant.sequences, strict=True))
    ]
    assert sum(unsettled) > len(unsettled) / 2
    for each, top, open_still in zip(asked, best, unsettled, strict=True):
        assert any(hit.alike > 0 for hit in each if hit.bits == top) == open_still
        assert all(hit.alike == 0 for hit in each if hit.bits < 8)
    monkeypatch.setattr("photophore_hifinn.gathering.ALIKE_GROUPS", 1)
    for few, each, top in zip(gatherer.hits(distant, everything), asked, best, strict=True):
        assert [hit.alike for hit in few] == [hit.alike if hit.bits == top else 0 for hit in each]


def test_how_groups_stand_is_told_where_hits_settle_nothing(batch, families, gatherer):
    random = np.random.default_rng(4)
    distant = batch_of([relative(random, each, share=0.55) for each in families])
    everything = [range(len(ECS))] * len(batch)
    assert not any(hit.standing for each in gatherer.hits(batch, everything)[1::2] for hit in each)
    told = 0
    for row, (each, sequence) in enumerate(zip(gatherer.hits(distant, everything), distant.sequences, strict=True)):
        best = max(each, key=lambda hit: hit.bits)
        assert (best.standing is not None) == (row in KIN or best.bits < 0.9 * len(sequence))
        if best.standing:
            told += 1
            assert set(best.standing.parts) == set(best.ecs)
            assert set(best.standing.against) <= {hit.group for hit in each} - {best.group}
    assert told > len(batch) / 2


@pytest.mark.parametrize(
    ("enzyme", "other", "asked"),
    [
        (15.9, 0, []),  # next to nothing
        (16, 7.9, [0]),  # open, and the other says nothing
        (16, 8, [0, 1]),
        (89, 44, [0, 1]),
        (90, 44, []),  # 0.9 bits a residue settle it,
        (90, 45, [0, 1]),  # unless the other has half of them
    ],
)
def test_what_is_open_by_eye(enzyme, other, asked):
    hits = [Hit(split_ecs("1.1.1.1"), 100, enzyme, 0.0), Hit((), 100, other, 0.0)]
    assert _unsettled(hits, 100) == asked
    assert _unsettled(hits[1:], 100) == []


@pytest.mark.parametrize(
    ("ecs", "rival", "bits", "asked"),
    [
        ("1.1.1.1", "1.1.1.2", 44, False),
        ("1.1.1.1", "1.1.1.2", 45, True),
        ("1.1.1.1", "1.1.1.1", 89, False),  # says the same
        ("1.1.1.1;1.1.1.2", "1.1.1.2", 8, True),  # the group itself says two things
    ],
)
def test_what_another_enzyme_leaves_open(ecs, rival, bits, asked):
    hits = [Hit(split_ecs(rival), 100, bits, 0.0), Hit(split_ecs(ecs), 100, 90, 0.0)]
    assert _unsettled(hits, 100) == ([1, 0] if asked else [])
