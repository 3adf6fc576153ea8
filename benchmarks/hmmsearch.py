"""The peer of `speed.py`: every profile against every protein by pyhmmer, with HMMER's own table as output.

    python benchmarks/hmmsearch.py PROFILES.h3m PROTEINS.fa OUT.tbl --threads 2
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext

import pyhmmer

from photophore_hmmer.subnormals import flushed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles")
    parser.add_argument("proteins")
    parser.add_argument("output")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--evalue", type=float, default=1e-3)
    parser.add_argument("--flushed", action="store_true", help="subnormal numbers are zero, as in HMMER's own programs")
    args = parser.parse_args()
    with pyhmmer.plan7.HMMFile(args.profiles) as stream:
        profiles = list(stream)
    with pyhmmer.easel.SequenceFile(args.proteins, digital=True) as stream:
        proteins = stream.read_block()
    flushing = flushed() if args.flushed else nullcontext()
    with open(args.output, "wb") as table, flushing:  # noqa: PTH123 - a plain script
        # The threads that begin here inherit what the block sets.
        searched = pyhmmer.hmmsearch(profiles, proteins, cpus=args.threads, E=args.evalue, Z=len(profiles))
        for number, hits in enumerate(searched):
            hits.write(table, format="domains", header=number == 0)


if __name__ == "__main__":
    main()
