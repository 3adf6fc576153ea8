"""Options of the encoder, the aggregator and the annotator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PRECISIONS = ("int8", "fp32")
RERANKS = ("auto", "profiles", "none")


@dataclass(frozen=True, slots=True)
class HifinnConfig:
    """Options of the encoder ``hifinn``."""

    weights: str = field(
        default="hifinn-small",
        metadata={
            "help": "hifinn-small (bundled), weights of `photophore train hifinn` (.safetensors), HiFi-NN's own Lightning "
            "checkpoint (.ckpt), or the name that `photophore models add` gave to one of them"
        },
    )
    esm2: str = field(
        default="",
        metadata={
            "help": "for a .ckpt: checkpoint of the ESM-2 under it, esm2_t33_650M_UR50D.pt for the published one; "
            "a local file, or the name that `photophore models add` gave it"
        },
    )
    precision: str = field(
        default="int8",
        metadata={
            "help": "int8 (fastest) or fp32, for our own weights on a CPU; with a .ckpt on a GPU, ESM-2 computes in half "
            "precision unless it is fp32",
            "choices": PRECISIONS,
        },
    )

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True, slots=True)
class LabelDensityConfig:
    """Options of the aggregator ``label-density``."""

    temperature: float = field(
        default=0.001,
        metadata={"help": "T of equation 6: the smaller, the more the nearest neighbours alone decide"},
    )
    k: int = field(default=20, metadata={"help": "neighbours that count, at most; 0 takes all that the index returns"})
    max_distance: float = field(
        default=1.0,
        metadata={
            "help": "farthest neighbour (1 - cosine) that may annotate; the HiFi-NN paper uses 0.38 on dark matter"
        },
    )

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ValueError(f"temperature is {self.temperature}; give a number above 0, such as 0.001")
        if self.k < 0:
            raise ValueError(f"k is {self.k}; give 0 for all, or a number above")
        if not self.max_distance >= 0:
            raise ValueError(f"max_distance is {self.max_distance}; give a number from 0 to 2, such as 0.38")


@dataclass(frozen=True, slots=True)
class HifinnAnnotatorConfig:
    """Options of the annotator ``hifinn``."""

    fdr: float = field(
        default=0.15,
        metadata={
            "help": "with profiles: share of the reported EC numbers that may be wrong; a protein for which that cannot be "
            "kept backs off to 2.7.1.-, 2.7.-.- or 2.-.-.-, or to none"
        },
    )
    rerank: str = field(
        default="auto",
        metadata={
            "help": "profiles: weigh EC numbers by alignments to the profiles of the database; none: by equation 6 of "
            "HiFi-NN alone; auto: by profiles where the database has them",
            "choices": RERANKS,
        },
    )
    profiles: str = field(
        default="none",
        metadata={
            "help": "build: none; build, to make a profile of each cluster's proteins with the same EC numbers (columns "
            "cluster30 and cluster50 of the look-up table); or the folder `annotator` of a database to take them from"
        },
    )
    ranker: str = field(
        default="",
        metadata={
            "help": "build: ranker.json that weighs the evidence; empty takes the one that comes with the package"
        },
    )
    min_confidence: float = field(
        default=0.1,
        metadata={
            "help": "without profiles: least confidence (equation 6) with which an EC number is reported, 0 to 1"
        },
    )
    shown: int = field(default=5, metadata={"help": "nearest neighbours named in the column `neighbours`"})

    def __post_init__(self) -> None:
        if not 0.0 <= self.fdr <= 1.0:
            raise ValueError(f"fdr is {self.fdr}; give a share from 0 to 1, such as 0.05")
        if self.rerank not in RERANKS:
            raise ValueError(f"rerank is {self.rerank!r}; choose one of {', '.join(RERANKS)}")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise ValueError(f"min_confidence is {self.min_confidence}; give a number from 0 to 1")
        if self.shown < 0:
            raise ValueError(f"shown is {self.shown}; give a whole number, or 0 for none")
