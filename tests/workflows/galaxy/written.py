"""The tests that stand in the tools and beside the workflows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.workflows.galaxy.servers import TOOLS

#: Every tool, by its identifier.
TOOL_FILES = {
    root.get("id", ""): path
    for path in sorted(path for path in TOOLS.rglob("*.xml") if not path.is_symlink())
    if (root := ET.parse(path).getroot()).tag == "tool"
}
WORKFLOW_FILES = sorted(TOOLS.glob("workflows/*.gxwf.yml"))


@dataclass(frozen=True)
class Written:
    """A test: its name at planemo, the element, and whether the tool shall fail."""

    name: str
    element: ET.Element
    fails: bool


def written_in_tools() -> list[Written]:
    """Return every test of every tool."""
    return [
        Written(f"{tool}-{number}", test, fails=test.get("expect_failure") == "true")
        for tool, path in TOOL_FILES.items()
        for number, test in enumerate(ET.parse(path).getroot().iterfind("tests/test"))
    ]


def written_beside_workflows() -> list[str]:
    """Return the name at planemo of every test of every workflow."""
    return [
        f"{path.name}_{number}"
        for path in WORKFLOW_FILES
        for number, _ in enumerate(yaml.safe_load(path.with_name(f"{path.stem}-tests.yml").read_text()))
    ]


def relative(path: Path) -> Path:
    """Return where a tool or workflow stands below ``galaxy_tools``."""
    return path.relative_to(TOOLS)
