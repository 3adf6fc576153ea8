"""The domains of a database as a model sees them, each worked on once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from photophore_siamese.comparing import FloatArray, SpellingModel, StructureModel

#: Residue vectors that are held.
_HELD_BYTES = 320_000_000


class DomainVectors:
    """Residue vectors of domains, by their index, and what is made of these."""

    def __init__(self, model: StructureModel, sequences: Sequence[str]) -> None:
        self._model = model
        self._sequences = sequences
        self._residues: dict[int, FloatArray] = {}
        self._texts: dict[int, npt.NDArray[np.uint8]] = {}

    def spell(self, targets: Iterable[int]) -> None:
        """Have letters of these at hand, where the model has such; they stay when residue vectors are let go."""
        if isinstance(self._model, SpellingModel):
            new = set(targets) - self._texts.keys()
            self.bring(new)
            self._texts |= {target: self._model.spell(self._residues[target]) for target in new}

    def bring(self, targets: Iterable[int]) -> None:
        """Have residue vectors of these at hand; others may be let go, so that memory is bounded."""
        wanted = set(targets)
        new = sorted(wanted - self._residues.keys())
        if not new:
            return
        if sum(residues.nbytes for residues in self._residues.values()) > _HELD_BYTES:
            self._residues = {target: self._residues[target] for target in wanted & self._residues.keys()}
        for place, residues in self._model.represent([self._sequences[target] for target in new]):
            self._residues[new[place]] = residues

    def residues(self, target: int) -> FloatArray:
        """Return the residue vectors of a domain that is at hand."""
        return self._residues[target]

    def text_scores(self, protein: FloatArray, targets: Sequence[int]) -> dict[int, int] | None:
        """Return how well each of these domains aligns to a protein, as texts of letters; None where the model has none."""
        if not isinstance(self._model, SpellingModel):
            return None
        scores = self._model.text_scores(protein, [self._texts[target] for target in targets])
        return dict(zip(targets, scores.tolist(), strict=True))
