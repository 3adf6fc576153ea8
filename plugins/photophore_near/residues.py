"""Residues and profiles as the near network sees them: distributions over the 20 amino acids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Order of the columns of a distribution; also that of HMMER's match emissions.
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"

#: Letters with a row of their own in `distributions`; `PAD_TOKEN` stands for the nothing between proteins.
TOKEN_LETTERS = AMINO_ACIDS + "BJZXUO"
PAD_TOKEN = len(TOKEN_LETTERS)

#: Robinson-Robinson-like background, as HMMER's: what ``X`` means.
BACKGROUND = np.array(
    [
        0.0787945, 0.0151600, 0.0535222, 0.0668298, 0.0397062, 0.0695071, 0.0229198, 0.0590092, 0.0594422, 0.0963728,
        0.0237718, 0.0414386, 0.0482904, 0.0395639, 0.0540978, 0.0683364, 0.0540687, 0.0673417, 0.0114135, 0.0304133,
    ],
    dtype=np.float32,
)  # fmt: skip

_MIXTURES = {"B": "DN", "J": "IL", "Z": "EQ", "U": "C", "O": "K"}


def distributions() -> npt.NDArray[np.float32]:
    """Return the distribution that each token stands for, ``shape=(27, 20)``; the pad token is all zeros."""
    table = np.zeros((PAD_TOKEN + 1, len(AMINO_ACIDS)), dtype=np.float32)
    for token, letter in enumerate(TOKEN_LETTERS):
        if letter == "X":
            table[token] = BACKGROUND / BACKGROUND.sum()
            continue
        for residue in _MIXTURES.get(letter, letter):
            table[token, AMINO_ACIDS.index(residue)] = 1.0 / len(_MIXTURES.get(letter, letter))
    return table


def _byte_to_token() -> npt.NDArray[np.uint8]:
    lookup = np.full(256, TOKEN_LETTERS.index("X"), dtype=np.uint8)
    for token, letter in enumerate(TOKEN_LETTERS):
        lookup[ord(letter)] = token
    return lookup


_LOOKUP = _byte_to_token()


def tokens(sequence: str) -> npt.NDArray[np.uint8]:
    """Return the token of each residue, ``shape=(residues,), dtype=uint8``; letters outside the alphabet become ``X``."""
    return _LOOKUP[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
