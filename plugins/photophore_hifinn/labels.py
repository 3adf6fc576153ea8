"""The EC numbers of the proteins of a database, as the annotator stores them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.ec import EC, parse_ec
from photophore.errors import DatabaseError, InputError

LABELS_FILE = "labels.npz"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class LabelTable:
    """EC numbers of proteins in database order.

    Parameters
    ----------
    ecs
        The different EC numbers, in the order of their text.
    offsets
        ``shape=(proteins + 1,), dtype=int64``: labels of each protein.
    labels
        ``shape=(n,), dtype=int32``: indices into ``ecs``. A protein without any is known to be no enzyme.
    ids_digest
        SHA-256 (hex) of the names of the proteins: labels and index must be of one build.
    """

    ecs: tuple[EC, ...]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    ids_digest: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, protein: int) -> tuple[EC, ...]:
        """Return the EC numbers of one protein; none for one that is no enzyme."""
        found = self.labels[self.offsets[protein] : self.offsets[protein + 1]]
        return tuple(self.ecs[label] for label in found.tolist())

    @classmethod
    def make(cls, ids: Sequence[str], ecs: Sequence[tuple[EC, ...]]) -> LabelTable:
        """Return the table of proteins ``ids`` with their ``ecs``."""
        names = sorted({ec for each in ecs for ec in each}, key=str)
        number = {ec: place for place, ec in enumerate(names)}
        offsets = np.cumsum([0, *map(len, ecs)], dtype=np.int64)
        labels = np.array([number[ec] for each in ecs for ec in each], dtype=np.int32)
        return cls(tuple(names), offsets, labels, digest_of(ids))

    def save(self, folder: Path) -> None:
        """Write `LABELS_FILE` into ``folder``."""
        np.savez_compressed(
            folder / LABELS_FILE,
            schema=np.array(SCHEMA),
            ecs=np.array([str(ec) for ec in self.ecs], dtype=np.str_),
            offsets=self.offsets,
            labels=self.labels,
            ids_digest=np.array(self.ids_digest),
        )

    @classmethod
    def load(cls, folder: Path) -> LabelTable:
        """Read `LABELS_FILE` of ``folder``; `DatabaseError` where it is missing, damaged, or of another version."""
        path = folder / LABELS_FILE
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                schema = int(stored["schema"])
                if schema != SCHEMA:
                    raise DatabaseError(
                        f"{path}: the EC numbers are stored in schema {schema}, this version reads {SCHEMA}; "
                        "build the database again, or use the version of photophore that built it"
                    )
                table = cls(
                    ecs=tuple(parse_ec(text) for text in stored["ecs"].tolist()),
                    offsets=stored["offsets"].astype(np.int64),
                    labels=stored["labels"].astype(np.int32),
                    ids_digest=str(stored["ids_digest"]),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, InputError) as error:
            raise _damaged(path, str(error)) from error
        falls = len(table.offsets) == 0 or table.offsets[0] != 0 or bool(np.any(np.diff(table.offsets) < 0))
        if falls or table.offsets[-1] != len(table.labels):
            raise _damaged(path, "its offsets do not fit its labels")
        if table.labels.size and not (table.labels.min() >= 0 and table.labels.max() < len(table.ecs)):
            raise _damaged(path, f"a label is not one of its {len(table.ecs)} EC numbers")
        return table


def digest_of(ids: Sequence[str]) -> str:
    """Return the SHA-256 (hex) of names in their order."""
    return hashlib.sha256("\n".join(ids).encode("utf-8", "surrogateescape")).hexdigest()


def _damaged(path: Path, reason: str) -> DatabaseError:
    return DatabaseError(
        f"{path}: cannot be read as a table of EC numbers ({reason}); the database is damaged: "
        "run photophore db verify, then build or fetch it again"
    )
