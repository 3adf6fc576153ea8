"""Options of the near encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

PRECISIONS = ("int8", "fp32")


@dataclass(frozen=True, slots=True)
class NearConfig:
    """Options of the encoder ``near``."""

    weights: str = field(
        default="near-small",
        metadata={
            "help": "near-small (bundled), weights of `photophore train near` (.safetensors), "
            "or NEAR's own (.pt, .npz, .safetensors)"
        },
    )
    precision: str = field(
        default="int8",
        metadata={
            "help": "int8 (fastest) or fp32, for our own weights on a CPU; GPUs and NEAR's own weights compute in fp32",
            "choices": PRECISIONS,
        },
    )
    row_length: int = field(default=2048, metadata={"help": "positions in one row of the network's input"})
    positions_per_call: int = field(
        default=16384, metadata={"help": "positions computed at once: more needs more memory"}
    )

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}")
        for name, lowest in (("row_length", 128), ("positions_per_call", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; give a whole number of at least {lowest}")
