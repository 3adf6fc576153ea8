"""Nextflow's own linter and both of its parsers accept every file; a stub run goes through every process."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.workflows.nextflow.runs import WORKFLOW, wait

PROFILES = ("test", "test_full", "docker", "podman", "singularity", "apptainer", "conda", "slurm", "awsbatch", "gpu")


def test_linter_finds_nothing(launch):
    done = wait(launch.command("lint", WORKFLOW))
    files = [*WORKFLOW.rglob("*.nf"), *WORKFLOW.rglob("*.config")]
    assert done.code == 0, done.text
    assert f"{len(files)} files had no errors" in done.text


def test_every_profile_is_there_and_can_be_read(launch):
    done = wait(launch.command("config", WORKFLOW, "-profile", ",".join(PROFILES)))
    assert done.code == 0, done.text
    for engine in ("docker", "podman", "singularity", "apptainer", "conda"):
        assert re.search(rf"{engine} \{{\n(?:   .*\n)*?   enabled = true", done.text), engine
    assert "accelerator = 1" in done.text


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_stub_run_goes_through_every_process(launch, parser):
    launch = replace(launch, parser=parser)
    profiles = launch.folder / "families.hmm"
    profiles.touch()
    done = launch.run("-stub", "-profile", "test", "--profiles", profiles)
    assert done.code == 0, done.text
    processes = {name.split()[0].rpartition(":")[2] for name in launch.names("COMPLETED")}
    assert processes == {f"PHOTOPHORE_{path.name.upper()}" for path in (WORKFLOW / "modules" / "photophore").iterdir()}
    results = {path.relative_to(launch.out).as_posix() for path in launch.out.rglob("run.json")}
    assert results == {
        f"annotations/{database}/{sample}/run.json"
        for database in ("default", "families")
        for sample in ("assembly", "proteome")
    }
    assert (launch.out / "databases" / "families" / "manifest.json").exists()
    assert (launch.out / "report" / "photophore.html").exists()
