"""The numbers, checked against BLOSUM62 and by eye."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.config import make_config
from photophore.errors import UsageError
from photophore.hookspecs import Runtime
from photophore.testing.samples import AMINO_ACIDS, proteins
from photophore.types import ProfileBatch
from photophore_windows.encoder import LETTERS_FILE
from photophore_windows.plugin import photophore_encoders

SPEC = photophore_encoders()[0]

#: The lower half of BLOSUM62, letters in alphabetical order.
BLOSUM62 = """
A 4
C 0 9
D -2 -3 6
E -1 -4 2 5
F -2 -2 -3 -3 6
G 0 -3 -1 -2 -3 6
H -2 -3 -1 0 -1 -2 8
I -1 -1 -3 -3 0 -4 -3 4
K -1 -3 -1 1 -3 -2 -1 -3 5
L -1 -1 -4 -3 0 -4 -3 2 -2 4
M -1 -1 -3 -2 0 -3 -2 1 -1 2 5
N -2 -3 1 0 -3 0 1 -3 0 -3 -2 6
P -1 -3 -1 -1 -4 -2 -2 -3 -1 -3 -2 -2 7
Q -1 -3 0 2 -3 -2 0 -3 1 -2 0 0 -1 5
R -1 -3 -2 0 -3 -2 0 -3 2 -2 -1 0 -2 1 5
S 1 -1 0 0 -2 0 -1 -2 0 -2 -1 1 -1 0 -1 4
T 0 -1 -1 -1 -2 -2 -2 -1 -1 -1 -1 0 -1 -1 -1 1 5
V 0 -1 -3 -2 -1 -3 -3 3 -2 1 1 -3 -2 -2 -3 -2 0 4
W -3 -2 -4 -3 1 -2 -2 -3 -3 -2 -1 -4 -4 -2 -3 -3 -2 -3 11
Y -2 -2 -3 -2 3 -3 2 -1 -2 -1 -1 -2 -3 -1 -2 -2 -2 -1 2 7
"""


def opened(**options):
    return SPEC.create(make_config(SPEC, options), Runtime())


def blosum62():
    rows = [line.split()[1:] for line in BLOSUM62.split("\n") if line]
    return {(j, i): int(cell) for i, row in enumerate(rows) for j, cell in enumerate(row)}


def test_products_of_letters_are_like_blosum62():
    letters = np.loadtxt(LETTERS_FILE, usecols=range(1, 9))  # (20, 8)
    scores = blosum62()
    mine = [letters[i] @ letters[j] for i, j in scores]
    assert np.corrcoef(mine, list(scores.values()))[0, 1] > 0.93


def test_an_equal_window_is_nearest_and_a_similar_one_nearer_than_another():
    encoder = opened(width=3, step=1)
    vectors = encoder.encode(proteins("AILVA", "AILVA", "AVMIA", "AGPDA")).values.reshape(4, 5, -1)
    middle = vectors[:, 2]
    same, similar, other = middle[1:] @ middle[0]
    assert same == pytest.approx(1.0)
    assert 0.5 < similar < 1.0
    assert other < 0.0


def test_a_window_stands_around_its_residue():
    encoder = opened(width=3, step=1)
    vectors = encoder.encode(proteins("WMC")).values.reshape(3, 3, 8)  # (residue, place in the window, letter_dim)
    assert not vectors[0, 0].any(), "before the protein there is nothing"
    assert not vectors[2, 2].any(), "behind it neither"
    assert np.corrcoef(vectors[0, 1], vectors[1, 0])[0, 1] > 0.999, "W in the middle of the first, left in the second"


def test_neighbouring_proteins_do_not_reach_into_each_other():
    encoder = opened(width=5, step=2)
    both = encoder.encode(proteins("MKVLA", "WYDEFGH"))
    assert np.diff(both.offsets).tolist() == [3, 4]
    alone = encoder.encode(proteins("WYDEFGH"))
    assert np.array_equal(both.values[3:], alone.values)


def test_a_certain_profile_is_its_sequence():
    encoder = opened()
    certain = np.eye(20, dtype=np.float32)[[AMINO_ACIDS.index(letter) for letter in "MKVLAWYDE"]]
    profile = ProfileBatch(("p1",), certain, np.array([0, 9], dtype=np.int64))
    assert np.allclose(encoder.encode_profiles(profile).values, encoder.encode(proteins("MKVLAWYDE")).values, atol=1e-6)


def test_a_position_that_may_be_anything_tells_little():
    encoder = opened(width=1, step=1)
    values = np.stack([np.full(20, 0.05), np.eye(20)[18]]).astype(np.float32)
    found = encoder.encode_profiles(ProfileBatch(("p",), values, np.array([0, 2], dtype=np.int64)))
    assert found.informativeness[0] < 0.2 * found.informativeness[1]


def test_other_options_are_another_digest():
    digests = {opened(**options).digest for options in ({}, {"width": 9}, {"step": 1}, {"width": 11, "step": 2})}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("width", "4", "width is 4; give an odd number, so that a window has a middle"),
        ("width", "-3", "width is -3; give an odd number"),
        ("step", "0", "step is 0; give 1 or more"),
    ],
)
def test_wrong_options_are_explained(option, value, reason):
    with pytest.raises(UsageError) as caught:
        make_config(SPEC, {option: value})
    assert reason in str(caught.value)
