"""Declares the encoder `hifinn`, the aggregator `label-density` and the annotator `hifinn`; runtimes are imported when one is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from photophore.errors import PluginError
from photophore.hookspecs import (
    AggregatorSpec,
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

if TYPE_CHECKING:
    from photophore_hifinn.annotator import HifinnAnnotator

COLUMNS = (
    Column("distance", float, "distance (1 - cosine) to the nearest neighbour that carries the EC number"),
    Column("level", int, "levels of the EC number that are given: 4 for 2.7.1.1, 3 for 2.7.1.-"),
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
    del config
    from photophore_hifinn.lookup import read_targets as read

    return read(sources, folder)


def create(folder: Path, targets: TargetTable, config: HifinnAnnotatorConfig, runtime: Runtime) -> HifinnAnnotator:
    """Open the EC numbers in ``folder``."""
    del runtime
    from photophore_hifinn.annotator import HifinnAnnotator
    from photophore_hifinn.labels import LabelTable

    return HifinnAnnotator(LabelTable.load(folder), targets, config)


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
            columns=COLUMNS,
        )
    ]
