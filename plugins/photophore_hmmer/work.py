"""The candidates of a batch by profile: what the threads of the annotator take, piece by piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photophore.compiled import address, library
from photophore.types import Candidates, SequenceBatch
from photophore_hmmer.band import Least, ProfileScores, Proteins
from photophore_hmmer.bits import domain_bits, pair_bits
from photophore_hmmer.diagonals import COMPILED, good_places


class Work(NamedTuple):
    """A profile and its candidates: rows into the batch, and residues ``(n, places)`` on which it may begin, if they are known."""

    target: int
    rows: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int32] | None


def work_of(batch: SequenceBatch, candidates: Candidates, lengths: Sequence[int]) -> deque[Work]:
    """Return each profile that has candidates with its proteins in batch order, the most work first.

    ``lengths`` are the positions of all profiles.
    """
    counts = np.bincount(candidates.targets, minlength=len(lengths))
    starts = np.cumsum(counts) - counts
    rows, begins = _by_target(candidates, starts)
    residues = np.fromiter(map(len, batch.sequences), dtype=np.int64, count=len(batch))
    there = np.flatnonzero(counts)
    cost = np.add.reduceat(residues[rows], starts[there]) if len(there) else counts[there]
    heaviest_first = there[np.argsort(-cost * np.asarray(lengths)[there], kind="stable")]
    parts = [(target, slice(starts[target], starts[target] + counts[target])) for target in heaviest_first.tolist()]
    return deque(Work(target, rows[part], None if begins is None else begins[part]) for target, part in parts)


def good_pairs(
    works: Sequence[Work], profiles: Sequence[ProfileScores], proteins: Proteins, least: Least
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the pairs that align well on their diagonals, and HMMER's score of each as far as these tell it.

    Parameters
    ----------
    works, profiles
        Candidates whose places are known, and the scores of the profile of each.
    least
        What a place needs, see `photophore_hmmer.diagonals.score_places`.

    Returns
    -------
    good : ndarray, shape=(k,)
        Places in the rows of all ``works``, one after the other; rising.
    numbers : ndarray, shape=(k,)
        Which of the ``works`` each belongs to.
    bits : ndarray, shape=(k,)
    """
    counts = np.array([len(work.rows) for work in works], dtype=np.int64)
    rows = np.concatenate([work.rows for work in works])
    begins = np.concatenate([work.begins for work in works if work.begins is not None])
    good, scored = good_places(profiles, counts, proteins, rows, begins, least)  # few
    numbers = np.searchsorted(np.cumsum(counts), good, side="right")
    lengths = np.diff(proteins.offsets)[rows[good]]
    positions = np.array([profile.positions for profile in profiles])[numbers]
    bits = domain_bits(scored, lengths[:, None], positions[:, None])
    return good, numbers, pair_bits(bits, begins[good])


def proposed_begins(candidates: Candidates) -> tuple[npt.NDArray[np.int32], ...]:
    """Return on which residues the target of each candidate may begin, the likeliest first: none if the aggregator does not tell.

    Each is of ``shape=(candidates,)``, with `NOWHERE` where fewer places are proposed.
    """
    return tuple(
        np.ascontiguousarray(column, dtype=np.int32)
        for name, column in candidates.evidence.items()
        if name.split("_")[0] == "offset"
    )


def _by_target(
    candidates: Candidates, starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32] | None]:
    """Return the protein of each candidate and, ``(candidates, places)``, where its target may begin; those of a target from ``starts`` on."""
    columns, count = proposed_begins(candidates), len(candidates.targets)
    functions = library(COMPILED)
    if functions is None:
        rows = np.repeat(np.arange(len(candidates)), np.diff(candidates.offsets))
        order = np.argsort(candidates.targets, kind="stable")
        return rows[order], np.stack(columns, axis=1)[order] if columns else None
    rows, begins = np.empty(count, dtype=np.int64), np.empty((count, len(columns)), dtype=np.int32)
    addresses = (c_void_p * len(columns))(*(address(column, np.int32).value for column in columns))
    functions.by_target(
        *(address(np.ascontiguousarray(candidates.targets), np.int32), address(candidates.offsets, np.int64)),
        *(c_int64(len(candidates)), addresses, c_int64(len(columns)), address(starts.copy(), np.int64)),
        *(address(rows, np.int64), address(begins, np.int32)),
    )
    return rows, begins if columns else None
