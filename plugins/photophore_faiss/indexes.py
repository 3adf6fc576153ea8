"""The faiss indexes behind one class: build, search a stride of each protein's residues, save and load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, Neighbours
from photophore_faiss.config import FastScanConfig, FlatConfig, HnswConfig, IvfConfig
from photophore_faiss.exact import nearest_exactly
from photophore_faiss.facts import FACTS_FILE, check_fit, read_facts, write_facts
from photophore_faiss.rows import informative_rows, neighbours, strided_rows
from photophore_faiss.structures import fast_scan_lists, inverted_lists, refined, unrefined

INDEX_FILE = "vectors.faiss"
KEPT_FILE = "kept.npy"

#: Vectors are searched in blocks of exactly these sizes, the last one padded: faiss takes another arithmetic for a
#: few vectors than for many, and a protein's neighbours must not depend on how many others are in its batch.
#: Each block is searched by one thread, so the answer cannot depend on the number of threads, and no thread waits for
#: another (faiss's own teams meet thousands of times a search, which is slow on a busy machine).
BLOCKS = (1024, 128)

#: Size of a search from which faiss multiplies matrices, whose last bits depend on the place of a vector in its block on some
#: processors: as faiss has it while an index is built, and never while one is searched.
MATRICES_BUILD, MATRICES_SEARCH = int(faiss.cvar.distance_compute_blas_threshold), 2**31 - 1

#: Vectors added at a time, so that a build needs little beside the vectors and the index.
ADD_BLOCK = 1 << 17

#: IVF fast-scan by lists with a reservoir: the one whose ties do not depend on the other vectors of a block.
FASTSCAN_IMPLEMENTATION = 13

Config = TypeVar("Config", FlatConfig, IvfConfig, FastScanConfig, HnswConfig)
Vectors = npt.NDArray[np.float32]


class FaissIndex(Generic[Config]):
    """Base of the faiss indexes: everything but how the structure is made and which knobs a search has."""

    name: ClassVar[str]

    def __init__(self, config: Config, runtime: Runtime) -> None:
        self.config: Config = config
        self.threads = runtime.threads
        self._index: Any = None
        self._kept: npt.NDArray[np.int64] | None = None  # database row of each indexed vector; None: all, in order
        self._facts: dict[str, Any] = {}

    def _make(self, vectors: Vectors) -> Any:
        """Return a trained, empty faiss index for ``vectors``, shape=(rows, dim)."""
        raise NotImplementedError

    def _tune(self) -> None:
        """Set the search knobs of the config on the faiss index."""

    def build(self, embeddings: Embeddings) -> None:
        """Take all vectors of a database; row ``i`` of ``embeddings.values`` becomes database row ``i``."""
        if not len(embeddings.values):
            raise DatabaseError(
                f"index {self.name}: there are no vectors to index; give targets with at least one position"
            )
        faiss.omp_set_num_threads(self._build_threads())
        faiss.cvar.distance_compute_blas_threshold = MATRICES_BUILD
        self._kept = informative_rows(embeddings, self.config.keep)
        vectors = np.ascontiguousarray(embeddings.values, dtype=np.float32)
        if self._kept is not None:
            vectors = vectors[self._kept]
        self._index = self._make(vectors)
        for start in range(0, len(vectors), ADD_BLOCK):
            self._index.add(vectors[start : start + ADD_BLOCK])
        self._facts = {
            "index": self.name,
            "encoder": embeddings.encoder,
            "digest": embeddings.digest,
            "dim": embeddings.dim,
            "rows": len(vectors),
            "kept": self._kept is not None,
        }
        self._tune()

    def search(self, embeddings: Embeddings) -> Neighbours:
        """Return the nearest rows of every stride-th vector of each protein."""
        self._check_fit(embeddings)
        wanted, positions, offsets = strided_rows(embeddings.offsets, self.config.stride)
        rows = np.empty((len(wanted), self.config.k), dtype=np.int64)
        scores = np.empty((len(wanted), self.config.k), dtype=np.float32)

        def search_block(start: int, size: int) -> None:
            block = wanted[start : start + size]
            vectors = np.asarray(embeddings.values[block], dtype=np.float32)
            scores[start : start + len(block)], rows[start : start + len(block)] = self._nearest(vectors)

        faiss.cvar.distance_compute_blas_threshold = MATRICES_SEARCH
        pool = ThreadPoolExecutor(self.threads, initializer=faiss.omp_set_num_threads, initargs=(1,))
        with threadpool_limits(1, "blas"), pool:
            for done in [pool.submit(search_block, start, size) for start, size in _blocks(len(wanted))]:
                done.result()
        scores[rows < 0] = -np.inf
        if self._kept is not None:
            rows = np.where(rows < 0, rows, self._kept[rows])
        return neighbours(embeddings, positions, offsets, rows, scores)

    def _nearest(self, vectors: Vectors) -> tuple[Vectors, npt.NDArray[np.int64]]:
        """Return scores and rows of the `k` nearest of each vector of a block; row -1 where there are fewer."""
        size = min(size for size in BLOCKS if size >= len(vectors))
        padded = np.zeros((size, vectors.shape[1]), dtype=np.float32)
        padded[: len(vectors)] = vectors
        scores, rows = self._index.search(padded, self.config.k)
        return scores[: len(vectors)], rows[: len(vectors)]

    def save(self, folder: Path) -> None:
        """Write the index into ``folder``, which is made if it is missing."""
        if self._index is None:
            raise DatabaseError(f"index {self.name}: nothing to save in {folder}; build it first")
        folder.mkdir(parents=True, exist_ok=True)
        faiss.write_index(self._index, str(folder / INDEX_FILE))
        if self._kept is not None:
            np.save(folder / KEPT_FILE, self._kept.astype(np.uint32))
        write_facts(folder, self._facts)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        facts = read_facts(folder, self.name)
        flags = faiss.IO_FLAG_MMAP if getattr(self.config, "mmap", False) else 0
        self._index = _read_faiss(folder / INDEX_FILE, flags)
        if (self._index.ntotal, self._index.d) != (facts["rows"], facts["dim"]):
            raise DatabaseError(
                f"{folder / INDEX_FILE}: has {self._index.ntotal} vectors of length {self._index.d}, but {FACTS_FILE} "
                f"says {facts['rows']} of {facts['dim']}; the files are of two builds, build the database again"
            )
        self._kept = _read_kept(folder, facts["rows"]) if facts.get("kept") else None
        self._facts = facts
        self._tune()

    def _build_threads(self) -> int:
        return self.threads

    def _check_fit(self, embeddings: Embeddings) -> None:
        if self._index is None:
            raise DatabaseError(f"index {self.name}: nothing to search; build or load it first")
        check_fit(self.name, self._facts, embeddings)


class FlatIndex(FaissIndex[FlatConfig]):
    """Exact search; vectors stored in 8 bits are searched as what the 8 bits stand for."""

    name = "flat"

    def _make(self, vectors: Vectors) -> Any:
        dim = vectors.shape[1]
        if self.config.code == "fp32":
            return faiss.IndexFlatIP(dim)
        quantised = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        quantised.train(vectors)
        return quantised

    def _tune(self) -> None:
        if isinstance(self._index, faiss.IndexScalarQuantizer):
            self._vectors = self._index.reconstruct_n(0, self._index.ntotal)
        else:  # no copy
            self._vectors = faiss.rev_swig_ptr(self._index.get_xb(), self._index.ntotal * self._index.d).reshape(
                self._index.ntotal, self._index.d
            )

    def _nearest(self, vectors: Vectors) -> tuple[Vectors, npt.NDArray[np.int64]]:
        return nearest_exactly(vectors, self._vectors, self.config.k)

    def vectors(self) -> Vectors:
        """Return all vectors as they are searched, ``shape=(rows, dim)``."""
        return self._vectors.copy()


class IvfIndex(FaissIndex[IvfConfig]):
    """Inverted lists of scalar- or product-quantised residuals."""

    name = "ivfpq"

    def _make(self, vectors: Vectors) -> Any:
        return refined(inverted_lists(vectors, self.config), vectors, self.config.refine)

    def _tune(self) -> None:
        lists = unrefined(self._index, self.config.refine_factor)
        lists.nprobe = min(self.config.nprobe, lists.nlist)


class FastScanIndex(FaissIndex[FastScanConfig]):
    """Inverted lists of 4-bit product-quantised residuals."""

    name = "ivf-fastscan"

    def _make(self, vectors: Vectors) -> Any:
        return refined(fast_scan_lists(vectors, self.config), vectors, self.config.refine)

    def _tune(self) -> None:
        lists = unrefined(self._index, self.config.refine_factor)
        lists.nprobe = min(self.config.nprobe, lists.nlist)
        lists.implem = FASTSCAN_IMPLEMENTATION


class HnswIndex(FaissIndex[HnswConfig]):
    """A navigable small-world graph over full vectors."""

    name = "hnsw"

    def _make(self, vectors: Vectors) -> Any:
        index = faiss.IndexHNSWFlat(vectors.shape[1], self.config.m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self.config.ef_construction
        return index

    def _build_threads(self) -> int:
        return self.threads if self.config.parallel_build else 1

    def _tune(self) -> None:
        self._index.hnsw.efSearch = max(self.config.ef_search, self.config.k)


def _blocks(searched: int) -> list[tuple[int, int]]:
    """Return (start, size) of the blocks that cover ``searched`` vectors; the last may reach beyond them."""
    blocks, start = [], 0
    for size in BLOCKS:
        while searched - start >= size:
            blocks.append((start, size))
            start += size
    if start < searched:
        blocks.append((start, BLOCKS[-1]))
    return blocks


def _read_kept(folder: Path, rows: int) -> npt.NDArray[np.int64]:
    path = folder / KEPT_FILE
    try:
        kept: npt.NDArray[np.int64] = np.load(path, allow_pickle=False).astype(np.int64)
    except (OSError, ValueError) as error:
        raise DatabaseError(f"{path}: not readable ({error}); build the database again") from error
    if kept.shape != (rows,):
        raise DatabaseError(f"{path}: names {len(kept)} rows, the index holds {rows}; build the database again")
    return kept


def _read_faiss(path: Path, flags: int) -> Any:
    if not path.is_file():
        raise DatabaseError(f"{path}: missing; build the database again")
    try:
        return faiss.read_index(str(path), flags)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise DatabaseError(f"{path}: faiss cannot read it ({reason}); build the database again") from error
