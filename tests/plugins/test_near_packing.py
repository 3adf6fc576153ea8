"""The tape: items laid end to end, cut into rows, and brought back; a residue sees what it would see alone."""

from __future__ import annotations

import numpy as np
import pytest

from photophore_near.packing import lay_out, unpack

EMPTY = 9


def items(*lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 9, length).astype(np.uint8) for length in lengths]


def window_sums(rows, radius):
    """A stand-in for the network: the residues from ``radius`` to the left to ``radius`` to the right, in order."""
    inside = np.where(rows == EMPTY, 0, rows + 1).astype(np.float32)
    padded = np.pad(inside, ((0, 0), (radius, radius)))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=1)  # (rows, length, 2 radius + 1)


def unpacked(tape, outputs, step=2):
    """All outputs back to one row a residue, ``step`` rows of the tape at a time."""
    values = np.full((int(tape.lengths.sum()), *outputs.shape[2:]), np.nan, dtype=np.float32)
    for start in range(0, len(outputs), step):
        unpack(tape, outputs[start : start + step], start, values)
    return values


def test_a_tape_by_eye():
    tape = lay_out([np.array([1, 2, 3]), np.array([4]), np.array([5, 6])], radius=2, empty=0)
    assert tape.values.tolist() == [1, 2, 3, 0, 0, 4, 0, 0, 5, 6]
    assert tape.starts.tolist() == [0, 5, 8]
    assert tape.lengths.tolist() == [3, 1, 2]
    assert tape.offsets.tolist() == [0, 3, 4, 6]
    assert tape.residues.tolist() == [0, 1, 2, 5, 8, 9]


def test_rows_by_eye():
    tape = lay_out([np.array([1, 2, 3]), np.array([4])], radius=1, empty=0)
    assert tape.rows(5).tolist() == [[0, 1, 2, 3, 0], [3, 0, 4, 0, 0]]
    assert tape.rows(9).tolist() == [[0, 1, 2, 3, 0, 4, 0, 0, 0]]


@pytest.mark.parametrize("length", [7, 8, 13, 64, 1000])
@pytest.mark.parametrize("lengths", [(1,), (50,), (1, 1, 1), (3, 0, 17, 1, 200, 0), (64, 64)])
def test_every_residue_sees_what_it_sees_alone(lengths, length):
    radius = 3
    proteins = items(*lengths)
    tape = lay_out(proteins, radius=radius, empty=EMPTY)
    rows = tape.rows(length)
    assert rows.shape[1] == length
    assert rows.dtype == np.uint8
    found = unpacked(tape, window_sums(rows, radius))
    alone = [window_sums(protein[None], radius)[0] for protein in proteins if len(protein)]
    assert np.array_equal(found, np.concatenate(alone))
    for protein, start, stop in zip(proteins, tape.offsets[:-1], tape.offsets[1:], strict=True):
        assert stop - start == len(protein)


def test_distributions_lie_on_a_tape_as_tokens_do():
    rng = np.random.default_rng(1)
    profiles = [rng.random((length, 20)).astype(np.float32) for length in (5, 40, 1)]
    tape = lay_out(profiles, radius=4, empty=0)
    rows = tape.rows(16)
    assert rows.shape[1:] == (16, 20)
    assert rows.dtype == np.float32
    assert np.array_equal(unpacked(tape, rows), np.concatenate(profiles))


def test_an_empty_tape():
    tape = lay_out([], radius=3, empty=EMPTY)
    assert tape.offsets.tolist() == [0]
    assert tape.rows(10).tolist() == [[EMPTY] * 10]
    assert unpacked(tape, np.zeros((1, 10, 4), dtype=np.float32)).shape == (0, 4)


def test_rows_waste_little():
    """Nothing is padded to its batch mates: what is computed is little more than the residues and their borders."""
    proteins = items(*[30, 2000] * 20)
    tape = lay_out(proteins, radius=15, empty=EMPTY)
    residues = sum(map(len, proteins))
    assert tape.rows(1024).size < 1.1 * residues
