"""Turns a finished profile into the one that is shipped: rounded, without traces of its alignment, with accession and cut-offs."""

from __future__ import annotations

import io

import numpy as np
from pyhmmer.plan7 import HMM, HMMFile

from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.cutoffs import Cutoff
from photophore_hmmer.families.rounding import round_profile


def finish(hmm: HMM, *, number: int, description: str, cutoff: Cutoff, bits: int) -> HMM:
    """Return the profile to ship; ``number`` makes its accession."""
    shipped = round_profile(_without_map(hmm), bits)
    shipped.accession = f"PPF{number:05d}"
    shipped.description = description
    shipped.cutoffs.gathering = (cutoff.sequence, cutoff.domain)
    return shipped


def _without_map(hmm: HMM) -> HMM:
    """Return ``hmm`` without the alignment column of each position, which nobody can look up any more."""
    text = io.BytesIO()
    hmm.write(text)
    lines = text.getvalue().decode().splitlines()
    body = next(number for number, line in enumerate(lines) if line.startswith("HMM "))
    for number, line in enumerate(lines):
        if number < body:
            lines[number] = "MAP   no" if line.startswith("MAP ") else line
        elif len(words := line.split()) == _MATCH_WORDS:
            lines[number] = " ".join([*words[:21], "-", *words[22:]])
    with HMMFile(io.BytesIO("\n".join([*lines, ""]).encode()), alphabet=AMINO) as stream:
        bare = stream.read()
    for name in ("match_emissions", "insert_emissions", "transition_probabilities"):
        np.asarray(getattr(bare, name))[...] = np.asarray(getattr(hmm, name))  # text keeps five digits only
    return bare


#: Words of a line of match emissions: number, 20 residues, column, consensus, reference, mask, structure.
_MATCH_WORDS = 26
