"""There is one version: the one in pyproject.toml. Every other file that names it must agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

#: Files that must exist, and what stands around the version in them.
REQUIRED = {
    "CHANGELOG.md": r"^## (\d+\.\d+\.\d+)",
    "CITATION.cff": r"^version: (\S+)$",
}
#: Files that belong to a workflow or a channel: each that is there must name the version.
OPTIONAL = {
    "galaxy_tools/macros.xml": r'<token name="@TOOL_VERSION@">([^<]+)</token>',
    "environment.yml": r"photophore[=]{1,2}([\w.]+)",
    "nextflow/nextflow.config": r"(?m)^\s*version\s*=\s*['\"]([\w.]+)['\"]",
    "containers/Dockerfile": r"org\.opencontainers\.image\.version=\"?([\w.]+)",
    "containers/Dockerfile.cuda": r"org\.opencontainers\.image\.version=\"?([\w.]+)",
    "containers/photophore.def": r"(?m)^\s*(?:org\.opencontainers\.image\.)?version:?\s+([\w.]+)",
}
PRESENT = REQUIRED | {name: pattern for name, pattern in OPTIONAL.items() if (ROOT / name).exists()}


@pytest.mark.parametrize(("name", "pattern"), PRESENT.items())
def test_file_names_the_version(name: str, pattern: str) -> None:
    named = re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named, f"{name}: nothing matches {pattern}"
    assert named[0] == VERSION, f"{name} says {named[0]}, pyproject.toml says {VERSION}"


def test_container_tags_name_the_version() -> None:
    """Workflow files that pull one of our images pull the image of this version."""
    files = [path for folder in ("nextflow", "galaxy_tools", "containers") for path in (ROOT / folder).rglob("*") if path.is_file()]
    tags = {
        (str(path.relative_to(ROOT)), tag)
        for path in files
        if path.suffix in {".nf", ".config", ".xml", ".yml", ".yaml", ".def", ".md", ".sh"}
        for tag in re.findall(r"\bphotophore:v?(\d[\w.]*)", path.read_text(encoding="utf-8"))
    }
    assert not {(name, tag) for name, tag in tags if not tag.startswith(VERSION)}


def test_installed_version_is_this_one() -> None:
    from importlib.metadata import version

    assert version("photophore") == VERSION, "install again: pip install -e ."
