"""Declares the encoders `esm2` and `prott5`; torch, fair-esm and transformers are imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.hookspecs import EncoderSpec, Requirement, Runtime, hookimpl
from photophore_plm.config import Esm2Config, Prott5Config

if TYPE_CHECKING:
    from photophore_plm.representing import ResidueEncoder

_INSTALL = "pip install 'photophore[torch]'"


def create_esm2(config: Esm2Config, runtime: Runtime) -> ResidueEncoder:
    """Open the checkpoint that ``config`` names."""
    from photophore_plm import esm2

    return esm2.create_esm2(config, runtime)


def create_prott5(config: Prott5Config, runtime: Runtime) -> ResidueEncoder:
    """Open the folder that ``config`` names."""
    from photophore_plm import prott5

    return prott5.create_prott5(config, runtime)


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the encoders."""
    return [
        EncoderSpec(
            name="esm2",
            summary="Residue vectors of proteins out of any layer of ESM-2, from fair-esm's own checkpoints.",
            config=Esm2Config,
            create=create_esm2,
            requires=(Requirement(module="torch", install=_INSTALL), Requirement(module="esm", install=_INSTALL)),
        ),
        EncoderSpec(
            name="prott5",
            summary="Residue vectors of proteins by ProtT5, from a local Hugging Face folder.",
            config=Prott5Config,
            create=create_prott5,
            requires=tuple(
                Requirement(module=module, install=_INSTALL) for module in ("torch", "transformers", "sentencepiece")
            ),
        ),
    ]
