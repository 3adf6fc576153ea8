"""The domains of an npz file as the table that `photophore db build --method siamese` reads.

    python benchmarks/structure_table.py -o work/domains.tsv
    python benchmarks/structure_table.py --side valid -o work/valid.tsv

With `--side` only the domains of one side of the split of siamese-small (train, valid, test) are written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from material import shared
from structure import HELD_OUT

from photophore_siamese.truth.domains import read_domains
from photophore_siamese.truth.holdout import SIDES, read_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    domains = read_domains(shared() / "structures" / "domains.npz")
    chosen = read_split(HELD_OUT).members(domains, args.side) if args.side else range(len(domains))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8") as stream:
        stream.write("id\tcath\tsequence\n")
        stream.writelines(f"{domains.ids[i]}\t{domains.cath[i]}\t{domains.sequences[i]}\n" for i in chosen)
    print(f"{args.out}: {len(chosen)} domains")


if __name__ == "__main__":
    main()
