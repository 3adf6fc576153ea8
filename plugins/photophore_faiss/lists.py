"""The index `ivf-lists`: inverted lists searched list by list for a whole batch, by exact products of 8-bit vectors.

faiss searches vector by vector; with a few thousand codes to look at for each, its fixed cost a vector is most of the
time. A batch of proteins searches a hundred thousand vectors at once, so here every list is multiplied once with all
the vectors that look into it: one matrix product of 8-bit whole numbers, carried in float32, where their sums are exact.
So neither the batch nor the number of threads nor the processor changes a score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, Neighbours
from photophore_faiss.config import ListsConfig
from photophore_faiss.facts import check_fit, read_facts, write_facts
from photophore_faiss.rows import informative_rows, neighbours, searched_rows
from photophore_faiss.structures import POINTS_PER_LIST, automatic_lists

ARRAYS_FILE = "lists.npz"
#: Searched vectors that are worked on together, and bits of the parts of a packed neighbour: vector, score, row.
_TOGETHER = 1 << 17
_SCORE_BITS, _ROW_BITS = 21, 25
_SCORE_MAX = (1 << _SCORE_BITS) - 1
_LEVELS = 127.0
#: With at most this many times k rows, everything that is looked at is taken.
_SMALL = 16
#: Vectors are assigned to lists in blocks of this size, so that the scores against all lists fit the cache.
_ASSIGNED = 2048
#: Products of vectors and rows of a list that are looked at together.
_PRODUCTS = 1 << 19
#: Columns of a group whose best is looked at first.
_GROUPED = 16

Whole = npt.NDArray[np.float32]  # whole numbers of at most 127 in magnitude, carried in float32
Packed = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lists:
    """What is stored.

    Parameters
    ----------
    centroids
        ``shape=(lists, dim), dtype=int8``.
    codes
        ``shape=(rows, dim), dtype=int8``: vectors in the order of their lists.
    ids
        ``shape=(rows,), dtype=uint32``: database row of each vector.
    offsets
        ``shape=(lists + 1,), dtype=int64``: rows of each list.
    step
        ``shape=(), dtype=float32``: what one level of the 8 bits stands for.
    """

    centroids: npt.NDArray[np.int8]
    codes: npt.NDArray[np.int8]
    ids: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]
    step: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where vectors go, for those who make the same vectors again rather than store them.

    Parameters
    ----------
    centroids
        ``shape=(lists, dim), dtype=int8``.
    step
        What one level of the 8 bits stands for.
    nearest
        ``shape=(rows,), dtype=int32``: list of each kept vector, in the order of the database's rows.
    """

    centroids: npt.NDArray[np.int8]
    step: float
    nearest: npt.NDArray[np.int32]


class ListsIndex:
    """Inverted lists of 8-bit vectors; see the module."""

    name = "ivf-lists"

    def __init__(self, config: ListsConfig, runtime: Runtime) -> None:
        self.config = config
        self.threads = runtime.threads
        self._lists: Lists | None = None
        self._facts: dict[str, Any] = {}

    def build(self, embeddings: Embeddings, layout: Layout | None = None) -> None:
        """Take the vectors of a database: the most informative `keep` share of each target, in lists by k-means.

        With the ``layout`` of an index of the same vectors, nothing is clustered.
        """
        if not len(embeddings.values):
            raise DatabaseError(
                f"index {self.name}: there are no vectors to index; give targets with at least one position"
            )
        kept = informative_rows(embeddings, self.config.keep)
        rows = np.arange(len(embeddings.values)) if kept is None else kept
        if len(rows) >= 1 << _ROW_BITS:
            raise DatabaseError(
                f"index {self.name}: {len(rows):,} vectors, it holds at most {(1 << _ROW_BITS) - 1:,}; lower index.keep"
            )
        layout = layout or self._lay_out(embeddings.values, rows)
        if len(layout.nearest) != len(rows):
            raise DatabaseError(
                f"index {self.name}: the layout is of {len(layout.nearest):,} vectors, not of {len(rows):,}; "
                "lay out these vectors anew"
            )
        order = np.argsort(layout.nearest, kind="stable")
        counts = np.bincount(layout.nearest, minlength=len(layout.centroids))
        self._lists = Lists(
            centroids=layout.centroids,
            codes=_codes(embeddings.values, rows[order], layout.step),
            ids=rows[order].astype(np.uint32),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            step=np.array(layout.step, dtype=np.float32),
        )
        self._facts = {
            "index": self.name,
            "encoder": embeddings.encoder,
            "digest": embeddings.digest,
            "dim": embeddings.dim,
            "rows": len(rows),
        }

    @property
    def layout(self) -> Layout:
        """Where the vectors of this index went."""
        if self._lists is None:
            raise DatabaseError(f"index {self.name}: nothing is laid out; build it first")
        lists = np.repeat(np.arange(len(self._lists.centroids), dtype=np.int32), np.diff(self._lists.offsets))
        return Layout(self._lists.centroids, float(self._lists.step), lists[np.argsort(self._lists.ids)])

    def _lay_out(
        self, values: npt.NDArray[np.float32] | npt.NDArray[np.float16], rows: npt.NDArray[np.int64]
    ) -> Layout:
        """Cluster the vectors of ``rows`` into lists."""
        vectors = np.ascontiguousarray(values[rows], dtype=np.float32)
        step = float(np.float32(max(np.abs(vectors).max(), 1e-6) / _LEVELS))
        centroids = _to_whole(self._train(vectors), step)
        nearest = np.concatenate([lists[:, 0] for lists in _nearest_lists(_to_whole(vectors, step), centroids, 1)])
        return Layout(centroids.astype(np.int8), step, nearest.astype(np.int32))

    def _train(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the centroids of the lists, ``shape=(lists, dim)``."""
        faiss.omp_set_num_threads(self.threads)
        lists = min(self.config.nlist or automatic_lists(max(1, len(vectors) // 4)), len(vectors))
        sample = vectors[:: max(1, len(vectors) // (POINTS_PER_LIST * lists))]
        means = faiss.Kmeans(
            vectors.shape[1], lists, niter=10, seed=self.config.seed, spherical=True, min_points_per_centroid=1
        )
        means.train(sample if len(sample) >= lists else vectors)
        centroids: npt.NDArray[np.float32] = means.centroids
        return centroids

    def search(self, embeddings: Embeddings) -> Neighbours:
        """Return the nearest rows of every stride-th vector of each protein, or of the most informative of them."""
        if self._lists is None:
            raise DatabaseError(f"index {self.name}: nothing to search; build or load it first")
        check_fit(self.name, self._facts, embeddings)
        wanted, positions, offsets = searched_rows(embeddings, self.config.stride, self.config.asked)
        rows = np.full((len(wanted), self.config.k), -1, dtype=np.int64)
        scores = np.full((len(wanted), self.config.k), -np.inf, dtype=np.float32)
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(wanted), _TOGETHER):
                part = slice(start, start + _TOGETHER)
                vectors = _to_whole(embeddings.values[wanted[part]].astype(np.float32), float(self._lists.step))
                _Search(self._lists, self.config, pool, vectors).fill(rows[part], scores[part])
        return neighbours(embeddings, positions, offsets, rows, scores)

    def save(self, folder: Path) -> None:
        """Write the index into ``folder``, which is made if it is missing."""
        if self._lists is None:
            raise DatabaseError(f"index {self.name}: nothing to save in {folder}; build it first")
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / ARRAYS_FILE, **asdict(self._lists))
        write_facts(folder, self._facts)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        facts = read_facts(folder, self.name)
        path = folder / ARRAYS_FILE
        try:
            with np.load(path, allow_pickle=False) as stored:
                lists = Lists(**{field.name: stored[field.name] for field in fields(Lists)})
        except (OSError, ValueError, KeyError) as error:
            raise DatabaseError(f"{path}: not readable ({error}); build the database again") from error
        if lists.codes.shape != (facts["rows"], facts["dim"]) or lists.offsets[-1] != facts["rows"]:
            raise DatabaseError(
                f"{path}: has {len(lists.codes)} vectors, the facts say {facts['rows']}; build the database again"
            )
        self._lists, self._facts = lists, facts


class _Search:
    """One search of many vectors: which lists each looks into, what is good enough, what was found."""

    def __init__(self, lists: Lists, config: ListsConfig, pool: ThreadPoolExecutor, vectors: Whole) -> None:
        self.lists = lists
        self.k = config.k
        self.pool = pool
        self.vectors = vectors
        probes = min(config.nprobe, len(lists.centroids))
        blocks = np.array_split(vectors, max(1, -(-len(vectors) // _ASSIGNED)))
        centroids = lists.centroids.astype(np.float32)
        found = pool.map(lambda block: next(_nearest_lists(block, centroids, probes)), blocks)
        self.probed = np.concatenate(list(found))  # (vectors, probes), best first
        self.floor = np.full(len(vectors), -np.inf, dtype=np.float32)
        # The share of the k that the best list is asked for; what it scores is the least that other lists must offer.
        # A small index is searched without such a floor.
        small = len(lists.codes) <= _SMALL * config.k
        self.wanted = len(lists.codes) + 1 if small else max(1, round(config.k * config.first_share))

    def fill(self, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> None:
        """Write the k nearest of each vector, ``shape=(vectors, k)``, best first."""
        found = [*self._scan(self.probed[:, :1], self._first), *self._scan(self.probed[:, 1:], self._further)]
        packed = np.concatenate(found) if found else np.empty(0, np.int64)
        packed.sort()  # by vector, then falling score, then row
        starts = np.searchsorted(packed, np.arange(len(self.vectors) + 1) << (_SCORE_BITS + _ROW_BITS))
        for first in range(0, len(self.vectors), _ASSIGNED):
            begin, end = starts[:-1][first : first + _ASSIGNED], starts[1:][first : first + _ASSIGNED]
            place = begin[:, None] + np.arange(self.k)  # (vectors, k)
            there = place < end[:, None]
            best = packed.take(place, mode="clip")[there]
            part = slice(first, first + _ASSIGNED)
            rows[part][there] = self.lists.ids[best & ((1 << _ROW_BITS) - 1)]
            whole = (_SCORE_MAX >> 1) - ((best >> _ROW_BITS) & _SCORE_MAX)
            scores[part][there] = whole.astype(np.float32) * self.lists.step**2

    def _scan(
        self, probed: npt.NDArray[np.int64], look: Callable[[npt.NDArray[np.int64], int, Whole], Packed]
    ) -> Iterator[Packed]:
        """Call ``look`` once a list with the vectors that probe it; lists are shared out over the threads."""
        if not probed.size:
            return
        flat = probed.ravel()
        order = np.argsort(flat, kind="stable")
        vector = order // probed.shape[1]
        offsets = np.searchsorted(flat[order], np.arange(len(self.lists.centroids) + 1))

        def work(number: int) -> Packed:
            vectors = vector[offsets[number] : offsets[number + 1]]
            begin, end = self.lists.offsets[number : number + 2]
            if not len(vectors) or begin == end:
                return np.empty(0, np.int64)
            codes = self.lists.codes[begin:end].astype(np.float32)
            # Pieces whose products fit the cache: written to memory and read back, they would cost twice the time.
            pieces = np.array_split(vectors, max(1, len(vectors) * len(codes) // _PRODUCTS))
            return np.concatenate([look(piece, int(begin), self.vectors[piece] @ codes.T) for piece in pieces])

        yield from self.pool.map(work, range(len(self.lists.centroids)))

    def _first(self, vectors: npt.NDArray[np.int64], begin: int, products: Whole) -> Packed:
        """Take the best of the nearest list, and note how good they are."""
        last = products.shape[1] - self.wanted
        if last >= 0:  # else the list alone cannot fill its share, and the others must offer all they have
            self.floor[vectors] = np.partition(products, last, axis=1)[:, last]
        return self._further(vectors, begin, products)

    def _further(self, vectors: npt.NDArray[np.int64], begin: int, products: Whole) -> Packed:
        """Take what is as good."""
        flat = np.flatnonzero(products >= self.floor[vectors][:, None])
        vector, row = np.divmod(flat, products.shape[1])
        whole = products.ravel()[flat].astype(np.int64)
        return (vectors[vector] << _SCORE_BITS | ((_SCORE_MAX >> 1) - whole)) << _ROW_BITS | (row + begin)


def _to_whole(vectors: npt.NDArray[np.float32], step: float) -> Whole:
    """Round ``vectors`` to the 8-bit grid."""
    whole = vectors * np.float32(1.0 / step)
    np.rint(whole, out=whole)
    return np.clip(whole, -_LEVELS, _LEVELS, out=whole)


def _codes(
    values: npt.NDArray[np.float32] | npt.NDArray[np.float16], rows: npt.NDArray[np.int64], step: float
) -> npt.NDArray[np.int8]:
    """Return the 8-bit vectors of ``rows``, a block at a time, so that it is done in the cache."""
    codes = np.empty((len(rows), values.shape[1]), dtype=np.int8)
    for start in range(0, len(rows), _ASSIGNED):
        block = slice(start, start + _ASSIGNED)
        codes[block] = _to_whole(values[rows[block]].astype(np.float32), step)
    return codes


def _nearest_lists(vectors: Whole, centroids: Whole, count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the ``count`` nearest lists of each vector, best first, in blocks of vectors."""
    for start in range(0, len(vectors), _ASSIGNED):
        products = vectors[start : start + _ASSIGNED] @ centroids.T  # (vectors, lists)
        if count == 1:
            yield products.argmax(axis=1)[:, None]
            continue
        yield _largest(products, count)


def _largest(products: Whole, count: int) -> npt.NDArray[np.int64]:
    """Return the columns of the ``count`` largest of each row, largest first, ties by column.

    The best of each of many groups of columns are few numbers; the ``count``-th of them is a floor that hardly more than
    ``count`` columns reach. Finding those is several times faster than a partition of all columns.
    """
    rows, columns = products.shape
    groups = columns // _GROUPED
    if groups < count:
        return np.argsort(-products, axis=1, kind="stable")[:, :count]
    best = products[:, : groups * _GROUPED].reshape(rows, _GROUPED, groups).max(axis=1)
    floor = np.partition(best, groups - count, axis=1)[:, groups - count]
    row, column = np.divmod(np.flatnonzero(products >= floor[:, None]), columns)
    order = np.lexsort((column, -products[row, column], row))
    starts = np.searchsorted(row, np.arange(rows))
    chosen: npt.NDArray[np.int64] = column[order][starts[:, None] + np.arange(count)]
    return chosen
