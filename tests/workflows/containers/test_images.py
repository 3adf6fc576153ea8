"""The images, built and run for real: what is in them, and that they work with nothing to write to but the results."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

VERSION = version("photophore")
CPU = f"localhost/photophore:{VERSION}"
CUDA = f"{CPU}-cuda"
MAX_IMAGE_BYTES = 900_000_000
#: Nothing may be written but below /out, not even to /tmp; the home is a folder that is not there.
LOCKED = ["--read-only", "--read-only-tmpfs=false", "--env", "HOME=/nowhere"]

pytestmark = pytest.mark.usefixtures("images")


def podman(*arguments: object) -> str:
    """Run ``podman ARGUMENTS`` to a good end; return what it printed."""
    done = subprocess.run(["podman", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inspect(image: str) -> dict[str, object]:
    """Return what podman knows of ``image``."""
    (found,) = json.loads(podman("image", "inspect", image))
    return found


def test_cpu_image_is_small():
    assert 200_000_000 < inspect(CPU)["Size"] <= MAX_IMAGE_BYTES


def test_cpu_image_holds_no_torch_and_nothing_that_builds():
    script = """
for module in torch esm onnx sklearn; do
    if python -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$module') is None)"; then echo $module; fi
done
for program in cc gcc g++ make cmake; do command -v $program || true; done
find / -xdev -path /proc -prune -o '(' -path '/usr/src/*' -o -name '*.deb' -o -path '/var/lib/apt/lists/*_Packages*' ')' -print
"""
    assert podman("run", "--rm", "--user", "0", CPU, "sh", "-c", script).split() == []


def test_cpu_image_has_what_nextflow_and_gene_calling_ask_for():
    found = podman(
        "run",
        "--rm",
        CPU,
        "sh",
        "-c",
        "python -c 'import pyrodigal' && for name in bash ps photophore; do command -v $name; done",
    )
    assert [Path(line).name for line in found.split()] == ["bash", "ps", "photophore"]


@pytest.mark.parametrize("image", [CPU, CUDA])
def test_image_tells_its_version_to_a_user_who_may_write_nothing(image):
    said = podman(
        "run", "--rm", *LOCKED, image, "sh", "-c", "photophore --version; id -u; touch /tmp/x ~/x 2>&1 || true"
    )
    lines = said.splitlines()
    assert lines[:2] == [VERSION, "1000"]
    assert len(lines) == 4, "something could be written"


@pytest.mark.parametrize("image", [CPU, CUDA])
def test_image_is_labelled_and_bids_help(image):
    labels = inspect(image)["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.title"] == "photophore"
    assert labels["org.opencontainers.image.licenses"] == "BSD-3-Clause"
    assert ("GPU" in labels["org.opencontainers.image.description"]) == (image == CUDA)
    assert podman("run", "--rm", image).startswith("Usage: photophore")


def test_health_check_passes_while_photophore_answers_and_fails_when_it_does_not():
    name = podman("run", "--detach", "--user", "0", CPU, "sleep", "300").strip()
    try:
        podman("healthcheck", "run", name)
        podman("exec", name, "rm", "/opt/photophore/bin/photophore")
        sick = subprocess.run(["podman", "healthcheck", "run", name], capture_output=True, text=True, check=False)
        assert sick.returncode == 1, sick.stdout + sick.stderr
    finally:
        podman("rm", "--force", "--time", "0", name)


def digests(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of a result that does not tell of its run."""
    files = [path for path in folder.iterdir() if path.name != "run.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(("database", "count"), [("default", 200), ("enzymes", 20)])
def test_image_that_may_write_nothing_else_gives_the_bytes_of_the_plain_command(
    tmp_path, metagenome_faa, database, count
):
    proteins = tmp_path / "proteins.faa"
    proteins.write_text(">".join(metagenome_faa.read_text().split(">")[: count + 1]))
    command = ["annotate", proteins, "--database", database, "--quiet", "--output"]
    subprocess.run([sys.executable, "-m", "photophore", *command, tmp_path / "plain"], check=True)

    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o777)
    volumes = ["--volume", f"{proteins}:{proteins}:ro", "--volume", f"{results}:/out"]
    podman("run", "--rm", "--network", "none", *LOCKED, *volumes, CPU, "photophore", *command, "/out/run")
    assert digests(results / "run") == digests(tmp_path / "plain")
    assert len((results / "run" / "annotations.tsv").read_text().splitlines()) > 1
    assert (results / "run" / "run.json").stat().st_uid == 1000


def test_bundled_weights_and_databases_are_whole():
    podman("run", "--rm", *LOCKED, CPU, "photophore", "models", "verify")
    listed = podman("run", "--rm", *LOCKED, CPU, "photophore", "db", "list")
    assert "default" in listed
    assert "enzymes" in listed
