"""The modules have the shape that nf-core asks for, and what is said of them is true; no Nextflow is needed to see that."""

from __future__ import annotations

import gzip
import importlib.resources
import json
import re
import tomllib
from itertools import islice
from pathlib import Path

import pytest
import yaml

from photophore.cli import COMMANDS
from photophore.fasta import read_fasta

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / "nextflow"
MODULES = sorted((WORKFLOW / "modules" / "photophore").iterdir())
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SCHEMA = json.loads((WORKFLOW / "nextflow_schema.json").read_text())
PARAMETERS = {name: facts for group in SCHEMA["$defs"].values() for name, facts in group["properties"].items()}


@pytest.fixture(params=MODULES, ids=lambda path: path.name)
def module(request) -> Path:
    return request.param


def section(text: str, name: str) -> str:
    found = re.search(rf"^    {name}:\n(.*?)(?=^    \w+:\n|^}}|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no {name}:"
    return found.group(1)


def test_process_has_every_part(module):
    text = (module / "main.nf").read_text()
    assert text.startswith(f"process PHOTOPHORE_{module.name.upper()} {{\n")
    assert re.search(r"^    tag \"\$\{meta.id\}\"$", text, re.MULTILINE)
    assert re.search(r"^    label 'process_(single|low|medium|high)'$", text, re.MULTILINE)
    assert 'conda "${moduleDir}/environment.yml"' in text
    assert "workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container" in text
    assert set(re.findall(r"photophore:(\d[\d.]*\d)", text)) == {VERSION}
    script, stub = section(text, "script"), section(text, "stub")
    assert "task.ext.args ?: " in script
    assert "prefix = task.ext.prefix ?: " in script
    assert "prefix = task.ext.prefix ?: " in stub
    assert ("task.cpus" in script) == ("process_single" not in text)


def test_script_is_one_call_of_photophore(module):
    (script,) = re.findall(r'"""\n(.*?)"""', section((module / "main.nf").read_text(), "script"), re.DOTALL)
    lines = [line.strip().removesuffix(" \\") for line in script.splitlines() if line.strip()]
    command = "db" if module.name == "dbbuild" else module.name
    assert command in COMMANDS
    assert lines[0].split()[:2] == ["photophore", command]
    assert [line for line in script.splitlines() if line.strip()][:-1] == [
        line for line in script.splitlines() if line.endswith("\\")
    ], "more than one command"


def test_meta_names_what_goes_in_and_out(module):
    text = (module / "main.nf").read_text()
    meta = yaml.safe_load((module / "meta.yml").read_text())
    assert meta["name"] == f"photophore_{module.name}"
    assert {"description", "keywords", "tools", "authors", "maintainers"} <= meta.keys()
    assert meta["output"].keys() == set(re.findall(r"emit: (\w+)", text))
    declared = re.findall(r"(?:val|path)(?:\(| )(\w+)", section(text, "input"))
    assert [name for group in meta["input"] for entry in (group if isinstance(group, list) else [group]) for name in entry] == declared
    assert "topic: versions" in section(text, "output")
    assert "versions" in meta["topics"]
    terms = re.findall(r"edam: (\S+)", (module / "meta.yml").read_text())
    assert all(re.fullmatch(r'"http://edamontology\.org/format_\d{4}"', term) for term in terms)


def test_modules_name_edam_terms():
    without = [module.name for module in MODULES if "edamontology" not in (module / "meta.yml").read_text()]
    assert without == []


def test_environment_pins_this_version(module):
    environment = yaml.safe_load((module / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "bioconda"]
    assert f"bioconda::photophore={VERSION}" in environment["dependencies"]


def test_small_data_are_what_they_are_said_to_be():
    genome = importlib.resources.files("pyrodigal").joinpath("tests/data/GCF_001457455.1_NCTC11397_genomic.fna.gz")
    letters = "".join(gzip.decompress(genome.read_bytes()).decode().splitlines()[1:])
    contigs = list(read_fasta([WORKFLOW / "assets/test/contigs.fna.gz"], allow_nucleotide_like=True))
    assert [contig.sequence for contig in contigs] == [letters[:20_000], letters[20_000:30_000]]
    proteins = list(read_fasta([WORKFLOW / "assets/test/proteins.faa.gz"]))
    whole = [record.sequence for record in islice(read_fasta(["example:corynebacterium"]), 100)]
    assert [record.sequence for record in proteins] == whole


def test_nothing_is_fetched_in_a_task(module):
    assert not re.search(r"https?:|wget|curl|docker pull|models add", (module / "main.nf").read_text())


def test_schema_and_config_have_the_same_parameters_and_defaults():
    (block,) = re.findall(r"^params \{\n(.*?)^\}", (WORKFLOW / "nextflow.config").read_text(), re.MULTILINE | re.DOTALL)
    config = dict(re.findall(r"^    (\w+)\s+= (.+)$", block, re.MULTILINE))
    assert config.keys() == PARAMETERS.keys()
    for name, facts in PARAMETERS.items():
        assert json.loads(config[name].replace("'", '"')) == facts.get("default"), name


def test_every_parameter_and_profile_is_documented():
    page = (ROOT / "docs" / "nextflow.md").read_text()
    assert [name for name in PARAMETERS if f"`--{name}`" not in page] == []
    (block,) = re.findall(r"^profiles \{\n(.*?)^\}", (WORKFLOW / "nextflow.config").read_text(), re.MULTILINE | re.DOTALL)
    profiles = re.findall(r"^    (\w+) \{$", block, re.MULTILINE)
    assert profiles
    assert [name for name in profiles if f"`{name}`" not in page] == []
