"""The Galaxy tools have the shape that their reviewers ask for, and say what is true; no Galaxy is needed to see that."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
import yaml
from tests.workflows.galaxy.servers import ROOT, TEST_DATA, TOOLS
from tests.workflows.galaxy.written import TOOL_FILES, WORKFLOW_FILES, written_in_tools
from tests.workflows.nextflow.runs import photophore

from photophore.database import bundled_folder
from photophore.links import METHOD_OPTIONS, METHODS
from photophore.manifest import SCHEMA_VERSION
from photophore.registry import load_registry

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MACROS = (TOOLS / "macros.xml").read_text()
TOKENS = dict(re.findall(r'<token name="@(\w+)@">([^<]+)</token>', MACROS))
TABLE = re.search(r"<columns>(.*)</columns>", (TOOLS / "tool_data_table_conf.xml.sample").read_text())[1].split(", ")
MANAGER = "photophore_install_database"

#: Tools, and the commands that they run.
COMMANDS = {
    "photophore_annotate": "annotate",
    "photophore_compare": "compare",
    "photophore_db_build": "db build",
    "photophore_merge": "merge",
    "photophore_report": "report",
}
#: Options that a form does without, each with its reason.
LEFT_OUT = {
    "--batch-records": "changes no result",
    "--batch-residues": "changes no result",
    "--config": "the form is the configuration",
    "--device": "auto takes the GPU that the job has",
    "--dry-run": "checks run first in any case",
    "--force": "a job begins with empty folders",
    "--format": "every format is written, the form chooses datasets",
    "--quiet": "what is said helps when a job fails",
    "--encoder": "of the database; for plugins of other laboratories",
}
#: Further ones that a form reaches by another name.
OTHERWISE = {"--cut-ga": 'value="cut-ga"', "--cut-tc": 'value="cut-tc"', "--cut-nc": 'value="cut-nc"'}
#: Links that databases bring along: another one needs a database that was built for it.
OF_THE_DATABASE = {"annotate": {"--index", "--annotator"}, "db build": {"--aggregator", "--annotator"}}


@pytest.fixture(params=TOOL_FILES)
def tool(request) -> str:
    return request.param


def text_of(tool: str) -> str:
    return TOOL_FILES[tool].read_text()


def root_of(tool: str) -> ET.Element:
    return ET.parse(TOOL_FILES[tool]).getroot()


def options(command: str) -> set[str]:
    """Return the first long name of each option."""
    found: click.Command = importlib.import_module("photophore.cli").cli
    for word in command.split():
        found = found.get_command(click.Context(found), word)
    names = [parameter.opts for parameter in found.params if isinstance(parameter, click.Option)]
    return {next(name for name in each if name.startswith("--")) for each in names}


def test_there_are_these_tools():
    assert TOOL_FILES.keys() == {*COMMANDS, MANAGER}
    assert all(path.stem == tool for tool, path in TOOL_FILES.items())


def test_tool_has_every_part(tool):
    text, root = text_of(tool), root_of(tool)
    assert root.get("version") == "@TOOL_VERSION@+galaxy@VERSION_SUFFIX@"
    assert root.get("profile") == "@PROFILE@"
    assert root.find("command").attrib == {"detect_errors": "exit_code", "oom_exit_code": "137"}
    expanded = {macro.get("macro") for macro in root.iterfind("expand")}
    assert expanded >= {"edam", "xrefs", "creator", "requirements", "version_command", "citations"}
    assert "TODO" not in text
    assert len("".join(root.find("help").itertext()).split()) > 60
    assert ("@THREADS@" in text) == ('<expand macro="gpu"/>' in text) == (tool not in {"photophore_merge", "photophore_report"})


def test_tokens_say_what_pyproject_and_manifests_say():
    assert TOKENS["TOOL_VERSION"] == VERSION
    assert TOKENS["DATABASE_VERSION"] == str(SCHEMA_VERSION)
    assert re.findall(r'type="doi">([^<]+)<', MACROS) == [
        "10.1093/bioinformatics/btaf198",
        "10.1016/j.isci.2025.112480",
        "10.1101/2025.10.27.684815",
    ]


def test_conditionals_ask_by_selects(tool):
    for conditional in [*root_of(tool).find("inputs").iter("conditional"), *ET.fromstring(MACROS).iter("conditional")]:
        first = conditional.find("param")
        assert first.get("type") == "select"
        assert {one.get("value") for one in first.iterfind("option")} >= {one.get("value") for one in conditional.iterfind("when")}


def test_paths_and_texts_are_quoted(tool):
    command = root_of(tool).find("command").text
    loose = re.findall(r"""(?m)^[^#'"\n]*\s(\$\w+(?:\.\w+)*\b)(?=\s|$)""", re.sub(r"'[^'\n]*'", "''", command))
    paths = {"$proteins", "$one", "$other", "$source", "$sources", "$database", "$run", "$html", "$table", "$out_file", "$title", "$value", "$name"}
    assert [name for name in loose if name in paths] == []


@pytest.mark.parametrize("tool", COMMANDS)
def test_every_option_is_in_the_form(tool):
    command = COMMANDS[tool]
    text = text_of(tool) + MACROS
    wanted = options(command) - LEFT_OUT.keys() - OF_THE_DATABASE.get(command, set())
    missing = {name for name in wanted if name not in text and OTHERWISE.get(name, "") not in text}
    assert missing == set()


def test_nothing_is_left_out_that_does_not_exist():
    known = set().union(*(options(command) for command in COMMANDS.values()))
    assert {*LEFT_OUT, *OTHERWISE} <= known


def test_every_method_and_bundled_database_is_in_the_form():
    form = root_of("photophore_annotate").find("inputs")
    for tool in ("photophore_annotate", "photophore_db_build"):
        (choice,) = (one for one in root_of(tool).find("inputs").iter("conditional") if one.get("name") == "method")
        assert {option.get("value") for option in choice.find("param").iterfind("option")} == set(METHODS)
    offered = {expand.get("method"): [one.get("value") for one in expand] for expand in form.iter("expand") if "method" in expand.attrib}
    bundled = {method: [] for method in METHODS}
    for manifest in sorted(bundled_folder().glob("*/manifest.json")):
        bundled[json.loads(manifest.read_text())["method"]].append(manifest.parent.name)
    assert offered == bundled, "photophore_annotate.xml: give the macro 'database' an option for each bundled database"


def fields(kind: str, name: str) -> dict[str, object]:
    """Return the options of a plugin with their defaults."""
    return {one.name: one.default for one in dataclasses.fields(load_registry().spec(kind, name).config)}


@pytest.mark.parametrize("method", METHODS)
def test_options_of_plugins_that_forms_set_exist(method):
    known = {f"{kind}.{field}" for kind, name in METHODS[method].items() for field in fields(kind, name)}
    known |= {f"aggregator.{field}" for field in fields("aggregator", "near-sum") if method == "near-hmmer"}
    command = root_of("photophore_annotate").find("command").text
    # The branches of the methods stand in the order of METHODS, the last under #else.
    branches = re.split(r"\n    #(?:if|elif|else)\b.*", command[command.index("#if str($method.name) ==") - 5 :])[1:]
    branch = dict(zip(METHODS, branches, strict=True))[method]
    named = set(re.findall(r"\b((?:encoder|index|aggregator|annotator)\.\w+)(?==|')", branch.partition("\n    #end if")[0]))
    assert named
    assert named <= known


def test_form_tells_what_the_bundled_look_up_of_structures_does():
    (form,) = (one for one in root_of("photophore_annotate").iter("when") if one.get("value") == "siamese")
    told = {
        param.get("name"): float(re.search(r"mostly (\d+(?:\.\d+)?)", param.get("help"), re.IGNORECASE)[1])
        for section in form.iterfind("section")
        for param in section
    }
    chain = {
        field: METHOD_OPTIONS["siamese"].get(kind, {}).get(field, value)
        for kind, name in METHODS["siamese"].items()
        for field, value in fields(kind, name).items()
    }
    assert told
    assert told == {name: chain[name] for name in told}
    manifest = json.loads((bundled_folder() / "structures" / "manifest.json").read_text())
    assert f"structures: {manifest['targets']:,} domains of CATH" in "".join(form.itertext())


def test_tool_is_tested_in_good_and_bad_times(tool):
    tests = [test for test in written_in_tools() if test.name.rpartition("-")[0] == tool]
    assert {test.fails for test in tests} == {True, False}
    for test in tests:
        if test.fails:
            assert [one.get("text") for one in test.element.iterfind("assert_stderr/not_has_text")] == ["Traceback"]
        else:
            assert test.element.get("expect_num_outputs")


def test_every_output_is_tested(tool):
    outputs = root_of(tool).find("outputs")
    if outputs.find("expand") is not None:
        (macro,) = (one for one in ET.fromstring(MACROS) if one.get("name") == "run_outputs")
        named = {one.get("name") for one in [*macro.iter("data"), *outputs.iter("data")]}
    else:
        named = {one.get("name") for one in [*outputs.iter("data"), *outputs.iter("collection")]}
    looked_at = {one.get("name") for test in written_in_tools() if test.name.rpartition("-")[0] == tool for one in test.element}
    assert named <= looked_at


def test_files_of_tests_are_there_and_used():
    used = set()
    for test in written_in_tools():
        for param in test.element.iter("param"):
            used |= {value for value in param.get("value", "").split(",") if (TEST_DATA / value).is_file()}
    loose = {path.name for path in TEST_DATA.iterdir() if path.is_file()} - used - {"photophore_databases.loc"}
    assert loose <= {"second.fasta", "first.fasta"}, "of the workflow"
    assert {path.stat().st_size < 1_000_000 for path in TEST_DATA.rglob("*")} == {True}


@pytest.mark.parametrize("folder", ["database_families", "run_first", "run_second"])
def test_archives_hold_what_their_folders_hold(folder):
    with tarfile.open(TEST_DATA / f"{folder}.tar.gz") as archive:
        packed = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert packed == {path.relative_to(TEST_DATA).as_posix(): path.read_bytes() for path in (TEST_DATA / folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("database", sorted(path.name for path in TEST_DATA.glob("database_*") if path.is_dir()))
def test_databases_of_the_tests_belong_to_the_weights_of_today(tmp_path, database):
    """When this fails: python tests/workflows/galaxy/make_test_data.py."""
    photophore(tmp_path, "annotate", TEST_DATA / "first.fasta", "-d", TEST_DATA / database, "-t", "1", "-q", "-o", "out")


def test_no_test_data_name_a_machine():
    assert [path for path in TEST_DATA.rglob("run.json") if re.search(r'"/(?!/)', path.read_text())] == []


def test_table_and_its_samples_have_the_same_columns():
    assert TABLE == ["value", "name", "method", "version", "path"]
    sample = (TOOLS / "tool-data" / "photophore_databases.loc.sample").read_text().splitlines()
    assert [line.split()[1] for line in sample if re.match(r"#   \w", line)] == TABLE
    rows = [line.removeprefix("#").split("\t") for line in sample if "\t" in line]
    rows += [line.split("\t") for line in (TEST_DATA / "photophore_databases.loc").read_text().splitlines() if not line.startswith("#")]
    assert {len(row) for row in rows} == {len(TABLE)}
    assert {row[TABLE.index("method")] for row in rows} == set(METHODS)
    for folder in (TOOLS, TOOLS / "data_manager"):
        for name in ("tool_data_table_conf.xml.sample", "tool_data_table_conf.xml.test"):
            assert f"<columns>{', '.join(TABLE)}</columns>" in (folder / name).read_text()
    manager = ET.parse(TOOLS / "data_manager" / "data_manager_conf.xml").getroot()
    assert [column.get("name") for column in manager.iter("column")] == TABLE


@pytest.mark.parametrize("repository", [".", "data_manager"])
def test_repository_says_what_a_tool_shed_asks(repository):
    shed = yaml.safe_load((TOOLS / repository / ".shed.yml").read_text())
    assert {"name", "owner", "description", "long_description", "categories", "type", "homepage_url"} <= shed.keys()
    assert shed["remote_repository_url"].endswith((TOOLS / repository).resolve().relative_to(ROOT).as_posix())


@pytest.mark.parametrize("workflow", WORKFLOW_FILES, ids=lambda path: path.stem)
def test_workflow_names_tools_of_this_version(workflow):
    content = yaml.safe_load(workflow.read_text())
    assert content["release"] == VERSION
    for step in content["steps"].values():
        assert step["tool_id"] in TOOL_FILES
        assert step["tool_version"] == f"{VERSION}+galaxy{TOKENS['VERSION_SUFFIX']}"


def test_page_tells_every_tool_and_workflow():
    page = (ROOT / "docs" / "galaxy.md").read_text()
    assert [name for name in [*TOOL_FILES, *(path.name for path in WORKFLOW_FILES)] if f"`{name}`" not in page] == []


def test_links_of_the_data_manager_lead_to_the_tools():
    links = [path for path in (TOOLS / "data_manager").rglob("*") if path.is_symlink()]
    assert {link.name for link in links} >= {"macros.xml", "families.hmm", "photophore_databases.loc.sample"}
    assert [link for link in links if not Path(link).resolve().is_relative_to(TOOLS)] == []
    assert [link for link in links if not link.exists()] == []
