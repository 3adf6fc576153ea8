"""The shape of the near network, for whoever runs it: with torch or without."""

from __future__ import annotations

from dataclasses import dataclass

#: What the metadata of our weights say that they are.
FORMAT = "photophore-near-2"

#: What a convolution of stride 2 spans.
STRIDED_KERNEL = 7


@dataclass(frozen=True, slots=True)
class NearShape:
    """Hyper-parameters of the network.

    Parameters
    ----------
    step
        Positions between two vectors, a power of 2 up to 16: as many convolutions of stride 2 come before the blocks.
    stem
        Channels of the first layer; every convolution of stride 2 but the last doubles them, the last goes to `width`.
    width, blocks, kernel
        Channels of the residual blocks, their number, and what their convolutions span, in vectors.
    dim
        Length of a vector.
    """

    step: int = 2
    stem: int = 64
    width: int = 128
    blocks: int = 5
    kernel: int = 5
    dim: int = 64

    def __post_init__(self) -> None:
        for name in ("step", "stem", "width", "blocks", "kernel", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.kernel % 2 == 0:
            raise ValueError(
                f"kernel is {self.kernel}; give an odd number, so that a residue sees as far to both sides"
            )
        if self.step not in (1, 2, 4, 8, 16):
            raise ValueError(f"step is {self.step}; give 1, 2, 4, 8 or 16")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the first layer and after each convolution of stride 2."""
        halvings = self.step.bit_length() - 1
        return (*(self.stem << number for number in range(halvings)), self.width)

    @property
    def radius(self) -> int:
        """How many positions a vector sees to each side."""
        shortening = (STRIDED_KERNEL // 2) * (self.step - 1)
        return shortening + self.step * 2 * self.blocks * (self.kernel // 2)
