"""Reading checkpoints of torch without running any code that they may hold."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photophore.errors import ModelError


class Unread:
    """Stands for an object of a class that is not needed, such as a training program's own: it takes all and holds nothing."""

    def __init__(self, *values: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, on the CPU; classes other than torch's and ``argparse.Namespace`` come as `Unread`.

    Raises
    ------
    ModelError
        If it is no checkpoint, or holds something else than a dictionary.
    """
    try:
        allowed = [argparse.Namespace, *((Unread, name) for name in _foreign_classes(path))]
        with torch.serialization.safe_globals(allowed):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way: struct.error, KeyError, UnpicklingError, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a checkpoint that can be read safely ({reason}); check the download") from error
    if not isinstance(checkpoint, dict):
        raise ModelError(f"{path}: holds {type(checkpoint).__name__}, not a dictionary; check which file this is")
    return checkpoint


def tensor_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 (hex) of named tensors as float32, whatever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().to("cpu", torch.float32).contiguous().numpy()
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(np.ascontiguousarray(value, dtype="<f4").data)
    return digest.hexdigest()


def _foreign_classes(path: Path) -> list[str]:
    """Return the full names of the classes that torch would refuse to make."""
    try:
        names: list[str] = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # the format before torch 1.6 cannot be looked into
        return []
    return [name for name in names if name != "argparse.Namespace"]
