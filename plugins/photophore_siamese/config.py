"""Options of the encoders `siamese` and `siamese-residues`, the aggregator `top` and the annotator `siamese`."""

from __future__ import annotations

from dataclasses import dataclass, field

PRECISIONS = ("int8", "fp32")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which structural model computes: the options of the encoder ``siamese-residues``."""

    weights: str = field(
        default="siamese-small",
        metadata={
            "help": "siamese-small (bundled), weights of `photophore train siamese` (.safetensors), GLASS-PRIMES' own "
            "checkpoint (.pth), or the name that `photophore models add` gave to one of them"
        },
    )
    prott5: str = field(
        default="",
        metadata={"help": "for a .pth: local folder of the ProtT5 under it, prot_t5_xl_uniref50 for the published one"},
    )
    precision: str = field(
        default="int8",
        metadata={
            "help": "int8 (fastest) or fp32, for our own weights on a CPU; with a .pth on a GPU, ProtT5 computes in half "
            "precision unless it is fp32",
            "choices": PRECISIONS,
        },
    )
    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True, slots=True)
class SiameseConfig(ModelConfig):
    """Options of the encoder ``siamese``."""

    window: int = field(
        default=128,
        metadata={
            "help": "residues of the shortest windows in which domains are sought inside longer proteins; others are twice "
            "and four times as long; 0 looks at whole proteins alone"
        },
    )

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        if self.window < 0 or self.window == 1:
            raise ValueError(f"window is {self.window}; give a number of residues from 2 on, or 0 for none")


@dataclass(frozen=True, slots=True)
class TopConfig:
    """Options of the aggregator ``top``."""

    k: int = field(
        default=10,
        metadata={
            "help": "database rows kept for each searched vector (the whole protein, and each window of a long one), at most"
        },
    )
    min_score: float = field(
        default=0.35,
        metadata={"help": "least similarity of a neighbour that is kept, -1 to 1 for unit vectors: its TM-score at first sight"},
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; give at least 1")


@dataclass(frozen=True, slots=True)
class SiameseAnnotatorConfig:
    """Options of the annotator ``siamese``."""

    min_tm: float = field(
        default=0.5,
        metadata={
            "help": "without a calibration for the weights: least predicted TM-score, normalised by the domain, of a neighbour "
            "that is reported; two proteins of 0.5 and more mostly have one fold"
        },
    )
    min_confidence: float = field(
        default=0.5,
        metadata={
            "help": "with a calibration: least probability with which a superfamily or a topology is given; a protein for which "
            "nothing reaches it is `unassigned`, and the row says why"
        },
    )
    calibration: str = field(
        default="",
        metadata={
            "help": "build: calibration.json of `python -m photophore_siamese.training.calibrate`; empty takes the one that "
            "comes with the package"
        },
    )
    aligned: int = field(
        default=2,
        metadata={"help": "candidates of each place of a protein that are aligned in full, the best by their quick scores first"},
    )
    nearly: float = field(
        default=0.9,
        metadata={
            "help": "candidates of a place whose quick score is below this share of the best one's are not aligned; 0 for none"
        },
    )
    shown: int = field(default=1, metadata={"help": "neighbours of each place that are reported, the best first"})
    min_residues: int = field(
        default=20, metadata={"help": "known residues (not X) that a protein must have to be compared"}
    )

    def __post_init__(self) -> None:
        for name in ("min_tm", "min_confidence", "nearly"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; give a number from 0 to 1")
        for name in ("aligned", "shown", "min_residues"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
