"""The configuration of a training run of `hifinn`: one YAML file, checked whole before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from photophore.errors import PhotophoreError, Problems, UsageError
from photophore.trainconfig import make_section, read_mapping
from photophore_hifinn.shape import HifinnShape
from photophore_hifinn.training.loop import LoopSettings
from photophore_near.shape import NearShape


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Clusters to keep out of training whole.

    Parameters
    ----------
    share
        Share of the clusters.
    column
        Column with the name of a protein's cluster; a protein without one is a cluster of its own. At least one file
        must have it where ``share`` is above 0.
    largest
        Clusters of more proteins stay in training.
    seed
        Decides which.
    """

    share: float = 0.05
    column: str = "cluster30"
    largest: int = 60
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ValueError(f"share is {self.share}; give a share from 0 to below 1")
        for name, lowest in (("largest", 1), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {lowest}")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training run, as the YAML file gives it; relative paths start at that file.

    Parameters
    ----------
    out
        Folder for checkpoints, log, weights and exports; a run that finds its checkpoint there resumes.
    proteins
        TSV files with id, ec (``;``-joined, empty: no enzyme), sequence and a cluster column.
    start_from
        Weights that `photophore train near` wrote, whose convolutions to start from; empty: from scratch.
    hold_out, shape, loop
        What is kept out, the network, and how it is trained.
    min_residues
        Shorter proteins are left out.
    """

    out: str
    proteins: tuple[str, ...]
    start_from: str = ""
    hold_out: HoldOut = field(default_factory=HoldOut)
    shape: HifinnShape = field(default_factory=HifinnShape)
    loop: LoopSettings = field(default_factory=LoopSettings)
    min_residues: int = 30

    def __post_init__(self) -> None:
        if not self.proteins:
            raise ValueError("proteins is empty; name at least one file")
        if self.min_residues < 1:
            raise ValueError(f"min_residues is {self.min_residues}; give at least 1")


def read_config(path: Path, overrides: Mapping[str, str]) -> TrainingConfig:
    """Read and check the YAML file; `InputError`, `UsageError` or `Problems` say what is wrong."""
    loaded = read_mapping(path, overrides)
    files = loaded.get("proteins") or ()
    if not isinstance(files, list | tuple) or not all(isinstance(file, str) for file in files):
        raise UsageError(f"{path}: proteins: found {files!r}; give a list of files")
    loaded["proteins"] = tuple(files)
    shape = loaded.get("shape") or {}
    if isinstance(shape, dict):
        shape = {**shape, "trunk": make_section(NearShape, shape.get("trunk") or {}, f"{path}: shape: trunk")}
    loaded["shape"] = make_section(HifinnShape, shape, f"{path}: shape")
    loaded["hold_out"] = make_section(HoldOut, loaded.get("hold_out") or {}, f"{path}: hold_out")
    loaded["loop"] = make_section(LoopSettings, loaded.get("loop") or {}, f"{path}: loop")
    config = make_section(TrainingConfig, loaded, str(path))
    named = [("proteins", file) for file in config.proteins]
    named += [("start_from", config.start_from)] if config.start_from else []
    missing: list[PhotophoreError] = [
        UsageError(f"{path}: {name}: {path.parent / file} is no file; relative paths start at {path.parent}")
        for name, file in named
        if not (path.parent / file).is_file()
    ]
    if missing:
        raise missing[0] if len(missing) == 1 else Problems(missing)
    return config
