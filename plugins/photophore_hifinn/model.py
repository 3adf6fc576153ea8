"""Our own HiFi-NN network: convolutions over residues, gated pooling, a unit vector a protein.

The paper's head reads residues of ESM-2 650M through one transformer layer and their mean. Ours reads the residues itself,
through the convolutions of the near network, and weighs them: each head has a gate between 0 and 1 a position, and the
pooled channels are means under these gates. Sums under gates add up over the pieces of a protein, so one that is cut
into rows gets the vector that it would get whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from photophore.errors import ModelError
from photophore_hifinn.shape import FORMAT, GATE_FLOOR, HifinnShape, shape_of
from photophore_near.model import NearNetwork


class HifinnNetwork(nn.Module):
    """Distributions over residues in, one vector a protein out."""

    balance: Tensor

    def __init__(self, shape: HifinnShape) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = NearNetwork(shape.trunk)
        self.trunk.head = nn.Identity()  # residue vectors are not asked for here
        #: What each channel of the trunk is multiplied with: a trunk that was trained before has channels of any size.
        self.register_buffer("balance", torch.ones(shape.trunk.width))
        self.channels = nn.Conv2d(shape.trunk.width, shape.hidden, 1)
        self.gates = nn.Conv2d(shape.trunk.width, shape.heads, 1)
        #: Proteins have most of their mean in common: without it taken off, all of them point the same way.
        self.norm = nn.BatchNorm1d(shape.hidden, momentum=0.02)
        self.inner = nn.Linear(shape.hidden, shape.hidden)
        self.outer = nn.Linear(shape.hidden, shape.dim, bias=False)

    def pooled(self, values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums under the gates, ``(batch, hidden)``, and of the gates, ``(batch, heads)``.

        Parameters
        ----------
        values
            ``(batch, length, 20)``: distributions over residues.
        counted
            ``(batch, length / step)``: 1 where a position counts, 0 where it is padding.
        """
        features = self.trunk.features(values) * self.balance[:, None, None]  # (batch, width, 1, length / step)
        channels = functional.relu(self.channels(features)).squeeze(2).float()  # (batch, hidden, positions)
        gates = torch.sigmoid(self.gates(features).squeeze(2).float()) * counted[:, None, :]
        batch, heads, positions = gates.shape
        grouped = channels.reshape(batch, heads, -1, positions)  # (batch, heads, hidden / heads, positions)
        sums = torch.einsum("bhcp,bhp->bhc", grouped, gates).flatten(1)
        return sums, gates.sum(dim=2)

    def vectors(self, sums: Tensor, gates: Tensor) -> Tensor:
        """Return unit vectors ``(batch, dim)`` of what `pooled` gave, added up over the rows of each protein."""
        share = self.shape.hidden // self.shape.heads
        means = sums / (gates + GATE_FLOOR).repeat_interleave(share, dim=1)
        x = self.norm(means)
        x = x + functional.relu(self.inner(x))
        return functional.normalize(self.outer(x), dim=-1)

    def forward(self, values: Tensor, counted: Tensor) -> Tensor:
        """Map ``values (batch, length, 20)`` to unit vectors ``(batch, dim)``."""
        return self.vectors(*self.pooled(values, counted))


def save_network(network: HifinnNetwork, path: Path, facts: dict[str, str]) -> None:
    """Write weights and shape to a safetensors file; ``facts`` go into its metadata."""
    metadata = {"format": FORMAT, "shape": json.dumps(asdict(network.shape)), **facts}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, str(path), metadata=metadata)


def load_network(path: Path) -> HifinnNetwork:
    """Read a network written by `save_network`, in evaluation mode; `ModelError` where the file is none."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}); check the download") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: format is {metadata.get('format')!r}, not {FORMAT!r}; "
            "pass weights that `photophore train hifinn` wrote"
        )
    try:
        network = HifinnNetwork(shape_of(metadata["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata has no usable shape ({error!r}); train or export it again") from error
    network.load_state_dict(tensors)
    return network.eval()
