"""Declares the encoder `near` and the aggregator `near-sum`; the runtimes are imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.errors import PluginError
from photophore.hookspecs import AggregatorSpec, EncoderSpec, Requirement, Runtime, hookimpl
from photophore_near.config import NearConfig
from photophore_near.diagonal import Diagonal, DiagonalConfig
from photophore_near.near_sum import NearSum, NearSumConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from photophore_near.encoder import NearEncoder


def create_near(config: NearConfig, runtime: Runtime) -> NearEncoder:
    """Open the weights that ``config`` names."""
    from photophore_near import encoder

    return encoder.create_near(config, runtime)


def train_near(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Train as ``config_file`` says; torch is imported here."""
    try:
        from photophore_near.training.command import train_from_file
    except ModuleNotFoundError as error:
        raise PluginError(
            f"training near needs {error.name}, which is not installed; run: pip install 'photophore[torch]'"
        ) from error

    train_from_file(config_file, overrides)


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the near encoder."""
    return [
        EncoderSpec(
            name="near",
            summary="Residue vectors of proteins and of profile HMMs, by a convolution network (NEAR, btaf198).",
            config=NearConfig,
            create=create_near,
            requires=(Requirement(module="onnxruntime", install="pip install 'onnxruntime>=1.20'"),),
            models=("near-small",),
            train=train_near,
        )
    ]


@hookimpl
def photophore_aggregators() -> list[AggregatorSpec]:
    """Return the aggregators that weigh residue neighbours."""
    return [
        AggregatorSpec(
            name="near-sum",
            summary="Sum of the neighbours' scores above a gate, as in the NEAR paper.",
            config=NearSumConfig,
            create=NearSum,
        ),
        AggregatorSpec(
            name="diagonal",
            summary="Best sum over a bin of diagonals of protein and profile, against the background of each profile.",
            config=DiagonalConfig,
            create=Diagonal,
        ),
    ]
