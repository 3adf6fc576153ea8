"""What it takes to write a first annotator from the documentation alone, in a fresh environment, each step timed.

    python -m benchmarks.newcomer

Makes a wheel of the checkout and an empty environment, and then does what docs/tutorial.md says, block by block: install, new, test, annotate,
change, test, annotate. Packages come from wherever pip takes them. It fails where a command fails or prints other than the page says.
What a person takes to read and to think is not in the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, Block, Reader, blocks


@dataclass(frozen=True)
class Step:
    """One block of a section: its heading, what was done, how long it took, and how long processors worked on it."""

    section: str
    what: str
    seconds: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", default="tutorial.md", help="page under docs to follow (default: tutorial.md)")
    page = parser.parse_args().page
    with tempfile.TemporaryDirectory(prefix="newcomer-") as scratch:
        folder = Path(scratch)
        begin = time.perf_counter()
        variables = fresh_environment(folder)
        print(f"wheel and empty environment, not counted: {time.perf_counter() - begin:.1f} s\n")
        (folder / "desk").mkdir()
        print("| section | what | s | processor s |\n|---|---|---|---|")
        taken = processor = 0.0
        for step in follow(page, Reader(folder / "desk", variables)):
            print(f"| {step.section} | {step.what} | {step.seconds:.1f} | {step.processor:.1f} |", flush=True)
            taken += step.seconds
            processor += step.processor
        print(f"| all | | {taken:.1f} | {processor:.1f} |")


def fresh_environment(folder: Path) -> dict[str, str]:
    """Make a wheel of what is under version control and an environment with pip alone; return the variables to run in it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder / "wheels", folder / "source"], check=True)
    venv.create(folder / "env", with_pip=True)
    return os.environ | {
        "PATH": f"{folder / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder / "env"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PYTHONNOUSERSITE": "1",
    }


def follow(page: str, reader: Reader) -> Iterator[Step]:
    """Do what the page says and yield what each block took."""
    for section, block in sections(page):
        begin, worked = time.perf_counter(), processor_seconds()
        reader.take(block)
        seconds, processor = time.perf_counter() - begin, processor_seconds() - worked
        if block.language == "bash":
            yield Step(section, "; ".join(f"`{line}`" for line in block.body.splitlines()).replace("|", "\\|"), seconds, processor)
        elif block.title:
            yield Step(section, f"write {block.title} ({len(block.body.splitlines())} lines)", seconds, processor)


def processor_seconds() -> float:
    """Return what the commands so far took of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sections(page: str) -> Iterator[tuple[str, Block]]:
    """Yield the blocks of a page with the heading that each stands under."""
    text = (DOCS / page).read_text(encoding="utf-8")
    place = 0
    for block in blocks(page):
        place = text.index(block.body, place)
        headings = [line for line in text[:place].splitlines() if line.startswith("## ")]
        yield (headings[-1].removeprefix("## ") if headings else ""), block


if __name__ == "__main__":
    main()
