"""Declares the encoder `esm2`; torch and fair-esm are imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.hookspecs import EncoderSpec, Requirement, Runtime, hookimpl
from photophore_plm.config import Esm2Config

if TYPE_CHECKING:
    from photophore_plm.esm2 import Esm2Encoder

_INSTALL = "pip install 'photophore[torch]'"


def create_esm2(config: Esm2Config, runtime: Runtime) -> Esm2Encoder:
    """Open the checkpoint that ``config`` names."""
    from photophore_plm import esm2

    return esm2.create_esm2(config, runtime)


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the encoder."""
    return [
        EncoderSpec(
            name="esm2",
            summary="Residue vectors of proteins out of any layer of ESM-2, from fair-esm's own checkpoints.",
            config=Esm2Config,
            create=create_esm2,
            requires=(Requirement(module="torch", install=_INSTALL), Requirement(module="esm", install=_INSTALL)),
        )
    ]
