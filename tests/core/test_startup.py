"""Starting is quick and imports no runtime: what is measured is the best of several starts, so that a busy machine may pass."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

LIMIT_S = 0.5
STARTS = 8
RUNTIMES = (
    "torch",
    "onnxruntime",
    "faiss",
    "pyhmmer",
    "parasail",
    "pyarrow",
    "esm",
    "safetensors",
    "pyrodigal",
    "scipy",
    "transformers",
    "sentencepiece",
    "matplotlib",
)

REPORT = """
import json, sys
from photophore.cli import main
code = main({arguments!r})
print(json.dumps([code, sorted({{name.partition(".")[0] for name in sys.modules}})]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["plugins", "list"], ["plugins", "list", "--json"], ["models", "list"]]
)
def test_no_runtime_is_imported(arguments) -> None:
    result = subprocess.run(
        [sys.executable, "-c", REPORT.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(result.stderr.splitlines()[-1])
    assert code == 0
    assert not [name for name in RUNTIMES if name in modules]
    if arguments[0].startswith("--"):
        assert "numpy" not in modules


def test_version_is_one_bare_number() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import sys, photophore.cli as c; sys.exit(c.main(['--version']))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == version("photophore") + "\n"
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [["--version"], ["plugins", "list"]])
def test_starting_takes_less_than_half_a_second(arguments) -> None:
    code = f"import sys, photophore.cli as c; sys.exit(c.main({arguments!r}))"
    best = float("inf")
    for _ in range(STARTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        best = min(best, time.perf_counter() - begin)
        if best < LIMIT_S:
            return
    pytest.fail(f"the quickest of {STARTS} starts took {best:.2f} s, more than {LIMIT_S} s")
