"""The shape of our own HiFi-NN network, for whoever runs it: with torch or without."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from photophore_near.shape import NearShape

#: What the metadata of our weights say that they are.
FORMAT = "photophore-hifinn-1"

#: Added to the sum of the gates, so that a protein all of whose gates are shut still has a vector.
GATE_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class HifinnShape:
    """Hyper-parameters of the network.

    Parameters
    ----------
    trunk
        The convolutions, as those of the near network; its ``dim`` is that of the residue vectors it may start from.
    hidden
        Channels that are pooled over the protein.
    heads
        Gates; each weighs the residues of ``hidden / heads`` channels.
    dim
        Length of the vector of a protein.
    """

    trunk: NearShape = field(default_factory=NearShape)
    hidden: int = 512
    heads: int = 8
    dim: int = 128

    def __post_init__(self) -> None:
        for name in ("hidden", "heads", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.hidden % self.heads:
            raise ValueError(f"hidden is {self.hidden}; give a multiple of heads ({self.heads})")


def shape_of(text: str) -> HifinnShape:
    """Return the shape that stands in the metadata of weights."""
    values = json.loads(text)
    return HifinnShape(**{**values, "trunk": NearShape(**values["trunk"])})
