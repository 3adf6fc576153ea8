"""The configuration of a training run: one YAML file, checked whole before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import yaml

from photophore.config import near_miss
from photophore.errors import InputError, PhotophoreError, Problems, UsageError
from photophore_near.shape import NearShape
from photophore_near.training.holdout import HoldOut
from photophore_near.training.loop import LoopSettings

T = TypeVar("T")

_EXPECTED = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_FILES = ("profiles", "proteins", "members")
_SECTIONS: tuple[tuple[str, Any], ...] = (("hold_out", HoldOut), ("shape", NearShape), ("loop", LoopSettings))


@dataclass(frozen=True, slots=True)
class Source:
    """A file of profiles or proteins; of proteins, the share to use; of profiles, whether to search with them."""

    file: str
    share: float = 1.0
    search: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"share is {self.share}; give a share above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training run, as the YAML file gives it; relative paths start at that file.

    Parameters
    ----------
    out
        Folder for checkpoints, log, weights and exports; a run that finds its checkpoint there resumes.
    profiles
        HMMER3 files. Those with ``search: false`` only emit sequences and align to their members.
    proteins
        FASTA files in which the profiles are searched for aligned hits.
    members
        FASTA files of proteins named ``<profile name>/<anything>``: each is aligned to its own profile.
    hold_out
        Families of the first profile file to keep out of training.
    shape, loop
        The network, and how it is trained.
    min_residues, max_residues
        Proteins and members outside of this range are left out.
    """

    out: str
    profiles: tuple[Source, ...]
    proteins: tuple[Source, ...]
    members: tuple[Source, ...] = ()
    hold_out: HoldOut = field(default_factory=HoldOut)
    shape: NearShape = field(default_factory=NearShape)
    loop: LoopSettings = field(default_factory=LoopSettings)
    min_residues: int = 40
    max_residues: int = 2000

    def __post_init__(self) -> None:
        for name in ("profiles", "proteins"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; name at least one file")
        if not 1 <= self.min_residues <= self.max_residues:
            raise ValueError(
                f"min_residues is {self.min_residues}; give a number from 1 to max_residues ({self.max_residues})"
            )


def read_config(path: Path, overrides: Mapping[str, str]) -> TrainingConfig:
    """Read and check the YAML file; ``overrides`` are ``loop.steps`` to ``100`` and the like.

    Raises
    ------
    InputError
        If it cannot be read as a mapping.
    UsageError
        If a key or a value is wrong, or a file is missing; several missing files come together as `Problems`.
    """
    loaded = _loaded(path)
    for key, text in overrides.items():
        section, _, name = key.rpartition(".")
        place = loaded.setdefault(section, {}) if section else loaded
        if not isinstance(place, dict):
            raise UsageError(f"--set {key}={text}: {section!r} has no keys of its own; set it in {path}")
        place[name] = yaml.safe_load(text)
    for name in _FILES:
        loaded[name] = _sources(loaded.get(name) or (), f"{path}: {name}")
    for name, kind in _SECTIONS:
        loaded[name] = _make(kind, loaded.get(name) or {}, f"{path}: {name}")
    config = _make(TrainingConfig, loaded, str(path))
    _check_files(config, path)
    return config


def _loaded(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}); repair it") from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: a training configuration is a mapping of keys to values; see docs/training.md")
    return loaded


def _sources(given: Any, where: str) -> tuple[Source, ...]:
    if not isinstance(given, list | tuple):
        raise UsageError(f"{where}: found {given!r}; give a list of files")
    return tuple(_make(Source, {"file": entry} if isinstance(entry, str) else entry, where) for entry in given)


def _make(kind: type[T], values: Any, where: str) -> T:
    """Return ``kind`` with ``values`` in the types of its fields."""
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


def _check_files(config: TrainingConfig, path: Path) -> None:
    missing: list[PhotophoreError] = [
        UsageError(f"{path}: {name}: {path.parent / source.file} is no file; relative paths start at {path.parent}")
        for name in _FILES
        for source in getattr(config, name)
        if not (path.parent / source.file).is_file()
    ]
    if missing:
        raise missing[0] if len(missing) == 1 else Problems(missing)
