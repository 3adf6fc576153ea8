"""Do int8, fp32 (and a GPU) give the same final annotations? Counts the rows that differ.

    python benchmarks/precision.py --database DB [--device cuda]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from material import machine, read_proteins, write_fasta


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True)
    parser.add_argument("--proteins", nargs="+", default=["metagenome_938293"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    fasta = args.work / "precision.fa"
    write_fasta(read_proteins(args.proteins), fasta)
    runs = {"int8 cpu": ["--device", "cpu"], "fp32 cpu": ["--device", "cpu", "--set", "encoder.precision=fp32"]}
    if args.device != "cpu":
        runs[f"fp32 {args.device}"] = ["--device", args.device]
    rows = {}
    for number, (name, extra) in enumerate(runs.items()):
        out = args.work / f"precision-{number}"
        command = [sys.executable, "-m", "photophore", "annotate", str(fasta), "-d", args.database, "-o", str(out)]
        subprocess.run([*command, "--force", *extra], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = (out / "annotations.tsv").read_text().splitlines()
        head = lines[0].split("\t")
        key = [head.index(column) for column in ("protein", "target")]
        rows[name] = {tuple(line.split("\t")[k] for k in key): line for line in lines[1:]}
    first = next(iter(runs))
    print(f"# {machine()}; {args.database}")
    print("| against | pairs | only int8 | only other |\n|---|---|---|---|")
    for name in list(runs)[1:]:
        ours, other = set(rows[first]), set(rows[name])
        print(f"| {name} | {len(ours | other)} | {len(ours - other)} | {len(other - ours)} |")


if __name__ == "__main__":
    main()
