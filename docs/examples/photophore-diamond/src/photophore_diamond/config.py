"""Options of the annotator `diamond`."""

from __future__ import annotations

from dataclasses import dataclass, field

#: DIAMOND's ways of choosing the pairs that it aligns; `swipe` aligns every pair.
SENSITIVITIES = ("swipe", "ultra-sensitive", "very-sensitive", "sensitive")


@dataclass(frozen=True, slots=True)
class DiamondConfig:
    """Options of the annotator `diamond`."""

    program: str = field(default="diamond", metadata={"help": "DIAMOND: its name on the PATH, or its file"})
    evalue: float = field(default=1e-3, metadata={"help": "largest E-value of an annotation, among all targets"})
    min_identity: float = field(default=0.0, metadata={"help": "smallest identity of an alignment, percent"})
    max_annotations: int = field(default=5, metadata={"help": "best targets reported for each protein; 0 reports all"})
    sensitivity: str = field(
        default="swipe",
        metadata={
            "help": "swipe aligns every pair; the others are quicker, but what they find of a pair may depend on "
            "the other proteins of the batch",
            "choices": SENSITIVITIES,
        },
    )

    def __post_init__(self) -> None:
        if self.evalue <= 0:
            raise ValueError(f"evalue is {self.evalue}; give a number above 0")
        if not 0 <= self.min_identity <= 100:
            raise ValueError(f"min_identity is {self.min_identity}; give percent, 0 to 100")
        if self.max_annotations < 0:
            raise ValueError(f"max_annotations is {self.max_annotations}; give 0 for all, or a number above")
