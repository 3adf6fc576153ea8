"""Rows of the network's input: items cut and brought back; a vector sees what it would see in one long row."""

from __future__ import annotations

import numpy as np
import pytest

from photophore_near.packing import MULTIPLE, Row, cut, run_rows

EMPTY = 9


def items(*lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 9, length).astype(np.uint8) for length in lengths]


class Windows:
    """A stand-in for the network: every ``step`` positions, what lies ``radius`` to both sides, empty beyond the row."""

    def __init__(self, step, radius):
        self.step, self.radius, self.shapes = step, radius, []

    def __call__(self, rows):
        self.shapes.append(rows.shape)
        padded = np.pad(rows, ((0, 0), (self.radius, self.radius)), constant_values=EMPTY)
        seen = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.radius + 1, axis=1)
        return seen[:, :: self.step].astype(np.float32)  # (rows, length / step, 2 radius + 1)

    def run(self, proteins, *, row_length, **options):
        rows = cut([len(protein) for protein in proteins], step=self.step, radius=self.radius, row_length=row_length)
        return run_rows(proteins, rows, self, channels=2 * self.radius + 1, empty=EMPTY, step=self.step, **options)


def test_short_items_by_eye():
    assert cut([20, 0, 16, 3], step=4, radius=10, row_length=64) == [
        Row(item=0, start=0, length=32, skip=0, first=0, count=5),
        Row(item=2, start=0, length=16, skip=0, first=0, count=4),
        Row(item=3, start=0, length=16, skip=0, first=0, count=1),
    ]


def test_a_long_item_by_eye():
    assert cut([100], step=4, radius=10, row_length=64) == [
        Row(item=0, start=0, length=64, skip=0, first=0, count=12),
        Row(item=0, start=32, length=64, skip=4, first=12, count=8),
        Row(item=0, start=64, length=48, skip=4, first=20, count=5),
    ]


@pytest.mark.parametrize(("step", "radius"), [(1, 3), (4, 0), (4, 21), (8, 16)])
@pytest.mark.parametrize("lengths", [(1,), (50,), (1, 1, 1), (3, 0, 17, 1, 200, 0), (64, 64), (80, 96, 97, 500, 2000)])
@pytest.mark.parametrize("row_length", [80, 128, 4096])
def test_every_vector_sees_what_it_sees_in_one_row(lengths, step, radius, row_length):
    proteins = items(*lengths)
    found, offsets = Windows(step, radius).run(proteins, row_length=row_length, positions_per_call=300, threads=3)
    expected = [Windows(step, radius)(protein[None])[0] for protein in proteins if len(protein)]
    assert np.array_equal(found, np.concatenate(expected))
    assert np.diff(offsets).tolist() == [-(-length // step) for length in lengths]


def test_distributions_are_cut_as_tokens_are():
    rng = np.random.default_rng(1)
    profiles = [rng.random((length, 20)).astype(np.float32) for length in (5, 40, 1, 300)]
    rows = cut([len(profile) for profile in profiles], step=1, radius=4, row_length=64)
    values, offsets = run_rows(
        profiles, rows, lambda rows: rows, channels=20, empty=0, step=1, positions_per_call=128, threads=2
    )
    assert np.array_equal(values, np.concatenate(profiles))
    assert offsets.tolist() == [0, 5, 45, 46, 346]


def test_nothing():
    network = Windows(4, 3)
    values, offsets = network.run([], row_length=64, positions_per_call=64)
    assert (values.shape, offsets.tolist(), network.shapes) == ((0, 7), [0], [])


def test_rows_of_one_length_go_together_as_many_as_allowed():
    network = Windows(1, 0)
    network.run(items(10, 40, 12, 16, 33), row_length=64, positions_per_call=40)
    assert network.shapes == [(2, 16), (1, 16), (1, 48), (1, 48)]


def test_little_is_padded():
    network = Windows(4, 100)
    proteins = items(*np.random.default_rng(5).integers(30, 2000, 200).tolist())
    network.run(proteins, row_length=2048, positions_per_call=16384)
    computed = sum(rows * length for rows, length in network.shapes)
    assert computed < sum(map(len, proteins)) + MULTIPLE * len(proteins)
