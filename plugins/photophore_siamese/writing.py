"""Alignments as text: one line each for programs and for eyes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photophore_siamese.comparing import FloatArray, IntArray


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


def digits(lddt: FloatArray) -> str:
    """Return one digit for each lDDT: 0 for below 0.1, 9 for 0.9 and above."""
    tenths: npt.NDArray[np.uint8] = np.clip(np.floor(lddt.astype(np.float64) * 10 + 1e-9), 0, 9).astype(np.uint8)
    return (tenths + ord("0")).tobytes().decode("ascii")
