"""What a test does where a program it needs is not there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def leave_out(reason: str) -> NoReturn:
    """Skip with ``reason``; where CI is true, where every program has to be there, fail with it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_root_and(*programs: str) -> None:
    """Leave the test out unless it runs as root and all of ``programs`` are installed."""
    if absent := [program for program in programs if shutil.which(program) is None]:
        leave_out(f"not installed: {', '.join(absent)}; .ci/40-workflow-tools.sh installs them on Debian")
    if os.geteuid() != 0:
        leave_out(f"{programs[0]} is started by root here")
