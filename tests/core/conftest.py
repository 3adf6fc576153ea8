"""Strangers' plugins, installed for real: a module and a ``.dist-info`` in a folder that Python searches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

#: A plugin that works: one aggregator called ``{name}``.
GOOD = """
from dataclasses import dataclass, field
from photophore.hookspecs import AggregatorSpec, EncoderSpec, IndexSpec, AnnotatorSpec, Column, Requirement, hookimpl

@dataclass(frozen=True)
class Config:
    gate: float = field(default=0.5, metadata={{"help": "smallest score that counts"}})

def create(config, runtime):
    return config

@hookimpl
def photophore_aggregators():
    return [AggregatorSpec(name="{name}", summary="A stranger.", config=Config, create=create)]
"""


@dataclass
class Site:
    """A folder with installed distributions."""

    folder: Path
    modules: set[str] = field(default_factory=set)

    def install(
        self,
        distribution: str,
        code: str | None,
        *,
        version: str = "1.0",
        module: str = "",
        entry: str = "",
        group: str = "photophore.v1",
        entry_points: str | None = None,
    ) -> str:
        """Install one distribution and return the name of its module; ``code=None`` leaves the module out."""
        module = module or distribution.replace("-", "_") + "_plugin"
        if code is not None:
            (self.folder / f"{module}.py").write_text(code)
        self.modules.add(module)
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        text = f"[{group}]\n{entry or distribution} = {module}\n" if entry_points is None else entry_points
        (info / "entry_points.txt").write_text(text)
        return module

    def photophore(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``photophore`` in a process of its own that sees these distributions."""
        return subprocess.run(
            [sys.executable, "-c", "import sys; from photophore.cli import main; sys.exit(main())", *arguments],
            env={**os.environ, "PYTHONPATH": str(self.folder), "PYTHONWARNINGS": "error", **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return an empty folder of installed distributions, in front of Python's path."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("PHOTOPHORE_STRICT", "PHOTOPHORE_PLUGINS", "PHOTOPHORE_PLUGINS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(folder)
    made = Site(folder)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


@pytest.fixture
def good() -> str:
    """Code of a plugin that works, with the aggregator ``{name}``."""
    return GOOD
