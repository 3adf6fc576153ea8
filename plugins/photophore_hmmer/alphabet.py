"""HMMER's alphabet of amino acids: one, for what is made with one does not go with another; and how often each is met."""

from __future__ import annotations

import numpy as np
from pyhmmer.easel import Alphabet
from pyhmmer.plan7 import Background

AMINO = Alphabet.amino()
#: Frequency of each residue in HMMER's null model: ``shape=(20,), dtype=float32``.
BACKGROUND = np.asarray(Background(AMINO).residue_frequencies, dtype=np.float32)
