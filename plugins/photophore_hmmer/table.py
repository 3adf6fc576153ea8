"""What a database knows of its profiles without opening one: names, lengths, cut-offs, and where each lies on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photophore.errors import DatabaseError, PhotophoreError, UsageError
from photophore_hmmer.config import BIT_CUTOFFS, HmmerConfig

SCHEMA = 1
TABLE_FILE = "profiles.json"
#: One record of HMMER's binary format a profile, as HMMER itself reads it; or a frame of zstd around each record.
PROFILES_FILE = "profiles.h3m"
COMPRESSED_FILE = "profiles.h3m.zst"

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """Facts of the profiles of a database, in its order.

    Parameters
    ----------
    file
        Where the profiles are: `PROFILES_FILE` or `COMPRESSED_FILE`.
    names, accessions, descriptions
        NAME, ACC and DESC of each profile; accession and description may be empty.
    lengths
        Positions of each profile.
    offsets
        Bytes in ``file``: profile ``i`` is stored from ``offsets[i]`` to ``offsets[i + 1]``.
    cutoffs
        By ``ga``, ``tc`` and ``nc``: per profile the bits for the family and for a domain, or None where it has none.
    """

    file: str
    names: tuple[str, ...]
    accessions: tuple[str, ...]
    descriptions: tuple[str, ...]
    lengths: tuple[int, ...]
    offsets: tuple[int, ...]
    cutoffs: Mapping[str, tuple[tuple[float, float] | None, ...]]

    def __len__(self) -> int:
        return len(self.names)

    def lacking(self, cut: str) -> tuple[str, ...]:
        """Return the names of the profiles without the cut-off ``cut``."""
        return tuple(name for name, bits in zip(self.names, self.cutoffs[cut], strict=True) if bits is None)

    def save(self, folder: Path) -> None:
        """Write `TABLE_FILE` into ``folder``."""
        text = json.dumps({"schema": SCHEMA} | asdict(self), ensure_ascii=False, separators=(",", ":"))
        (folder / TABLE_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ProfileTable:
        """Read `TABLE_FILE` of ``folder``."""
        path = folder / TABLE_FILE
        try:
            columns = json.loads(path.read_text(encoding="utf-8"))
            schema = columns.pop("schema")
            if schema != SCHEMA:
                raise DatabaseError(
                    f"{path}: the profiles are stored in schema {schema}, this version reads {SCHEMA}; "
                    "build the database again, or use the version of photophore that built it"
                )
            return cls(
                file={name: name for name in (PROFILES_FILE, COMPRESSED_FILE)}[columns["file"]],
                names=tuple(columns["names"]),
                accessions=tuple(columns["accessions"]),
                descriptions=tuple(columns["descriptions"]),
                lengths=tuple(columns["lengths"]),
                offsets=tuple(columns["offsets"]),
                cutoffs={
                    cut: tuple(bits and (bits[0], bits[1]) for bits in columns["cutoffs"][cut]) for cut in BIT_CUTOFFS
                },
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatabaseError(
                f"{path}: cannot be read as a table of profiles ({error}); the database is damaged: "
                "run photophore db verify, then build or fetch it again"
            ) from error


def cutoff_problems(folder: Path, metadata: Mapping[str, Any], config: HmmerConfig) -> list[PhotophoreError]:
    """Return the problem of profiles that lack the cut-off asked for, if any; opens nothing where the manifest says all have it."""
    if config.cut == "none" or metadata.get("cutoffs", {}).get(config.cut) == metadata.get("profiles", -1):
        return []
    try:
        table = ProfileTable.load(folder)
    except DatabaseError as error:
        return [error]
    lacking = table.lacking(config.cut)
    return [UsageError(_lacking_message(config.cut, lacking, table))] if lacking else []


def _lacking_message(cut: str, lacking: tuple[str, ...], table: ProfileTable) -> str:
    """Say which profiles lack the cut-off ``cut``, and which cut-offs all have."""
    names = ", ".join(lacking[:_SHOWN])
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    usable = [f"cut={other}" for other in BIT_CUTOFFS if not table.lacking(other)]
    instead = " or ".join([*usable, "an E-value (evalue=) or score threshold (score=)"])
    return (
        f"cut={cut}: {len(lacking)} of {len(table)} profiles have no {cut.upper()} line: {names}{more}; "
        f"use {instead}, or build the database without them"
    )
