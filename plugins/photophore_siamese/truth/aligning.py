"""TM-align of one pair of domains, by tmtools: both TM-scores and the residues that it pairs up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore_siamese.truth.domains import Domains
from photophore_siamese.truth.lddt import aligned_lddt


@dataclass(frozen=True, slots=True)
class PairTruth:
    """What TM-align and lDDT say of two domains.

    Parameters
    ----------
    tm
        TM-score normalised by the first domain, and by the second.
    first, second
        ``shape=(aligned,), dtype=uint16``: residues paired up, 0-based, ascending.
    lddt
        ``shape=(aligned,), dtype=float16``: C-alpha lDDT of each pair, the first domain as reference.
    """

    tm: tuple[float, float]
    first: npt.NDArray[np.uint16]
    second: npt.NDArray[np.uint16]
    lddt: npt.NDArray[np.float16]


def align_structures(domains: Domains, one: int, other: int) -> PairTruth:
    """Run TM-align on domains ``one`` and ``other``."""
    from tmtools import tm_align

    trace1, trace2 = domains.trace(one), domains.trace(other)
    result = tm_align(trace1, trace2, domains.sequences[one], domains.sequences[other])
    first, second = paired(result.seqxA, result.seqyA)
    return PairTruth(
        (float(result.tm_norm_chain1), float(result.tm_norm_chain2)),
        first.astype(np.uint16),
        second.astype(np.uint16),
        aligned_lddt(trace1[first], trace2[second]).astype(np.float16),
    )


def paired(one: str, other: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return which residues two gapped sequences of one length pair up; gaps are ``-``."""
    present = [np.frombuffer(gapped.encode(), dtype=np.uint8) != ord("-") for gapped in (one, other)]  # each (columns,)
    both = present[0] & present[1]
    numbers = [np.cumsum(residue) - 1 for residue in present]
    return numbers[0][both], numbers[1][both]
