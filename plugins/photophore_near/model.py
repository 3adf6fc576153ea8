"""The near network: a residual 1-D convolution net from residue distributions to unit vectors, one every few positions.

The shape follows NEAR (btaf198; FORMATS.md): a linear layer without bias, residual blocks of two convolutions, L2 norm.
It differs where speed and remote families ask for it: convolutions of stride 2 first shorten the sequence, so that the
blocks are cheap and see a hundred positions to each side; the activation is a ReLU after each convolution, so that every
convolution reads unsigned values; a last linear layer brings the vectors down to ``dim``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from photophore.errors import ModelError
from photophore_near.shape import FORMAT, STRIDED_KERNEL, NearShape


class ResidualBlock(nn.Module):
    """``relu(x + conv2(relu(conv1(x))))`` over ``(batch, width, 1, length)``."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2))
        self.conv2 = nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.conv1(x))
        return functional.relu(x + self.conv2(hidden))


class NearNetwork(nn.Module):
    """Distributions over residues in, unnormalised vectors out; `embed` normalises them.

    A 1-D convolution is written as a 2-D one of height 1 in channels-last order: several times faster on CPUs.
    """

    def __init__(self, shape: NearShape) -> None:
        super().__init__()
        self.shape = shape
        channels = shape.channels
        self.embedding = nn.Conv2d(20, channels[0], 1, bias=False)
        self.shorten = nn.ModuleList(
            nn.Conv2d(before, after, (1, STRIDED_KERNEL), stride=(1, 2), padding=(0, STRIDED_KERNEL // 2))
            for before, after in pairwise(channels)
        )
        self.blocks = nn.ModuleList(ResidualBlock(shape.width, shape.kernel) for _ in range(shape.blocks))
        self.head = nn.Conv2d(shape.width, shape.dim, 1)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.embedding.weight, std=1.0)
        for layer in self.shorten:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        for block in self.blocks:
            nn.init.kaiming_normal_(block.conv1.weight, nonlinearity="relu")
            nn.init.kaiming_normal_(block.conv2.weight, nonlinearity="relu")
            with torch.no_grad():
                block.conv2.weight.mul_(0.3)  # a quiet start: the residual stream does not grow with depth
            nn.init.zeros_(block.conv1.bias)
            nn.init.zeros_(block.conv2.bias)

    def features(self, values: Tensor) -> Tensor:
        """Map ``values (batch, length, 20)`` to the last stream ``(batch, width, 1, length / step)``, rounded up."""
        x = values.transpose(1, 2).unsqueeze(2)  # (batch, 20, 1, length)
        x = functional.relu(self.embedding(x.contiguous(memory_format=torch.channels_last)))
        for layer in self.shorten:
            x = functional.relu(layer(x))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, values: Tensor) -> Tensor:
        """Map ``values (batch, length, 20)`` to vectors ``(batch, length / step, dim)``, the length rounded up."""
        return self.vectors(self.features(values))

    def vectors(self, features: Tensor) -> Tensor:
        """Map what `features` returned to unnormalised vectors ``(batch, length / step, dim)``."""
        return self.head(features).squeeze(2).transpose(1, 2)

    def embed(self, values: Tensor) -> Tensor:
        """Return unit vectors ``(batch, length / step, dim)``; vector ``i`` is centred on position ``i * step``."""
        return functional.normalize(self.forward(values).float(), dim=-1)


def save_network(network: NearNetwork, path: Path, facts: dict[str, str]) -> None:
    """Write weights and shape to a safetensors file; ``facts`` go into its metadata."""
    metadata = {"format": FORMAT, "shape": json.dumps(asdict(network.shape)), **facts}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, str(path), metadata=metadata)


def load_network(path: Path) -> NearNetwork:
    """Read a network written by `save_network`, in evaluation mode.

    Raises
    ------
    ModelError
        If the file is not such a network, with what was found instead.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}); check the download") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: format is {metadata.get('format')!r}, not {FORMAT!r}; "
            "pass weights that `photophore train near` wrote"
        )
    network = NearNetwork(NearShape(**json.loads(metadata["shape"])))
    network.load_state_dict(tensors)
    return network.eval()
