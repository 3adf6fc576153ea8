"""A real Nextflow, and inputs of which every kind of record is a case."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from tests.workflows.missing import leave_out
from tests.workflows.nextflow.runs import WORKFLOW, Launch, photophore


@pytest.fixture(scope="session")
def nextflow() -> Path:
    """Launcher of Nextflow; where CI is true it must be there."""
    named = os.environ.get("PHOTOPHORE_NEXTFLOW") or f"{os.environ.get('CI_SCRATCH', '')}/nextflow/bin/nextflow"
    found = shutil.which(named) or shutil.which("nextflow")
    if found is None:
        leave_out(
            "Nextflow is not installed; tests/workflows/nextflow/install_nextflow.sh FOLDER, then "
            "PHOTOPHORE_NEXTFLOW=FOLDER/bin/nextflow"
        )
    return Path(found).absolute()


@pytest.fixture
def launch(nextflow: Path, tmp_path: Path) -> Launch:
    """Return an empty folder to launch from."""
    return Launch(nextflow, tmp_path)


def proteins(count: int) -> list[str]:
    """Return sequences of the bundled test proteins."""
    with gzip.open(WORKFLOW / "assets" / "test" / "proteins.faa.gz", "rt") as stream:
        return ["".join(record.splitlines()[1:]) for record in stream.read()[1:].split("\n>")[:count]]


@pytest.fixture(scope="session")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``awkward.faa``, in which names repeat, records are broken and lines end as on Windows, and ``plain``, one run over it."""
    folder = tmp_path_factory.mktemp("awkward")
    records = [f">p{number} protein\n{sequence}\n" for number, sequence in enumerate(proteins(24))]
    same = records[3].partition("\n")[2]
    records[5:5] = [f">twin\n{same}", f">twin\n{same}", ">empty\n", f">twin\n{same[5:]}"]
    records[14:14] = [">\nMKV\n", f">twin\n{same}", ">number on line 2\nMKV\nMK1\n", records[0].replace("\n", "\r\n")]
    records[20] = records[20].replace("\n", "\n\n")
    records.append(">gap at the end\nMK-V")
    (folder / "awkward.faa").write_bytes("\ufeff\n".encode() + "".join(records).encode())
    photophore(folder, "annotate", "awkward.faa", "-q", "-t", "1", "-o", "plain")
    assert len((folder / "plain" / "failures.tsv").read_text().splitlines()) == 5
    return folder


def write_sheet(folder: Path, *rows: str, header: str = "sample,proteins,contigs") -> Path:
    """Write a sample sheet."""
    sheet = folder / "sheet.csv"
    sheet.write_text("".join(f"{line}\n" for line in (header, *rows)))
    return sheet
