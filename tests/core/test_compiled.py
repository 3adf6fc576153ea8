"""Functions in C: found where they were built, left out when asked, and given nothing but what they read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from photophore.compiled import VARIABLE, address, library

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = tuple(module["name"] for module in PYPROJECT["tool"]["setuptools"]["ext-modules"])


@pytest.mark.parametrize("module", MODULES)
def test_a_machine_with_a_compiler_has_them(module):
    if shutil.which("cc") is None and library(module) is None:
        pytest.skip("there is no C compiler on this machine: numpy does the same")
    assert library(module) is not None


def test_they_can_be_left_out():
    code = f"from photophore.compiled import library; print([library(m) for m in {MODULES!r}])"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={VARIABLE: "0"}, check=True, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == str([None] * len(MODULES))


def test_what_was_never_built_is_said(caplog):
    assert library("photophore._missing") is None
    assert "photophore._missing: numpy does its work, which is slower (it was not built)" in caplog.text


def test_what_cannot_be_loaded_is_said(tmp_path, monkeypatch, caplog):
    (tmp_path / "otherwise_built.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert library("otherwise_built") is None
    assert "otherwise_built: numpy does its work" in caplog.text


def test_another_type_or_order_is_refused():
    numbers = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert address(numbers, np.int64).value == numbers.ctypes.data
    with pytest.raises(TypeError, match="int64 with strides .* was given where contiguous int32 is read"):
        address(numbers, np.int32)
    with pytest.raises(TypeError, match="where contiguous int64 is read"):
        address(numbers.T, np.int64)
