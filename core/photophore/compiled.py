"""Functions in C that some plugins come with, for loops that numpy cannot do fast.

Each is built when the package is installed, where there is a C compiler, and has a slower twin in numpy that gives the
same numbers: without a compiler, or with the environment variable `PHOTOPHORE_COMPILED` set to ``0``, the twin is used.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
from functools import cache

import numpy as np
import numpy.typing as npt

VARIABLE = "PHOTOPHORE_COMPILED"

_log = logging.getLogger(__name__)


@cache
def library(module: str) -> ctypes.CDLL | None:
    """Return the functions that were compiled as ``module`` (``photophore_faiss._scan``), or None where they were not.

    They run without Python's lock, so that threads share their work.
    """
    if os.environ.get(VARIABLE) == "0":
        return None
    found = importlib.util.find_spec(module)
    reason = "it was not built"
    if found is not None and found.origin is not None:
        try:
            return ctypes.CDLL(found.origin)
        except OSError as error:  # built for another machine
            reason = str(error)
    _log.warning(
        "%s: numpy does its work, which is slower (%s); install photophore again where there is a C compiler, or set %s=0",
        *(module, reason, VARIABLE),
    )
    return None


def address(array: npt.NDArray[np.generic], dtype: type[np.generic]) -> ctypes.c_void_p:
    """Return where the numbers of ``array`` lie, for a function in C that reads or writes ``dtype`` one after the other."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(
            f"{array.dtype} with strides {array.strides} was given where contiguous {np.dtype(dtype)} is read"
        )
    return array.ctypes.data_as(ctypes.c_void_p)  # holds the array for as long as it is there itself
