"""The index `usearch`: the rows of a database in a graph, and a file of facts that says whose vectors they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from usearch.index import Index as Graph

from photophore.errors import DatabaseError, DataError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, Neighbours
from photophore_usearch.config import UsearchConfig

GRAPH_FILE = "vectors.usearch"
FACTS_FILE = "facts.json"


class UsearchIndex:
    """A graph over all vectors. It is built by one thread, so that two builds are the same; any number may search it."""

    def __init__(self, config: UsearchConfig, runtime: Runtime) -> None:
        self._config = config
        self._threads = runtime.threads
        self._graph: Any = None
        self._facts: dict[str, Any] = {}

    def build(self, embeddings: Embeddings) -> None:
        """Take all vectors of a database; row ``i`` becomes key ``i``."""
        if not len(embeddings.values):
            raise DatabaseError("index usearch: there are no vectors to index; give targets with at least one position")
        config = self._config
        self._graph = Graph(
            ndim=embeddings.dim,
            metric="ip",
            dtype=config.dtype,
            connectivity=config.connectivity,
            expansion_add=config.expansion_add,
            expansion_search=self._expansion_search(),
        )
        rows = np.arange(len(embeddings.values), dtype=np.uint64)
        self._graph.add(rows, np.ascontiguousarray(embeddings.values, dtype=np.float32), threads=1)
        self._facts = {
            "encoder": embeddings.encoder,
            "digest": embeddings.digest,
            "dim": embeddings.dim,
            "rows": len(rows),
        }

    def search(self, embeddings: Embeddings) -> Neighbours:
        """Return the nearest rows of every ``stride``-th vector of each protein."""
        self._check_fit(embeddings)
        wanted, positions, offsets = _strided(embeddings.offsets, self._config.stride)
        rows = np.full((len(wanted), self._config.k), -1, dtype=np.int64)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        if len(wanted):
            queries = np.ascontiguousarray(embeddings.values[wanted], dtype=np.float32)
            found = self._graph.search(queries, self._config.k, threads=self._threads)
            keys = np.reshape(
                found.keys, (len(wanted), -1)
            )  # (searched, k or fewer); a single query comes without an axis
            counts = getattr(found, "counts", [keys.shape[1]])
            present = np.arange(keys.shape[1]) < np.reshape(
                counts, (-1, 1)
            )  # beyond them USearch leaves what was there
            here = np.nonzero(present)
            rows[here] = keys[present]
            scores[here] = 1.0 - np.reshape(found.distances, keys.shape)[present]  # USearch gives 1 - inner product
        return Neighbours(
            ids=embeddings.ids,
            offsets=offsets,
            positions=(positions * embeddings.step).astype(np.int32),
            lengths=(np.diff(embeddings.offsets) * embeddings.step).astype(np.int32),
            rows=rows,
            scores=scores,
        )

    def save(self, folder: Path) -> None:
        """Write the graph and its facts into ``folder``."""
        if self._graph is None:
            raise DatabaseError(f"index usearch: nothing to save in {folder}; build it first")
        folder.mkdir(parents=True, exist_ok=True)
        self._graph.save(str(folder / GRAPH_FILE))
        (folder / FACTS_FILE).write_text(json.dumps(self._facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        facts_file, graph_file = folder / FACTS_FILE, folder / GRAPH_FILE
        try:
            self._facts = json.loads(facts_file.read_text(encoding="utf-8"))
            self._graph = Graph.restore(str(graph_file))
        except (OSError, ValueError, RuntimeError) as error:
            raise DatabaseError(f"{folder}: the index cannot be read ({error}); build the database again") from error
        if self._graph is None or (len(self._graph), self._graph.ndim) != (self._facts["rows"], self._facts["dim"]):
            raise DatabaseError(f"{graph_file}: is not the graph that {FACTS_FILE} describes; build the database again")
        self._graph.expansion_search = self._expansion_search()

    def _expansion_search(self) -> int:
        return max(self._config.expansion_search, self._config.k)

    def _check_fit(self, embeddings: Embeddings) -> None:
        """Raise unless the vectors are of the encoder and of the weights that the index was built with."""
        if self._graph is None:
            raise DatabaseError("index usearch: nothing to search; build or load it first")
        facts = self._facts
        if (embeddings.encoder, embeddings.digest) != (facts["encoder"], facts["digest"]):
            raise DatabaseError(
                f"index usearch was built from vectors of encoder {facts['encoder']!r} with weights "
                f"{facts['digest'][:12]}, but these are of {embeddings.encoder!r} with weights "
                f"{embeddings.digest[:12]}; use those of the database, or build it again"
            )
        if embeddings.dim != facts["dim"]:
            raise DataError(f"index usearch: the vectors have length {embeddings.dim}, the index {facts['dim']}")


def _strided(offsets: npt.NDArray[np.int64], stride: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the rows to search, their places within each protein, and the offsets of the proteins among them."""
    counts = -(-np.diff(offsets) // stride)
    searched = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    positions = (np.arange(searched[-1]) - np.repeat(searched[:-1], counts)) * stride
    return np.repeat(offsets[:-1], counts) + positions, positions, searched
