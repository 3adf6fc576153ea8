"""How much likelier than by chance amino acids stand in for each other, before anything is learnt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyhmmer.easel import Alphabet, TextSequence
from pyhmmer.plan7 import Background, Builder

from photophore_near.residues import AMINO_ACIDS


def blosum62() -> npt.NDArray[np.float32]:
    """Return BLOSUM62 as natural logarithms of odds, ``shape=(20, 20)`` in the order of `AMINO_ACIDS`, symmetric."""
    alphabet = Alphabet.amino()
    residues = TextSequence(name="residues", sequence=AMINO_ACIDS).digitize(alphabet)
    background = Background(alphabet)
    hmm, _, _ = Builder(alphabet, score_matrix="BLOSUM62").build(residues, background)
    emissions = np.asarray(hmm.match_emissions)[1:]
    odds = np.log(emissions / np.asarray(background.residue_frequencies))
    return np.asarray((odds + odds.T) / 2, dtype=np.float32)
