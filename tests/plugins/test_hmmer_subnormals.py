"""Subnormal numbers are zero inside of the block, in its thread alone, and are themselves again after it."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from photophore_hmmer.subnormals import flushed

known = platform.system() == "Linux" and platform.machine() in {"x86_64", "aarch64"}


def smallest():
    """Half of the smallest normal number, computed where it is asked."""
    return float((np.full(8, np.finfo(np.float32).tiny, dtype=np.float32) * np.float32(0.5)).max())


@pytest.mark.skipif(not known, reason="the C library's floating-point environment is known on Linux, x86-64 and ARM")
def test_within_the_block_and_in_its_thread_alone():
    assert smallest() > 0
    with flushed():
        assert smallest() == 0
    assert smallest() > 0
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(smallest).result() > 0
        with flushed():
            assert pool.submit(smallest).result() > 0
            assert smallest() == 0


def test_an_error_leaves_it_as_it_was():
    with pytest.raises(ValueError, match="stop"), flushed():
        raise ValueError("stop")
    assert smallest() > 0


def test_blocks_within_blocks():
    with flushed():
        inside = smallest()
        with flushed():
            assert smallest() == inside
        assert smallest() == inside
    assert smallest() > 0
