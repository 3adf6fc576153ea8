"""Alignments in short."""

from __future__ import annotations

import numpy as np

from photophore_siamese.comparing import IntArray


def cigar(pairs: IntArray) -> str:
    """Return an alignment of a target and a protein in short.

    ``M`` residues of both, ``I`` of the protein alone, ``D`` of the target alone.

    Parameters
    ----------
    pairs
        ``shape=(aligned, 2)``: residues of target and protein, both rising.
    """
    if not len(pairs):
        return ""
    steps = np.diff(pairs, axis=0) - 1  # what is left out before each pair but the first
    parts: list[tuple[int, str]] = [(1, "M")]
    for target, protein in steps.tolist():
        parts += [(protein, "I")] * (protein > 0) + [(target, "D")] * (target > 0)
        if parts[-1][1] == "M":
            parts[-1] = (parts[-1][0] + 1, "M")
        else:
            parts.append((1, "M"))
    return "".join(f"{count}{kind}" for count, kind in parts)
