"""What keeps a profile that HMMER has read from being searched with."""

from __future__ import annotations

import numpy as np
from pyhmmer.errors import InvalidHMM
from pyhmmer.plan7 import HMM

#: Probabilities come from negative logarithms of five digits.
_TOLERANCE = 1e-3
#: What HMMER stores where a profile was never calibrated.
_NOT_CALIBRATED = -99999.0


def hmm_problem(hmm: HMM) -> str | None:
    """Return what is wrong with ``hmm`` and what to do about it, or None."""
    name = str(hmm.name)
    numbers = (hmm.match_emissions, hmm.insert_emissions, hmm.transition_probabilities)
    if not all(np.isfinite(values).all() for values in numbers):
        return f"profile {name!r} holds probabilities that are not numbers; build it again with hmmbuild"
    try:
        hmm.validate(tolerance=_TOLERANCE)
    except InvalidHMM as error:
        return f"profile {name!r} does not hold together ({hmmer_reason(error)}); build it again with hmmbuild"
    if _NOT_CALIBRATED in hmm.evalue_parameters.as_vector():
        return f"profile {name!r} has no STATS lines, so no E-values; build it again with hmmbuild of HMMER3"
    return None


def hmmer_reason(error: Exception) -> str:
    """Return the message of HMMER's error as part of a sentence."""
    if isinstance(error, InvalidHMM):
        return error.message  # its str() fails in pyhmmer 0.12.3, which takes the name of the profile for bytes
    return " ".join(str(error).split()).removeprefix("Invalid format in file: ").rstrip(".") or type(error).__name__
