"""A structural model one can follow by eye: residues are alike when they are the same letter."""

from __future__ import annotations

import numpy as np

from photophore_siamese.aligning import Gaps

LETTERS = "ACDEFGHIKLMNPQRSTVWYBJZXUO"


class LetterModel:
    """Structure is sequence: TM-score the share of the first protein that is identical, lDDT 1 where letters agree."""

    dim = len(LETTERS)
    digest = "e" * 64
    gaps = Gaps(2.0, 0.5)

    def represent(self, sequences):
        for place, sequence in enumerate(sequences):
            yield place, np.eye(self.dim, dtype=np.float32)[[LETTERS.index(letter) for letter in sequence]]

    def pool(self, residues, stretches):
        vectors = np.stack([residues[start:stop].mean(axis=0) for start, stop in stretches])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def similarity(self, one, other):
        return 2 * (one @ other.T) - 1

    def lddt(self, one, other, pairs):
        return (one[pairs[:, 0]] * other[pairs[:, 1]]).sum(axis=1)

    def tm_score(self, one, other, pairs):
        return float(self.lddt(one.residues, other.residues, pairs).sum() / len(one))
