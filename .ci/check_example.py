"""Check that a run of ``photophore annotate`` used a plugin of another distribution: check_example.py OUT DISTRIBUTION."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(out: Path, distribution: str) -> None:
    """Report and exit."""
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    counts = run["counts"]
    used = [f"{link['kind']} {link['name']}" for link in run["plugins"] if link["distribution"] == distribution]
    if not used:
        sys.exit(f"{out}: no link of the chain is of {distribution}: {run['plugins']}")
    if counts["failed"] or not counts["annotated"]:
        sys.exit(f"{out}: {counts}: nothing was annotated, or something failed")
    print(f"{out}: {', '.join(used)} of {distribution}; {counts['annotated']} of {counts['proteins']} proteins annotated")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
