"""Rounds the probabilities of a profile to short binary fractions, so that it packs well; the rounded profile is the one that is shipped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyhmmer.plan7 import HMM

FloatRows = npt.NDArray[np.float64]

#: Outgoing transitions of the match, insert and delete states among the seven of a position.
_STATES = (slice(0, 3), slice(3, 5), slice(5, 7))


def round_profile(hmm: HMM, bits: int) -> HMM:
    """Return a copy of ``hmm`` with emissions and transitions rounded as `round_rows` does; every distribution sums to 1."""
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
    """Return ``rows``, ``shape=(n, k)``, rounded to binary fractions; rows sum to exactly 1.

    A number between a half and one keeps ``bits`` bits after its leading one; with each halving it keeps half a bit less,
    down to ``bits - 4``: what happens rarely hardly moves a score. What rounding adds to or takes from a row's sum goes
    back where the other neighbour of a number is less than a step from it, largest numbers first; what is then left goes
    to the largest number. Zeros and ones stay.
    """
    rows = rows / rows.sum(axis=1, keepdims=True)
    _, exponents = np.frexp(rows)
    kept = np.maximum(bits - 4, np.rint(bits + exponents / 2)).astype(np.int64)
    steps = np.ldexp(1.0, exponents - 1 - kept)  # (n, k)
    rounded = np.where(rows > 0, np.rint(rows / steps) * steps, 0.0)
    rest = 1.0 - rounded.sum(axis=1)  # (n,)
    every = np.arange(len(rows))
    order = np.argsort(-rows, axis=1, kind="stable").T  # (k, n)
    for column in order:
        step, old = steps[every, column], rounded[every, column]
        move = np.clip(np.rint(rest / step), -1, 1) * step
        near = (np.abs(old + move - rows[every, column]) < step) & (rows[every, column] > 0)
        move = np.where(near, move, 0.0)
        rounded[every, column] += move
        rest -= move
    rounded[every, order[0]] += rest
    return rounded
