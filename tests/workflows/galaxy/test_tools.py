"""Every test that stands in a tool or beside a workflow, run by a real Galaxy through planemo."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflows.galaxy.servers import Galaxy
from tests.workflows.galaxy.written import (
    TOOL_FILES,
    WORKFLOW_FILES,
    Written,
    relative,
    written_beside_workflows,
    written_in_tools,
)

Results = dict[str, dict[str, Any]]
ALL = written_in_tools()


@pytest.fixture(scope="module")
def tool_results(galaxy: Galaxy, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What planemo says of the tools; it leaves a tool that Galaxy did not load out without a word."""
    files = [galaxy.tools / relative(path) for path in TOOL_FILES.values()]
    return galaxy.test(files, tmp_path_factory.mktemp("tools") / "report.json")


@pytest.fixture(scope="module")
def workflow_results(galaxy: Galaxy, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same of the workflows; together with tools, planemo mixes the results up."""
    files = [galaxy.tools / relative(path) for path in WORKFLOW_FILES]
    return galaxy.test(files, tmp_path_factory.mktemp("workflows") / "report.json")


def problems(result: dict[str, Any]) -> str:
    """Return what planemo and the job say."""
    found = result.get("output_problems") or [result.get("execution_problem")]
    job = result.get("job") or {}
    return "\n".join([*map(str, found), str(job.get("command_line")), str(job.get("stderr"))])


@pytest.mark.parametrize("written", ALL, ids=lambda written: written.name)
def test_tool(tool_results: Results, written: Written) -> None:
    result = tool_results[written.name]
    assert result["status"] == "success", problems(result)
    # A test that shall fail also passes where Galaxy refused to make a job of it: then nobody heard Photophore.
    assert result["job"]["state"] == ("error" if written.fails else "ok"), problems(result)
    assert ("photophore: error: " in result["job"]["stderr"]) == written.fails
    assert "Traceback" not in result["job"]["stderr"]


@pytest.mark.parametrize("name", written_beside_workflows())
def test_workflow(workflow_results: Results, name: str) -> None:
    assert workflow_results[name]["status"] == "success", problems(workflow_results[name])


def test_as_many_tests_ran_as_are_written(tool_results: Results, workflow_results: Results) -> None:
    written = [test.name for test in ALL] + written_beside_workflows()
    assert len(written) == len(set(written)) > 30
    assert sorted([*tool_results, *workflow_results]) == sorted(written)
