"""What an index writes down about itself, and the check that vectors fit it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photophore.errors import DatabaseError, DataError
from photophore.types import Embeddings

FORMAT = "photophore-faiss-1"
FACTS_FILE = "index.json"


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts of an index: its name, encoder, digest, dim and rows."""
    text = json.dumps({"format": FORMAT, **facts}, indent=2, sort_keys=True)
    (folder / FACTS_FILE).write_text(text + "\n", encoding="utf-8")


def read_facts(folder: Path, name: str) -> dict[str, Any]:
    """Return the facts in ``folder``; `DatabaseError` where they are missing, damaged or of another index than ``name``."""
    path = folder / FACTS_FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatabaseError(f"{path}: missing; {folder} holds no index, build the database again") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatabaseError(f"{path}: not readable ({error}); build the database again") from error
    if facts.get("format") != FORMAT:
        raise DatabaseError(
            f"{path}: format is {facts.get('format')!r}, this version reads {FORMAT!r}; build the database again"
        )
    if facts["index"] != name:
        raise DatabaseError(
            f"{folder}: holds an index of kind {facts['index']!r}, not {name!r}; "
            f"search it with --index {facts['index']} or build the database again with --index {name}"
        )
    return facts


def check_fit(name: str, facts: Mapping[str, Any], embeddings: Embeddings) -> None:
    """Raise unless the vectors come from the encoder and the weights that index ``name`` was built with."""
    if (embeddings.encoder, embeddings.digest) != (facts["encoder"], facts["digest"]):
        raise DatabaseError(
            f"index {name} was built from vectors of encoder {facts['encoder']!r} with weights "
            f"{facts['digest'][:12]}, but these are of {embeddings.encoder!r} with weights {embeddings.digest[:12]}; "
            "use the encoder and weights of the database, or build it again"
        )
    if embeddings.dim != facts["dim"]:
        raise DataError(
            f"encoder {embeddings.encoder!r} gave vectors of length {embeddings.dim}, "
            f"the index holds vectors of length {facts['dim']}"
        )
