"""Runs a page of the documentation as its reader would: files are written, commands run, what they print is compared.

A fenced block is one of three kinds: ``python title="PATH"`` is the content of a file, ``bash`` is commands, and ``text`` after
commands is what they print: each of its lines must be among theirs, with ``...`` for what differs from machine to machine.
"""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: What the environment's pip does to its arguments: nothing is fetched, what is needed is there.
OFFLINE = '[ "$1" = install ] && shift && set -- install --no-build-isolation --no-deps --no-index "$@"\n'
_BLOCK = re.compile(r"^```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file that it is the content of (or nothing), and its text."""

    language: str
    title: str
    body: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page under docs."""
    for match in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
        title = re.search(r'title="([^"]+)"', match["info"])
        yield Block(match["language"], title[1] if title else "", match["body"])


def make_environment(folder: Path) -> dict[str, str]:
    """Make an environment that holds what this one holds and takes more, and return the variables to run in it.

    Nothing is fetched: pip is told to do with what is there.
    """
    venv.create(folder, with_pip=False)
    ours = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (target,) = folder.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})\n" for path in dict.fromkeys([*ours, *site.getsitepackages()])]
    (target / "ours.pth").write_text("".join(lines))
    for program in ("photophore", "pip", "pytest"):
        script = folder / "bin" / program
        script.write_text(f'#!/bin/sh\n{OFFLINE if program == "pip" else ""}exec "{folder}/bin/python" -m {program} "$@"\n')
        script.chmod(0o755)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PHOTOPHORE_", "PYTEST_", "PIP_"))}
    return variables | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@dataclass
class Reader:
    """Follows a page block by block.

    Parameters
    ----------
    folder
        Where the reader stands; commands may go elsewhere.
    variables
        The environment of the commands.
    """

    folder: Path
    variables: dict[str, str]
    printed: str = ""
    commands: list[str] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Do what a page says."""
        for block in blocks(page):
            self.take(block)

    def take(self, block: Block) -> None:
        """Do what one block says; a block of none of the three kinds is only to be read."""
        if block.language == "bash":
            self.run(block.body)
        elif block.language == "text":
            self.compare(block.body)
        elif block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")

    def run(self, commands: str) -> None:
        """Run one block of commands; the folder that it ends in is where the next one begins."""
        place = self.folder / ".place"
        script = f"cd {str(self.folder)!r}\n{commands}\npwd > {str(place)!r}\n"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.printed = done.stdout
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        self.commands.append(commands)
        self.folder = Path(place.read_text(encoding="utf-8").strip())
        place.unlink()

    def compare(self, expected: str) -> None:
        """Find every expected line among those that the last commands printed."""
        lines = [" ".join(line.split()) for line in self.printed.splitlines()]
        for line in filter(None, (" ".join(line.split()) for line in expected.splitlines())):
            pattern = re.escape(line).replace(r"\.\.\.", ".*")
            assert any(re.fullmatch(pattern, printed) for printed in lines), f"{line!r} is not in:\n{self.printed}"
