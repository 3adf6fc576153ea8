"""The shape of our own structural network, for whoever runs it: with torch or without."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from photophore_near.shape import NearShape

#: What the metadata of our weights say that they are.
FORMAT = "photophore-siamese-1"

#: Added to the sum of the gates, so that a protein all of whose gates are shut still has a vector.
GATE_FLOOR = 1e-3

#: Kernel of the layer that reads residues one by one, beside the trunk that reads every second.
FINE_KERNEL = 7
#: Kernel of the blocks over all residues.
BLOCK_KERNEL = 3


@dataclass(frozen=True, slots=True)
class SiameseShape:
    """Hyper-parameters of the network.

    Parameters
    ----------
    trunk
        The first convolutions, as those of the near network, of ``step`` 2.
    dilations
        One residual block more for each, over every second residue, with convolutions this far apart.
    fine_blocks
        Residual blocks over all residues, after the two halves are joined.
    match, side
        A residue's row: a unit vector of ``match`` numbers that alignments compare, then ``side`` free ones.
    hidden
        Channels that are pooled over the protein.
    heads
        Gates; each weighs the residues of ``hidden / heads`` channels.
    dim
        Length of the vector of a protein.
    pair
        Hidden units of what predicts the lDDT of a pair of residues.
    """

    trunk: NearShape = field(default_factory=NearShape)
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    fine_blocks: int = 2
    match: int = 64
    side: int = 32
    hidden: int = 256
    heads: int = 8
    dim: int = 128
    pair: int = 64

    def __post_init__(self) -> None:
        for name in ("match", "side", "hidden", "heads", "dim", "pair"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.fine_blocks < 0:
            raise ValueError(f"fine_blocks is {self.fine_blocks}; give at least 0")
        if self.trunk.step != 2:
            raise ValueError(f"trunk.step is {self.trunk.step}; give 2: every trunk vector stands for two residues")
        if not all(isinstance(value, int) and value >= 1 for value in self.dilations):
            raise ValueError(f"dilations are {list(self.dilations)}; give whole numbers of at least 1")
        if self.hidden % self.heads:
            raise ValueError(f"hidden is {self.hidden}; give a multiple of heads ({self.heads})")

    @property
    def width(self) -> int:
        """Length of the row of a residue."""
        return self.match + self.side

    @property
    def radius(self) -> int:
        """How many residues a row sees to each side."""
        trunk = self.trunk
        coarse = trunk.radius + trunk.step * 2 * (trunk.kernel // 2) * sum(self.dilations) + trunk.step
        return max(coarse, FINE_KERNEL // 2) + 2 * (BLOCK_KERNEL // 2) * self.fine_blocks


def shape_of(text: str) -> SiameseShape:
    """Return the shape that stands in the metadata of weights."""
    values = json.loads(text)
    return SiameseShape(**{**values, "trunk": NearShape(**values["trunk"]), "dilations": tuple(values["dilations"])})
