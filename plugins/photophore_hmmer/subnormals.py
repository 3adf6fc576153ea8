"""Subnormal numbers flushed to zero while HMMER computes, as its own programs do.

The Forward and Backward matrices of a long protein are full of numbers below 1e-38. A processor computes with such
numbers many times slower; HMMER's programs switch that off at their start, for a number that small beside those that
count changes no score. The Python package does not, so it is done here, around each search and for its thread alone.
The switch is a bit of the processor's floating-point environment, which the C library reads and writes for us.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Where in ``fenv_t`` the control word of each processor lies, and its bits: results, and on x86 operands, to zero.
_CONTROL = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}
#: More than any C library's ``fenv_t`` takes.
_BYTES = 64


def _library() -> Any:
    """Return the C library's mathematics on Linux, where the layout of ``fenv_t`` is known, else None."""
    if platform.system() != "Linux" or platform.machine() not in _CONTROL:
        return None
    try:
        library = ctypes.CDLL("libm.so.6")
    except OSError:  # a C library that holds its mathematics itself
        library = ctypes.CDLL(None)
    return library if hasattr(library, "fegetenv") and hasattr(library, "fesetenv") else None


_LIBM = _library()


@contextmanager
def flushed() -> Iterator[None]:
    """Flush subnormals to zero in the calling thread; on other systems than Linux on x86-64 or ARM, change nothing."""
    if _LIBM is None:
        yield
        return
    before = ctypes.create_string_buffer(_BYTES)
    _LIBM.fegetenv(before)
    place, bits = _CONTROL[platform.machine()]
    changed = ctypes.create_string_buffer(before.raw, _BYTES)
    (control,) = struct.unpack_from("<I", before, place)
    struct.pack_into("<I", changed, place, control | bits)
    _LIBM.fesetenv(changed)
    try:
        yield
    finally:
        _LIBM.fesetenv(before)
