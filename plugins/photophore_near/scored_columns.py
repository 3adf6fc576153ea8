"""Columns of scores as parasail wants them: what each position adds when it pairs with each letter. Needs parasail."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt
import parasail
from parasail import bindings_v2

_create = bindings_v2._lib.parasail_matrix_pssm_create_case_sensitive  # noqa: SLF001 - its Python class lacks it
_create.restype = bindings_v2._lib.parasail_matrix_lookup.restype  # noqa: SLF001
_create.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_int]


def columns_matrix(columns: npt.NDArray[np.int32], letters: bytes) -> parasail.Matrix:
    """Return ``columns (positions, letters)``, at least one, as a matrix that profiles are made of; it holds a copy."""
    values = np.ascontiguousarray(columns, dtype=np.int32)
    return parasail.Matrix(_create(letters, values.ctypes.data_as(ctypes.POINTER(ctypes.c_int)), len(values)))
