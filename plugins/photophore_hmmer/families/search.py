"""Searches many profiles against many proteins in pieces that are kept on disk, so that a stopped run goes on where it was."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pyhmmer.easel import DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import HMM, Background, Pipeline, TopHits

from photophore.types import FloatArray
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.tables import Member

if TYPE_CHECKING:
    from hashlib import _Hash as _Digest

log = logging.getLogger(__name__)

#: Profiles searched between two savings.
_PIECE = 100
_COLUMNS: dict[str, type[np.generic]] = {
    "profiles": np.int32,
    "proteins": np.int32,
    "scores": np.float32,
    "evalues": np.float64,
    "domain_scores": np.float32,
    "coverages": np.float32,
    "protein_coverages": np.float32,
}


@dataclass(frozen=True, slots=True)
class Proteins:
    """Proteins ready to be searched, under names that do not repeat."""

    names: tuple[str, ...]
    sequences: tuple[str, ...]

    @classmethod
    def of(cls, members: Iterable[Member]) -> Proteins:
        """Return the sequences of ``members``."""
        listed = list(members)
        return cls(tuple(member.id for member in listed), tuple(member.sequence for member in listed))

    def block(self) -> DigitalSequenceBlock:
        """Return the sequences in HMMER's form, each named by its number."""
        numbered = enumerate(self.sequences)
        return DigitalSequenceBlock(
            AMINO, [TextSequence(name=str(number), sequence=sequence).digitize(AMINO) for number, sequence in numbered]
        )

    @property
    def residues(self) -> int:
        """Total length."""
        return sum(map(len, self.sequences))


def joined(first: Proteins, second: Proteins) -> Proteins:
    """Return the proteins of both, ``first`` before ``second``."""
    return Proteins(first.names + second.names, first.sequences + second.sequences)


@dataclass(frozen=True, slots=True)
class Hits:
    """Pairs of a profile and a protein that HMMER found; every array has ``shape=(hits,)``.

    Parameters
    ----------
    profiles, proteins
        ``dtype=int32``: row among the profiles, and among the proteins, that were searched.
    scores, domain_scores
        ``dtype=float32``: bits of the whole protein, and of its best domain.
    evalues
        ``dtype=float64``: on as many comparisons as were asked for.
    coverages, protein_coverages
        ``dtype=float32``: part of the profile, and of the protein, between the first and the last position aligned, 0 to 1.
    """

    profiles: npt.NDArray[np.int32]
    proteins: npt.NDArray[np.int32]
    scores: FloatArray
    evalues: npt.NDArray[np.float64]
    domain_scores: FloatArray
    coverages: FloatArray
    protein_coverages: FloatArray

    def __len__(self) -> int:
        return len(self.profiles)

    def where(self, keep: npt.NDArray[np.bool_]) -> Hits:
        """Return the hits at which ``keep``, ``shape=(hits,)``, is True."""
        return Hits(**{name: getattr(self, name)[keep] for name in _COLUMNS})


@dataclass(frozen=True, slots=True)
class Search:
    """How a search is made: hits of at most ``evalue`` on ``z`` comparisons, pieces kept in the folder ``work``."""

    work: Path
    evalue: float
    z: float
    threads: int

    def run(self, profiles: Sequence[HMM], proteins: Proteins, wanted: Sequence[Sequence[int]] | None = None) -> Hits:
        """Search each profile against all ``proteins``, or the ``wanted`` rows of them for each profile; known pieces are not searched again."""
        self.work.mkdir(parents=True, exist_ok=True)
        block: DigitalSequenceBlock | None = None
        pieces: list[Hits] = []
        sought = hashlib.sha256(repr((self.evalue, self.z)).encode() + "\n".join(proteins.sequences).encode())
        for first in range(0, len(profiles), _PIECE):
            queries = profiles[first : first + _PIECE]
            rows = [None] * len(queries) if wanted is None else list(wanted[first : first + _PIECE])
            kept = self.work / f"{_fingerprint(sought.copy(), queries, rows)}.npz"
            if not kept.exists():
                block = proteins.block() if block is None else block
                _save(self._piece(queries, block, rows), kept)
                log.info("searched %d of %d profiles", first + len(queries), len(profiles))
            pieces.append(_load(kept, first))
        return Hits(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in _COLUMNS})

    def _piece(
        self, queries: Sequence[HMM], block: DigitalSequenceBlock, wanted: Sequence[Sequence[int] | None]
    ) -> Hits:
        """Return the hits of a few profiles."""

        def one(number: int) -> list[tuple[float, ...]]:
            rows = wanted[number]
            part = block if rows is None else DigitalSequenceBlock(AMINO, [block[row] for row in rows])
            pipeline = Pipeline(AMINO, Background(AMINO), Z=self.z, domZ=self.z, E=self.evalue)
            return _rows(number, queries[number], pipeline.search_hmm(queries[number], part))

        with ThreadPoolExecutor(self.threads) as pool:
            rows = [row for found in pool.map(one, range(len(queries))) for row in found]
        table = np.array(rows, dtype=np.float64).reshape(-1, len(_COLUMNS))
        return Hits(**{name: table[:, i].astype(kind) for i, (name, kind) in enumerate(_COLUMNS.items())})


def _fingerprint(digest: _Digest, queries: Sequence[HMM], wanted: Sequence[Sequence[int] | None]) -> str:
    """Return what stands for these profiles and rows, given the ``digest`` of all else: equal only for equal searches."""
    for hmm, rows in zip(queries, wanted, strict=True):
        digest.update(f"{hmm.name} {list(hmm.evalue_parameters.as_vector())} {rows}".encode())
        digest.update(np.ascontiguousarray(hmm.match_emissions).tobytes())
        digest.update(np.ascontiguousarray(hmm.transition_probabilities).tobytes())
    return digest.hexdigest()[:24]


def _rows(number: int, query: HMM, hits: TopHits) -> list[tuple[float, ...]]:
    """Return one row a hit, in the order of `_COLUMNS`."""
    rows: list[tuple[float, ...]] = []
    for hit in hits:
        good = [domain for domain in hit.domains if domain.score > 0] or [hit.best_domain]
        spans = [domain.alignment for domain in good]
        profile = max(span.hmm_to for span in spans) - min(span.hmm_from for span in spans) + 1
        protein = max(span.target_to for span in spans) - min(span.target_from for span in spans) + 1
        coverage, protein_coverage = profile / query.M, protein / hit.length
        best = max(domain.score for domain in hit.domains)
        rows.append((number, int(hit.name), hit.score, hit.evalue, best, coverage, protein_coverage))
    return rows


def _save(hits: Hits, path: Path) -> None:
    """Write ``hits`` whole or not at all."""
    beside = path.with_suffix(".part")
    with beside.open("wb") as stream:
        np.savez_compressed(stream, **{name: getattr(hits, name) for name in _COLUMNS})
    beside.replace(path)


def _load(path: Path, first: int) -> Hits:
    """Read the hits of the profiles from number ``first`` on."""
    with np.load(path) as kept:
        columns = {name: kept[name] for name in _COLUMNS}
    columns["profiles"] = columns["profiles"] + np.int32(first)
    return Hits(**columns)
