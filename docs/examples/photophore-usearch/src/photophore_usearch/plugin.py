"""Declares the index `usearch`; USearch is imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.hookspecs import IndexSpec, Requirement, Runtime, hookimpl
from photophore_usearch.config import UsearchConfig

if TYPE_CHECKING:
    from photophore_usearch.index import UsearchIndex


def create(config: UsearchConfig, runtime: Runtime) -> UsearchIndex:
    """Return an empty index."""
    from photophore_usearch.index import UsearchIndex

    return UsearchIndex(config, runtime)


@hookimpl
def photophore_indexes() -> list[IndexSpec]:
    """Return the index."""
    return [
        IndexSpec(
            name="usearch",
            summary="Graph search by USearch, over vectors in full or half precision.",
            config=UsearchConfig,
            create=create,
            requires=(Requirement(module="usearch", install="pip install 'usearch>=2.16'"),),
        )
    ]
