"""The configuration of a training run: one YAML file, checked whole before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photophore.errors import PhotophoreError, Problems, UsageError
from photophore.trainconfig import make_section, read_mapping
from photophore_near.shape import NearShape
from photophore_near.training.holdout import HoldOut
from photophore_near.training.loop import LoopSettings

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
    loaded = read_mapping(path, overrides)
    for name in _FILES:
        loaded[name] = _sources(loaded.get(name) or (), f"{path}: {name}")
    for name, kind in _SECTIONS:
        loaded[name] = make_section(kind, loaded.get(name) or {}, f"{path}: {name}")
    config = make_section(TrainingConfig, loaded, str(path))
    _check_files(config, path)
    return config


def _sources(given: Any, where: str) -> tuple[Source, ...]:
    if not isinstance(given, list | tuple):
        raise UsageError(f"{where}: found {given!r}; give a list of files")
    return tuple(make_section(Source, {"file": entry} if isinstance(entry, str) else entry, where) for entry in given)


def _check_files(config: TrainingConfig, path: Path) -> None:
    missing: list[PhotophoreError] = [
        UsageError(f"{path}: {name}: {path.parent / source.file} is no file; relative paths start at {path.parent}")
        for name in _FILES
        for source in getattr(config, name)
        if not (path.parent / source.file).is_file()
    ]
    if missing:
        raise missing[0] if len(missing) == 1 else Problems(missing)
