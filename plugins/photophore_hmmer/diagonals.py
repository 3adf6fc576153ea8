"""Scores of candidates on the diagonals that the prefilter proposes: what tells homologs from chance before HMMER looks.

HMMER's own filters look for segments and alignments all over a pair. Where neighbouring vectors have already told the diagonal,
a tenth of the cells is enough: in C (`_diagonals.c`) or, with the same numbers, in numpy. These scores decide which pairs HMMER
compares, and nothing else.

Each place of a pair goes through three steps, each dearer than the one before and taken by fewer: the best ungapped segment,
the best alignment, and then HMMER's own score as far as the band tells it: the Forward score of one domain less what it
owes to composition (HMMER's null2 model).
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_float, c_int16, c_int32, c_int64, c_void_p

import numpy as np
import numpy.typing as npt

from photophore.compiled import address, library
from photophore_hmmer.band import (
    EXTEND,
    GAP_EXTEND,
    GAP_OPEN,
    NOWHERE,
    OPEN,
    SCORED,
    UNITS,
    Least,
    ProfileScores,
    Proteins,
)
from photophore_hmmer.diagonals_in_numpy import good_places_in_numpy, score_places_in_numpy

#: The module with the functions in C.
COMPILED = "photophore_hmmer._diagonals"


def score_places(
    profile: ProfileScores,
    proteins: Proteins,
    rows: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int32],
    least: Least,
    *,
    plain: bool = False,
) -> npt.NDArray[np.void]:
    """Score the places at which ``profile`` may begin in some proteins.

    Parameters
    ----------
    rows
        ``shape=(n,)``: the proteins.
    begins
        ``shape=(n, places)``: residue, perhaps outside of the protein, at which the profile begins on the middle one of the
        diagonals, or `NOWHERE`.
    least
        What a place needs for its next step.
    plain
        Leave out what only some processors have.

    Returns
    -------
    ndarray of `SCORED`, shape=(n, places)
        0 for steps that were not taken.

    Notes
    -----
    In an alignment, a gap costs `GAP_OPEN` for the first residue or position and `GAP_EXTEND` for each further one. While positions
    are passed over, a residue goes with each but the first: that lets all diagonals be worked on at once. The alignments
    that are summed have `OPEN` and `EXTEND` instead.
    """
    functions = library(COMPILED)
    if functions is None:
        return score_places_in_numpy(profile, proteins, rows, begins, least)
    scored = np.empty(begins.shape, dtype=SCORED)
    functions.score_places(
        *(address(profile.scores, np.int8), address(profile.odds, np.int8), c_int64(profile.positions)),
        *(c_float(float(np.log2(np.float32(profile.positions)))), c_int64(len(rows))),
        *(*_arguments(proteins, rows, begins, least, plain=plain), scored.ctypes.data_as(c_void_p)),
    )
    return scored


def good_places(
    profiles: Sequence[ProfileScores],
    counts: npt.NDArray[np.int64],
    proteins: Proteins,
    rows: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int32],
    least: Least,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.void]]:
    """Score places of several profiles, and keep the proteins that have one for which all steps were taken.

    The first profile goes with the first ``counts[0]`` of ``rows`` and ``begins``, the next one with the next, as in `score_places`.

    Returns
    -------
    kept : ndarray, shape=(k,), dtype=int64
        Places in ``rows``, rising.
    scored : ndarray of `SCORED`, shape=(k, places)
    """
    functions = library(COMPILED)
    if functions is None:
        return good_places_in_numpy(profiles, counts, proteins, rows, begins, least)
    functions.score_works.restype = c_int64
    kept, scored = np.empty(len(rows), dtype=np.int64), np.empty(begins.shape, dtype=SCORED)
    positions = np.array([profile.positions for profile in profiles], dtype=np.int64)
    addresses = c_void_p * len(profiles)
    count = functions.score_works(
        addresses(*(address(profile.scores, np.int8).value for profile in profiles)),
        addresses(*(address(profile.odds, np.int8).value for profile in profiles)),
        *(address(positions, np.int64), address(np.log2(positions.astype(np.float32)), np.float32)),
        *(address(counts, np.int64), c_int64(len(profiles)), *_arguments(proteins, rows, begins, least, plain=False)),
        *(address(kept, np.int64), scored.ctypes.data_as(c_void_p)),
    )
    return kept[:count], scored[:count]


def _arguments(
    proteins: Proteins, rows: npt.NDArray[np.int64], begins: npt.NDArray[np.int32], least: Least, *, plain: bool
) -> tuple[object, ...]:
    """Return what both functions in C are told of the proteins, of places in them, and of the score."""
    return (
        *(address(proteins.residues, np.uint8), address(proteins.offsets, np.int64)),
        *(address(proteins.log2_lengths, np.float32), address(rows, np.int64), address(begins, np.int32)),
        *(c_int64(begins.shape[1]), c_int32(NOWHERE), c_float(least.segment), c_float(least.alignment), c_float(UNITS)),
        *(c_int16(GAP_OPEN), c_int16(GAP_EXTEND), c_float(float(OPEN)), c_float(float(EXTEND)), c_int64(plain)),
    )
