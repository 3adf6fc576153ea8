"""Example inputs that come with the package, written ``example:NAME`` wherever an input file is expected."""

from __future__ import annotations

import difflib
from pathlib import Path

from photophore.errors import InputError

#: What a user writes in front of the name of an example.
PREFIX = "example:"

_PROTEOMES = {"corynebacterium": "corynebacterium_diphtheriae_nctc11397.faa.gz"}


def example_names() -> tuple[str, ...]:
    """Return the names that `example_path` knows."""
    return tuple(_PROTEOMES)


def example_path(name: str) -> Path:
    """Return the file of the example ``name``, such as ``corynebacterium``; unknown names raise `InputError`."""
    if name not in _PROTEOMES:
        near = difflib.get_close_matches(name, _PROTEOMES, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else f"known: {', '.join(PREFIX + known for known in _PROTEOMES)}"
        raise InputError(f"{PREFIX}{name}: there is no example of this name; {hint}")
    return Path(__file__).parent / "data" / "proteomes" / _PROTEOMES[name]


def resolve_input(source: str) -> str:
    """Return ``source`` itself, or the path that ``example:NAME`` stands for."""
    if not source.startswith(PREFIX):
        return source
    return str(example_path(source.removeprefix(PREFIX)))
