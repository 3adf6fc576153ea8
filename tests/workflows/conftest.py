"""The images that were built of this checkout."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.workflows.missing import leave_out, need_root_and

STORAGE = Path(__file__).parent / "containers" / "storage.sh"


@pytest.fixture(scope="session")
def images() -> Generator[None, None, None]:
    """Let podman find the images of this checkout; where CI is true they must be there."""
    need_root_and("podman", "runc")
    named = os.environ.get("PHOTOPHORE_IMAGES") or Path(os.environ.get("CI_SCRATCH", ""), "images").absolute()
    store = Path(named)
    if not (store / "store").is_dir():
        leave_out("no images; tests/workflows/containers/build_images.sh FOLDER, then PHOTOPHORE_IMAGES=FOLDER")
    exports = subprocess.run(["bash", STORAGE, store], capture_output=True, text=True, check=True).stdout
    with pytest.MonkeyPatch.context() as patch:
        for name, value in re.findall(r"(\w+)=(\S+)", exports):
            patch.setenv(name, value)
        yield
