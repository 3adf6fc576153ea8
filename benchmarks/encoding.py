"""Residues a second of the near encoder, int8 and fp32, packing and unpacking included.

    python benchmarks/encoding.py --threads 2
"""

from __future__ import annotations

import argparse
import time

from material import machine, read_proteins

from photophore.hookspecs import Runtime
from photophore_near.config import NearConfig
from photophore_near.encoder import create_near


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    proteins = read_proteins(["metagenome_938293"])
    print(f"# {machine()}; {args.threads} threads; {len(proteins):,} proteins, {proteins.residues:,} residues; best and median of {args.repeats}")
    for precision in ("int8", "fp32"):
        encoder = create_near(NearConfig(precision=precision), Runtime("cpu", args.threads))
        encoder.encode(proteins.select(range(200)))
        times = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            encoder.encode(proteins)
            times.append(time.perf_counter() - start)
        times.sort()
        print(f"| {precision} | {proteins.residues / times[0]:,.0f} | {proteins.residues / times[len(times) // 2]:,.0f} |")


if __name__ == "__main__":
    main()
