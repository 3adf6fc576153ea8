"""The domains of a database: names, residues and places in CATH, as the annotator stores them."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photophore.errors import DatabaseError

DOMAINS_FILE = "domains.npz"
SCHEMA = 1

#: Class, architecture, topology and, where it is known, homologous superfamily: 3.40.50 or 3.40.50.300.
CATH_CODE = re.compile(r"[1-9]\d*(?:\.\d+){2,3}")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Domains in database order.

    Parameters
    ----------
    ids
        Their names.
    sequences
        Their residues.
    codes
        Place of each in CATH: the superfamily, such as ``3.40.50.300``, or the topology alone, ``3.40.50``.
    names
        Names of the superfamilies or of the domains, for people; empty where there is none.
    """

    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    codes: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def superfamily(self, domain: int) -> str:
        """Return the superfamily of a domain; empty where only its topology is known."""
        code = self.codes[domain]
        return code if code.count(".") == 3 else ""

    def topology(self, domain: int) -> str:
        """Return the topology of a domain."""
        return ".".join(self.codes[domain].split(".")[:3])

    def save(self, folder: Path) -> None:
        """Write `DOMAINS_FILE` into ``folder``."""
        np.savez_compressed(
            folder / DOMAINS_FILE,
            schema=np.array(SCHEMA),
            ids=_packed(self.ids),
            sequences=_packed(self.sequences),
            codes=_packed(self.codes),
            names=_packed(self.names),
        )

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read `DOMAINS_FILE` of ``folder``; `DatabaseError` where it is missing, damaged, or of another version."""
        path = folder / DOMAINS_FILE
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                if int(stored["schema"]) != SCHEMA:
                    raise DatabaseError(
                        f"{path}: the domains are stored in schema {int(stored['schema'])}, this version reads {SCHEMA}; "
                        "build the database again, or use the version of photophore that built it"
                    )
                columns = [_unpacked(stored[name]) for name in ("ids", "sequences", "codes", "names")]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged(path, str(error)) from error
        if len({len(column) for column in columns}) != 1:
            raise _damaged(path, f"its columns have {', '.join(str(len(column)) for column in columns)} entries")
        return cls(*columns)


def digest_of(ids: Sequence[str]) -> str:
    """Return the SHA-256 (hex) of names in their order."""
    return hashlib.sha256("\n".join(ids).encode("utf-8", "surrogateescape")).hexdigest()


def _packed(texts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return texts without line breaks as bytes: a table of fixed width would be as wide as the longest of them."""
    return np.frombuffer("\n".join(texts).encode("utf-8", "surrogateescape"), dtype=np.uint8)


def _unpacked(stored: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> tuple[str, ...]:
    return tuple(stored.tobytes().decode("utf-8", "surrogateescape").split("\n"))


def _damaged(path: Path, reason: str) -> DatabaseError:
    return DatabaseError(
        f"{path}: cannot be read as a table of domains ({reason}); the database is damaged: "
        "run photophore db verify, then build or fetch it again"
    )
