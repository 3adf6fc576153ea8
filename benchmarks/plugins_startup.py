"""What broken and slow plugins add to the start of a command that does not use them.

    python benchmarks/plugins_startup.py --repeats 11

Each distribution is a folder of its own with a module and the metadata that pip writes. Every command is run without
and with it in turn; the difference is taken pair by pair. `annotate --dry-run` opens the whole default database.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from material import machine

from photophore.examples import example_path

GOOD = """
from dataclasses import dataclass
from photophore.hookspecs import AggregatorSpec, hookimpl

@dataclass(frozen=True)
class Config:
    pass

def create(config, runtime):
    raise NotImplementedError

@hookimpl
def photophore_aggregators():
    return [AggregatorSpec(name="NAME", summary="A stranger.", config=Config, create=create)]
"""
CASES: Mapping[str, str] = {
    "sound": GOOD,
    "import error": "raise RuntimeError('no GPU here')\n",
    "missing dependency": "import no_such_library\n",
    "wrong type": GOOD.replace("return [", "return ['text'] or ["),
    "`sys.exit` at import": "import sys\nsys.exit(1)\n",
    "slow import (2 s)": "import time\ntime.sleep(2)\n" + GOOD,
}
MANY = 30


def install(folder: Path, name: str, code: str, group: str = "photophore.v1") -> None:
    """Put one distribution into ``folder``."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code.replace("NAME", name))
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


def sites(parent: Path) -> dict[str, Path]:
    """Return the folder of each case."""
    found = {}
    for number, (what, code) in enumerate(CASES.items()):
        found[what] = parent / f"case{number}"
        found[what].mkdir()
        install(found[what], "acme", code)
    found["old interface"] = parent / "old"
    found["old interface"].mkdir()
    install(found["old interface"], "acme", GOOD, "photophore.v0")
    found["two of one name"] = parent / "twins"
    found["two of one name"].mkdir()
    for name in ("acme-one", "acme-two"):
        install(found["two of one name"], name, GOOD.replace("NAME", "twins"))
    found[f"{MANY} broken ones"] = parent / "many"
    found[f"{MANY} broken ones"].mkdir()
    for number in range(MANY):
        install(found[f"{MANY} broken ones"], f"acme-{number}", "raise RuntimeError('no GPU here')\n")
    return found


def seconds(arguments: list[str], site: Path) -> tuple[float, float]:
    """Return the seconds of one command that sees ``site``: by the clock on the wall, and of processors."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "photophore", *arguments], env=environment, capture_output=True, check=False)
    taken, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{arguments}: ended with {done.returncode}: {done.stderr.decode()}")
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty, queries = folder / "empty", folder / "queries.faa"
        empty.mkdir()
        entries = gzip.decompress(example_path("corynebacterium").read_bytes()).decode().split(">")[1:9]
        queries.write_text("".join(f">{entry}" for entry in entries))
        commands = {"--version": ["--version"], "annotate": ["annotate", str(queries), "--dry-run"], "plugins list": ["plugins", "list"]}
        cases = sites(folder)
        for site in (empty, *cases.values()):  # bytecode and caches
            for arguments in commands.values():
                seconds(arguments, site)
        print(f"# {machine()}; medians of {args.repeats} pairs, in ms: wall clock / processor")
        print(f"| beside the built-in plugins | {' | '.join(commands)} |")
        print(f"|---|{'---|' * len(commands)}")
        base: dict[str, list[tuple[float, float]]] = {command: [] for command in commands}
        rows = []
        for what, site in cases.items():
            cells = []
            for command, arguments in commands.items():
                pairs = [(seconds(arguments, empty), seconds(arguments, site)) for _ in range(args.repeats)]
                base[command] += [without for without, _ in pairs]
                cells.append(medians([(w[0] - o[0], w[1] - o[1]) for o, w in pairs], "+.0f"))
            rows.append(f"| {what} | {' | '.join(cells)} |")
        print(f"| nothing | {' | '.join(medians(base[command], '.0f') for command in commands)} |")
        print("\n".join(rows))


def medians(taken: list[tuple[float, float]], form: str) -> str:
    """Return the medians of wall clock and processor in milliseconds."""
    return " / ".join(f"{1e3 * statistics.median(column):{form}}" for column in zip(*taken, strict=True))


if __name__ == "__main__":
    main()
