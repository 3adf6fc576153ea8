"""The workflow gives the bytes of one plain run, however it is cut, and also when it was killed half way and resumed."""

from __future__ import annotations

import csv
import re
import shutil
from itertools import islice
from pathlib import Path

import pyhmmer
import pytest
from tests.workflows.nextflow.conftest import write_sheet
from tests.workflows.nextflow.runs import WORKFLOW, Launch, differing, photophore

from photophore.database import find
from photophore.inputs import open_input
from photophore.runfacts import read_run

ANNOTATE = "PHOTOPHORE_ANNOTATE"


@pytest.fixture(scope="module")
def profile_test(nextflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Return the finished run of ``-profile test``."""
    launch = Launch(nextflow, tmp_path_factory.mktemp("profile"))
    done = launch.run("-profile", "test")
    assert done.code == 0, done.text
    return launch


def test_proteome_of_the_test_profile_has_the_bytes_of_one_run(profile_test, tmp_path):
    shutil.copy(WORKFLOW / "assets" / "test" / "proteins.faa.gz", tmp_path)
    photophore(tmp_path, "annotate", "proteins.faa.gz", "-q", "-o", "plain")
    result = profile_test.out / "annotations" / "default" / "proteome"
    assert differing(result, tmp_path / "plain") == []
    assert read_run(result)["counts"]["annotated"] > 10
    assert [(shard["number"], shard["of"]) for shard in read_run(result)["shards"]] == [(1, 3), (2, 3), (3, 3)]


def test_assembly_of_the_test_profile_has_the_bytes_of_genes_and_one_run(profile_test, tmp_path):
    contigs = WORKFLOW / "assets" / "test" / "contigs.fna.gz"
    photophore(tmp_path, "genes", contigs, "-q", "-o", "assembly.faa", "--gff", "assembly.gff")
    photophore(tmp_path, "annotate", "assembly.faa", "-q", "-o", "plain")
    assert differing(profile_test.out / "annotations" / "default" / "assembly", tmp_path / "plain") == []
    for name in ("assembly.faa", "assembly.gff"):
        assert (profile_test.out / "genes" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_report_versions_and_trace_of_the_test_profile(profile_test):
    with (profile_test.out / "report" / "photophore.tsv").open() as stream:
        rows = {row["sample"]: row for row in csv.DictReader(stream, delimiter="\t")}
    assert rows.keys() == {"proteome", "assembly"}
    assert (rows["proteome"]["database"], rows["proteome"]["proteins"]) == ("default", "100")
    page = (profile_test.out / "report" / "photophore.html").read_text()
    assert "proteome" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    versions = (profile_test.out / "pipeline_info" / "versions.yml").read_text()
    assert re.search(r"PHOTOPHORE_GENES:\n    photophore: \d+\.\d+\.\d+\n    pyrodigal: \d+", versions)
    trace = (profile_test.out / "pipeline_info" / "trace.txt").read_text()
    assert trace.count("COMPLETED") == len(trace.splitlines()) - 1 == 12


def write_profiles(path, annotations):
    """Write the bundled profiles that the first rows of a result name."""
    with annotations.open() as stream:
        wanted = {row["target"] for row in islice(csv.DictReader(stream, delimiter="\t"), 20)}
    packed = path.with_suffix(".h3m")
    with open_input(find(None).annotator_folder / "profiles.h3m.zst") as (_, stream):
        packed.write_bytes(stream.read())
    with pyhmmer.plan7.HMMFile(packed) as source, path.open("wb") as text:
        for profile in source:
            if profile.name in wanted:
                profile.write(text)


def test_profiles_and_weights_of_the_user_give_the_bytes_of_plain_commands(launch, awkward):
    for path in (WORKFLOW.parent / "plugins" / "photophore_near" / "weights").glob("near-small.*"):
        shutil.copy(path, launch.folder / path.name.replace("near-small", "mine"))
    weights = ("--set", "encoder.weights=mine.safetensors")
    lenient = ("--set", "aggregator.threshold=0.0001", "-E", "1e3")
    profiles = launch.folder / "families.hmm"
    write_profiles(profiles, awkward / "plain" / "annotations.tsv")
    shutil.copy(awkward / "awkward.faa", launch.folder)
    photophore(launch.folder, "db", "build", profiles, "-q", *weights, "-o", "families")
    photophore(launch.folder, "annotate", "awkward.faa", "-q", "-d", "families", *weights, *lenient, "-o", "plain")
    sheet = write_sheet(launch.folder, "sample,awkward.faa,")
    options = ("--annotate_args", " ".join(lenient), "--shards", 2)
    done = launch.run("--input", sheet, "--databases", "none", "--profiles", profiles, "--weights", "mine.safetensors", *options)
    assert done.code == 0, done.text
    result = launch.out / "annotations" / "families" / "sample"
    assert differing(result, launch.folder / "plain") == []
    assert read_run(result)["counts"]["annotated"] > 0
    assert (launch.out / "databases" / "families" / "manifest.json").exists()


@pytest.mark.parametrize("shards", [1, 10])  # the test profile cuts into 3
def test_any_number_of_shards_gives_the_bytes_of_one_run(launch, awkward, shards):
    sheet = write_sheet(launch.folder, f"sample,{awkward / 'awkward.faa'},")
    done = launch.run("--input", sheet, "--shards", shards)
    assert done.code == 0, done.text
    assert sum(ANNOTATE in name for name in launch.names("COMPLETED")) == shards
    assert differing(launch.out / "annotations" / "default" / "sample", awkward / "plain") == []


@pytest.mark.parametrize("shards", [1, 3, 10])
def test_killed_and_resumed_run_gives_the_same_bytes_and_does_no_work_twice(launch, awkward, shards):
    sheet = write_sheet(launch.folder, f"sample,{awkward / 'awkward.faa'},")
    step = (1, ANNOTATE) if shards == 3 else (shards // 2, ANNOTATE) if shards > 1 else (1, "PHOTOPHORE_SPLIT")
    before = launch.kill_after(*step, "--input", sheet, "--shards", shards)
    assert not (launch.out / "annotations").exists()
    done = launch.run("--input", sheet, "--shards", shards, "-resume")
    assert done.code == 0, done.text
    assert differing(launch.out / "annotations" / "default" / "sample", awkward / "plain") == []
    assert set(before) <= set(launch.names("CACHED")), "done before the kill, and done again"
    assert sum(ANNOTATE in name for name in launch.names("CACHED", "COMPLETED")) == shards
