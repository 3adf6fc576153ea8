"""Options of the encoders `esm2` and `prott5`."""

from __future__ import annotations

from dataclasses import dataclass, field

PRECISIONS = ("fp16", "fp32")

#: Residues of the longest protein that ESM-2 was trained on: 1,024 tokens, two of which mark beginning and end.
MAX_RESIDUES = 1022
OVERLAP = 256

#: ProtT5 has no longest protein (positions are relative), but the work grows with the square of what it sees at once.
T5_RESIDUES = 1024


@dataclass(frozen=True, slots=True)
class Esm2Config:
    """Options of the encoder ``esm2``."""

    weights: str = field(
        default="",
        metadata={
            "help": "ESM-2 checkpoint of any size: a local .pt file of fair-esm, or the name that `photophore models add` gave it"
        },
    )
    layer: int | None = field(
        default=None,
        metadata={"help": "layer whose output is taken, counted from 1; by default the last but one (32 of 33)"},
    )
    precision: str = field(
        default="fp16",
        metadata={"help": "fp16 (half precision) or fp32, on a GPU; CPUs compute in fp32", "choices": PRECISIONS},
    )
    max_residues: int = field(
        default=MAX_RESIDUES, metadata={"help": "residues that the model sees at once; longer proteins go in windows"}
    )
    overlap: int = field(default=OVERLAP, metadata={"help": "least residues that neighbouring windows share"})
    residues_per_call: int = field(
        default=0,
        metadata={
            "help": "residues computed at once, padding included; 0 is 16,384 on a GPU, and one window on a CPU, "
            "where a protein's rows then have the same bits whatever else is in the batch"
        },
    )

    def __post_init__(self) -> None:
        if self.layer is not None and self.layer < 1:
            raise ValueError(f"layer is {self.layer}; give a number from 1 on, or leave it out for the last but one")
        _check_computing(self)


@dataclass(frozen=True, slots=True)
class Prott5Config:
    """Options of the encoder ``prott5``."""

    weights: str = field(
        default="",
        metadata={
            "help": "folder of a ProtT5 as Hugging Face stores it (config.json, weights, spiece.model), such as a copy of "
            "prot_t5_xl_uniref50 or of its half-precision encoder; nothing is downloaded"
        },
    )
    precision: str = field(
        default="fp16",
        metadata={"help": "fp16 (half precision) or fp32, on a GPU; CPUs compute in fp32", "choices": PRECISIONS},
    )
    max_residues: int = field(
        default=T5_RESIDUES, metadata={"help": "residues that the model sees at once; longer proteins go in windows"}
    )
    overlap: int = field(default=OVERLAP, metadata={"help": "least residues that neighbouring windows share"})
    residues_per_call: int = field(
        default=0,
        metadata={
            "help": "residues computed at once, padding included; 0 is 16,384 on a GPU, and one window on a CPU, "
            "where a protein's rows then have the same bits whatever else is in the batch"
        },
    )

    def __post_init__(self) -> None:
        _check_computing(self)


def _check_computing(config: Esm2Config | Prott5Config) -> None:
    """Raise `ValueError` for options that no language model can work with."""
    if config.precision not in PRECISIONS:
        raise ValueError(f"precision is {config.precision!r}; choose one of {', '.join(PRECISIONS)}")
    if config.max_residues < 2:
        raise ValueError(f"max_residues is {config.max_residues}; give a whole number of at least 2")
    if not 0 <= config.overlap < config.max_residues:
        raise ValueError(f"overlap is {config.overlap}; give 0 to {config.max_residues - 1} (max_residues - 1)")
    if config.residues_per_call < 0:
        raise ValueError(f"residues_per_call is {config.residues_per_call}; give a whole number, or 0 for the default")
