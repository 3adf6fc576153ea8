"""Peak resident memory of `photophore annotate` as the input grows.

    python benchmarks/memory.py --proteins 10000 30000 100000 [--database DB]

Proteins come from the bacterial UniRef90 file, in order.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from material import machine, shared

from photophore.fasta import Record, read_fasta


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proteins", nargs="+", type=int, default=[10_000, 30_000, 100_000])
    parser.add_argument("--database")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    print(f"# {machine()}; database {args.database or 'default'}")
    print("| proteins | residues | peak resident MB | seconds |\n|---|---|---|---|")
    for count in args.proteins:
        fasta, out = args.work / f"memory{count}.fa", args.work / "memory-out"
        residues = 0
        with fasta.open("w") as stream:
            records = read_fasta([shared() / "sequences/uniref90_bacterial_enzymes.fa.xz"])
            for record in islice((r for r in records if isinstance(r, Record)), count):
                stream.write(f">{record.id}\n{record.sequence}\n")
                residues += len(record.sequence)
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "photophore", "annotate", str(fasta), "-o", str(out)]
        command += ["--threads", str(args.threads)] + (["-d", args.database] if args.database else [])
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"annotate ended with status {status}")
        seconds = time.perf_counter() - start
        print(f"| {count:,} | {residues:,} | {usage.ru_maxrss / 1024:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
