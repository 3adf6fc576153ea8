"""What the rows of proteins tell along their alignments, many pairs of proteins at once, and the features of the heads made of it.

Arrays of residues hold those of all pairs, one pair behind the other. What is told of one pair never depends on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

#: Stretches of the alignment, to each side of a pair of residues, over which what these say is averaged.
SPANS = (1, 3, 8)
#: An aligned residue counts as placed alike from this predicted lDDT on.
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Along:
    """What the rows of proteins tell along their alignments; none of these is empty.

    Parameters
    ----------
    offsets
        ``shape=(n + 1,)``: aligned residues ``offsets[i]:offsets[i + 1]`` are those of pair ``i``.
    sizes
        ``shape=(n, 2)``: residues of both proteins.
    similar, exchanged, logits, unbroken
        ``shape=(aligned,), dtype=float32``: of each two aligned residues the similarity of their rows, what their amino acids say,
        what the rows say of their lDDT, and 1 where those before are the neighbours on both sides.
    same, spelled
        ``shape=(n,)`` and ``(n, alphabets)``: share of the aligned residues with the same amino acid on both sides, and mean chance
        that both have the same letter of structure.
    score, chance, own
        ``shape=(n,)``, the last ``(n, 2)``: score of the alignment; by residue, that of the best one with one protein read
        backwards, which is what their composition brings by chance; and of each protein with itself.
    span
        ``shape=(n, 2)``: residues of both from the first to the last aligned one.
    """

    offsets: npt.NDArray[np.int64]
    sizes: Numbers
    similar: FloatArray
    exchanged: FloatArray
    logits: FloatArray
    unbroken: FloatArray
    same: Numbers
    spelled: Numbers
    score: Numbers
    chance: Numbers
    own: Numbers
    span: Numbers

    @property
    def aligned(self) -> npt.NDArray[np.int64]:
        """Aligned residues of each pair, ``shape=(n,)``."""
        return np.diff(self.offsets)

    def sums(self, values: npt.NDArray[Any]) -> Numbers:
        """Return the sum of ``values (aligned,)`` over the residues of each pair."""
        return sums(values, self.offsets)


def sums(values: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> Numbers:
    """Return the sum of each part of ``values (rows, ...)``, ``offsets[i]:offsets[i + 1]``; none of them is empty."""
    result: Numbers = np.add.reduceat(values, offsets[:-1], axis=0, dtype=np.float64)
    return result


def lddt_features(told: Along) -> FloatArray:
    """Return what the lDDT of each two aligned residues is predicted from, ``shape=(aligned, features), dtype=float32``."""
    aligned, shorter, longer = told.aligned, told.sizes.min(axis=1), told.sizes.max(axis=1)
    said = np.stack([told.similar, told.exchanged, told.logits, told.unbroken], axis=1)
    smoothed = _smoothed(said, told.offsets)
    whole = np.stack(
        [
            np.log(shorter),
            np.log(longer),
            aligned / shorter,
            told.sums(told.similar) / shorter,
            told.sums(told.exchanged) / shorter,
            told.sums(told.logits) / aligned,
            told.same,
        ],
        axis=1,
    )
    columns: list[npt.NDArray[Any]] = [said[:, :3], *(means[:, :3] for means in smoothed)]
    columns += [smoothed[1][:, 3:]]  # the neighbourhood is in one piece
    columns += [np.repeat(whole, aligned, axis=0)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def tm_features(told: Along, lddt: FloatArray) -> FloatArray:
    """Return what both TM-scores are predicted from: of each pair a row for that by the first protein and one for the second's.

    ``shape=(2 * n, features), dtype=float32``; ``lddt (aligned,)`` is the predicted one along the alignments.
    """
    aligned, shorter = told.aligned, told.sizes.min(axis=1)
    total, letters, sure = told.sums(told.similar), told.sums(told.exchanged), told.sums(lddt)
    pair = np.repeat(np.arange(len(aligned)), aligned)
    spread = told.sums(np.square(lddt - (sure / aligned)[pair])) / aligned
    ordered = told.similar[np.lexsort((told.similar, pair))]
    first = told.offsets[:-1]
    both = [
        total / shorter,
        np.sqrt(np.maximum(total, 0.0)),
        total / aligned,
        letters / shorter,
        np.sqrt(np.maximum(letters, 0.0)),
        letters / aligned,
        told.same,
        told.same * aligned / shorter,
        told.sums(told.logits) / aligned,
        sure / aligned,
        np.sqrt(spread),
        told.sums(told.similar > 0) / shorter,
        told.sums(told.unbroken) / aligned,
        ordered[first + (aligned - 1) // 10],
        ordered[first + (aligned - 1) // 2],
        *told.spelled.T,
        told.chance,
        told.score / shorter - told.chance,
        told.score / shorter,
        told.score / np.sqrt(shorter),
        told.score / np.sqrt(told.own[:, 0] * told.own[:, 1]),
    ]
    alike = told.sums(lddt > _ALIKE)
    rows = []
    for mine in (0, 1):
        size, theirs = told.sizes[:, mine], told.sizes[:, 1 - mine]
        by_size = [aligned / size, aligned / theirs, total / size, sure / size, alike / size, told.span[:, mine] / size]
        rows.append(np.stack([*both, np.log(size), np.log(theirs), *by_size], axis=1))
    return np.stack(rows, axis=1).reshape(2 * len(aligned), -1).astype(np.float32)


def _smoothed(values: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> list[Numbers]:
    """Return means of ``values (aligned, k)`` over each of `SPANS` to each side, fewer at the ends of a part."""
    count = np.diff(offsets)
    part = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(values)) - offsets[part]
    # Sums from the start of each part on; one part below the other, so that none rounds as others do.
    running = np.zeros((len(count), int(count.max()) + 1, values.shape[1]))
    running[part, place + 1] = values
    np.cumsum(running, axis=1, out=running)
    means = []
    for span in SPANS:
        first, last = np.maximum(place - span, 0), np.minimum(place + span + 1, count[part])
        means.append((running[part, last] - running[part, first]) / (last - first)[:, None])
    return means
