"""Long proteins in overlapping windows: each residue is taken from the window that it lies deepest in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a protein that is computed at once, and the part of it that is kept; 0-based, half-open."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def windows(residues: int, longest: int, overlap: int) -> tuple[Window, ...]:
    """Return the windows of a protein: as few as share ``overlap`` residues, of one length, spread evenly.

    Windows of one length are deepest nearest to their middle, so that the cut between two lies half way between theirs.
    """
    if residues <= longest:
        return (Window(0, residues, 0, residues),)
    count = -(-(residues - overlap) // (longest - overlap))
    starts = [number * (residues - longest) // (count - 1) for number in range(count)]
    cuts = [0, *((left + right + longest + 1) // 2 for left, right in pairwise(starts)), residues]
    return tuple(
        Window(start, start + longest, keep_start, keep_stop)
        for start, (keep_start, keep_stop) in zip(starts, pairwise(cuts), strict=True)
    )
