"""DIAMOND as a program: whether it is there, and one run of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from photophore.errors import PluginError, UsageError

#: The first version with ``--swipe`` and ``--dbsize`` together.
OLDEST = (2, 1)

#: Columns that DIAMOND is asked for, in the order of `Alignment`.
FIELDS = ("qseqid", "sseqid", "pident", "length", "qstart", "qend", "sstart", "send", "evalue", "bitscore")


class Alignment(NamedTuple):
    """One alignment as DIAMOND prints it: numbers of protein and target, places 1-based and inclusive, identity in percent."""

    protein: int
    target: int
    identity: float
    aligned: int
    start: int
    end: int
    target_start: int
    target_end: int
    evalue: float
    bits: float


def program_problems(program: str) -> Iterator[UsageError | PluginError]:
    """Yield what keeps ``program`` from being run, with what to do about it."""
    path = shutil.which(program)
    if path is None:
        yield UsageError(
            f"annotator diamond: there is no program {program!r}; install DIAMOND (Debian and Ubuntu: apt-get install "
            "diamond-aligner), or name its file: --set annotator.program=/path/to/diamond"
        )
        return
    said = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - the user's own program
    found = re.search(r"version (\d+)\.(\d+)", said)
    if found is None:
        yield UsageError(f"annotator diamond: {path} is not DIAMOND: asked for its version it says {said!r}")
    elif (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield PluginError(f"annotator diamond: {path} is {said}, {oldest} or later is needed; install a newer one")


def run(arguments: Sequence[str | Path]) -> str:
    """Run DIAMOND and return what it prints; `PluginError` with its own words where it fails."""
    command = [*map(str, arguments), "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, our own arguments
    except OSError as error:
        raise PluginError(
            f"annotator diamond: {command[0]} cannot be run: {error.strerror}; install it again"
        ) from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise PluginError(f"annotator diamond: `{' '.join(command)}` ended with code {done.returncode}: {words}")
    return done.stdout


def parse_alignments(text: str) -> list[Alignment]:
    """Return the rows of DIAMOND's table."""
    kinds = (int, int, float, int, int, int, int, int, float, float)
    return [
        Alignment(*(kind(cell) for kind, cell in zip(kinds, line.split("\t"), strict=True)))
        for line in text.splitlines()
    ]
