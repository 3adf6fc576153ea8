"""Small distributions that are broken in each way that one can be, built and installed by pip into folders of their own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Leaves a file behind where one asks for it, so that a test sees whether the module was imported.
MARK = "import os, pathlib\nif 'IMPORTED' in os.environ:\n    pathlib.Path(os.environ['IMPORTED']).touch()\n"

#: An aggregator that works: the targets of the nearest rows, by the sum of their scores.
AGGREGATOR = """
from dataclasses import dataclass
import numpy as np
from photophore.hookspecs import AggregatorSpec, hookimpl
from photophore.types import Candidates

@dataclass(frozen=True)
class Config:
    pass

class Sums:
    def __init__(self, config, runtime):
        pass

    def calibrate(self, background, targets):
        return {{}}

    def aggregate(self, neighbours, targets):
        {before}
        chosen, scores, offsets = [], [], [0]
        for i, name in enumerate(neighbours.ids):
            part = slice(neighbours.offsets[i], neighbours.offsets[i + 1])
            kept = neighbours.rows[part] >= 0
            owners = np.searchsorted(targets.offsets, neighbours.rows[part][kept], side="right") - 1
            sums = np.bincount(owners, neighbours.scores[part][kept], minlength=len(targets)).astype(np.float32)
            best = np.argsort(-sums, kind="stable")[:20]
            chosen += best.tolist()
            scores += sums[best].tolist()
            offsets.append(len(chosen))
            {within}
        ids = neighbours.ids
        {after}
        return Candidates(ids, np.array(offsets), np.array(chosen, np.int32), np.array(scores, np.float32))

@hookimpl
def photophore_aggregators():
    return [AggregatorSpec(name="{name}", summary="A stranger.", config=Config, create=Sums)]
"""


def aggregator(name: str, *, before: str = "", within: str = "", after: str = "") -> str:
    """Return the code of an aggregator into whose ``aggregate`` something was put."""
    return MARK + AGGREGATOR.format(name=name, before=before, within=within, after=after)


@dataclass(frozen=True)
class Distribution:
    """A distribution of one module: its code, and what its pyproject.toml says."""

    name: str
    code: str
    group: str = "photophore.v1"
    requires: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def install(self, folder: Path) -> Path:
        """Build and install it with pip, without a network, and return the folder that Python has to search."""
        source, site = folder / "source", folder / "site"
        source.mkdir(parents=True)
        (source / f"{self.module}.py").write_text(self.code)
        (source / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            f'[project]\nname = "{self.name}"\nversion = "1.0"\ndependencies = {list(self.requires)}\n'
            f'[project.entry-points."{self.group}"]\n{self.name} = "{self.module}"\n'
            f'[tool.setuptools]\npy-modules = ["{self.module}"]\n'
        )
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
        done = subprocess.run([*pip, "--target", site, source], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return site


#: Those that cannot be loaded: what they are, and what is said of them.
UNLOADABLE: dict[str, tuple[Distribution, str]] = {
    "import error": (
        Distribution("no-gpu", MARK + "raise RuntimeError('no GPU here')\n"),
        r"importing 'no_gpu' failed: RuntimeError: no GPU here \(.*no_gpu.py:4\)",
    ),
    "wrong type": (
        Distribution(
            "all-text", aggregator("all-text").replace("return [Aggr", "return ['all-text'] or [Aggr")
        ),
        "photophore_aggregators must return a list of AggregatorSpec, got one with 'all-text'",
    ),
    "missing dependency": (
        Distribution("lonely", MARK + "import no_such_library\n", requires=("no-such-library>=2",)),
        r"importing 'lonely' failed: ModuleNotFoundError: No module named 'no_such_library' \(.*lonely.py:4\)",
    ),
    "old interface": (
        Distribution("ancient", aggregator("ancient"), group="photophore.v0"),
        "is written for plugin interface v0, and this Photophore speaks v1; upgrade ancient",
    ),
    "exit at import": (
        Distribution("leaver", MARK + "import sys\nsys.exit('goodbye')\n"),
        "importing 'leaver' failed: SystemExit: goodbye",
    ),
}  # fmt: skip
SLOW = Distribution("sleeper", MARK + "import time\ntime.sleep(1.5)\n" + aggregator("sleeper"))
TWINS = tuple(Distribution(name, aggregator("twins")) for name in ("twin-one", "twin-two"))
#: Those that fail at work: what they are, the exit code, and what is said of them.
FAILING: dict[str, tuple[Distribution, int, str]] = {
    "an exception in the middle of a batch": (
        Distribution("thrower", aggregator("thrower", within="if i == 3: raise ZeroDivisionError('fell over')")),
        70,
        r"ZeroDivisionError: fell over\nin aggregator thrower of thrower 1.0, on a batch of 8 proteins \(",
    ),
    "exit in the middle of a batch": (
        Distribution("quitter", aggregator("quitter", within="if i == 3: raise SystemExit('bye')")),
        6,
        r"aggregator quitter of quitter 1.0: tried to end the process \(SystemExit: bye\)",
    ),
    "wrong ids": (
        Distribution("swapper", aggregator("swapper", after="ids = ids[::-1]")),
        6,
        (
            "aggregator swapper: returned '.*' where '.*' was given; this is a fault of the plugin\n"
            "  in aggregator swapper of swapper 1.0, on a batch of 8 proteins"
        ),
    ),
    "not a number": (
        Distribution("nanny", aggregator("nanny", after="scores[2] = float('nan')")),
        6,
        (
            "aggregator nanny: a score of '.*' is not finite; this is a fault of the plugin\n"
            "  in aggregator nanny of nanny 1.0, on a batch of 8 proteins"
        ),
    ),
    "an exception when it is opened": (
        Distribution("opener", aggregator("opener").replace("        pass\n\n    def cal", "        1 / 0\n\n    def cal")),
        70,
        "ZeroDivisionError: division by zero\nin aggregator opener of opener 1.0, create\n",
    ),
    "exit when it is opened": (
        Distribution("closer", aggregator("closer").replace("        pass\n\n    def cal", "        exit(0)\n\n    def cal")),
        6,
        r"aggregator closer of closer 1.0: tried to end the process \(SystemExit: 0\); this is a fault of the plugin\n",
    ),
    "no result": (
        Distribution("nothing", aggregator("nothing", before="return None")),
        6,
        "aggregator nothing: returned None, not Candidates; this is a fault of the plugin\n",
    ),
}
GOOD = Distribution("worker", aggregator("worker"))
