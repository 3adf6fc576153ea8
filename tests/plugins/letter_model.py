"""A structural model one can follow by eye: residues are alike when they are the same letter."""

from __future__ import annotations

import numpy as np

from photophore_siamese.aligning import Gaps
from photophore_siamese.comparing import Judgement

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

    match_dim = dim

    def matching(self, residues):
        return residues, np.zeros(len(residues), dtype=np.float32)

    def similarity(self, one, other):
        return 2 * (one @ other.T) - 1

    def judge(self, aligned, *, given=False):
        judged = []
        for one, other, (pairs, *_) in aligned:
            lddt = (one[pairs[:, 0]] * other[pairs[:, 1]]).sum(axis=1)
            judged.append(Judgement(float(lddt.sum() / len(one)), float(lddt.sum() / len(other)), lddt))
        return judged
