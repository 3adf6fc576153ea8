"""Which groups a protein might belong to: residues of the near network against the consensus of every group, then their diagonals.

The vectors of five million positions are no smaller than the network that makes them is fast, so they are not stored:
the consensus sequences are encoded when the database is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from photophore.background import background_batches
from photophore.errors import DataError
from photophore.hookspecs import Encoder, Runtime
from photophore.types import Embeddings, Neighbours, SequenceBatch, TargetTable
from photophore_faiss.config import ListsConfig
from photophore_faiss.lists import Layout, ListsIndex
from photophore_hifinn.compact import GroupProfiles
from photophore_hifinn.screening import Proposals, Screen
from photophore_near.config import NearConfig
from photophore_near.diagonal import Diagonal, DiagonalConfig
from photophore_near.encoder import create_near

#: Consensus sequences that are encoded at once.
_TOGETHER = 500
#: Groups that the network may propose for a protein, each with so many bins of diagonals.
_PROPOSED, _BINS = 600, 2

Statistics = dict[str, npt.NDArray[np.float32]]


class GroupFinder:
    """The near network, an index of the groups' consensus, the best diagonals, and what the groups score on these."""

    def __init__(
        self,
        profiles: GroupProfiles,
        runtime: Runtime,
        *,
        groups: int,
        statistics: Statistics | None = None,
        layout: Layout | None = None,
    ) -> None:
        """Encode the consensus of each group; at most ``groups`` are found for a protein.

        ``statistics`` are what `measure` returned when the database was built, ``layout`` that of the finder then.
        """
        self._encoder = create_near(NearConfig(), runtime)
        self._index = ListsIndex(ListsConfig(stride=5), runtime)
        self._aggregator = Diagonal(DiagonalConfig(pairs=0.1, max_candidates=_PROPOSED, bins=_BINS), runtime)
        self._screen = Screen(profiles, threads=runtime.threads)
        self._groups = groups
        embeddings = self._encode(profiles)
        self._index.build(embeddings, layout)
        self._targets = TargetTable(
            profiles.names, embeddings.offsets, statistics=statistics or {}, step=embeddings.step
        )

    @property
    def layout(self) -> Layout:
        """Where the index put the vectors; with it, the same index is sooner built again."""
        return self._index.layout

    def measure(self) -> Statistics:
        """Measure how background proteins score in each group, take it over, and return it."""

        def background() -> Iterator[Neighbours]:
            for batch in background_batches():
                yield self._neighbours(batch)

        found = self._aggregator.calibrate(background, self._targets)
        statistics = {name: np.asarray(values, dtype=np.float32) for name, values in found.items()}
        self._targets = replace(self._targets, statistics=statistics)
        return statistics

    def find(self, batch: SequenceBatch) -> Proposals:
        """Return the groups that are most like each protein."""
        candidates = self._aggregator.aggregate(self._neighbours(batch), self._targets)
        return self._screen.best(batch, candidates, self._groups)

    def _neighbours(self, batch: SequenceBatch) -> Neighbours:
        return self._index.search(every_residue(self._encoder, batch))

    def _encode(self, profiles: GroupProfiles) -> Embeddings:
        """Return the vectors of every group in half precision; the sharpest positions are the most informative."""
        lengths = np.diff(profiles.offsets)
        values = np.empty((0, self._encoder.dim), dtype=np.float16)
        offsets, step, start = np.zeros(1, dtype=np.int64), 1, 0
        for batch in _consensus_batches(profiles):
            piece = self._encoder.encode(batch)
            if not start:
                step = piece.step
                offsets = np.concatenate([[0], np.cumsum(-(-lengths // step))]).astype(np.int64)
                values = np.empty((int(offsets[-1]), piece.dim), dtype=np.float16)
            values[offsets[start] : offsets[start + len(batch)]] = piece.values
            start += len(batch)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
        positions = np.repeat(profiles.offsets[:-1], np.diff(offsets)) + within * step
        known = profiles.information()[positions]
        return Embeddings(
            profiles.names, values, offsets, self._encoder.name, self._encoder.digest, informativeness=known, step=step
        )


def every_residue(encoder: Encoder, batch: SequenceBatch) -> Embeddings:
    """Return a vector for each residue, of an encoder that makes one for every other.

    A vector is most like that of the very residue it is aligned to, and little like that of the next one. Groups have
    vectors for their even positions only; where an alignment shifts these onto odd residues, vectors of the even
    residues alone would not find them.
    """
    even = encoder.encode(batch)
    if even.step == 1:
        return even
    if even.step != 2:
        raise DataError(f"encoder {even.encoder} makes a vector for every {even.step} residues; 1 or 2 are expected")
    shifted = tuple(sequence[1:] or sequence for sequence in batch.sequences)
    odd = encoder.encode(replace(batch, sequences=shifted))
    lengths = np.array([len(sequence) for sequence in batch.sequences], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    values = np.empty((int(offsets[-1]), even.dim), dtype=even.values.dtype)
    values[places % 2 == 0] = even.values
    # A protein of one residue has no odd one, and was encoded once more in its place.
    values[places % 2 == 1] = odd.values[np.repeat(lengths > 1, np.diff(odd.offsets))]
    return replace(even, values=values, offsets=offsets, step=1)


def _consensus_batches(profiles: GroupProfiles) -> Iterable[SequenceBatch]:
    everything = profiles.all_consensus()
    for start in range(0, len(profiles), _TOGETHER):
        names = profiles.names[start : start + _TOGETHER]
        ends = profiles.offsets[start : start + len(names) + 1].tolist()
        sequences = tuple(everything[begin:end] for begin, end in pairwise(ends))
        yield SequenceBatch(names, sequences, ("",) * len(names), ("",) * len(names))
