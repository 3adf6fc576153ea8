"""Takes profile HMMs into a database: their match emissions to be encoded, the profiles themselves to be searched with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pyhmmer.plan7 import HMM

from photophore.errors import InputError
from photophore.hookspecs import TargetSource
from photophore.types import FloatArray, ProfileBatch
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.config import BIT_CUTOFFS
from photophore_hmmer.sources import read_profiles
from photophore_hmmer.store import write_profiles
from photophore_hmmer.table import COMPRESSED_FILE, PROFILES_FILE, TABLE_FILE, ProfileTable

if AMINO.symbols[:20] != "ACDEFGHIKLMNPQRSTVWY":
    raise ImportError(f"pyhmmer orders residues {AMINO.symbols[:20]}, not ACDEFGHIKLMNPQRSTVWY; install pyhmmer 0.12")


class _Facts:
    """Collects what the table and the encoder need while the profiles stream by."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.accessions: list[str] = []
        self.descriptions: list[str] = []
        self.emissions: list[FloatArray] = []
        self.cutoffs: dict[str, list[tuple[float, float] | None]] = {cut: [] for cut in BIT_CUTOFFS}

    def take(self, hmm: HMM, place: str) -> None:
        name = _text(hmm.name)
        if name in self.places:
            raise InputError(
                f"{place}: profile {name!r} is there twice, first at {self.places[name]}; remove or rename one of the two"
            )
        self.places[name] = place
        self.accessions.append(_text(hmm.accession))
        self.descriptions.append(_text(hmm.description))
        self.emissions.append(match_emissions(hmm))
        for cut, attribute in BIT_CUTOFFS.items():
            self.cutoffs[cut].append(getattr(hmm.cutoffs, attribute))


def read_targets(sources: Sequence[Path], folder: Path, *, compress: bool = True) -> TargetSource:
    """Read the profiles of all ``sources`` in order and store them in ``folder``.

    Raises
    ------
    InputError
        A file holds no protein profiles of HMMER3, is damaged, or two profiles share a name.
    """
    facts = _Facts()

    def checked() -> Iterator[HMM]:
        for source in sources:
            for profile in read_profiles(Path(source)):
                facts.take(profile.hmm, profile.place)
                yield profile.hmm

    file = COMPRESSED_FILE if compress else PROFILES_FILE
    with (folder / file).open("wb") as stream:
        file_offsets = write_profiles(checked(), stream, compress=compress)
    if not facts.emissions:
        raise InputError("no profiles were given; name at least one file of HMMER3 profiles (.hmm or .h3m)")
    lengths = [len(rows) for rows in facts.emissions]
    table = ProfileTable(
        file=file,
        names=tuple(facts.places),
        accessions=tuple(facts.accessions),
        descriptions=tuple(facts.descriptions),
        lengths=tuple(lengths),
        offsets=file_offsets,
        cutoffs={cut: tuple(bits) for cut, bits in facts.cutoffs.items()},
    )
    table.save(folder)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TargetSource(
        items=ProfileBatch(ids=table.names, values=np.concatenate(facts.emissions), offsets=offsets),
        files=(TABLE_FILE, file),
        metadata={
            "profiles": len(table),
            "positions": sum(lengths),
            "cutoffs": {cut: len(table) - len(table.lacking(cut)) for cut in BIT_CUTOFFS},
        },
    )


def match_emissions(hmm: HMM) -> FloatArray:
    """Return the match emissions of ``hmm``, ``shape=(positions, 20), dtype=float32``, in pyhmmer's order; rows sum to 1."""
    rows = np.asarray(hmm.match_emissions, dtype=np.float64)[1:]  # row 0 is the begin state
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def _text(value: str | None) -> str:
    """Return a plain string: pyhmmer's own subclass is slow to compare."""
    return "" if value is None else str(value)
