"""Check that a finished run of ``photophore annotate`` is whole: check_annotation.py OUT EXAMPLE.

Runs in an environment that holds the base install alone.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet

from photophore.examples import example_path

FORMATS = ("annotations.tsv", "annotations.gff3", "annotations.jsonl", "annotations.parquet", "hits.domtblout")
#: A default database that is of use knows at least this share of a bacterium's proteins.
MIN_ANNOTATED_SHARE = 0.05


def body(path: Path) -> list[str]:
    """Return the lines that are neither empty nor comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def problems(out: Path, example: str) -> list[str]:
    """Return what is wrong with the run in ``out``, in words."""
    fasta = gzip.decompress(example_path(example).read_bytes()).decode("ascii")
    names = {line[1:].split()[0] for line in fasta.splitlines() if line.startswith(">")}
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    counts = run["counts"]
    with (out / "annotations.tsv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    proteins = {row["protein"] for row in rows}

    lengths = {
        "annotations.tsv": len(rows),
        "annotations.gff3": len(body(out / "annotations.gff3")),
        "annotations.jsonl": len(body(out / "annotations.jsonl")),
        "annotations.parquet": pyarrow.parquet.read_metadata(out / "annotations.parquet").num_rows,
        "hits.domtblout": len(body(out / "hits.domtblout")),
    }
    digests = {output["name"]: output["sha256"] for output in run["outputs"]}
    checks = {
        f"proteins: {counts['proteins']}, in the example {len(names)}": counts["proteins"] == len(names),
        f"counts do not add up: {counts}": counts["proteins"]
        == counts["annotated"] + counts["unannotated"] + counts["failed"],
        "proteins.tsv does not hold every protein once": len(body(out / "proteins.tsv")) == len(names) + 1,
        f"failed: {counts['failed']}": counts["failed"] == 0,
        f"annotated: {counts['annotated']}, in the table {len(proteins)}": counts["annotated"] == len(proteins),
        f"annotated: only {len(proteins)} of {len(names)}": len(proteins) >= MIN_ANNOTATED_SHARE * len(names),
        "the table names proteins that the example has not": proteins <= names,
        f"rows differ: {lengths}, run.json says {counts['annotations']}": set(lengths.values())
        == {counts["annotations"]},
        f"run.json names {sorted(digests)}": set(FORMATS) <= set(digests),
        "a checksum in run.json is wrong": all(
            hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for name, digest in digests.items()
        ),
    }
    return [problem for problem, holds in checks.items() if not holds]


def main(out: Path, example: str) -> None:
    """Report and exit."""
    if found := problems(out, example):
        sys.exit("\n".join(f"{out}: {problem}" for problem in found))
    counts = json.loads((out / "run.json").read_text(encoding="utf-8"))["counts"]
    print(f"{out}: whole; {counts['annotated']} of {counts['proteins']} proteins annotated, {counts['annotations']} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
