"""Options of the index `usearch`; those marked "build" take effect when a database is built."""

from __future__ import annotations

from dataclasses import dataclass, field

#: How a vector is stored, as USearch calls it.
DTYPES = ("f32", "f16")


@dataclass(frozen=True, slots=True)
class UsearchConfig:
    """Options of the index `usearch`."""

    k: int = field(default=16, metadata={"help": "neighbours returned for each searched vector"})
    stride: int = field(default=2, metadata={"help": "search every stride-th vector of a protein; 1 searches all"})
    expansion_search: int = field(
        default=128, metadata={"help": "vectors kept while walking the graph: more finds more and costs more"}
    )
    connectivity: int = field(default=32, metadata={"help": "build: links of each vector"})
    expansion_add: int = field(default=128, metadata={"help": "build: vectors kept while linking a new one"})
    dtype: str = field(
        default="f32", metadata={"help": "build: how a vector is stored, f32 or f16 (half the size)", "choices": DTYPES}
    )

    def __post_init__(self) -> None:
        for name, least in {"k": 1, "stride": 1, "expansion_search": 1, "connectivity": 2, "expansion_add": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give {least} or more")
