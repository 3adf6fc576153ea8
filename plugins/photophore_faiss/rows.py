"""Which vectors are indexed and which are searched."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photophore.types import Embeddings, Neighbours


def strided_rows(offsets: npt.NDArray[np.int64], stride: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Return which vectors of each protein are searched: positions 0, stride, 2 stride, ... of every protein.

    Returns
    -------
    rows : ndarray, shape=(searched,), dtype=int64
        Indices into ``Embeddings.values``.
    positions : ndarray, shape=(searched,), dtype=int64
        The same within each protein.
    searched_offsets : ndarray, shape=(n + 1,), dtype=int64
    """
    lengths = np.diff(offsets)
    counts = -(-lengths // stride)
    searched_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(searched_offsets[-1], dtype=np.int64) - np.repeat(searched_offsets[:-1], counts)
    positions = within * stride
    return np.repeat(offsets[:-1], counts) + positions, positions, searched_offsets


def searched_rows(embeddings: Embeddings, stride: int, asked: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Return what `strided_rows` does, of these the ``asked`` most informative share of each protein, where that is known."""
    rows, positions, offsets = strided_rows(embeddings.offsets, stride)
    if asked >= 1.0 or embeddings.informativeness is None:
        return rows, positions, offsets
    best = _most_informative(embeddings.informativeness[rows], offsets, asked)
    return rows[best], positions[best], np.searchsorted(best, offsets).astype(np.int64)


def informative_rows(embeddings: Embeddings, keep: float) -> npt.NDArray[np.int64] | None:
    """Return the rows of the ``keep`` most informative share of each item, rising; None where all are kept.

    At least one row of every item is kept; between equally informative ones the first.
    """
    if keep >= 1.0 or embeddings.informativeness is None:
        return None
    return _most_informative(embeddings.informativeness, embeddings.offsets, keep)


def _most_informative(
    informativeness: npt.NDArray[np.float32], offsets: npt.NDArray[np.int64], share: float
) -> npt.NDArray[np.int64]:
    """Return the most informative ``share`` of the rows of each item, rising."""
    lengths = np.diff(offsets)
    item = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-informativeness, item))  # stable: within each item, the most informative first
    place = np.arange(len(item)) - np.repeat(offsets[:-1], lengths)
    return np.sort(order[place < np.ceil(share * lengths)[item]])


def neighbours(
    embeddings: Embeddings,
    positions: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
) -> Neighbours:
    """Return what a search of the strided rows found, ``rows`` and ``scores`` of ``shape=(searched, k)``."""
    starts, ends = positions * embeddings.step, None
    if embeddings.spans is not None:
        searched = np.repeat(embeddings.offsets[:-1], np.diff(offsets)) + positions
        starts, ends = embeddings.spans[searched, 0], embeddings.spans[searched, 1].astype(np.int32)
    return Neighbours(
        ids=embeddings.ids,
        offsets=offsets,
        positions=starts.astype(np.int32),
        lengths=embeddings.lengths.astype(np.int32),
        rows=rows,
        scores=scores,
        ends=ends,
    )
