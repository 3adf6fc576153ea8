"""Our own structural network: convolutions over residues, a row a residue, gated pooling, a unit vector a protein.

The published model reads residues of ProtT5 through two transformer layers. Ours reads the residues themselves: the
convolutions of the near network, which was trained to tell residues of relatives, over every second residue; then wider
ones, which see more than a hundred residues to each side; and, joined to these, convolutions over all residues. A row
begins with a unit vector that alignments compare. Sums under gates add up over the stretches of a protein.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from photophore.errors import ModelError
from photophore_near.model import NearNetwork
from photophore_siamese.exchange import blosum62
from photophore_siamese.shape import BLOCK_KERNEL, FINE_KERNEL, FORMAT, GATE_FLOOR, SiameseShape, shape_of

#: Shares of the channels that a step of training does without, in blocks and pooled: a thousand folds are soon known by heart.
BLOCK_DROPOUT, POOLED_DROPOUT = 0.1, 0.2


class DilatedBlock(nn.Module):
    """``relu(x + conv2(relu(conv1(x))))`` over ``(batch, width, 1, length)``."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        reach = {"padding": (0, dilation * (kernel // 2)), "dilation": (1, dilation)}
        self.conv1 = nn.Conv2d(width, width, (1, kernel), **reach)
        self.conv2 = nn.Conv2d(width, width, (1, kernel), **reach)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
        with torch.no_grad():
            self.conv2.weight.mul_(0.2)  # a quiet start: what the trunk knows comes through
        self.dropout = nn.Dropout2d(BLOCK_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.dropout(self.conv2(functional.relu(self.conv1(x)))))


class SiameseNetwork(nn.Module):
    """Distributions over residues in; rows of residues and vectors of proteins out."""

    balance: Tensor

    def __init__(self, shape: SiameseShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.trunk.width
        self.trunk = NearNetwork(shape.trunk)
        self.trunk.head = nn.Identity()  # residue vectors of the near network are not asked for here
        #: What each channel of the trunk is multiplied with: a trunk that was trained before has channels of any size.
        self.register_buffer("balance", torch.ones(width))
        self.wide = nn.ModuleList(DilatedBlock(width, shape.trunk.kernel, dilation) for dilation in shape.dilations)
        self.spread = nn.Conv2d(width, 2 * width, 1)
        self.fine = nn.Conv2d(shape.trunk.channels[0], width, (1, FINE_KERNEL), padding=(0, FINE_KERNEL // 2))
        self.blocks = nn.ModuleList(DilatedBlock(width, BLOCK_KERNEL, 1) for _ in range(shape.fine_blocks))
        self.rows_head = nn.Conv2d(width, shape.width, 1)
        self.channels = nn.Linear(shape.width, shape.hidden)
        self.gates = nn.Linear(shape.width, shape.heads)
        #: Proteins have most of their mean in common: without it taken off, all of them point the same way.
        self.norm = nn.BatchNorm1d(shape.hidden, momentum=0.02)
        self.dropout = nn.Dropout(POOLED_DROPOUT)
        self.inner = nn.Linear(shape.hidden, shape.hidden)
        self.outer = nn.Linear(shape.hidden, shape.dim, bias=False)
        #: What it adds to the similarity of two residues that their amino acids are these, as a logarithm.
        self.exchange = nn.Parameter(torch.from_numpy(blosum62()))
        self.pair = nn.Sequential(nn.Linear(2 * shape.width, shape.pair), nn.ReLU(), nn.Linear(shape.pair, 1))

    def rows(self, values: Tensor) -> Tensor:
        """Map ``values (batch, length, 20)``, of even length, to rows ``(batch, length, match + side)``."""
        return unit_first(self.raw_rows(values).float(), self.shape.match)

    def raw_rows(self, values: Tensor) -> Tensor:
        """Return the rows before their first part is brought to length 1."""
        trunk = self.trunk
        x = values.transpose(1, 2).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        fine = functional.relu(trunk.embedding(x))  # (batch, stem, 1, length)
        coarse = fine
        for layer in trunk.shorten:
            coarse = functional.relu(layer(coarse))
        for block in trunk.blocks:
            coarse = block(coarse)
        coarse = coarse * self.balance[:, None, None]
        for block in self.wide:
            coarse = block(coarse)
        spread = self.spread(coarse)  # (batch, 2 * width, 1, length / 2)
        batch, _, _, half = spread.shape
        width = self.shape.trunk.width
        spread = spread.squeeze(2).transpose(1, 2).reshape(batch, 2 * half, width)  # (batch, length, width)
        joined = functional.relu(self.fine(fine) + spread.transpose(1, 2).unsqueeze(2))
        for block in self.blocks:
            joined = block(joined)
        return self.rows_head(joined).squeeze(2).transpose(1, 2)

    def pooled(self, rows: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums under the gates, ``(batch, hidden)``, and of the gates, ``(batch, heads)``.

        ``counted (batch, length)`` is 1 where a residue counts, 0 where it is padding.
        """
        channels = functional.relu(self.channels(rows)).float()  # (batch, length, hidden)
        gates = torch.sigmoid(self.gates(rows).float()) * counted[:, :, None]  # (batch, length, heads)
        batch, length, heads = gates.shape
        grouped = channels.reshape(batch, length, heads, -1)
        return torch.einsum("blhc,blh->bhc", grouped, gates).flatten(1), gates.sum(dim=1)

    def vectors(self, sums: Tensor, gates: Tensor) -> Tensor:
        """Return unit vectors ``(batch, dim)`` of what `pooled` gave."""
        share = self.shape.hidden // self.shape.heads
        x = self.dropout(self.norm(sums / (gates + GATE_FLOOR).repeat_interleave(share, dim=1)))
        x = x + functional.relu(self.inner(x))
        return functional.normalize(self.outer(x), dim=-1)

    def exchanged(self, one: Tensor, other: Tensor) -> Tensor:
        """Return what amino acids add to the similarity, ``(n, m)``, of distributions ``(n, 20)`` and ``(m, 20)``."""
        return one @ (self.exchange + self.exchange.T) @ other.T / 2

    def pair_lddt(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the predicted lDDT of pairs of rows ``(pairs, width)``, ``(pairs,)``; their order does not matter."""
        joined = torch.cat([one * other, (one - other).abs()], dim=1)
        return torch.sigmoid(self.pair(joined).squeeze(1))

    def forward(self, values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``values (batch, length, 20)`` to rows ``(batch, length, width)`` and unit vectors ``(batch, dim)``."""
        rows = self.rows(values)
        return rows, self.vectors(*self.pooled(rows, counted))


def unit_first(rows: Tensor, match: int) -> Tensor:
    """Return ``rows (batch, length, width)`` with their first ``match`` numbers brought to length 1."""
    return torch.cat([functional.normalize(rows[..., :match], dim=-1), rows[..., match:]], dim=-1)


def save_network(
    network: SiameseNetwork,
    path: Path,
    facts: dict[str, str],
    heads: Mapping[str, npt.NDArray[np.float32]] | None = None,
) -> None:
    """Write weights, shape and the tensors of ``heads`` to a safetensors file; ``facts`` go into its metadata."""
    metadata = {"format": FORMAT, "shape": json.dumps(asdict(network.shape)), **facts}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(tensor)) for name, tensor in (heads or {}).items()}
    save_file(tensors, str(path), metadata=metadata)


def load_network(path: Path) -> SiameseNetwork:
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
            "pass weights that `photophore train siamese` wrote"
        )
    try:
        network = SiameseNetwork(shape_of(metadata["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata has no usable shape ({error!r}); train or export it again") from error
    own = network.state_dict()  # the heads in the file are computed elsewhere
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if name in own})
    return network.eval()
