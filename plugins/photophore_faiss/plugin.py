"""Declares the indexes `flat`, `ivfpq`, `ivf-lists`, `ivf-fastscan` and `hnsw`; faiss is imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.hookspecs import IndexSpec, Requirement, Runtime, hookimpl
from photophore_faiss.config import FastScanConfig, FlatConfig, HnswConfig, IvfConfig, ListsConfig

if TYPE_CHECKING:
    from photophore_faiss.indexes import FastScanIndex, FlatIndex, HnswIndex, IvfIndex
    from photophore_faiss.lists import ListsIndex

_FAISS = (Requirement(module="faiss", install="pip install 'faiss-cpu>=1.9'"),)


def create_flat(config: FlatConfig, runtime: Runtime) -> FlatIndex:
    """Return an empty exact index."""
    from photophore_faiss import indexes

    return indexes.FlatIndex(config, runtime)


def create_ivfpq(config: IvfConfig, runtime: Runtime) -> IvfIndex:
    """Return an empty index of inverted lists."""
    from photophore_faiss import indexes

    return indexes.IvfIndex(config, runtime)


def create_fastscan(config: FastScanConfig, runtime: Runtime) -> FastScanIndex:
    """Return an empty index of inverted lists with 4-bit codes."""
    from photophore_faiss import indexes

    return indexes.FastScanIndex(config, runtime)


def create_hnsw(config: HnswConfig, runtime: Runtime) -> HnswIndex:
    """Return an empty graph index."""
    from photophore_faiss import indexes

    return indexes.HnswIndex(config, runtime)


def create_lists(config: ListsConfig, runtime: Runtime) -> ListsIndex:
    """Return an empty index of inverted lists that are searched for a whole batch at once."""
    from photophore_faiss import lists

    return lists.ListsIndex(config, runtime)


@hookimpl
def photophore_indexes() -> list[IndexSpec]:
    """Return the indexes."""
    return [
        IndexSpec(
            name="flat",
            summary="Exact search among all vectors: the reference, and right for small databases.",
            config=FlatConfig,
            create=create_flat,
            requires=_FAISS,
        ),
        IndexSpec(
            name="ivfpq",
            summary="Inverted lists of quantised vectors (sq8, sq4, fp16 or pq): small.",
            config=IvfConfig,
            create=create_ivfpq,
            requires=_FAISS,
        ),
        IndexSpec(
            name="ivf-lists",
            summary="Inverted lists of exact 8-bit vectors, multiplied with a whole batch at once: the default.",
            config=ListsConfig,
            create=create_lists,
            requires=(*_FAISS, Requirement(module="threadpoolctl", install="pip install threadpoolctl")),
        ),
        IndexSpec(
            name="ivf-fastscan",
            summary="Inverted lists of 4-bit codes scanned in registers, rescored: small and fast.",
            config=FastScanConfig,
            create=create_fastscan,
            requires=_FAISS,
        ),
        IndexSpec(
            name="hnsw",
            summary="Graph search over full vectors: high recall, slow to build, large in memory.",
            config=HnswConfig,
            create=create_hnsw,
            requires=_FAISS,
        ),
    ]
