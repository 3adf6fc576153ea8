"""The workflow with ``-profile podman`` on the image of this checkout: the bytes of one plain run, and files of the user who started it."""

from __future__ import annotations

import os
import shutil

from tests.workflows.nextflow.conftest import write_sheet
from tests.workflows.nextflow.runs import WORKFLOW, differing, photophore


def test_tasks_in_containers_give_the_bytes_of_the_plain_command(images, launch, tmp_path):
    contigs = WORKFLOW / "assets" / "test" / "contigs.fna.gz"
    shutil.copy(WORKFLOW / "assets" / "test" / "proteins.faa.gz", tmp_path)
    photophore(tmp_path, "annotate", "proteins.faa.gz", "-q", "-o", "plain")
    photophore(tmp_path, "genes", contigs, "-q", "-o", "assembly.faa")
    photophore(tmp_path, "annotate", "assembly.faa", "-q", "-o", "assembly")

    sheet = write_sheet(launch.folder, f"proteome,{tmp_path / 'proteins.faa.gz'},", f"assembly,,{contigs}")
    done = launch.run("-profile", "podman", "--input", sheet, "--shards", 2)
    assert done.code == 0, done.text
    assert differing(launch.out / "annotations" / "default" / "proteome", tmp_path / "plain") == []
    assert differing(launch.out / "annotations" / "default" / "assembly", tmp_path / "assembly") == []

    scripts = [path.read_text() for path in (launch.folder / "work").glob("*/*/.command.run")]
    assert len(scripts) == len(launch.tasks()) == 10
    assert all("podman run" in script and " photophore:0.1.0 " in script for script in scripts), (
        "a task ran beside its container"
    )
    made = [path for path in (launch.folder / "work").rglob("*") if not path.is_symlink()]
    assert {path.stat().st_uid for path in made} == {os.geteuid()}
