"""What `_diagonals.c` does, with the same numbers: for where it was not compiled, and to hold it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore_hmmer.band import (
    BAND,
    ENOUGH,
    EXTEND,
    FRACTIONS,
    GAP_EXTEND,
    GAP_OPEN,
    NOWHERE,
    OPEN,
    RESIDUES,
    SCORED,
    SEGMENT_ENOUGH,
    UNITS,
    Least,
    ProfileScores,
    Proteins,
    unpack_ratios,
)

#: In Forward: residues after which sums are made small again, and the least chance.
_CALM, _LEAST_CHANCE = 16, np.float32(2.0**-64)
#: Places that are worked on together.
_TOGETHER = 4096

Whole = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Places:
    """Places of one profile: the protein of each, and where the profile begins."""

    proteins: Proteins
    positions: int
    rows: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return self.proteins.offsets[self.rows + 1] - self.proteins.offsets[self.rows]

    def __getitem__(self, kept: npt.NDArray[Any] | slice) -> _Places:
        return _Places(self.proteins, self.positions, self.rows[kept], self.begins[kept])

    def longest_first(self) -> tuple[_Places, npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the places, those with the most residues beside a position first: with the order, the first of them and how many."""
        first = -self.begins - BAND // 2  # position beside residue 0 on the first diagonal
        at = np.maximum(0, -first - BAND + 1)
        steps = np.maximum(0, np.minimum(self.lengths, self.positions - first) - at)
        order = np.argsort(-steps, kind="stable")
        return self[order], order, at[order], steps[order]

    def letters(
        self, table: npt.NDArray[np.int8], at: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]
    ) -> Iterator[tuple[int, slice, npt.NDArray[np.int8]]]:
        """Yield the number of each residue, the places that still have one, and what it scores on each diagonal."""
        windows = np.lib.stride_tricks.sliding_window_view(table, BAND, axis=1)  # (letters, places, BAND)
        begin, first = self.proteins.offsets[self.rows], -self.begins - BAND // 2
        for number in range(int(steps.max(initial=0))):
            going = slice(int(np.searchsorted(-steps, -number)))
            place = at[going] + number
            yield number, going, windows[self.proteins.residues[begin[going] + place], BAND + first[going] + place]


def score_places_in_numpy(
    profile: ProfileScores,
    proteins: Proteins,
    rows: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int32],
    least: Least,
) -> npt.NDArray[np.void]:
    """Do what `photophore_hmmer.diagonals.score_places` does."""
    scored = np.zeros(begins.shape, dtype=SCORED)
    flat = scored.reshape(-1)
    at = np.flatnonzero(begins.reshape(-1) != NOWHERE)
    places = _Places(proteins, profile.positions, np.repeat(rows, begins.shape[1]), begins.reshape(-1).astype(np.int64))
    shorter = np.minimum(proteins.log2_lengths, np.log2(np.float32(profile.positions)))
    flat["segment"][at] = _in_parts(_best_segments, profile, places[at])
    at = at[flat["segment"][at] >= np.float32(UNITS) * (np.float32(least.segment) + shorter[places.rows[at]])]
    aligned = _in_parts(_best_alignments, profile, places[at])
    flat["alignment"][at] = aligned[:, 0]
    good = aligned[:, 0] >= np.float32(UNITS) * (np.float32(least.alignment) + shorter[places.rows[at]])
    at = at[good]
    for name, values in zip(("sum", "halved"), _in_parts(_all_alignments, profile, places[at]).T, strict=True):
        flat[name][at] = values
    flat["composition"][at] = _composition_scores(profile, places[at], aligned[good, 1:])
    return scored


def good_places_in_numpy(
    profiles: Sequence[ProfileScores],
    counts: npt.NDArray[np.int64],
    proteins: Proteins,
    rows: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int32],
    least: Least,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.void]]:
    """Do what `photophore_hmmer.diagonals.good_places` does."""
    ends = np.cumsum(counts)[:-1]
    scored = np.concatenate(
        [
            score_places_in_numpy(profile, proteins, own_rows, own_begins, least)
            for profile, own_rows, own_begins in zip(profiles, np.split(rows, ends), np.split(begins, ends), strict=True)
        ]
    )
    kept = np.flatnonzero((scored["sum"] > 0).any(axis=1))
    return kept, scored[kept]


def _in_parts(
    score: Callable[[ProfileScores, _Places], npt.NDArray[Any]], profile: ProfileScores, places: _Places
) -> npt.NDArray[Any]:
    """Return what ``score`` says of the places, some at a time."""
    starts = range(0, max(1, len(places.rows)), _TOGETHER)
    return np.concatenate([score(profile, places[start : start + _TOGETHER]) for start in starts])


def _best_segments(profile: ProfileScores, places: _Places) -> Whole:
    places, order, at, steps = places.longest_first()
    sums, largest = np.zeros((2, len(order), BAND), dtype=np.int16)
    for _, going, letters in places.letters(profile.scores, at, steps):
        sums[going] = np.clip(sums[going] + letters, 0, SEGMENT_ENOUGH)
        np.maximum(largest[going], sums[going], out=largest[going])
    return _put_back(largest.max(axis=1), order)


_LANES = np.arange(BAND)
_UP, _DOWN = np.maximum(_LANES - 1, 0), np.minimum(_LANES + 1, BAND - 1)


def _best_alignments(profile: ProfileScores, places: _Places) -> npt.NDArray[np.int64]:
    """Return of each place's best alignment, in four columns, its score, first residue, end of residues and last position.

    Of equal ones it is that on the lowest diagonal, and of those the first.
    """
    places, order, at, steps = places.longest_first()
    aligned, positions_passed, residues_passed, opened, best = np.zeros((5, len(order), BAND), dtype=np.int16)
    length, length_positions, length_residues, ends, lengths = np.zeros((5, len(order), BAND), dtype=np.int64)
    extend = np.int16(GAP_EXTEND)
    for number, going, letters in places.letters(profile.scores, at, steps):
        a, p, r, o, n, n_p, n_r = (
            array[going]
            for array in (aligned, positions_passed, residues_passed, opened, length, length_positions, length_residues)
        )
        gap, of_gap = np.maximum(p, r), np.where(r > p, n_r, n_p)
        before, of_before = np.maximum(gap, a), np.where(gap > a, of_gap, n)
        residues_passed[going], length_residues[going] = (
            np.maximum(o, r - extend)[:, _DOWN],
            (np.where(r - extend > o, n_r, n) + 1)[:, _DOWN],
        )
        aligned[going] = np.clip(before + letters, 0, ENOUGH)
        length[going] = np.where(a > 0, of_before + 1, 0)
        opened[going] = a - np.int16(GAP_OPEN)
        positions_passed[going], length_positions[going] = (
            np.maximum(o, p - extend)[:, _UP],
            np.where(p - extend > o, n_p + 1, n)[:, _UP],
        )
        better = a > best[going]
        ends[going][better] = np.broadcast_to((at[going] + number + 1)[:, None], better.shape)[better]
        lengths[going][better] = n[better]
        np.maximum(best[going], a, out=best[going])
    lane = best.argmax(axis=1)
    chosen = np.arange(len(order)), lane
    last = ends[chosen] - 1 - places.begins - BAND // 2 + lane
    return _put_back(np.stack([best[chosen], ends[chosen] - lengths[chosen], ends[chosen], last], axis=1), order)


def _all_alignments(profile: ProfileScores, places: _Places) -> npt.NDArray[np.float64]:
    """Return what all alignments weigh: ``sum`` and ``halved`` of `SCORED`, in two columns."""
    places, order, at, steps = places.longest_first()
    aligned, positions_passed, residues_passed, ended = np.zeros((4, len(order), BAND), dtype=np.float32)
    length = places.lengths[:, None]
    inside = (length + 3).astype(np.float32) / length.astype(np.float32)
    go_on, close = inside * (np.float32(1) - OPEN - OPEN), inside * (np.float32(1) - EXTEND)
    insert, insert_more, begun = inside * OPEN, inside * EXTEND, inside.copy()
    halved = np.zeros(len(order), dtype=np.int32)
    for number, going, letters in places.letters(profile.odds, at, steps):
        a, p, r = aligned[going], positions_passed[going], residues_passed[going]
        before = a * go_on[going] + (r + p) * close[going]
        moved = a * insert[going] + r * insert_more[going]
        r[:, :-1], r[:, -1] = moved[:, 1:], 0
        a[:] = np.maximum((before + begun[going]) * unpack_ratios(letters), _LEAST_CHANCE)
        moved = a * OPEN + p * EXTEND
        p[:, 1:], p[:, 0] = moved[:, :-1], 0
        ended[going] += a
        calm = (steps[going] == number + 1) | ((number + 1) % _CALM == 0)
        largest = ended[going].max(axis=1)
        power = np.where(calm & (largest > 1), np.frexp(largest)[1] - 1, 0)
        less = np.ldexp(np.float32(1), -power)[:, None]
        a *= less
        r *= less
        p *= less
        ended[going] *= less
        begun[going] = np.maximum(begun[going] * less, np.where(power[:, None] > 0, _LEAST_CHANCE, 0))
        halved[going] += power
    half, total = ended[:, : BAND // 2] + ended[:, BAND // 2 :], np.zeros(len(order), dtype=np.float32)
    for lane in range(BAND // 2):
        total += half[:, lane]
    return _put_back(np.stack([total.astype(np.float64), halved], axis=1), order)


def _composition_scores(profile: ProfileScores, places: _Places, where: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return what the residues of each place's best alignment score if each came from the mean composition of its positions.

    ``where`` are the last three columns of `_best_alignments`.
    """
    packed = profile.odds[:RESIDUES, BAND:-BAND].astype(np.int64)
    power, digits = (packed >> 3) + 13, 8 + (packed & 7)
    ratios = np.where(power >= 0, digits << np.maximum(power, 0), digits >> np.maximum(-power, 0))  # in 2^-16
    sums = np.concatenate([np.zeros((RESIDUES, 1), dtype=np.int64), np.cumsum(ratios, axis=1)], axis=1)
    scores = np.zeros(len(where), dtype=np.int64)
    begins = places.proteins.offsets[places.rows]
    for number, (begin, (first, end, last)) in enumerate(zip(begins, where.tolist(), strict=True)):
        positions = min(end - first, last + 1)
        if positions > 0:
            counts = np.bincount(places.proteins.residues[begin + first : begin + end], minlength=RESIDUES)[:RESIDUES]
            means = (sums[:, last + 1] - sums[:, last + 1 - positions]) / float(positions << 16)
            scores[number] = counts @ np.floor(FRACTIONS * np.log2(means) + 0.5).astype(np.int64)
    return scores


def _put_back(values: npt.NDArray[Any], order: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    result = np.empty_like(values)
    result[order] = values
    return result
