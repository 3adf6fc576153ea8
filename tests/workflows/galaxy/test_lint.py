"""What planemo minds of tools, repositories and workflows; no server is needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workflows.galaxy.servers import TOOLS, planemo
from tests.workflows.galaxy.written import WORKFLOW_FILES, relative

#: bio.tools is asked over the network.
OFFLINE = ("--skip", "BioToolsValid")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return the tools in folders of the names that their addresses end with."""
    return shutil.copytree(TOOLS, tmp_path / "photophore" / "galaxy_tools")


def test_tools_have_no_lint(galaxy_home: Path, tools: Path, tmp_path: Path) -> None:
    text = planemo(galaxy_home, "lint", "--recursive", "--fail_level", "warn", *OFFLINE, tools, folder=tmp_path)
    assert text.count("Linting tool") == 6


@pytest.mark.parametrize("repository", [".", "data_manager"])
def test_repositories_have_no_lint(galaxy_home: Path, tools: Path, tmp_path: Path, repository: str) -> None:
    skipped = ("--skip", "version_bumped,BioToolsValid")
    command = ("shed_lint", "--tools", "--ensure_metadata", "--fail_level", "warn", *skipped, tools / repository)
    text = planemo(galaxy_home, *command, folder=tmp_path)
    assert text.count("Linting tool") == (1 if repository == "data_manager" else 5)


@pytest.mark.parametrize("workflow", [relative(path) for path in WORKFLOW_FILES], ids=str)
def test_workflows_have_no_lint(galaxy_home: Path, tools: Path, tmp_path: Path, workflow: Path) -> None:
    planemo(galaxy_home, "workflow_lint", "--fail_level", "warn", tools / workflow, folder=tmp_path)
    for command in (("gxwf-lint", tools / workflow), ("gxwf-to-native", tools / workflow, tmp_path / "native.ga")):
        done = subprocess.run([galaxy_home / "bin" / command[0], *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
