"""Databases: a folder with a manifest, the index, the table of targets and the annotator's part; built whole or not at all.

manifest.json   what it is, what made it, SHA-256 of every other file
targets.npz     names of the targets, their rows in the index, statistics of the aggregator
index/          what the index saved
annotator/      what the annotator wrote (for hmmer, the profiles)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from photophore.config import near_miss
from photophore.errors import DatabaseError
from photophore.manifest import Manifest, file_digest, files_of, read_manifest
from photophore.types import TargetTable

#: Folders with databases, as in PATH.
SEARCH_VARIABLE = "PHOTOPHORE_DATABASES"
DEFAULT = "default"
TARGETS_FILE = "targets.npz"
_STATISTIC = "statistic."


@dataclass(frozen=True)
class Database:
    """A database that was found whole as far as names and sizes of its files tell; `verify` looks at every byte.

    Parameters
    ----------
    path
        Its folder.
    manifest
        What it says of itself.
    digest
        SHA-256 of the manifest, which names the SHA-256 of everything else.
    """

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, path: Path) -> Database:
        """Return the database in the folder ``path``; `DatabaseError` where it is not one, or not whole."""
        manifest, digest = read_manifest(path)
        database = cls(path, manifest, digest)
        for name, size in manifest.sizes.items():
            file = path / name
            if not file.is_file():
                raise DatabaseError(f"{file}: is missing; copy or build the database again")
            if file.stat().st_size != size:
                raise DatabaseError(
                    f"{file}: has {file.stat().st_size:,} bytes, not {size:,}; copy or build the database again"
                )
        return database

    @property
    def index_folder(self) -> Path:
        """Where the index is."""
        return self.path / "index"

    @property
    def annotator_folder(self) -> Path:
        """Where the annotator's part is."""
        return self.path / "annotator"

    @cached_property
    def targets(self) -> TargetTable:
        """The table of targets."""
        return read_targets_file(self.path / TARGETS_FILE)

    def verify(self) -> list[DatabaseError]:
        """Return everything that is wrong with the files: changed, missing, or not from this database."""
        problems = []
        for name, digest in self.manifest.checksums.items():
            file = self.path / name
            if not file.is_file():
                problems.append(DatabaseError(f"{file}: is missing; copy or build the database again"))
            elif file_digest(file) != digest:
                problems.append(DatabaseError(f"{file}: its SHA-256 has changed; copy or build the database again"))
        problems += [
            DatabaseError(f"{file}: does not belong to this database; remove it")
            for file in files_of(self.path)
            if file.relative_to(self.path).as_posix() not in self.manifest.checksums
        ]
        if not problems:
            counts = (len(self.targets), int(self.targets.offsets[-1]))
            if counts != (self.manifest.targets, self.manifest.vectors):
                problems.append(
                    DatabaseError(
                        f"{self.path}: holds {counts[0]} targets and {counts[1]} vectors, its manifest says "
                        f"{self.manifest.targets} and {self.manifest.vectors}; build the database again"
                    )
                )
        return problems

    def describe(self) -> dict[str, Any]:
        """Return what a user may want to know, JSON-ready."""
        manifest = self.manifest
        return {
            "name": self.path.resolve().name,
            "path": str(self.path.resolve()),
            "method": manifest.method,
            "targets": manifest.targets,
            "positions": manifest.positions,
            "bytes": sum(manifest.sizes.values()),
            "created": manifest.created,
            "photophore_version": manifest.photophore_version,
            "sources": list(manifest.sources),
            "links": {
                kind: {"name": link.name, "options": dict(link.options), "digest": link.digest}
                for kind, link in manifest.links.items()
            },
            "metadata": dict(manifest.metadata),
            "digest": self.digest,
        }


def bundled_folder() -> Path:
    """Return the folder of the databases that come with the package."""
    return Path(__file__).parent / "data" / "databases"


def search_folders() -> list[Path]:
    """Return the folders in which databases are looked for by name, in order."""
    named = [Path(part).expanduser() for part in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep) if part]
    return [*named, bundled_folder()]


def list_databases() -> Iterator[Path]:
    """Yield the folder of each database that can be named, first found first; a name found again is shadowed."""
    seen: set[str] = set()
    for folder in search_folders():
        for manifest in sorted(folder.glob("*/manifest.json")):
            if manifest.parent.name not in seen and not manifest.parent.name.startswith("."):
                seen.add(manifest.parent.name)
                yield manifest.parent


def find(name: str | Path | None) -> Database:
    """Return the database with this folder or name; None is the one that comes with the package."""
    known = {path.name: path for path in list_databases()}
    if name is None:
        if DEFAULT not in known:
            raise DatabaseError("no default database is installed; name one with -d, or build one: photophore db build")
        return Database.open(known[DEFAULT])
    path = Path(name)
    if path.is_dir():
        return Database.open(path)
    if str(name) in known:
        return Database.open(known[str(name)])
    if path.is_file():
        raise DatabaseError(
            f"{name}: this is a file, a database is a folder; make one of it: photophore db build {name} -o FOLDER"
        )
    listing = f"known are: {', '.join(known)}" if known else "none is installed"
    miss = near_miss(str(name), known)
    raise DatabaseError(
        f"there is no database {str(name)!r}{miss}{' ' if miss else '; '}{listing}; name one of them, or a folder "
        f"(searched: {os.pathsep.join(map(str, search_folders()))}; set {SEARCH_VARIABLE} to search more)"
    )


def write_targets_file(path: Path, targets: TargetTable) -> None:
    """Write the table of targets."""
    statistics: Mapping[str, Any] = {_STATISTIC + name: column for name, column in targets.statistics.items()}
    np.savez_compressed(
        path,
        ids=np.array(targets.ids, dtype=np.str_),
        offsets=targets.offsets,
        step=np.array(targets.step),
        **statistics,
    )


def read_targets_file(path: Path) -> TargetTable:
    """Read the table of targets."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return TargetTable(
                ids=tuple(stored["ids"].tolist()),
                offsets=stored["offsets"],
                step=int(stored["step"]),
                statistics={
                    name.removeprefix(_STATISTIC): stored[name] for name in stored.files if name.startswith(_STATISTIC)
                },
            )
    except (OSError, ValueError, KeyError) as error:
        raise DatabaseError(f"{path}: cannot be read ({error}); copy or build the database again") from error
