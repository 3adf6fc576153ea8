"""A real Galaxy, started once for all tests that need one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workflows.galaxy.servers import Galaxy
from tests.workflows.missing import leave_out

START = Path(__file__).parent / "start_galaxy.sh"


@pytest.fixture(scope="session")
def galaxy_home() -> Path:
    """Environment with Galaxy and planemo; where CI is true it must be there."""
    named = Path(os.environ.get("PHOTOPHORE_GALAXY") or f"{os.environ.get('CI_SCRATCH', '')}/galaxy")
    if not (named / "bin" / "galaxy-web").is_file():
        leave_out("Galaxy is not installed; tests/workflows/galaxy/install_galaxy.sh FOLDER, then PHOTOPHORE_GALAXY=FOLDER")
    return named.absolute()


@pytest.fixture(scope="session")
def galaxy(galaxy_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Galaxy]:
    """Return a server with the tools of this checkout: one started by hand that GALAXY_URL names, or one that ends with the tests."""
    if shutil.which("redis-server") is None:
        leave_out("not installed: redis-server; .ci/55-galaxy.sh installs it on Debian")
    if "GALAXY_URL" in os.environ:
        yield Galaxy(galaxy_home, os.environ["GALAXY_URL"], os.environ["GALAXY_KEY"], Path(os.environ["GALAXY_TOOLS"]))
        return
    folder = tmp_path_factory.mktemp("galaxy")
    command = ["bash", START, galaxy_home, folder]
    try:
        done = subprocess.run([*command, Path(sys.executable).parent], stdout=subprocess.PIPE, text=True, check=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in re.findall(r"(\w+)=(\S+)", done.stdout):
                patch.setenv(name, value)
            yield Galaxy(galaxy_home, os.environ["GALAXY_URL"], os.environ["GALAXY_KEY"], Path(os.environ["GALAXY_TOOLS"]))
    finally:
        subprocess.run([*command, "stop"], check=True)
