"""What every test runs under: no test may quietly be left out where the project's data ought to be."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_missing_data(report: Report) -> Report:
    """Turn a skip for want of ``../shared`` into a failure where CI is true: there the data stands beside the checkout."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if "shared" in reason.lower():
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid}: left out in CI for want of ../shared ({reason})"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each test."""
    return _refuse_missing_data((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at each file, which may leave itself out as a whole."""
    return _refuse_missing_data((yield))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data that stands beside the checkout; PHOTOPHORE_SHARED names another place of ``shared``."""
    shared = Path(os.environ.get("PHOTOPHORE_SHARED") or Path(__file__).parents[2] / "shared")
    if not (shared / "data").is_dir():
        pytest.skip(f"needs the real data of shared, which is not at {shared}; PHOTOPHORE_SHARED may name its place")
    return shared / "data"


@pytest.fixture(scope="session")
def metagenome_faa() -> Path:
    """FASTA file of 2,100 metagenome proteins, which pyhmmer brings along."""
    spec = find_spec("pyhmmer")
    assert spec is not None, "pyhmmer is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent / "tests" / "data" / "seqs" / "938293.PRJEB85.HG003687.faa"
