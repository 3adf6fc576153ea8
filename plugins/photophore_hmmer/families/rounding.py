"""Rounds the probabilities of a profile to short binary fractions, so that it packs well; the rounded profile is the one that is shipped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyhmmer.plan7 import HMM

from photophore_hmmer.store import AMINO

FloatRows = npt.NDArray[np.float64]

#: Outgoing transitions of the match, insert and delete states among the seven of a position.
_STATES = (slice(0, 3), slice(3, 5), slice(5, 7))
_RESIDUES = 20


def round_profile(hmm: HMM, bits: int) -> HMM:
    """Return a copy of ``hmm`` whose emissions and transitions have ``bits`` bits after the leading one; every distribution sums to 1."""
    rounded = hmm.copy()
    for matrix in (rounded.match_emissions, rounded.insert_emissions):
        rows = np.asarray(matrix)
        rows[...] = round_rows(rows.astype(np.float64), bits)
    transitions = np.asarray(rounded.transition_probabilities)
    for state in _STATES:
        transitions[:, state] = round_rows(transitions[:, state].astype(np.float64), bits)
    rounded.set_composition()
    return rounded


def round_rows(rows: FloatRows, bits: int) -> FloatRows:
    """Return ``rows``, ``shape=(n, k)``, with every number rounded to ``bits`` bits after its leading one; rows sum to exactly 1.

    What rounding adds to or takes from a row's sum goes back by one step of each number at most, largest first; what is
    then left is less than the largest number can show in so many bits, and goes there. Zeros and ones stay.
    """
    rows = rows / rows.sum(axis=1, keepdims=True)
    _, exponents = np.frexp(rows)
    steps = np.ldexp(1.0, exponents - 1 - bits)  # (n, k)
    rounded = np.where(rows > 0, np.rint(rows / steps) * steps, 0.0)
    rest = 1.0 - rounded.sum(axis=1)  # (n,)
    every = np.arange(len(rows))
    order = np.argsort(-rows, axis=1, kind="stable").T  # (k, n)
    for column in order:
        step = steps[every, column]
        move = np.where(rows[every, column] > 0, np.clip(np.rint(rest / step), -1, 1), 0.0) * step
        rounded[every, column] += move
        rest -= move
    rounded[every, order[0]] += rest
    return rounded


def largest_change(before: HMM, after: HMM) -> float:
    """Return the mean change of a match score over what the profile emits, in bits per position, at the worst position."""
    old, new = (np.asarray(hmm.match_emissions, dtype=np.float64)[1:, :_RESIDUES] for hmm in (before, after))
    return float(np.abs((old * np.log2(new / old)).sum(axis=1)).max())


if len(AMINO.symbols) < _RESIDUES:
    raise ImportError("pyhmmer's amino acid alphabet has fewer than 20 residues; install pyhmmer 0.12")
