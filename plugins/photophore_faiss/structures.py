"""How the inverted lists are made and trained, and how a second copy of the vectors rescores what they find."""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from photophore.errors import UsageError
from photophore_faiss.config import FastScanConfig, IvfConfig

Vectors = npt.NDArray[np.float32]

SCALAR_CODES = {
    "sq8": faiss.ScalarQuantizer.QT_8bit,
    "sq4": faiss.ScalarQuantizer.QT_4bit,
    "fp16": faiss.ScalarQuantizer.QT_fp16,
}

#: Training vectors of each inverted list, and of each centroid of a product quantiser (all that faiss looks at).
#: Lists are many: 64 a list already place their centres, at a quarter of the time.
POINTS_PER_LIST = 64
POINTS_PER_CENTROID = 256


def inverted_lists(vectors: Vectors, config: IvfConfig) -> Any:
    """Return trained, empty inverted lists for ``vectors``, shape=(rows, dim)."""
    rows, dim = vectors.shape
    lists = min(config.nlist or automatic_lists(rows), rows)
    coarse = faiss.IndexFlatIP(dim)
    if config.code != "pq":
        kind = SCALAR_CODES[config.code]
        index = faiss.IndexIVFScalarQuantizer(coarse, dim, lists, kind, faiss.METRIC_INNER_PRODUCT)
        return _train(_own(index, coarse), vectors, config, centroids=1)
    _check_divides(config.pq_m, dim)
    index = faiss.IndexIVFPQ(coarse, dim, lists, config.pq_m, config.pq_nbits, faiss.METRIC_INNER_PRODUCT)
    _set_clustering(index.pq.cp, config.seed)
    return _train(_own(index, coarse), vectors, config, centroids=1 << config.pq_nbits)


def fast_scan_lists(vectors: Vectors, config: FastScanConfig) -> Any:
    """Return trained, empty inverted lists of 4-bit codes for ``vectors``, shape=(rows, dim)."""
    rows, dim = vectors.shape
    _check_divides(config.pq_m, dim)
    lists = min(config.nlist or automatic_lists(rows), rows)
    coarse = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFPQFastScan(coarse, dim, lists, config.pq_m, 4, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = True
    _set_clustering(index.pq.cp, config.seed)
    return _train(_own(index, coarse), vectors, config, centroids=16)


def automatic_lists(rows: int) -> int:
    """Return the number of inverted lists for ``rows`` vectors: the power of two near 2 sqrt(rows), 39 vectors a list or more."""
    wanted = 1 << max(0, round(math.log2(2 * math.sqrt(rows))))
    while wanted > 1 and wanted * 39 > rows:
        wanted //= 2
    return wanted


def refined(index: Any, vectors: Vectors, kind: str) -> Any:
    """Return ``index`` with a scalar-quantised copy of the vectors behind it, which orders what the codes find."""
    if kind == "none":
        return index
    store = faiss.IndexScalarQuantizer(vectors.shape[1], SCALAR_CODES[kind], faiss.METRIC_INNER_PRODUCT)
    store.train(vectors)
    pair = faiss.IndexRefine(index, store)
    pair.own_fields = pair.own_refine_index = True
    index.this.disown()
    store.this.disown()
    return pair


def unrefined(index: Any, factor: int) -> Any:
    """Return the inverted lists of ``index``; if it is refined, let it fetch ``factor`` times k neighbours."""
    if not isinstance(index, faiss.IndexRefine):
        return index
    index.k_factor = factor
    return faiss.downcast_index(index.base_index)


def _own(index: Any, coarse: Any) -> Any:
    """Hand ``coarse`` over to ``index``, so that both live as long as the C++ object, not as their Python shadows."""
    index.own_fields = True
    coarse.this.disown()
    return index


def _check_divides(pq_m: int, dim: int) -> None:
    if dim % pq_m:
        fitting = [m for m in range(1, dim + 1) if dim % m == 0]
        raise UsageError(f"index option pq_m={pq_m} does not divide the vector length {dim}; choose one of {fitting}")


def _set_clustering(parameters: Any, seed: int) -> None:
    parameters.seed = seed
    parameters.min_points_per_centroid = 1  # small databases are meant: no warning on the terminal


def _train(index: Any, vectors: Vectors, config: IvfConfig | FastScanConfig, *, centroids: int) -> Any:
    """Train ``index`` on an even sample of ``vectors``, filled up with random ones to ``centroids``.

    Repeating the vectors instead would make equal centroids, and fast-scan finds nothing where all are equal.
    """
    _set_clustering(index.cp, config.seed)
    index.cp.spherical = True  # unit vectors under inner product: centroids are directions
    wanted = config.train_vectors or max(POINTS_PER_LIST * index.nlist, POINTS_PER_CENTROID * centroids)
    sample = vectors
    if len(vectors) > wanted:
        sample = vectors[np.linspace(0, len(vectors) - 1, max(wanted, index.nlist)).astype(np.int64)]
    if len(sample) < centroids:
        noise = np.random.default_rng(config.seed).standard_normal((centroids - len(sample), vectors.shape[1]))
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        sample = np.concatenate([sample, noise.astype(np.float32)])
    index.train(np.ascontiguousarray(sample))
    return index
