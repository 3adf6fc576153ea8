"""A band of neighbouring diagonals of a protein and a profile: what both are for those who score it, and what is known of it then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pyhmmer.plan7 import HMM

from photophore_hmmer.alphabet import BACKGROUND

#: Diagonals that are looked at, around the proposed one.
BAND = 32
#: Scores of segments and alignments are whole thirds of a bit, as in HMMER's own filter.
UNITS = 3
#: What the scores of segments and of alignments are cut to: HMMER will look at such a pair in any case.
SEGMENT_ENOUGH, ENOUGH = 127, 1 << 14
#: What the first residue of a gap costs, and each further one, in `UNITS` to the bit.
GAP_OPEN, GAP_EXTEND = 15, 3
#: The same as probabilities, for Forward.
OPEN, EXTEND = np.float32(0.02), np.float32(0.5)
#: Scores for composition are whole fractions of a bit.
FRACTIONS = 1024
#: Stands for a place that the prefilter does not propose.
NOWHERE = np.iinfo(np.int32).min
#: Letters that are residues: the first ones.
RESIDUES = 20
_LOWEST, _UNKNOWN, _UNKNOWN_RATIO = -120, -1, 2 ** (-1 / UNITS)
#: Of the packed odds ratios, the smallest, 2^-16, and the largest, 2^6.5: see `pack_ratios`.
_LEAST_PACKED, _MOST_PACKED = -128, (6 << 3) + 4

#: What is known of a place: best segment and best alignment (in `UNITS`); for those that were good enough, what all alignments
#: weigh together, as ``sum * 2 ** halved``, and the score of the aligned residues by composition alone (in `FRACTIONS`).
SCORED = np.dtype(
    [("segment", "i2"), ("alignment", "i2"), ("sum", "f4"), ("halved", "i4"), ("composition", "i4")], align=True
)

Real = npt.NDArray[np.float32]


class ProfileScores(NamedTuple):
    """What each letter scores along a profile, between `BAND` places more to each side: twice ``shape=(letters, places)``, ``int8``.

    Parameters
    ----------
    scores
        In `UNITS` to the bit. Letters are the residues in the order of HMMER's alphabet, and one for all others, which costs a
        little. Places beside the profile cost more than is worth going there.
    odds
        Odds ratios, packed; see `pack_ratios`.
    """

    scores: npt.NDArray[np.int8]
    odds: npt.NDArray[np.int8]

    @property
    def positions(self) -> int:
        """Length of the profile."""
        return self.scores.shape[1] - 2 * BAND


@dataclass(frozen=True, slots=True)
class Proteins:
    """The proteins that places are in.

    Parameters
    ----------
    residues, offsets
        The letters of all proteins (``uint8``, those of `ProfileScores`), and where each protein begins and the last ends (``int64``).
    log2_lengths
        ``float32``, of each protein.
    """

    residues: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    log2_lengths: Real

    @classmethod
    def of(cls, digits: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Proteins:
        """Return the proteins that lie between the ``offsets`` of ``digits``, letters of HMMER's whole alphabet."""
        log2_lengths = np.log2(np.maximum(np.diff(offsets), 1)).astype(np.float32)
        return cls(np.minimum(digits, np.uint8(RESIDUES)), offsets, log2_lengths)


@dataclass(frozen=True, slots=True)
class Least:
    """What a segment, and then an alignment, has to score: bits beyond the log2 of the shorter of protein and profile."""

    segment: float
    alignment: float


def profile_scores(hmm: HMM) -> ProfileScores:
    """Return what each letter scores at each position of ``hmm``."""
    emissions = np.asarray(hmm.match_emissions, dtype=np.float32)[1:]  # row 0 is the begin state
    ratios = (np.maximum(emissions, np.float32(1e-12)).T / BACKGROUND[:, None]).astype(np.float32)
    scores = np.clip(np.rint(UNITS * np.log2(ratios)), _LOWEST, -_LOWEST).astype(np.int8)
    return between_edges(scores, pack_ratios(ratios))


def between_edges(scores: npt.NDArray[np.int8], odds: npt.NDArray[np.int8]) -> ProfileScores:
    """Return what the residues score along a profile, twice ``shape=(RESIDUES, positions)``, with what `ProfileScores` has beside it."""
    shape = RESIDUES + 1, scores.shape[1] + 2 * BAND
    inside = slice(BAND, -BAND)
    padded = ProfileScores(np.full(shape, _LOWEST, dtype=np.int8), np.full(shape, _LEAST_PACKED, dtype=np.int8))
    for letters, residues, unknown in zip(padded, (scores, odds), (_UNKNOWN, _UNKNOWN_PACKED), strict=True):
        letters[:RESIDUES, inside] = residues
        letters[RESIDUES, inside] = unknown
    return padded


def pack_ratios(ratios: Real) -> npt.NDArray[np.int8]:
    """Return each ratio as a byte: the last five bits of the exponent of a float, and the three that follow, rounded."""
    packed = ((ratios.view(np.int32) + (1 << 19)) >> 20) - (127 << 3)
    return np.clip(packed, _LEAST_PACKED, _MOST_PACKED).astype(np.int8)


def unpack_ratios(packed: npt.NDArray[np.int8]) -> Real:
    """Return what `pack_ratios` was given, rounded."""
    return ((packed.astype(np.int32) << 20) + (127 << 23)).view(np.float32)


#: The odds ratio of a letter that is no residue.
_UNKNOWN_PACKED = int(pack_ratios(np.array([_UNKNOWN_RATIO], dtype=np.float32))[0])
