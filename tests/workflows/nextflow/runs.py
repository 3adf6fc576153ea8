"""Real runs of the workflow: started, watched, killed, and what they leave behind."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from photophore.writers import ALL_FILES

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / "nextflow"

#: Files of a result that must have the bytes of one plain run.
SAME_BYTES = sorted(set(ALL_FILES) - {"run.json"})

#: Seconds after which a run of these tests hangs.
PATIENCE_S = 600


@dataclass(frozen=True)
class Finished:
    """A run that came to its end."""

    code: int
    text: str


@dataclass(frozen=True)
class Launch:
    """A folder from which the workflow is launched, with the photophore of this interpreter."""

    nextflow: Path
    folder: Path
    parser: str = "v2"

    @property
    def out(self) -> Path:
        """The results."""
        return self.folder / "out"

    @property
    def environment(self) -> dict[str, str]:
        """What Nextflow and its tasks see."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NXF_HOME": str(self.folder / "home"),
            "NXF_SYNTAX_PARSER": self.parser,
            "NXF_ANSI_LOG": "false",
            "NXF_OPTS": "-Xms64m -Xmx1g",
            "PYTHONWARNINGS": "",
        }

    def command(self, *arguments: object) -> subprocess.Popen[str]:
        """Start ``nextflow ARGUMENTS`` as the head of a process group."""
        return subprocess.Popen(
            [str(self.nextflow), *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start the workflow."""
        return self.command("run", WORKFLOW, "--outdir", "out", *arguments)

    def run(self, *arguments: object) -> Finished:
        """Run the workflow to its end."""
        return wait(self.start(*arguments))

    def tasks(self) -> list[dict[str, str]]:
        """Return the rows of the trace so far."""
        path = self.folder / ".nextflow" / "trace.txt"
        if not path.exists():
            return []
        return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))

    def names(self, *status: str) -> list[str]:
        """Return the names of the tasks that ended so, sorted."""
        return sorted(task["name"] for task in self.tasks() if task["status"] in status)

    def kill_after(self, wanted: int, of: str, *arguments: object) -> list[str]:
        """Start the workflow, kill all of it when ``wanted`` tasks with ``of`` in their name are done; return what was done."""
        process = self.start(*arguments)
        until = time.monotonic() + PATIENCE_S
        while sum(of in name for name in self.names("COMPLETED")) < wanted:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"ended before it could be killed:\n{wait(process).text}")
            time.sleep(0.05)
        done = self.names("COMPLETED")
        time.sleep(1)  # Nextflow notes what is done for -resume a moment after it tells so
        os.killpg(process.pid, signal.SIGKILL)
        wait(process)
        return done


def wait(process: subprocess.Popen[str]) -> Finished:
    """Wait for the end of ``process``; one that hangs is killed with all its tasks."""
    try:
        text, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Finished(process.returncode, text)


def photophore(folder: Path, *arguments: object) -> None:
    """Run ``photophore ARGUMENTS`` in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-m", "photophore", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def differing(folder: Path, plain: Path) -> list[str]:
    """Return the files of two results whose bytes differ, or that only one of them has."""
    held = {path.name for path in (*folder.iterdir(), *plain.iterdir())} - {"run.json"}
    return [
        name
        for name in sorted({*SAME_BYTES, *held})
        if not ((folder / name).is_file() and (plain / name).is_file())
        or (folder / name).read_bytes() != (plain / name).read_bytes()
    ]
