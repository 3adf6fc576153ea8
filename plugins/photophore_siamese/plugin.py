"""Declares the encoder, the aggregator `top` and the annotator of structure from sequence; runtimes are imported when one is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from photophore.errors import PluginError
from photophore.hookspecs import (
    Aggregator,
    AggregatorSpec,
    Annotator,
    AnnotatorSpec,
    Column,
    Comparer,
    Encoder,
    EncoderSpec,
    Requirement,
    Runtime,
    TargetSource,
    hookimpl,
)
from photophore.types import TargetTable
from photophore_siamese.config import ModelConfig, SiameseAnnotatorConfig, SiameseConfig, TopConfig

COLUMNS = (
    Column("assigned", str, "what is assigned: superfamily or topology; empty for unassigned"),
    Column("superfamily", str, "CATH superfamily (3.40.50.300); empty where only the topology is sure enough"),
    Column("topology", str, "CATH topology (3.40.50), the fold"),
    Column(
        "tm_score_place",
        float,
        "predicted TM-score normalised by the stretch of the protein; score is that by the domain",
    ),
    Column("lddt", float, "predicted lDDT, mean along the alignment, 0 to 1"),
    Column("aligned", int, "residues that are aligned"),
    Column("target_length", int, "residues of the domain"),
    Column("target_start", int, "first residue of the domain that is aligned, 1-based"),
    Column("target_end", int, "last residue of the domain that is aligned, 1-based, inclusive"),
    Column(
        "alignment", str, "M residues of both, I of the protein alone, D of the domain alone, from the two starts on"
    ),
    Column("lddt_along", str, "predicted lDDT of each aligned residue as a digit: 0 below 0.1 ... 9 from 0.9 on"),
    Column("reason", str, "why nothing is reported, or why no confidence is given; else empty"),
)


def create_siamese(config: SiameseConfig, runtime: Runtime) -> Encoder:
    """Open the weights that ``config`` names."""
    from photophore_siamese import encoder

    return encoder.create_siamese(config, runtime)


def create_residues(config: ModelConfig, runtime: Runtime) -> Encoder:
    """Open the weights that ``config`` names."""
    from photophore_siamese import encoder

    return encoder.create_residues(config, runtime)


def without_prott5(config: ModelConfig) -> bool:
    """Say whether these are weights of ours: GLASS-PRIMES' own come with ProtT5 under them, 4.8 GB in memory."""
    return not config.prott5


def create_comparer(config: SiameseConfig, runtime: Runtime) -> Comparer:
    """Open the weights that ``config`` names, to compare proteins two by two."""
    from photophore_siamese import encoder

    return encoder.create_comparer(config, runtime)


def train_siamese(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Train as ``config_file`` says; torch is imported here."""
    try:
        from photophore_siamese.training.command import train_from_file
    except ModuleNotFoundError as error:
        raise PluginError(
            f"training siamese needs {error.name}, which is not installed; run: pip install 'photophore[torch]'"
        ) from error

    train_from_file(config_file, overrides)


def create_top(config: TopConfig, runtime: Runtime) -> Aggregator:
    """Return the aggregator."""
    from photophore_siamese.top import Top

    return Top(config, runtime)


def read_targets(sources: Sequence[Path], folder: Path, config: SiameseAnnotatorConfig) -> TargetSource:
    """Read domains and store them in ``folder``."""
    from photophore_siamese.lookup import read_targets as read

    return read(sources, folder, config)


def create_annotator(folder: Path, targets: TargetTable, config: SiameseAnnotatorConfig, runtime: Runtime) -> Annotator:
    """Open the domains in ``folder``."""
    from photophore_siamese.annotator import SiameseAnnotator
    from photophore_siamese.calibration import open_calibration
    from photophore_siamese.catalogue import Catalogue

    return SiameseAnnotator(Catalogue.load(folder), open_calibration(folder), targets, config, runtime)


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the encoders."""
    return [
        EncoderSpec(
            name="siamese",
            summary="One vector a protein and window of it, near to those of proteins of one fold (Siamese TM-score model).",
            config=SiameseConfig,
            create=create_siamese,
            per_residue=False,
            requires=(Requirement(module="onnxruntime", install="pip install 'onnxruntime>=1.20'"),),
            models=("siamese-small",),
            train=train_siamese,
            compare=create_comparer,
            own_copies=without_prott5,
        ),
        EncoderSpec(
            name="siamese-residues",
            summary="One vector a residue, near to those that it pairs up with in proteins of one fold (Siamese TM-score model).",
            config=ModelConfig,
            create=create_residues,
            per_residue=True,
            requires=(Requirement(module="onnxruntime", install="pip install 'onnxruntime>=1.20'"),),
            models=("siamese-small",),
            own_copies=without_prott5,
        ),
    ]


@hookimpl
def photophore_aggregators() -> list[AggregatorSpec]:
    """Return the aggregator."""
    return [
        AggregatorSpec(
            name="top",
            summary="The nearest database rows of a protein and of each window of a long one.",
            config=TopConfig,
            create=create_top,
        )
    ]


@hookimpl
def photophore_annotators() -> list[AnnotatorSpec]:
    """Return the annotator."""
    return [
        AnnotatorSpec(
            name="siamese",
            summary="CATH domains that a protein resembles in structure: TM-score, alignment and lDDT from sequence.",
            config=SiameseAnnotatorConfig,
            create=create_annotator,
            read_targets=read_targets,
            columns=COLUMNS,
            holds_lock=True,
        )
    ]
