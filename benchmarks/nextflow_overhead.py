"""What the Nextflow workflow costs over the plain command on the same work, as the shards get smaller.

    python benchmarks/nextflow_overhead.py --proteins 100000 --residues 50000000 20000000 10000000

Plain command and workflow run one after the other, in turns, on the same cores: `photophore annotate` with as many
threads as there are cores, and the workflow as a user starts it (JVM, sheet, splitting, annotating, merging, report,
copies of the results), one task at a time with the same threads. The bytes of both are compared. Beside wall-clock
seconds stands processor time, of all processes, which other work on the machine disturbs less; the shares are of the
plain run of the same turn. Proteins come from the bacterial UniRef90 file, in order.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from material import machine, shared

from photophore.fasta import Record, read_fasta
from photophore.writers import ALL_FILES

WORKFLOW = Path(__file__).parents[1] / "nextflow"


@dataclass(frozen=True)
class Cost:
    """Seconds of one command and all that it started."""

    wall: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proteins", type=int, default=100_000)
    parser.add_argument("--residues", nargs="+", type=int, default=[50_000_000, 20_000_000, 10_000_000, 5_000_000])
    parser.add_argument("--nextflow", default="nextflow", help="launcher of Nextflow")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks/nextflow"))
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    residues = write_input(args.work / "proteins.faa", args.proteins)
    load = os.getloadavg()[0]
    print(f"# {machine()}; {args.threads} threads; {args.proteins:,} proteins, {residues:,} residues; load before {load:.1f}")
    print("| residues a shard | shards | plain s (processor) | workflow s (processor) | more, wall | more, processor | bytes |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for size in args.residues:
        for _ in range(args.repeats):
            print_turn(args, size)


def write_input(path: Path, count: int) -> int:
    """Write the first proteins of the file; return their residues."""
    residues = 0
    with path.open("w") as stream:
        records = read_fasta([shared() / "sequences/uniref90_bacterial_enzymes.fa.xz"])
        for record in islice((r for r in records if isinstance(r, Record)), count):
            stream.write(f">{record.id}\n{record.sequence}\n")
            residues += len(record.sequence)
    path.with_suffix(".csv").write_text("sample,proteins\nproteins,proteins.faa\n")
    return residues


def print_turn(args: argparse.Namespace, size: int) -> None:
    """Time the plain command and then the workflow once, and print the row."""
    plain, launch = args.work / "plain", args.work / "launch"
    shutil.rmtree(plain, ignore_errors=True)
    shutil.rmtree(launch, ignore_errors=True)
    launch.mkdir()
    (launch / "cores.config").write_text(
        f"process {{\n    withName: 'PHOTOPHORE_ANNOTATE' {{\n        cpus = {args.threads}\n    }}\n}}\n"
    )
    command = [sys.executable, "-m", "photophore", "annotate", "proteins.faa", "-q", "-t", str(args.threads), "-o", "plain"]
    one = timed(command, args.work)
    command = [args.nextflow, "run", str(WORKFLOW), "-c", "cores.config", "--input", str(args.work / "proteins.csv")]
    many = timed([*command, "--shard_residues", str(size), "--outdir", "out"], launch)
    result = launch / "out/annotations/default/proteins"
    names = [name for name in ALL_FILES if name != "run.json"]
    same = all((plain / name).read_bytes() == (result / name).read_bytes() for name in names)
    shards = sum("PHOTOPHORE_ANNOTATE" in line for line in (launch / "out/pipeline_info/trace.txt").read_text().splitlines())
    print(
        f"| {size:,} | {shards} | {one.wall:.0f} ({one.processor:.0f}) | {many.wall:.0f} ({many.processor:.0f}) "
        f"| {100 * (many.wall / one.wall - 1):.1f} % | {100 * (many.processor / one.processor - 1):.1f} % "
        f"| {'the same' if same else 'DIFFER'} |",
        flush=True,
    )


def timed(command: Sequence[str], folder: Path) -> Cost:
    """Run ``command`` to its end and return what it cost; its children are waited for, so that they count."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NXF_ANSI_LOG": "false"}
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.perf_counter() - start, processor)


if __name__ == "__main__":
    main()
