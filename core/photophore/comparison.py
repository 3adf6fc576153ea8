"""Two proteins compared: what an encoder that compares returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore.errors import DataError
from photophore.types import FloatArray


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two proteins compared residue by residue.

    Parameters
    ----------
    one, other
        Their names.
    one_sequence, other_sequence
        Their residues.
    pairs
        ``shape=(aligned, 2), dtype=int32``: residues (0-based) of the first and of the second that pair up, both rising.
    tm_score, tm_score_other
        Predicted TM-score, normalised by the length of the first, and of the second.
    lddt
        ``shape=(aligned,), dtype=float32``: predicted lDDT of each pair.
    """

    one: str
    other: str
    one_sequence: str
    other_sequence: str
    pairs: npt.NDArray[np.int32]
    tm_score: float
    tm_score_other: float
    lddt: FloatArray

    def __post_init__(self) -> None:
        ends = np.array([len(self.one_sequence), len(self.other_sequence)])
        if self.pairs.ndim != 2 or self.pairs.shape[1] != 2 or self.lddt.shape != self.pairs.shape[:1]:
            raise DataError(
                f"comparison of {self.one!r} and {self.other!r}: pairs {self.pairs.shape} and lddt {self.lddt.shape} "
                "do not fit together"
            )
        if len(self.pairs) and (np.any(self.pairs[0] < 0) or np.any(self.pairs[-1] >= ends)):
            raise DataError(f"comparison of {self.one!r} and {self.other!r}: a pair lies beyond the ends")
        if np.any(np.diff(self.pairs, axis=0) < 1):
            raise DataError(f"comparison of {self.one!r} and {self.other!r}: pairs must rise on both sides")
