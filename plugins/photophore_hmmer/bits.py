"""What the places of a pair are worth in HMMER's bits, and how many bits are worth comparing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from photophore_hmmer.band import BAND, FRACTIONS
from photophore_hmmer.config import BIT_CUTOFFS, DEFAULT_EVALUE, HmmerConfig
from photophore_hmmer.store import Thresholds

#: Bits that HMMER takes off a score for composition before it counts (its omega is 1/256).
_COMPOSITION_PRIOR = 8.0


def domain_bits(
    scored: npt.NDArray[np.void], lengths: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return HMMER's score of a domain at each place, as far as the band tells it: bits, -inf for places that were not good enough.

    It is the Forward score in HMMER's uniform local mode for one domain, less the correction for composition (null2), as HMMER3
    has them (Eddy 2008, PLoS Comput Biol 4:e1000069; Eddy 2011, PLoS Comput Biol 7:e1002195). ``lengths`` and ``positions`` are those
    of the protein and the profile and of the shape of ``scored``, or broadcast to it.
    """
    length, width = lengths.astype(np.float64), positions.astype(np.float64)
    entry = 1 - np.log2(width) - np.log2(width + 1)
    outside = 2 * np.log2(3 / (length + 3)) + length * np.log2(length / (length + 3))
    null = length * np.log2(length / (length + 1)) - np.log2(length + 1)
    with np.errstate(divide="ignore"):
        forward = np.log2(scored["sum"].astype(np.float64)) + scored["halved"] + entry + outside - null
    return forward - np.logaddexp2(0, scored["composition"] / FRACTIONS - _COMPOSITION_PRIOR)


def pair_bits(bits: npt.NDArray[np.float64], begins: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return the score of each pair: of its best place, and of those others that score and share no diagonal with a better one.

    Both arrays have the shape ``(pairs, places)``.
    """
    order = np.argsort(-bits, axis=1, kind="stable")
    bits, begins = np.take_along_axis(bits, order, axis=1), np.take_along_axis(begins, order, axis=1).astype(np.int64)
    total = bits[:, 0].copy()
    counted = np.zeros(bits.shape, dtype=np.bool_)
    counted[:, 0] = True
    for place in range(1, bits.shape[1]):
        apart = np.abs(begins[:, place, None] - begins[:, :place]) >= BAND
        counted[:, place] = (bits[:, place] > 0) & (apart | ~counted[:, :place]).all(axis=1)
        total += np.where(counted[:, place], bits[:, place], 0)
    return total


def least_bits(thresholds: Thresholds, config: HmmerConfig, z: float) -> float:
    """Return the score near which a pair is worth comparing, in bits; ``z`` comparisons are counted on.

    It is that at which ``config`` has the profile reported, but at most what the default E-value asks for: of a high score, any part
    may lie beside the proposed diagonals.
    """
    by_default = _bits_of(DEFAULT_EVALUE, thresholds, z)
    if config.cut != "none":
        cutoff = float(getattr(thresholds, BIT_CUTOFFS[config.cut]))  # there: a database without is refused
        return min(cutoff, by_default)
    if config.score is not None:
        return min(config.score, by_default)
    return min(_bits_of(config.evalue, thresholds, z), by_default)


def _bits_of(evalue: float, thresholds: Thresholds, z: float) -> float:
    """Return the Forward score that has this E-value."""
    return thresholds.tau - math.log(evalue / z) / thresholds.rate
