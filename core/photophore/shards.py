"""A shard: a folder with consecutive records of an input, and ``shard.json``, which says where they stood.

Because a shard remembers the names and lines of the input that it was cut from, what is wrong with a record is told
in the same words whether the input is annotated as a whole or shard by shard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photophore.errors import InputError

SHARD_FILE = "shard.json"

#: Version of the layout of ``shard.json``: rises when a key changes its meaning.
SHARD_VERSION = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive records of one input file.

    Parameters
    ----------
    path
        Where they lie, ``-`` for standard input.
    source
        Name of the input file that they belong to, as messages call it.
    line
        Line of that file on which the first of them stands.
    records
        How many there must be; None for a whole file, which may hold any number.
    """

    path: str | Path
    source: str
    line: int = 1
    records: int | None = None

    @property
    def whole(self) -> bool:
        """Whether this is an input file, not a part of one."""
        return self.records is None


@dataclass(frozen=True, slots=True)
class ShardFact:
    """Which part of an input a run worked on: shard ``number`` (from 1) ``of`` how many, of the split called ``split``."""

    split: str
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Shard:
    """What ``shard.json`` says."""

    fact: ShardFact
    residues: int
    pieces: tuple[Piece, ...]

    def render(self) -> str:
        """Return the text of ``shard.json``; pieces are named relative to it."""
        pieces = [{**asdict(piece), "path": Path(piece.path).name} for piece in self.pieces]
        facts = {"schema_version": SHARD_VERSION, **asdict(self.fact), "residues": self.residues, "pieces": pieces}
        return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def is_shard(path: str | Path) -> bool:
    """Whether ``path`` is a folder that `photophore split` has made."""
    return (Path(path) / SHARD_FILE).is_file()


def read_shard(folder: Path) -> Shard:
    """Read ``shard.json``; `InputError` where it is damaged or of another layout."""
    path = folder / SHARD_FILE
    remedy = "split the input again (photophore split)"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}; {remedy}") from error
    version = facts.get("schema_version") if isinstance(facts, dict) else None
    if version != SHARD_VERSION:
        raise InputError(f"{path}: schema_version is {version!r}, this Photophore reads {SHARD_VERSION}; {remedy}")
    try:
        return Shard(
            ShardFact(str(facts["split"]), int(facts["number"]), int(facts["of"])),
            int(facts["residues"]),
            tuple(_piece(folder, piece) for piece in facts["pieces"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({type(error).__name__}: {error}); {remedy}") from error


def shard_facts(paths: Sequence[str | Path]) -> tuple[ShardFact, ...]:
    """Return which shards are among ``paths``."""
    return tuple(read_shard(Path(path)).fact for path in paths if is_shard(path))


def _piece(folder: Path, facts: dict[str, Any]) -> Piece:
    return Piece(folder / Path(facts["path"]).name, str(facts["source"]), int(facts["line"]), int(facts["records"]))
