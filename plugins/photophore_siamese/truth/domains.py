"""Domains with their C-alpha traces and CATH numbers, read from one npz file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.errors import InputError

#: Letters that no search program knows: selenocysteine is read as cysteine, what is missing as X.
_LETTERS = str.maketrans("U?", "CX")

_FIELDS = ("id", "cath", "sequence", "offset", "ca")


@dataclass(frozen=True, slots=True)
class Domains:
    """Domains of known structure.

    Parameters
    ----------
    ids, cath, sequences
        Names, CATH numbers (``3.40.50.300``) and residues.
    offsets
        ``shape=(n + 1,), dtype=int64``: the trace of domain ``i`` is ``traces[offsets[i]:offsets[i + 1]]``.
    traces
        ``shape=(residues, 3), dtype=float64``: C-alpha atoms, in angstrom.
    """

    ids: tuple[str, ...]
    cath: tuple[str, ...]
    sequences: tuple[str, ...]
    offsets: npt.NDArray[np.int64]
    traces: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def trace(self, number: int) -> npt.NDArray[np.float64]:
        """Return the C-alpha atoms of one domain, ``shape=(length, 3)``, in angstrom."""
        return self.traces[self.offsets[number] : self.offsets[number + 1]]

    def level(self, depth: int) -> list[str]:
        """Return the first ``depth`` parts of every CATH number: 3 is the topology, 4 the homologous superfamily."""
        return [".".join(cath.split(".")[:depth]) for cath in self.cath]


def read_domains(path: Path) -> Domains:
    """Read ``id``, ``cath``, ``sequence``, ``offset`` and ``ca`` (int16, 0.01 angstrom) of an npz file.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or its arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in _FIELDS}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a file of domains ({error}); give an npz with {', '.join(_FIELDS)}") from error
    sequences = tuple(str(sequence).translate(_LETTERS) for sequence in values["sequence"])
    lengths = np.diff(values["offset"])
    for name, sequence, length in zip(values["id"], sequences, lengths, strict=True):
        if len(sequence) != length:
            raise InputError(
                f"{path}: domain {name} has {len(sequence)} residues but {length} C-alpha atoms; give one for each"
            )
    return Domains(
        tuple(map(str, values["id"])),
        tuple(map(str, values["cath"])),
        sequences,
        values["offset"].astype(np.int64),
        values["ca"].astype(np.float64) / 100,
    )
