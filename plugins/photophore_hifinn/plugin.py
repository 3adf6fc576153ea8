"""Declares the encoder `hifinn`, the aggregator `label-density` and the annotator `hifinn`; runtimes are imported when one is created."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from photophore.errors import PluginError, UsageError
from photophore.hookspecs import (
    AggregatorSpec,
    Annotator,
    AnnotatorSpec,
    Column,
    Encoder,
    EncoderSpec,
    Requirement,
    Runtime,
    TargetSource,
    hookimpl,
)
from photophore.types import TargetTable
from photophore_hifinn.config import HifinnAnnotatorConfig, HifinnConfig, LabelDensityConfig
from photophore_hifinn.label_density import LabelDensity

COLUMNS = (
    Column("distance", float, "distance (1 - cosine) to the nearest neighbour that carries the EC number"),
    Column("level", int, "levels of the EC number that are given: 4 for 2.7.1.1, 3 for 2.7.1.-"),
    Column("bits", float, "best alignment to a profile with the EC number, less that to the profile read backwards"),
    Column("rivals", str, "the other EC numbers that were considered, each EC:probability, joined by commas"),
    Column("neighbours", str, "the nearest neighbours, each id:distance:EC;EC (- for no enzyme), joined by commas"),
    Column("reason", str, "why no EC number is given; empty where one is"),
)


def create_hifinn(config: HifinnConfig, runtime: Runtime) -> Encoder:
    """Open the weights that ``config`` names."""
    from photophore_hifinn import encoder

    return encoder.create_hifinn(config, runtime)


def train_hifinn(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Train as ``config_file`` says; torch is imported here."""
    try:
        from photophore_hifinn.training.command import train_from_file
    except ModuleNotFoundError as error:
        raise PluginError(
            f"training hifinn needs {error.name}, which is not installed; run: pip install 'photophore[torch]'"
        ) from error

    train_from_file(config_file, overrides)


def read_targets(sources: Sequence[Path], folder: Path, config: HifinnAnnotatorConfig) -> TargetSource:
    """Read labelled proteins and store their EC numbers in ``folder``."""
    from photophore_hifinn.lookup import read_targets as read

    return read(sources, folder, config)


def create(folder: Path, targets: TargetTable, config: HifinnAnnotatorConfig, runtime: Runtime) -> Annotator:
    """Open the EC numbers in ``folder``, and the profiles beside them where they are wanted."""
    from photophore_hifinn.annotator import HifinnAnnotator
    from photophore_hifinn.labels import LabelTable

    table = LabelTable.load(folder)
    if config.rerank == "none" or (config.rerank == "auto" and not _has_profiles(folder)):
        return HifinnAnnotator(table, targets, config)
    from photophore_hifinn.reranked import open_reranked

    return open_reranked(folder, table, targets, config, runtime)


def check(folder: Path, metadata: Mapping[str, Any], config: HifinnAnnotatorConfig) -> list[Exception]:
    """Return what keeps these options from being used with the database."""
    del metadata
    if config.rerank != "none" and _has_profiles(folder) and importlib.util.find_spec("parasail") is None:
        return [
            PluginError(
                "annotator hifinn: aligning to profiles needs parasail, which is not installed; run: pip install parasail "
                "(built from source where there is no wheel), or annotate by the neighbours alone: "
                "--set annotator.rerank=none"
            )
        ]
    if config.rerank == "profiles" and not _has_profiles(folder):
        return [
            UsageError(
                f"annotator.rerank=profiles: the database of {folder} has no profiles; build it with "
                "--set annotator.profiles=build, or leave rerank out"
            )
        ]
    return []


def _has_profiles(folder: Path) -> bool:
    from photophore_hifinn.compact import PROFILES_FILE

    return (folder / PROFILES_FILE).is_file()


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the encoder."""
    return [
        EncoderSpec(
            name="hifinn",
            summary="One vector a protein, near to those of proteins with the same EC number (HiFi-NN).",
            config=HifinnConfig,
            create=create_hifinn,
            per_residue=False,
            requires=(Requirement(module="onnxruntime", install="pip install 'onnxruntime>=1.20'"),),
            models=("hifinn-small",),
            train=train_hifinn,
        )
    ]


@hookimpl
def photophore_aggregators() -> list[AggregatorSpec]:
    """Return the aggregator."""
    return [
        AggregatorSpec(
            name="label-density",
            summary="Share of each neighbour in exp(-distance / T) of all, as in HiFi-NN's equation 6.",
            config=LabelDensityConfig,
            create=LabelDensity,
        )
    ]


@hookimpl
def photophore_annotators() -> list[AnnotatorSpec]:
    """Return the annotator."""
    return [
        AnnotatorSpec(
            name="hifinn",
            summary="EC numbers of the nearest labelled proteins, with their confidence.",
            config=HifinnAnnotatorConfig,
            create=create,
            read_targets=read_targets,
            check=check,
            columns=COLUMNS,
        )
    ]
