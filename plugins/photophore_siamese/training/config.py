"""The configuration of a training run: one YAML file, checked whole before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photophore.errors import PhotophoreError, Problems, UsageError
from photophore.trainconfig import make_section, read_mapping
from photophore_near.shape import NearShape
from photophore_siamese.shape import SiameseShape
from photophore_siamese.training.loop import LoopSettings

_FILES = ("domains", "held_out", "homologs", "start_from", "pairs_elsewhere", "proteins_elsewhere", "chains")


@dataclass(frozen=True, slots=True)
class TruthSettings:
    """Which pairs of domains are compared by TM-align, and how their traces are put into letters.

    Parameters
    ----------
    train, valid, test
        Pairs of each side of the split. They are computed once, and kept in ``out/truth``.
    shapes, contacts, burials
        Letters for the course of the chain, for the nearest residue in space, and for burial.
    seed
        Of the sample and of the letters.
    """

    train: int = 60_000
    valid: int = 5_000
    test: int = 6_000
    shapes: int = 20
    contacts: int = 20
    burials: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "valid", "shapes", "contacts", "burials"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 2")
        for name in ("test", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 0")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training run, as the YAML file gives it; relative paths start at that file.

    Parameters
    ----------
    out
        Folder for the truth, checkpoints, log, weights and exports; a run that finds its checkpoint there resumes.
    domains
        Domains with their C-alpha traces, an npz file.
    held_out
        List of the folds that are kept out.
    homologs
        TSV of homologs of the domains, as ``diamond blastp --outfmt 6 qseqid qstart cigar sseq`` writes it; none if empty.
    homologs_each
        At most this many homologs of a domain.
    start_from
        Weights of the near network whose convolutions to start from; none if empty.
    pairs_elsewhere, proteins_elsewhere
        TSV of pairs that were compared elsewhere, and FASTA of their proteins; none if empty.
    chains
        TSV of pairs of whole chains that were compared elsewhere: the TM-score is fitted on them, too; none if empty.
    truth, shape, loop
        The truth, the network, and how it is trained.
    """

    out: str
    domains: str
    held_out: str
    homologs: str = ""
    homologs_each: int = 60
    start_from: str = ""
    pairs_elsewhere: str = ""
    proteins_elsewhere: str = ""
    chains: str = ""
    truth: TruthSettings = field(default_factory=TruthSettings)
    shape: SiameseShape = field(default_factory=SiameseShape)
    loop: LoopSettings = field(default_factory=LoopSettings)

    def __post_init__(self) -> None:
        if bool(self.pairs_elsewhere) != bool(self.proteins_elsewhere):
            raise ValueError("pairs_elsewhere and proteins_elsewhere go together; give both or none")
        if self.homologs_each < 1:
            raise ValueError(f"homologs_each is {self.homologs_each}; give at least 1")


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
    loaded["truth"] = make_section(TruthSettings, loaded.get("truth") or {}, f"{path}: truth")
    loaded["loop"] = make_section(LoopSettings, loaded.get("loop") or {}, f"{path}: loop")
    loaded["shape"] = _shape(loaded.get("shape") or {}, f"{path}: shape")
    config = make_section(TrainingConfig, loaded, str(path))
    _check_files(config, path)
    return config


def _shape(given: Any, where: str) -> SiameseShape:
    if isinstance(given, dict):
        given = dict(given)
        given["trunk"] = make_section(NearShape, given.get("trunk") or {}, f"{where}: trunk")
        if isinstance(given.get("dilations"), list):
            given["dilations"] = tuple(given["dilations"])
    return make_section(SiameseShape, given, where)


def _check_files(config: TrainingConfig, path: Path) -> None:
    missing: list[PhotophoreError] = [
        UsageError(f"{path}: {name}: {path.parent / file} is no file; relative paths start at {path.parent}")
        for name in _FILES
        if (file := getattr(config, name)) and not (path.parent / file).is_file()
    ]
    if missing:
        raise missing[0] if len(missing) == 1 else Problems(missing)
