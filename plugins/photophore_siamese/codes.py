"""Residues as letters of an alphabet of kinds, so that many domains are scored against one protein in little time.

A kind is an amino acid in one of some surroundings, as the rows have it. A protein becomes columns once, which say what each
of its residues adds when it pairs with each kind; domains are texts. Their scores choose what is aligned in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from photophore_near.residues import AMINO_ACIDS, TOKEN_LETTERS
from photophore_siamese.aligning import in_units, text_scores
from photophore_siamese.heads import Heads

FloatArray = npt.NDArray[np.float32]
Text = npt.NDArray[np.uint8]

#: Kinds of each amino acid; with one more for all other letters, they fit into the alphabets of parasail.
KINDS = 12
_OTHER = KINDS * len(AMINO_ACIDS)

CODE_TENSORS = {"codes.match", "codes.common"}


class Codes:
    """The alphabet of one network.

    ``tensors`` hold ``codes.match (20 * KINDS, match)``, the mean vectors of each kind, those of an amino acid side by side in
    the order of `AMINO_ACIDS`, and ``codes.common (20 * KINDS,)``, the mean commonness (`Heads.finished`).
    """

    def __init__(self, heads: Heads, tensors: Mapping[str, FloatArray]) -> None:
        self._heads = heads
        match, common = tensors["codes.match"], tensors["codes.common"]
        lengths = np.maximum(np.linalg.norm(match, axis=1, keepdims=True), 1e-6)
        self._unit = (match / lengths).reshape(len(AMINO_ACIDS), KINDS, -1)
        letters = np.append(np.repeat(np.arange(len(AMINO_ACIDS)), KINDS), TOKEN_LETTERS.index("X"))
        self._rows = heads.as_rows(np.append(match, np.zeros_like(match[:1]), axis=0), np.append(common, common.mean()), letters)

    def spell(self, residues: FloatArray) -> Text:
        """Return finished rows as letters: of the kinds of its amino acid, the one whose vector is nearest."""
        letters = residues[:, -1].astype(np.intp)
        text = np.full(len(residues), _OTHER, dtype=np.uint8)
        match = residues[:, : self._unit.shape[2]]
        for letter in np.unique(letters[letters < len(AMINO_ACIDS)]).tolist():
            where = letters == letter
            text[where] = letter * KINDS + (match[where] @ self._unit[letter].T).argmax(axis=1)
        return text

    def scores(self, residues: FloatArray, texts: Sequence[Text]) -> npt.NDArray[np.int32]:
        """Return the score of each text against a protein, in units of `photophore_siamese.aligning`."""
        return text_scores(in_units(self._heads.similarity(residues, self._rows)), texts, self._heads.gaps)
