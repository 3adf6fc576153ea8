"""Scores of candidates on the diagonals that the prefilter proposes: what tells homologs from chance before HMMER looks.

HMMER's own filters look for segments and alignments all over a pair. Where neighbouring vectors have already told the diagonal,
a tenth of the cells is enough: in C (`_diagonals.c`) or, with the same numbers, in numpy. These scores decide which pairs HMMER
compares, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int16, c_int64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyhmmer.plan7 import HMM, Background

from photophore.compiled import address, library
from photophore.types import Candidates
from photophore_hmmer.alphabet import AMINO

#: Diagonals that are looked at, around the proposed one.
BAND = 32
#: Scores are whole thirds of a bit, as in HMMER's own filter.
UNITS = 3
#: What the scores of segments and of alignments are cut to: HMMER will look at such a pair in any case.
SEGMENT_ENOUGH, ENOUGH = 127, 1 << 14
#: What the first residue of a gap costs, and each further one, in `UNITS` to the bit.
GAP_OPEN, GAP_EXTEND = 15, 3
#: Stands for a place that the prefilter does not propose.
NOWHERE = np.iinfo(np.int32).min
_LOWEST, _UNKNOWN = -120, -1
#: Candidates that numpy works on together.
_TOGETHER = 4096
_MODULE = "photophore_hmmer._diagonals"

Scores = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Places:
    """Candidates of one profile.

    Parameters
    ----------
    residues, offsets
        The letters of all proteins (``uint8``), and where each protein begins and the last ends (``int64``).
    rows
        ``shape=(n,), dtype=int64``: protein of each candidate.
    begins
        ``shape=(n,), dtype=int32``: residue, perhaps outside of the protein, at which the profile begins on the middle one of the
        diagonals.
    """

    residues: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int32]

    def __getitem__(self, kept: npt.NDArray[np.bool_] | slice) -> Places:
        return Places(self.residues, self.offsets, self.rows[kept], self.begins[kept])

    @classmethod
    def proposed(
        cls,
        residues: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        begins: npt.NDArray[np.int32],
    ) -> tuple[Places, npt.NDArray[np.int64]]:
        """Return the places that are proposed for pairs of one profile, and the pair that each is of.

        ``rows`` are the proteins of the pairs, and ``begins``, ``shape=(pairs, places)``, their part of `proposed_begins`.
        """
        pair, place = np.nonzero(begins != NOWHERE)
        return cls(residues, offsets, rows[pair], begins[pair, place]), pair


def proposed_begins(candidates: Candidates) -> npt.NDArray[np.int32] | None:
    """Return on which residues the target of each candidate may begin, or None if the aggregator does not tell.

    Returns
    -------
    ndarray, shape=(candidates, places), dtype=int32
        From the evidence ``offset``, ``offset_2``, ...; `NOWHERE` where a candidate has fewer places.
    """
    offsets = [column for name, column in candidates.evidence.items() if name.split("_")[0] == "offset"]
    return np.stack(offsets, axis=1).astype(np.int32, copy=False) if offsets else None


def letter_scores(hmm: HMM) -> npt.NDArray[np.int8]:
    """Return what each letter scores at each position of ``hmm``, in `UNITS` to the bit.

    Returns
    -------
    ndarray, shape=(letters, BAND + positions + BAND)
        Letters in the order of HMMER's alphabet; one that stands for several residues costs a little. Places beside the profile
        cost more than is worth going there.
    """
    emissions = np.asarray(hmm.match_emissions, dtype=np.float32)[1:]  # row 0 is the begin state
    background = np.asarray(Background(AMINO).residue_frequencies, dtype=np.float32)
    residues = emissions.shape[1]
    bits = np.log2(np.maximum(emissions, np.float32(1e-12)) / background)
    scores = np.full((len(AMINO.symbols), len(emissions) + 2 * BAND), _LOWEST, dtype=np.int8)
    inside = scores[:, BAND:-BAND]
    inside[:residues] = np.clip(np.rint(UNITS * bits), _LOWEST, -_LOWEST).T
    inside[residues:] = _UNKNOWN
    return scores


def best_segments(scores: npt.NDArray[np.int8], places: Places, *, plain: bool = False) -> Scores:
    """Return the score of the best ungapped segment of each candidate, in `UNITS` to the bit, at most `SEGMENT_ENOUGH`.

    ``plain`` leaves out what only some processors have.
    """
    functions = library(_MODULE)
    if functions is None:
        return best_segments_in_numpy(scores, places)
    return _compute(functions.best_segments, scores, places, after=(c_int64(plain),))


def best_alignments(scores: npt.NDArray[np.int8], places: Places) -> Scores:
    """Return the score of the best alignment of each candidate within the band, in `UNITS` to the bit, at most `ENOUGH`.

    A gap costs `GAP_OPEN` for the first residue or position and `GAP_EXTEND` for each further one. While positions are passed over,
    a residue goes with each but the first: that lets all diagonals be worked on at once.
    """
    functions = library(_MODULE)
    if functions is None:
        return best_alignments_in_numpy(scores, places)
    return _compute(functions.best_alignments, scores, places, before=(c_int16(GAP_OPEN), c_int16(GAP_EXTEND)))


def _compute(
    function: Any,
    scores: npt.NDArray[np.int8],
    places: Places,
    *,
    before: tuple[Any, ...] = (),
    after: tuple[Any, ...] = (),
) -> Scores:
    """Call ``function`` on the candidates, with what it takes ``before`` and ``after`` the place for the result."""
    best = np.empty(len(places.rows), dtype=np.int16)
    function(
        *(address(scores, np.int8), c_int64(scores.shape[1] - 2 * BAND), address(places.residues, np.uint8)),
        *(address(places.offsets, np.int64), address(places.rows, np.int64), address(places.begins, np.int32)),
        *(c_int64(len(places.rows)), *before, address(best, np.int16), *after),
    )
    return best


def best_segments_in_numpy(scores: npt.NDArray[np.int8], places: Places) -> Scores:
    """Do what `best_segments` does, in numpy."""

    def step(states: list[Scores], letters: npt.NDArray[np.int8]) -> Scores:
        (sums,) = states
        sums += letters
        return np.clip(sums, 0, SEGMENT_ENOUGH, out=sums)

    return _by_residue(scores, places, 1, step)


def best_alignments_in_numpy(scores: npt.NDArray[np.int8], places: Places) -> Scores:
    """Do what `best_alignments` does, in numpy."""
    lanes = np.arange(BAND)
    up, down = np.maximum(lanes - 1, 0), np.minimum(lanes + 1, BAND - 1)

    def step(states: list[Scores], letters: npt.NDArray[np.int8]) -> Scores:
        aligned, positions_passed, residues_passed, opened = states
        np.maximum(aligned, np.maximum(positions_passed, residues_passed), out=aligned)
        residues_passed[:] = np.maximum(opened, residues_passed - np.int16(GAP_EXTEND))[:, down]
        aligned += letters
        np.clip(aligned, 0, ENOUGH, out=aligned)
        np.subtract(aligned, np.int16(GAP_OPEN), out=opened)
        positions_passed[:] = np.maximum(opened, positions_passed - np.int16(GAP_EXTEND))[:, up]
        return aligned

    return _by_residue(scores, places, 4, step)


def _by_residue(
    scores: npt.NDArray[np.int8],
    places: Places,
    states: int,
    step: Callable[[list[Scores], npt.NDArray[np.int8]], Scores],
) -> Scores:
    """Return the largest score of each candidate; ``step`` takes ``states`` arrays ``(candidates, BAND)`` over one residue."""
    windows = np.lib.stride_tricks.sliding_window_view(scores, BAND, axis=1)  # (letters, places, BAND)
    best = np.zeros(len(places.rows), dtype=np.int16)
    for start in range(0, len(places.rows), _TOGETHER):
        part = places[start : start + _TOGETHER]
        begin = part.offsets[part.rows]
        first = -part.begins.astype(np.int64) - BAND // 2  # position beside residue 0 on the first diagonal
        at = np.maximum(0, -first - BAND + 1)
        steps = np.minimum(part.offsets[part.rows + 1] - begin, scores.shape[1] - 2 * BAND - first) - at
        order = np.argsort(-steps, kind="stable")  # the longest first, so that those still going are the first ones
        first, at, begin, steps = first[order], at[order], begin[order], steps[order]
        arrays = [np.zeros((len(order), BAND), dtype=np.int16) for _ in range(states)]
        largest = np.zeros((len(order), BAND), dtype=np.int16)
        for number in range(int(steps.max(initial=0))):
            going = slice(int(np.searchsorted(-steps, -number)))
            place = at[going] + number
            letters = windows[part.residues[begin[going] + place], BAND + first[going] + place]
            np.maximum(largest[going], step([array[going] for array in arrays], letters), out=largest[going])
        best[start + order] = largest.max(axis=1)
    return best
