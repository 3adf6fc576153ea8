"""Groups in the letters of the siamese network, and how alike proteins are to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("parasail")
pytest.importorskip("Bio")

from tests.plugins.hifinn_groups import columns_of, metagenome_proteins, profiles_of, relative

from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn.spelling import SpelledGroups, Spelling, spell
from photophore_siamese.aligning import UNITS
from photophore_siamese.comparing import residues_of
from photophore_siamese.config import ModelConfig
from photophore_siamese.encoder import open_structure_model

GROUPS = 8


@pytest.fixture(scope="module")
def families(metagenome_faa):
    return metagenome_proteins(metagenome_faa, GROUPS)


@pytest.fixture(scope="module")
def profiles(families):
    return profiles_of([columns_of(each) for each in families])


@pytest.fixture(scope="module")
def spelling(profiles):
    return spell(profiles, Runtime())


@pytest.fixture(scope="module")
def spelled(profiles, spelling):
    return SpelledGroups(profiles, spelling, Runtime())


@pytest.fixture(scope="module")
def proteins(families):
    random = np.random.default_rng(3)
    return [relative(random, each, share=0.5) for each in families]


def test_letters_come_back_as_they_were_stored(spelling):
    for kinds in (spelling.kinds, spelling.kinds[:-1], spelling.kinds[:1], spelling.kinds[:0]):
        stored = replace(spelling, kinds=kinds).stored()
        assert len(stored["kinds"]) == (len(kinds) + 1) // 2
        again = Spelling.from_stored(stored)
        assert again.kinds.tolist() == kinds.tolist()
        assert again.digest == spelling.digest
    assert len(np.unique(spelling.kinds)) == 12


def test_a_protein_is_most_alike_to_its_own_group(spelled, proteins):
    found = spelled.alike(proteins, [range(GROUPS)] * len(proteins))
    assert [int(each.argmax()) for each in found] == list(range(GROUPS))
    assert all(each.min() >= 0 for each in found)


def test_what_is_alike_is_the_score_of_the_network_above_the_text_backwards(spelled, families, proteins):
    model = open_structure_model(ModelConfig(), Runtime())
    group, protein = residues_of(model, [families[2], proteins[2]])
    text = model.spell(group)
    forwards, backwards = model.text_scores(protein, [text, text[::-1]])
    (found,) = spelled.alike([proteins[2]], [[2]])
    assert found.tolist() == [(forwards - backwards) / UNITS]


def test_a_protein_alone_is_as_alike_as_among_others_and_one_that_asks_nothing_gets_nothing(spelled, proteins):
    asked = [[place, 0] for place in range(len(proteins))]
    together = spelled.alike(["MKV", *proteins], [[], *asked])
    assert together[0].tolist() == []
    for protein, groups, values in zip(proteins, asked, together[1:], strict=True):
        assert spelled.alike([protein], [groups])[0].tolist() == values.tolist()
    assert spelled.alike([], []) == []


def test_letters_of_other_weights_are_refused(profiles, spelling):
    with pytest.raises(
        DatabaseError,
        match=r"the groups were spelled by siamese weights 000000000000, this version brings [0-9a-f]{12}; build the database",
    ):
        SpelledGroups(profiles, replace(spelling, digest="0" * 64), Runtime())
