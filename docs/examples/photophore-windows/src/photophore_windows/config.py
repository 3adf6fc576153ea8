"""Options of the encoder `windows`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WindowsConfig:
    """Options of the encoder `windows`."""

    width: int = field(default=11, metadata={"help": "residues of a window, an odd number"})
    step: int = field(default=2, metadata={"help": "residues from one window to the next"})

    def __post_init__(self) -> None:
        if self.width < 1 or self.width % 2 == 0:
            raise ValueError(f"width is {self.width}; give an odd number, so that a window has a middle")
        if self.step < 1:
            raise ValueError(f"step is {self.step}; give 1 or more")
