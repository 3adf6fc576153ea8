"""Which device a run computes on: ``auto`` is resolved here, before a plugin sees it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from photophore.errors import UsageError
from photophore.runconfig import check_device


def resolve_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``cuda:N``; `UsageError` where that device cannot be used here."""
    check_device(device)
    if device == "cpu":
        return device
    count, why = _cuda_devices()
    if device == "auto":
        return "cuda" if count else "cpu"
    if not count:
        raise UsageError(f"--device {device}: {why}; use --device cpu")
    number = int(device.partition(":")[2] or 0)
    if number >= count:
        raise UsageError(
            f"--device {device}: there are {count} CUDA devices, cuda:0 to cuda:{count - 1}; choose one of them"
        )
    return device


def _cuda_devices() -> tuple[int, str]:
    """Return the number of CUDA devices that torch can use, and why there are none; torch is loaded only where there is a driver."""
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):
        return 0, "this machine shows no CUDA device"
    if importlib.util.find_spec("torch") is None:
        return 0, "GPUs need torch, which is not installed (pip install 'photophore[torch]')"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return count, "torch finds no CUDA device that it can use"
