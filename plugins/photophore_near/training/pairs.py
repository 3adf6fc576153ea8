"""Training material: profiles with their transitions, proteins, and the alignments that HMMER makes between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photophore.errors import InputError
from photophore_near import residues

if TYPE_CHECKING:
    from pyhmmer.easel import DigitalSequenceBlock
    from pyhmmer.plan7 import HMM, TopHits

#: Domains reported above this independent E-value are not trusted as alignments.
DOMAIN_EVALUE = 0.1
#: Shorter alignments carry too little.
MIN_ALIGNED = 15


@dataclass(frozen=True, slots=True)
class PairSet:
    """Profiles, proteins and aligned positions between them, all ragged arrays.

    Parameters
    ----------
    names
        ``shape=(profiles,)``: profile names.
    emissions
        ``shape=(positions, 20), dtype=float32``: match emissions; rows of profile ``i`` are ``profile_offsets[i:i + 2]``.
    transitions
        ``shape=(positions, 7), dtype=float32``: MM, MI, MD, IM, II, DM, DD leaving each position.
    profile_offsets
        ``shape=(profiles + 1,), dtype=int64``.
    tokens
        ``shape=(residues,), dtype=uint8``: proteins, see `residues.tokens`.
    protein_offsets
        ``shape=(proteins + 1,), dtype=int64``.
    hit_profile, hit_protein
        ``shape=(hits,), dtype=int32``.
    hit_evalue
        ``shape=(hits,), dtype=float64``: full-sequence E-value.
    profile_position, residue
        ``shape=(aligned,), dtype=int32``: 0-based aligned positions, cut into hits by ``hit_offsets``.
    hit_offsets
        ``shape=(hits + 1,), dtype=int64``.
    """

    names: npt.NDArray[np.str_]
    emissions: npt.NDArray[np.float32]
    transitions: npt.NDArray[np.float32]
    profile_offsets: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint8]
    protein_offsets: npt.NDArray[np.int64]
    hit_profile: npt.NDArray[np.int32]
    hit_protein: npt.NDArray[np.int32]
    hit_evalue: npt.NDArray[np.float64]
    profile_position: npt.NDArray[np.int32]
    residue: npt.NDArray[np.int32]
    hit_offsets: npt.NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write all arrays to one npz file, which appears only whole."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            np.savez(stream, **{field.name: getattr(self, field.name) for field in fields(self)})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> PairSet:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**{field.name: file[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Hit:
    """One aligned domain: profile and protein by number, and their aligned 0-based positions."""

    profile: int
    protein: int
    evalue: float
    profile_position: npt.NDArray[np.int32]
    residue: npt.NDArray[np.int32]


def offsets_of(lengths: Iterable[int]) -> npt.NDArray[np.int64]:
    """Return ``[0, l0, l0 + l1, ...]``."""
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, dtype=np.int64))]).astype(np.int64)


def assemble(profiles: Sequence[HMM], proteins: Sequence[str], hits: Sequence[Hit]) -> PairSet:
    """Lay profiles, proteins and hits out as one `PairSet`."""
    return PairSet(
        names=np.array([profile.name for profile in profiles]),
        emissions=np.concatenate([np.asarray(p.match_emissions)[1:, :20] for p in profiles]).astype(np.float32),
        transitions=np.concatenate([np.asarray(p.transition_probabilities)[1:] for p in profiles]).astype(np.float32),
        profile_offsets=offsets_of(p.M for p in profiles),
        tokens=np.concatenate([residues.tokens(protein) for protein in proteins]),
        protein_offsets=offsets_of(len(protein) for protein in proteins),
        hit_profile=np.array([hit.profile for hit in hits], dtype=np.int32),
        hit_protein=np.array([hit.protein for hit in hits], dtype=np.int32),
        hit_evalue=np.array([hit.evalue for hit in hits], dtype=np.float64),
        profile_position=np.concatenate([hit.profile_position for hit in hits]).astype(np.int32),
        residue=np.concatenate([hit.residue for hit in hits]).astype(np.int32),
        hit_offsets=offsets_of(len(hit.residue) for hit in hits),
    )


def aligned_positions(
    profile_from: int, protein_from: int, profile_row: str, protein_row: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the aligned columns of one HMMER alignment as two arrays of 0-based positions.

    ``profile_row`` has ``.`` in insert columns, ``protein_row`` has ``-`` in deleted ones.
    """
    is_match = np.frombuffer(profile_row.encode("ascii"), dtype=np.uint8) != ord(".")
    is_residue = np.frombuffer(protein_row.encode("ascii"), dtype=np.uint8) != ord("-")
    both = is_match & is_residue
    profile_position = profile_from + np.cumsum(is_match) - 1
    residue = protein_from + np.cumsum(is_residue) - 1
    return profile_position[both].astype(np.int32), residue[both].astype(np.int32)


def hits_of(profile: int, found: TopHits, most: int) -> Iterator[Hit]:
    """Yield the aligned domains that ``found`` holds; proteins are named by their numbers."""
    taken = 0
    for hit in found:
        for domain in hit.domains:
            if domain.i_evalue > DOMAIN_EVALUE or taken >= most:
                continue
            row = domain.alignment
            positions, rows = aligned_positions(
                row.hmm_from - 1, row.target_from - 1, row.hmm_sequence, row.target_sequence
            )
            if len(rows) >= MIN_ALIGNED:
                taken += 1
                yield Hit(profile, int(hit.name), hit.evalue, positions, rows)


def find_hits(profiles: Sequence[HMM], proteins: DigitalSequenceBlock, *, threads: int, most: int = 150) -> list[Hit]:
    """Search every profile among ``proteins`` (named by their numbers) and return the aligned domains, at most ``most`` a profile."""
    import pyhmmer

    hits: list[Hit] = []
    searched = pyhmmer.hmmsearch(
        profiles, proteins, cpus=threads, E=1e-2, domE=1e-2, Z=len(profiles), domZ=len(profiles)
    )
    for profile, found in enumerate(searched):
        hits.extend(hits_of(profile, found, most))
    if not hits:
        raise InputError("no profile finds any protein at E <= 0.01; check that profiles and proteins belong together")
    return hits
