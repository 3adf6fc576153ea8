"""The index `ivf-lists`: inverted lists searched list by list for a whole batch, by exact products of 8-bit vectors.

faiss searches vector by vector; with a few thousand codes to look at for each, its fixed cost a vector is most of the
time. A batch of proteins searches a hundred thousand vectors at once, so here every list is multiplied once with all
the vectors that look into it (`scanning`), as whole numbers of 8 bits, whose sums are exact. So neither the batch nor the
number of threads nor the processor changes a score.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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
from photophore_faiss.scanning import NO_FLOOR, ROW_BITS, Codes, Found, nearest, scan, unpack
from photophore_faiss.structures import POINTS_PER_LIST, automatic_lists

ARRAYS_FILE = "lists.npz"
#: Searched vectors that one thread works on together, and vectors that are brought to 8 bits together, in the cache.
_TOGETHER, _ROUNDED = 1 << 15, 2048
_LEVELS = 127.0
#: With at most this many times k rows, everything that is looked at is taken.
_SMALL = 16


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
        self._found: list[Found] = []  # as many as there were threads
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
        if len(rows) >= 1 << ROW_BITS:
            raise DatabaseError(
                f"index {self.name}: {len(rows):,} vectors, it holds at most {(1 << ROW_BITS) - 1:,}; lower index.keep"
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
        centroids, codes = _to_whole(self._train(vectors), step), _to_whole(vectors, step)
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.threads) as pool:
            parts = pool.map(
                lambda part: nearest(codes[part], centroids, 1, Found())[:, 0], _parts(len(codes), _TOGETHER)
            )
            return Layout(centroids, step, np.concatenate(list(parts)).astype(np.int32))

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
        rows = np.empty((len(wanted), self.config.k), dtype=np.int64)
        scores = np.empty((len(wanted), self.config.k), dtype=np.float32)
        lists, step = self._lists, float(self._lists.step)

        def search(part: slice) -> None:
            queries = _codes(embeddings.values, wanted[part], step)
            found = self._found.pop() if self._found else Found()
            _Search(lists, self.config, queries, found).fill(rows[part], scores[part])
            self._found.append(found)

        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.threads) as pool:
            deque(pool.map(search, _parts(len(wanted), _TOGETHER)), maxlen=0)
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
    """One search of some vectors: which lists each looks into, what is good enough, what was found."""

    def __init__(self, lists: Lists, config: ListsConfig, queries: Codes, found: Found) -> None:
        self.lists = lists
        self.queries = queries
        self.found = found
        self.probed = nearest(queries, lists.centroids, min(config.nprobe, len(lists.centroids)), found)
        # The share of the k that the best list is asked for; what it scores is the least that other lists must offer.
        # A small index is searched without such a floor.
        small = len(lists.codes) <= _SMALL * config.k
        self.wanted = len(lists.codes) + 1 if small else max(1, round(config.k * config.first_share))

    def fill(self, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> None:
        """Write the k nearest of each vector, ``shape=(vectors, k)``, best first."""
        floor = np.full(len(self.queries), NO_FLOOR, dtype=np.int32)
        self.found.clear()
        for probed, wanted in ((self.probed[:, :1], self.wanted), (self.probed[:, 1:], 0)):
            scan(self.lists.codes, self.lists.offsets, self.queries, probed, floor, wanted, self.found)
        self.found.packed.sort()  # by vector, then falling score, then row
        unpack(self.found.packed, self.lists.ids, float(self.lists.step**2), rows, scores)


def _to_whole(vectors: npt.NDArray[np.float32], step: float) -> Codes:
    """Round ``vectors`` to the 8-bit grid."""
    whole = vectors * np.float32(1.0 / step)
    np.rint(whole, out=whole)
    return np.clip(whole, -_LEVELS, _LEVELS, out=whole).astype(np.int8)


def _codes(
    values: npt.NDArray[np.float32] | npt.NDArray[np.float16], rows: npt.NDArray[np.int64], step: float
) -> npt.NDArray[np.int8]:
    """Return the 8-bit vectors of ``rows``, a block at a time, so that it is done in the cache."""
    codes = np.empty((len(rows), values.shape[1]), dtype=np.int8)
    for block in _parts(len(rows), _ROUNDED):
        codes[block] = _to_whole(values[rows[block]].astype(np.float32), step)
    return codes


def _parts(length: int, most: int) -> Iterator[slice]:
    """Cut ``length`` into consecutive parts of at most ``most``."""
    return (slice(start, start + most) for start in range(0, length, most))
