"""Declares the encoder `windows`; the letters' numbers are read when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photophore.hookspecs import EncoderSpec, Runtime, hookimpl
from photophore_windows.config import WindowsConfig

if TYPE_CHECKING:
    from photophore_windows.encoder import WindowEncoder


def create(config: WindowsConfig, runtime: Runtime) -> WindowEncoder:
    """Return the encoder."""
    from photophore_windows.encoder import WindowEncoder

    del runtime  # numpy on one thread is quick enough
    return WindowEncoder(config)


@hookimpl
def photophore_encoders() -> list[EncoderSpec]:
    """Return the encoder."""
    return [
        EncoderSpec(
            name="windows",
            summary="Windows of residues as BLOSUM62 compares them: no network, no training.",
            config=WindowsConfig,
            create=create,
            per_residue=True,
        )
    ]
