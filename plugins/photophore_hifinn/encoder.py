"""The encoder `hifinn`: our own network, or HiFi-NN's published head on ESM-2, whichever the weights are of."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from photophore.errors import ModelError, UsageError
from photophore.hookspecs import Encoder, Runtime
from photophore.models import find_model, is_checkpoint
from photophore_hifinn.config import HifinnConfig


def create_hifinn(config: HifinnConfig, runtime: Runtime) -> Encoder:
    """Open the weights that ``config`` names.

    Raises
    ------
    ModelError
        If they are missing, damaged, or need torch where it is not installed.
    UsageError
        If they are a Lightning checkpoint and the ESM-2 under it is not named.
    """
    path = find_model(config.weights)
    if is_checkpoint(path):
        return _create_upstream(path, config, runtime)
    from photophore_hifinn.own import create_own

    return create_own(path, config, runtime)


def _create_upstream(path: Path, config: HifinnConfig, runtime: Runtime) -> Encoder:
    if missing := [module for module in ("torch", "esm") if importlib.util.find_spec(module) is None]:
        raise ModelError(
            f"{path}: a Lightning checkpoint needs {' and '.join(missing)}, which is not installed; "
            "run: pip install 'photophore[torch]'"
        )
    if not config.esm2:
        raise UsageError(
            f"{path}: a HiFi-NN checkpoint reads vectors of ESM-2; name that checkpoint, too: "
            "--set encoder.esm2=esm2_t33_650M_UR50D.pt"
        )
    from photophore_hifinn.upstream import create_upstream

    return create_upstream(path, find_model(config.esm2), config, runtime)
