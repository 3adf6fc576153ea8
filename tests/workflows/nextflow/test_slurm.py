"""The workflow through a real Slurm: the bytes of one plain run, also when jobs or the workflow itself are killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from tests.workflows.missing import need_root_and
from tests.workflows.nextflow.conftest import write_sheet
from tests.workflows.nextflow.runs import PATIENCE_S, ROOT, Launch, differing, wait

ANNOTATE = "PHOTOPHORE_ANNOTATE"
START = ROOT / "tests" / "workflows" / "slurm" / "start_slurm.sh"

#: Nextflow asks a scheduler every few seconds, out of regard for its other users; here are none.
#: The strict parser takes a profile for unknown when one of several configurations does not name it.
IMPATIENT = "profiles { slurm { executor { pollInterval = '500 ms'; queueStatInterval = '1 sec' } } }\n"


@pytest.fixture(scope="module")
def slurm() -> Generator[None, None, None]:
    """Start a Slurm whose jobs find the photophore of this interpreter; end it afterwards."""
    need_root_and("slurmctld", "slurmd", "munged", "sbatch")
    # Not pytest's folder: the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="slurm."))
    try:
        started = subprocess.run(["bash", START, folder], capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", started.stdout.strip().partition("=")[2])
            yield
    finally:
        subprocess.run(["bash", START, folder, "stop"], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def options(slurm: None, launch: Launch) -> list[str]:
    """Options of a run through Slurm."""
    (launch.folder / "impatient.config").write_text(IMPATIENT)
    return ["-profile", "slurm", "-c", "impatient.config"]


def jobs(work: Path) -> list[str]:
    """Return the scripts that were submitted."""
    texts = [path.read_text() for path in work.glob("*/*/.command.run")]
    return [text for text in texts if "#SBATCH -J nf-" in text]


@pytest.mark.parametrize("shards", [1, 3, 10])
def test_any_number_of_shards_gives_the_bytes_of_one_run(options, launch, awkward, shards):
    sheet = write_sheet(launch.folder, f"sample,{awkward / 'awkward.faa'},")
    done = launch.run("--input", sheet, "--shards", shards, *options)
    assert done.code == 0, done.text
    assert sum(ANNOTATE in name for name in launch.names("COMPLETED")) == shards
    assert len(jobs(launch.folder / "work")) == len(launch.tasks()) == shards + 3, "a task went past Slurm"
    assert differing(launch.out / "annotations" / "default" / "sample", awkward / "plain") == []


@pytest.mark.parametrize("shards", [1, 3, 10])
def test_killed_and_resumed_run_gives_the_same_bytes_and_does_no_work_twice(options, launch, awkward, shards):
    sheet = write_sheet(launch.folder, f"sample,{awkward / 'awkward.faa'},")
    before = launch.kill_after(shards // 2, ANNOTATE, "--input", sheet, "--shards", shards, *options)
    assert not (launch.out / "annotations").exists()
    done = launch.run("--input", sheet, "--shards", shards, *options, "-resume")
    assert done.code == 0, done.text
    assert set(before) <= set(launch.names("CACHED")), "done before the kill, and done again"
    assert sum(ANNOTATE in name for name in launch.names("CACHED", "COMPLETED")) == shards
    assert differing(launch.out / "annotations" / "default" / "sample", awkward / "plain") == []


def annotating(work: Path) -> list[Path]:
    """Return the entries in /proc of the ``photophore annotate`` below ``work``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if b"annotate" in arguments and (process / "cwd").resolve().is_relative_to(work):
                found.append(process)
        except OSError:  # it ended meanwhile
            continue
    return found


def kill_as_the_kernel_does(process: Path) -> None:
    """Kill the one process that the kernel finds to hold the most memory."""
    os.kill(int(process.name), signal.SIGKILL)


def cancel_the_job(process: Path) -> None:
    """Cancel the job that ``process`` belongs to."""
    job = re.search(r"SLURM_JOB_ID=(\d+)", (process / "environ").read_text())
    assert job is not None
    subprocess.run(["scancel", job[1]], check=True)


@pytest.mark.parametrize(("end", "code"), [(kill_as_the_kernel_does, "137"), (cancel_the_job, "143")])
def test_job_that_was_ended_is_tried_again_with_more_memory(
    options, launch, awkward, end: Callable[[Path], None], code
):
    sheet = write_sheet(launch.folder, f"sample,{awkward / 'awkward.faa'},")
    process = launch.start("--input", sheet, "--shards", 1, *options)
    until = time.monotonic() + PATIENCE_S
    while not (found := annotating(launch.folder / "work")):
        if process.poll() is not None or time.monotonic() > until:
            raise AssertionError(f"ended before its job could be:\n{wait(process).text}")
        time.sleep(0.02)
    end(found[0])
    done = wait(process)
    assert done.code == 0, done.text

    tries = [(task["status"], task["exit"]) for task in launch.tasks() if ANNOTATE in task["name"]]
    assert tries == [("FAILED", code), ("COMPLETED", "0")]
    asked = [
        re.search(r"--mem (\d+)M", job) for job in jobs(launch.folder / "work") if f"nf-ANNOTATE_{ANNOTATE}" in job
    ]
    assert sorted(int(match[1]) for match in asked if match) == [4096, 8192]
    assert differing(launch.out / "annotations" / "default" / "sample", awkward / "plain") == []
