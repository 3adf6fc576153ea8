"""Options of the faiss indexes. Fields marked "build" take effect when a database is built, the others at every search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _option(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    metadata: dict[str, Any] = {"help": help_text}
    if choices:
        metadata["choices"] = choices
    return field(default=default, metadata=metadata)


def _check_at_least(config: object, **lowest: int) -> None:
    """Raise `ValueError` for the first field of ``config`` below its lowest value."""
    for name, bound in lowest.items():
        value = getattr(config, name)
        if value < bound:
            raise ValueError(f"{name} is {value}; give a whole number of at least {bound}")


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value <= 1.0:
        raise ValueError(f"{name} is {value}; give a share above 0 and at most 1")


def _check_choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


_K = "neighbours returned for each searched vector"
_STRIDE = "search every stride-th vector of a protein, beginning with its first; 1 searches all"
_MMAP = "map the index file instead of reading it: starts at once and is shared between processes, searches slower when cold"
_SEED = "build: seed of the clustering"
_TRAIN = "build: vectors used for training, 0 = 64 a list; fewer is faster"
_NLIST = "build: inverted lists, 0 = the power of two near 2 sqrt(vectors)"
_NPROBE = "inverted lists searched for each vector: more finds more and costs more"
_REFINE = "build: keep the vectors a second time for rescoring, none, sq8 (8 bits a dimension) or fp16"
_REFINE_FACTOR = "neighbours fetched for rescoring, as a multiple of k; only with refine"

_KEEP = (
    "build: share of each target's vectors that is indexed, the most informative ones, where the encoder says which; "
    "fewer is faster and smaller"
)

FLAT_CODES = ("fp32", "sq8")
CODES = ("sq8", "sq4", "fp16", "pq")
REFINES = ("none", "sq8", "fp16")


@dataclass(frozen=True, slots=True)
class FlatConfig:
    """Exact search among all vectors."""

    keep: float = _option(1.0, _KEEP)
    k: int = _option(16, _K)
    stride: int = _option(1, _STRIDE)
    mmap: bool = _option(False, _MMAP)
    code: str = _option("fp32", "build: how a vector is stored, fp32 or sq8 (a quarter of the size)", FLAT_CODES)

    def __post_init__(self) -> None:
        _check_share("keep", self.keep)
        _check_at_least(self, k=1, stride=1)
        if self.code not in FLAT_CODES:
            raise ValueError(f"code is {self.code!r}; choose one of {', '.join(FLAT_CODES)}")


@dataclass(frozen=True, slots=True)
class IvfConfig:
    """Inverted lists of scalar- or product-quantised residuals."""

    keep: float = _option(0.5, _KEEP)
    k: int = _option(16, _K)
    stride: int = _option(3, _STRIDE)
    nprobe: int = _option(8, _NPROBE)
    nlist: int = _option(0, _NLIST)
    code: str = _option("sq8", "build: how a vector is stored, sq8, sq4, fp16 or pq", CODES)
    pq_m: int = _option(16, "build: sub-quantisers of a vector, with code=pq; must divide its length")
    pq_nbits: int = _option(8, "build: bits of each sub-quantiser, 4 to 12, with code=pq")
    refine: str = _option("none", _REFINE, REFINES)
    refine_factor: int = _option(4, _REFINE_FACTOR)
    train_vectors: int = _option(0, _TRAIN)
    seed: int = _option(1234, _SEED)
    mmap: bool = _option(False, _MMAP)

    def __post_init__(self) -> None:
        _check_share("keep", self.keep)
        _check_at_least(
            self, k=1, stride=1, nprobe=1, nlist=0, pq_m=1, pq_nbits=4, refine_factor=1, train_vectors=0, seed=0
        )
        _check_choice(self, "code", CODES)
        _check_choice(self, "refine", REFINES)
        if self.pq_nbits > 12:
            raise ValueError(f"pq_nbits is {self.pq_nbits}; give 4 to 12")


@dataclass(frozen=True, slots=True)
class FastScanConfig:
    """Inverted lists of 4-bit product-quantised residuals, scanned in registers."""

    keep: float = _option(0.5, _KEEP)
    k: int = _option(16, _K)
    stride: int = _option(3, _STRIDE)
    nprobe: int = _option(8, _NPROBE)
    nlist: int = _option(0, _NLIST)
    pq_m: int = _option(32, "build: 4-bit sub-quantisers of a vector; must divide its length")
    refine: str = _option("sq8", _REFINE, REFINES)
    refine_factor: int = _option(4, _REFINE_FACTOR)
    train_vectors: int = _option(0, _TRAIN)
    seed: int = _option(1234, _SEED)

    def __post_init__(self) -> None:
        _check_share("keep", self.keep)
        _check_at_least(self, k=1, stride=1, nprobe=1, nlist=0, pq_m=1, refine_factor=1, train_vectors=0, seed=0)
        _check_choice(self, "refine", REFINES)


@dataclass(frozen=True, slots=True)
class HnswConfig:
    """A navigable small-world graph over full vectors."""

    keep: float = _option(0.5, _KEEP)
    k: int = _option(16, _K)
    stride: int = _option(3, _STRIDE)
    ef_search: int = _option(64, "vectors kept while walking the graph: more finds more and costs more")
    m: int = _option(32, "build: links of each vector")
    ef_construction: int = _option(80, "build: vectors kept while linking a new one")
    parallel_build: bool = _option(
        False, "build: link vectors with all threads; sooner, but two builds are then not the same graph"
    )

    def __post_init__(self) -> None:
        _check_share("keep", self.keep)
        _check_at_least(self, k=1, stride=1, ef_search=1, m=2, ef_construction=1)


@dataclass(frozen=True, slots=True)
class ListsConfig:
    """Inverted lists of exact 8-bit vectors, searched list by list for a whole batch."""

    keep: float = _option(0.5, _KEEP)
    k: int = _option(64, _K)
    stride: int = _option(4, _STRIDE)
    asked: float = _option(
        1.0,
        "share of these vectors of a protein that is searched, the most informative first, where the encoder knows which those are",
    )
    nprobe: int = _option(16, _NPROBE)
    first_share: float = _option(
        0.25,
        "share of the k that the nearest list alone is asked for; what its last one scores is the least that the other "
        "lists must offer: more finds more and costs more",
    )
    nlist: int = _option(0, "build: inverted lists, 0 = the power of two near sqrt(vectors)")
    seed: int = _option(1234, _SEED)

    def __post_init__(self) -> None:
        _check_share("keep", self.keep)
        _check_share("asked", self.asked)
        _check_share("first_share", self.first_share)
        _check_at_least(self, k=1, stride=1, nprobe=1, nlist=0, seed=0)
