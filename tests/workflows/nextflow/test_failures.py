"""A sample that fails does not take the others along, and a task that ran out of memory is tried again with more."""

from __future__ import annotations

import csv
import shutil

from tests.workflows.nextflow.conftest import write_sheet
from tests.workflows.nextflow.runs import WORKFLOW, differing

RUNS_OUT_OF_MEMORY_ONCE = """
process {
    withName: 'PHOTOPHORE_SPLIT' {
        beforeScript = { "[ -e ${launchDir}/tried ] || { touch ${launchDir}/tried; exit 137; }" }
    }
}
"""


def test_good_sample_and_database_arrive_beside_failing_ones(launch, awkward):
    (launch.folder / "dna.faa").write_text(">contig\n" + "ACGT" * 50 + "\n")
    (launch.folder / "broken").mkdir()
    (launch.folder / "broken" / "manifest.json").write_text("{}")
    sheet = write_sheet(launch.folder, f"good,{awkward / 'awkward.faa'},", "bad,dna.faa,")
    done = launch.run("--input", sheet, "--shards", 2, "--databases", "default,./broken")
    assert done.code == 1
    assert "some tasks failed; the results of their samples are missing, those of the others are complete:" in done.text
    assert "PHOTOPHORE_SPLIT (bad) ended with 3: photophore: error: dna.faa: 100 % of the first 200 letters are A, C, G, T" in done.text
    assert "PHOTOPHORE_ANNOTATE (good.broken.shard-1) ended with 4: photophore: error: broken" in done.text
    assert differing(launch.out / "annotations" / "default" / "good", awkward / "plain") == []
    assert [path.name for path in (launch.out / "annotations").glob("*/*")] == ["good"]
    with (launch.out / "report" / "photophore.tsv").open() as stream:
        assert [(row["sample"], row["failed"]) for row in csv.DictReader(stream, delimiter="\t")] == [("good", "4")]


def test_task_that_ran_out_of_memory_is_tried_again_with_more(launch):
    shutil.copy(WORKFLOW / "assets" / "test" / "proteins.faa.gz", launch.folder)
    (launch.folder / "once.config").write_text(RUNS_OUT_OF_MEMORY_ONCE)
    sheet = write_sheet(launch.folder, "sample,proteins.faa.gz,")
    done = launch.run("-stub", "-c", "once.config", "--input", sheet)
    assert done.code == 0, done.text
    split = [task for task in launch.tasks() if "PHOTOPHORE_SPLIT" in task["name"]]
    assert [(task["status"], task["exit"], task["attempt"], task["memory"]) for task in split] == [
        ("FAILED", "137", "1", "2 GB"),
        ("COMPLETED", "0", "2", "4 GB"),
    ]
    assert (launch.out / "annotations" / "default" / "sample" / "run.json").exists()
