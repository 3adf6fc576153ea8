"""Configurations of training runs: YAML files read into dataclasses, checked whole before anything else is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import yaml

from photophore.config import near_miss
from photophore.errors import InputError, UsageError

T = TypeVar("T")

_EXPECTED = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_mapping(path: Path, overrides: Mapping[str, str]) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, and set ``overrides`` (``loop.steps`` to ``100`` and the like) in it.

    Raises
    ------
    InputError
        If it cannot be read as a mapping.
    UsageError
        If an override is no YAML, or goes into a section that has no keys.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}); repair it") from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: a training configuration is a mapping of keys to values; see docs/training.md")
    for key, text in overrides.items():
        _override(loaded, key, text, path)
    return loaded


def _override(loaded: dict[str, Any], key: str, text: str, path: Path) -> None:
    """Set ``key`` (``loop.steps``, ``shape.trunk.width``) in what was read from ``path``."""
    *sections, name = key.split(".")
    place = loaded
    for depth, section in enumerate(sections, start=1):
        if place.get(section) is None:  # missing, or written without keys
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            within = ".".join(sections[:depth])
            raise UsageError(f"--set {key}={text}: {within!r} has no keys of its own; set it in {path}")
    try:
        place[name] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(
            f"--set {key}={text}: the value cannot be read as YAML ({' '.join(str(error).split())}); put it in quotes"
        ) from error


def make_section(kind: type[T], values: Any, where: str) -> T:
    """Return the dataclass ``kind`` with ``values`` in the types of its fields; `UsageError` names what does not fit."""
    known = {entry.name: entry for entry in fields(cast("Any", kind))}
    if not isinstance(values, dict):
        raise UsageError(f"{where}: found {values!r}; give keys and values, known are {', '.join(known)}")
    if unknown := sorted(map(str, set(values) - set(known))):
        raise UsageError(
            f"{where}: unknown key {unknown[0]!r}{near_miss(unknown[0], known)}; known are {', '.join(known)}"
        )
    for name, entry in known.items():
        if name not in values and entry.default is MISSING and entry.default_factory is MISSING:
            raise UsageError(f"{where}: {name!r} is missing; see docs/training.md")
    hints = get_type_hints(kind)
    typed = {name: _typed(value, hints[name], f"{where}: {name}") for name, value in values.items()}
    try:
        return kind(**typed)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _typed(value: Any, kind: Any, where: str) -> Any:
    """Return ``value`` if it is of ``kind``; whole numbers, and text such as ``1e-3``, are numbers, too."""
    if kind not in _EXPECTED:
        return value
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise UsageError(f"{where} is {value!r}; give {_EXPECTED[kind]}")
