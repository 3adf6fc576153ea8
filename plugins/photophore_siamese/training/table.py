"""Writes domains as a table for `photophore db build`: ``python -m photophore_siamese.training.table DOMAINS.npz -o TSV``.

With ``--held-out LIST --side valid`` only those whose folds the list keeps for that side, which a calibration is fitted on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from photophore_siamese.truth.domains import Domains, read_domains
from photophore_siamese.truth.holdout import SIDES, read_split


def write_table(domains: Domains, numbers: Sequence[int], path: Path) -> None:
    """Write the columns id, cath and sequence of the domains ``numbers``, with a header."""
    rows = ("\t".join((domains.ids[i], domains.cath[i], domains.sequences[i])) for i in numbers)
    path.write_text("\n".join(["id\tcath\tsequence", *rows, ""]), encoding="ascii")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("domains", type=Path, metavar="DOMAINS.npz")
    parser.add_argument("--held-out", type=Path, metavar="LIST", help="which folds are of which side")
    parser.add_argument("--side", choices=SIDES, help="only domains of this side of the list")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="TSV")
    given = parser.parse_args(arguments)
    if (given.held_out is None) != (given.side is None):
        parser.error("--held-out and --side go together; give both or none")
    domains = read_domains(given.domains)
    numbers = range(len(domains)) if given.side is None else read_split(given.held_out).members(domains, given.side)
    write_table(domains, numbers, given.output)


if __name__ == "__main__":
    main()
