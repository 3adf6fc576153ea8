"""What the near encoder asks of torch: NEAR's convolutions, our network on a GPU, and reading checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from photophore.errors import ModelError, OutOfMemoryError
from photophore.hookspecs import Runtime
from photophore_near.model import load_network
from photophore_near.onnx_runtime import OwnModel
from photophore_near.residues import PAD_TOKEN, distributions, tokens
from photophore_near.upstream import Array, UpstreamWeights


@contextmanager
def exact(what: str) -> Iterator[None]:
    """Compute in full single precision (no TF32), without gradients; a full device becomes `OutOfMemoryError`."""
    try:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    except torch.cuda.OutOfMemoryError as error:
        raise OutOfMemoryError(f"{what}: the device ran out of memory; lower encoder.positions_per_call") from error


class TorchConvolutions:
    """NEAR's layers as 2-D convolutions of height 1 in channels-last order: several times faster than 1-D on CPUs."""

    def __init__(self, weights: UpstreamWeights, runtime: Runtime) -> None:
        torch.set_num_threads(runtime.threads)
        self._device = torch.device(runtime.device)
        self._layers = [
            tuple((self._place(c.weight[:, :, None, :]), self._place(c.bias)) for c in layer)
            for layer in weights.layers
        ]

    def __call__(self, x: Array, mask: npt.NDArray[np.bool_]) -> Array:
        """Run the layers on ``x (rows, length, dim)``, with zeros wherever ``mask (rows, length)`` is false."""
        with exact("encoder near"):
            state = torch.from_numpy(x).to(self._device).permute(0, 2, 1)[:, :, None, :]  # (rows, dim, 1, length)
            inside = torch.from_numpy(mask).to(self._device)[:, None, None, :]  # (rows, 1, 1, length)
            for first, second in self._layers:
                hidden = _convolve(functional.elu(state), first) * inside
                state = (state + _convolve(functional.elu(hidden), second)) * inside
            result: Array = state[:, :, 0, :].permute(0, 2, 1).cpu().numpy()
        return result

    def _place(self, value: Array) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(value)).to(self._device)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _convolve(x: torch.Tensor, convolution: tuple[torch.Tensor, ...]) -> torch.Tensor:
    weight, bias = convolution
    return functional.conv2d(x, weight, bias, padding=(0, weight.shape[3] // 2))


class TorchNetwork:
    """Our own network by torch in fp32: for GPUs, and for weights that were not exported."""

    empty = PAD_TOKEN
    threads = 1  # torch itself takes all

    def __init__(self, model: OwnModel, runtime: Runtime) -> None:
        torch.set_num_threads(runtime.threads)
        self.dim = model.dim
        self.step = model.step
        self.radius = model.radius
        self.digest = model.digest
        self._device = torch.device(runtime.device)
        self._network = load_network(model.path).to(self._device, memory_format=torch.channels_last)
        self._distributions = torch.from_numpy(distributions()).to(self._device)  # (tokens, 20)

    def tokens(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Return the token of each residue of ``sequence``."""
        return tokens(sequence)

    def embed_tokens(self, rows: npt.NDArray[np.uint8]) -> Array:
        """Map tokens ``(rows, length)`` to unit vectors ``(rows, length / step, dim)``."""
        with exact("encoder near"):
            return self._embed(self._distributions[torch.from_numpy(rows.astype(np.int64)).to(self._device)])[0]

    def embed_values(self, rows: Array) -> tuple[Array, Array]:
        """Map distributions ``(rows, length, 20)`` to unit vectors ``(rows, length / step, dim)`` and the norms they had."""
        with exact("encoder near"):
            return self._embed(torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(self._device))

    def _embed(self, values: torch.Tensor) -> tuple[Array, Array]:
        vectors = self._network(values).float()
        norms = vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return (vectors / norms).cpu().numpy(), norms.cpu().numpy()


def read_checkpoint(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """Return the tensors of a checkpoint's ``model_state_dict`` without running any code that the file may hold."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way: struct.error, KeyError, UnpicklingError, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a checkpoint that can be read safely ({reason}); check the download") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model_state_dict"), dict):
        found = ", ".join(map(str, list(checkpoint)[:5])) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        raise ModelError(f"{path}: has no 'model_state_dict' (it holds {found}); these are not weights of NEAR")
    return {
        name: value.float().numpy() for name, value in checkpoint["model_state_dict"].items() if torch.is_tensor(value)
    }
