"""A real Galaxy, spoken to as its programs and its users do: uploads, jobs, datasets, and the tests that planemo runs."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "galaxy_tools"
TEST_DATA = TOOLS / "test-data"

#: Seconds after which a job of these tests hangs.
PATIENCE_S = 300


@dataclass(frozen=True)
class Job:
    """A job that came to its end.

    Parameters
    ----------
    state
        ``ok`` or ``error``.
    stderr
        What the user reads of it.
    outputs
        Identifiers of its datasets by their names in the tool.
    """

    state: str
    stderr: str
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Galaxy:
    """A server on loopback.

    Parameters
    ----------
    home
        The environment that Galaxy and planemo are installed in.
    tools
        The copy of ``galaxy_tools`` that it serves.
    key
        Key of a user who is an administrator too.
    """

    home: Path
    url: str
    key: str
    tools: Path

    def send(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """Send a request, and return the answer as it is."""
        headers = {"x-api-key": self.key, "content-type": kind}
        request = urllib.request.Request(f"{self.url}/api/{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace"))
            raise
        return content

    def ask(self, path: str, content: object = None) -> Any:
        """Send JSON where there is some, and return JSON."""
        return json.loads(self.send(path, None if content is None else json.dumps(content).encode()))

    def new_history(self) -> str:
        """Return an empty history."""
        return str(self.ask("histories", {"name": "tests"})["id"])

    def upload(self, history: str, file: Path, datatype: str) -> dict[str, str]:
        """Bring a file into a history, as it is, and return it as an input of a tool."""
        element = {"src": "files", "name": file.name, "ext": datatype, "to_posix_lines": False}
        targets = [{"destination": {"type": "hdas"}, "elements": [element]}]
        fields = {"history_id": history, "targets": json.dumps(targets), "auto_decompress": "false"}
        mark = uuid.uuid4().hex
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files_0|file_data"; filename="{file.name}"\r\n\r\n'
        body = b"".join((*parts, head.encode(), file.read_bytes(), f"\r\n--{mark}--\r\n".encode()))
        started = json.loads(self.send("tools/fetch", body, f"multipart/form-data; boundary={mark}"))
        ended = self.wait(started["jobs"][0]["id"])
        assert ended.state == "ok", ended.stderr
        return {"src": "hda", "id": started["outputs"][0]["id"]}

    def run(self, history: str, tool: str, **inputs: object) -> Job:
        """Run a tool to its end; inputs within conditionals and sections are named ``outer|inner``."""
        started = self.ask("tools", {"tool_id": tool, "history_id": history, "inputs": inputs})
        return self.wait(started["jobs"][0]["id"])

    def wait(self, job: str) -> Job:
        """Wait for the end of a job, with the metadata of its datasets."""
        until = time.monotonic() + PATIENCE_S
        while True:
            facts = self.ask(f"jobs/{job}?full=true")
            datasets = {name: output["id"] for name, output in facts["outputs"].items()}
            if facts["state"] in {"ok", "error"} and all(self.settled(one) for one in datasets.values()):
                return Job(facts["state"], facts["stderr"] or "", datasets)
            assert time.monotonic() < until, f"job {job} is {facts['state']}"
            time.sleep(0.3)

    def settled(self, dataset: str) -> bool:
        """Whether nothing more happens to a dataset."""
        return self.ask(f"datasets/{dataset}?keys=state")["state"] in {"ok", "error", "empty", "discarded"}

    def read(self, dataset: str, file: str = "") -> bytes:
        """Return the bytes of a dataset, or of a file in a dataset that is a folder."""
        if file:
            return self.send(f"datasets/{dataset}/display?raw=true&filename={file}")
        return self.send(f"datasets/{dataset}/display?raw=true&to_ext=data")

    def test(self, files: Sequence[Path], report: Path, timeout_s: int = PATIENCE_S) -> dict[str, dict[str, Any]]:
        """Let planemo run the tests of tools or workflows, and return what it says of each: ``photophore_merge-0`` and so on."""
        server = ("--engine", "external_galaxy", "--galaxy_url", self.url, "--galaxy_admin_key", self.key, "--galaxy_user_key", self.key)
        reports = ("--test_output", report.with_suffix(".html"), "--test_output_json", report)
        command = ("test", *server, "--no_shed_install", "--test_timeout", timeout_s, *reports, *files)
        planemo(self.home, *command, folder=report.parent, check=False)
        assert report.is_file(), "planemo ran nothing"
        return {test["id"]: test["data"] for test in json.loads(report.read_text())["tests"]}


def planemo(home: Path, *arguments: object, folder: Path, check: bool = True) -> str:
    """Run planemo with what it keeps in ``folder``, and return what it prints."""
    command = [str(home / "bin" / "planemo"), "--directory", str(folder / "planemo"), *map(str, arguments)]
    plain = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONWARNINGS"}}
    done = subprocess.run(command, cwd=folder, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout
    return done.stdout
