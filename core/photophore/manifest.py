"""``manifest.json`` of a database: what it holds, what made it, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from photophore.errors import DatabaseError

MANIFEST_FILE = "manifest.json"

#: Version of the layout of a database: rises when an older Photophore could not read it.
SCHEMA_VERSION = 2


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class StoredLink:
    """One link of the method: its name, the options that were set, and the SHA-256 of its weights."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a database says of itself.

    Parameters
    ----------
    photophore_version
        The version that built it.
    method
        Name of the method: one of each link.
    created
        When, UTC, ISO 8601; ``SOURCE_DATE_EPOCH`` sets it for builds that are to be the same to the byte.
    links
        By kind.
    targets, positions, vectors
        Number of targets, of residues or profile positions in them, and of vectors that they became.
    sources
        Names of the files that it was built from.
    checksums, sizes
        SHA-256 and bytes of every other file, by its path within the database.
    metadata
        What the annotator noted about its part.
    """

    photophore_version: str
    method: str
    links: Mapping[str, StoredLink]
    targets: int
    positions: int
    vectors: int
    sources: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=_now)
    schema_version: int = SCHEMA_VERSION

    def render(self) -> str:
        """Return the text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest of the database in ``folder`` and its SHA-256; `DatabaseError` where it is none."""
    path = folder / MANIFEST_FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatabaseError(
            f"{folder}: this is no Photophore database: {MANIFEST_FILE} cannot be read ({error.strerror}); "
            "make one with: photophore db build PROFILES.hmm -o FOLDER"
        ) from error
    try:
        content = json.loads(raw)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatabaseError(f"{path}: is damaged ({error}); copy or build the database again") from error
    if version != SCHEMA_VERSION:
        raise DatabaseError(
            f"{path}: schema_version is {version!r}, this Photophore reads {SCHEMA_VERSION}; "
            f"build the database again, or use Photophore {content.get('photophore_version', 'of its version')}"
        )
    try:
        links = {kind: StoredLink(**link) for kind, link in content.pop("links").items()}
        manifest = Manifest(**{**content, "links": links, "sources": tuple(content.get("sources", ()))})
    except (TypeError, AttributeError, KeyError) as error:
        raise DatabaseError(f"{path}: is damaged ({error}); copy or build the database again") from error
    return manifest, hashlib.sha256(raw).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_of(folder: Path) -> list[Path]:
    """Return every file in a database but its manifest, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST_FILE)
