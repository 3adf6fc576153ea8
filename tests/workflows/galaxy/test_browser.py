"""A person with a browser: FASTA uploaded, the tool run through its form, the report read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.workflows.galaxy.servers import TEST_DATA, Galaxy
from tests.workflows.missing import leave_out

BROWSE = Path(__file__).parent / "browse.py"


def test_report_is_read_in_the_browser(galaxy: Galaxy, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or leave_out("not installed: chromium; .ci/55-galaxy.sh installs it on Debian")
    pictures = Path(os.environ.get("PHOTOPHORE_ARTEFACTS", tmp_path))
    command = [galaxy.home / "bin" / "python", BROWSE, TEST_DATA / "proteins.fasta", pictures]
    done = subprocess.run(command, env={**os.environ, "CHROMIUM": chromium}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.startswith("Photophore: proteins.fasta ")
    assert " proteins.fasta default 3 2 (66.7 %) 1 0 2 " in text
    assert " EC5.2.1.8_P23869 " in text
    assert (pictures / "4-report.png").read_bytes().startswith(b"\x89PNG")
