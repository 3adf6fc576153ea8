"""EC numbers by `photophore annotate`, side by side with DIAMOND and phmmer in the same look-up set.

    python benchmarks/ec.py quality --database ec --setting "" "--fdr 0.2"
    python benchmarks/ec.py speed --database ec
    python benchmarks/ec.py calibration --database ec

Only full EC numbers count in `quality`; its tables have a row for each --setting, and for each way of carrying labels over
from the peers' hits, whose thresholds are chosen on val30 and val50. `calibration` takes each row of `annotate` for one
promise: a full EC number that the protein carries, or a partial one above a number that it carries, is right; any EC number
of a protein that is no enzyme is wrong. The peers' hits are kept in the work folder, since phmmer takes half an hour.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ec_metrics import Labels, expected_calibration_error, false_discovery_rate, score
from ec_peers import LOOKUP, SETS, WORK, Labelled, diamond_database, read_labelled, run_diamond
from ec_votes import Method, peers
from material import machine, read_proteins, write_fasta

from photophore.ec import EC, label_set, parse_ec, split_ecs

#: What promises are measured on: held-out clusters, and proteins that are no enzymes.
PROMISES = ("val30", "val50", "nonenzyme_val")
NEGATIVES = "nonenzyme_val"


@dataclass(frozen=True)
class Row:
    """One EC number that `annotate` gave a protein."""

    set: str
    protein: str
    ec: EC
    confidence: float


def annotate(args: argparse.Namespace, fasta: Path, setting: str) -> tuple[Path, float]:
    """Run `photophore annotate`; return its folder of results and the wall-clock seconds."""
    out = args.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "photophore",
        "annotate",
        str(fasta),
        "-o",
        str(out),
        "-q",
        "--threads",
        str(args.threads),
    ]
    database = ["-d", args.database] if args.database else []
    settings = [word for entry in args.settings for word in ("--set", entry)]
    start = time.perf_counter()
    subprocess.run([*command, *database, *settings, *shlex.split(setting)], check=True)
    return out, time.perf_counter() - start


def annotated(args: argparse.Namespace, sets: Mapping[str, Labelled], setting: str) -> list[Row]:
    """Return the EC numbers that one run gives the proteins of all sets."""
    fasta = args.work / "queries.faa"
    with fasta.open("w") as stream:
        for name, proteins in sets.items():
            stream.writelines(f">{name}|{protein}\n{proteins.sequences[protein]}\n" for protein in proteins.ids)
    out, _ = annotate(args, fasta, setting)
    if (out / "failures.tsv").read_text().count("\n") > 1:
        raise SystemExit(f"{out / 'failures.tsv'}: some proteins failed; the figures would not be of all")
    return list(read_rows(out / "annotations.tsv"))


def read_rows(table: Path) -> Iterable[Row]:
    """Yield the rows of ``annotations.tsv`` that name EC numbers; proteins are named ``set|protein``."""
    with table.open(newline="") as stream:
        for cells in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            name, _, protein = cells["protein"].partition("|")
            for ec in split_ecs(cells["ecs"]):
                yield Row(name, protein, ec, float(cells["confidence"] or "nan"))


def full_ecs(rows: Iterable[Row], names: Iterable[str], *, first: bool = False) -> dict[str, dict[str, set[str]]]:
    """Return the full EC numbers of each protein of each set, or the ``first`` alone, which is the most probable."""
    told: dict[str, dict[str, set[str]]] = {name: {} for name in names}
    for row in rows:
        if row.ec.is_full and not (first and row.protein in told[row.set]):
            told[row.set].setdefault(row.protein, set()).add(str(row.ec))
    return told


def is_right(row: Row, sets: Mapping[str, Labelled]) -> bool:
    """Tell whether the protein carries the EC number, or one under it."""
    return row.ec in label_set(map(parse_ec, sets[row.set].ecs[row.protein]))


def quality(args: argparse.Namespace) -> None:
    """Print a table for each set: the peers, then Photophore with each setting."""
    sets = {name: read_labelled(name) for name in args.sets}
    methods = peers(args.sets, args.peers, args.work)
    for setting in args.settings_lines:
        said = " ".join(filter(None, ["Photophore", setting]))
        methods.append(Method(said, full_ecs(annotated(args, sets, setting), sets, first=args.first)))
    for name, proteins in sets.items():
        print(f"\n{name} ({len(proteins.ids):,} proteins)\n")
        if name == NEGATIVES:
            print_negatives(methods, name, len(proteins.ids))
        else:
            print_scores(methods, name, proteins.ecs)


def print_scores(methods: Sequence[Method], name: str, truth: Labels) -> None:
    """Print how well each method tells the labels of a set."""
    print("| method | weighted precision / recall / F1 | sample F1 | micro F1 | labels a protein | with an EC |")
    print("|---|---|---|---|---|---|")
    for method in methods:
        it = score(truth, method.told[name])
        print(
            f"| {method.name} | {it.precision:.3f} / {it.recall:.3f} / {it.f1:.3f} | {it.sample_f1:.3f} | "
            f"{it.micro_f1:.3f} | {it.labels:.2f} | {100 * it.coverage:.1f} % |"
        )


def print_negatives(methods: Sequence[Method], name: str, proteins: int) -> None:
    """Print how many proteins without an EC number each method gives a full one."""
    print("| method | proteins with a full EC | share |\n|---|---|---|")
    for method in methods:
        found = sum(map(bool, method.told[name].values()))
        print(f"| {method.name} | {found} | {100 * found / proteins:.1f} % |")


def speed(args: argparse.Namespace) -> None:
    """Time a proteome by both programs in turns, with databases made before."""
    proteins = read_proteins([args.proteome])
    fasta = args.work / "proteome.faa"
    write_fasta(proteins, fasta)
    database = diamond_database(read_labelled(LOOKUP), work=args.work, threads=args.threads)
    ours, theirs, stages = [], [], []
    for _ in range(args.repeats):
        out, seconds = annotate(args, fasta, args.settings_lines[0])
        ours.append(seconds)
        stages.append(json.loads((out / "run.json").read_text())["seconds"])
        start = time.perf_counter()
        run_diamond(database, fasta, args.work / "proteome.tsv", threads=args.threads)
        theirs.append(time.perf_counter() - start)
    print(f"# {machine()}; {args.threads} threads; {len(proteins):,} proteins, {proteins.residues:,} residues")
    print("| program | seconds, median | each run |\n|---|---|---|")
    for name, seconds in (("photophore annotate", ours), ("diamond blastp --ultra-sensitive", theirs)):
        print(f"| {name} | {statistics.median(seconds):.1f} | {', '.join(f'{value:.1f}' for value in seconds)} |")
    middle = stages[sorted(range(len(ours)), key=ours.__getitem__)[len(ours) // 2]]
    print(f"\nStages (s): {', '.join(f'{stage} {value:.1f}' for stage, value in middle.items())}")


def calibration(args: argparse.Namespace) -> None:
    """Print, for each promised false discovery rate, what was measured."""
    sets = {name: read_labelled(name) for name in PROMISES}
    print(
        "| --fdr | measured | full ECs alone | of val30 | of val50 | without val50 | wrong of rows | enzymes with a row | ECE |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for promised in args.fdr:
        rows = annotated(args, sets, f"--fdr {promised:g} {args.settings_lines[0]}".strip())
        print(promise_row(promised, rows, sets), flush=True)


def promise_row(promised: float, rows: Sequence[Row], sets: Mapping[str, Labelled]) -> str:
    """Return what came of a promised false discovery rate, as a row of the table."""
    parts = (
        rows,
        [row for row in rows if row.ec.is_full],
        *([row for row in rows if row.set == name] for name in ("val30", "val50")),
        [row for row in rows if row.set != "val50"],
    )
    rates = " | ".join(f"{false_discovery_rate(*promises(part, sets)):.3f}" for part in parts)
    confidence, right = promises(rows, sets)
    enzymes = sum(len(proteins.ids) for name, proteins in sets.items() if name != NEGATIVES)
    reached = len({(row.set, row.protein) for row in rows if row.set != NEGATIVES})
    return (
        f"| {promised:g} | {rates} | {right.count(False)} of {len(rows):,} | {100 * reached / enzymes:.1f} % | "
        f"{expected_calibration_error(confidence, right):.3f} |"
    )


def promises(rows: Sequence[Row], sets: Mapping[str, Labelled]) -> tuple[list[float], list[bool]]:
    """Return the confidence of each row, and whether it is right."""
    return [row.confidence for row in rows], [is_right(row, sets) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "speed", "calibration"])
    parser.add_argument("--database", help="name or folder (default: the one that comes with Photophore)")
    parser.add_argument("--set", nargs="*", default=[], dest="settings", metavar="KIND.FIELD=VALUE")
    parser.add_argument(
        "--setting",
        nargs="*",
        default=[""],
        dest="settings_lines",
        metavar="ARGUMENTS",
        help='further arguments of annotate, each a row of `quality`, such as "--fdr 0.2"; none leaves Photophore out',
    )
    parser.add_argument("--first", action="store_true", help="`quality` of the most probable number of a protein alone")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS, help="what `quality` is measured on")
    parser.add_argument("--peers", nargs="*", default=["diamond", "phmmer"], choices=["diamond", "phmmer"])
    parser.add_argument("--fdr", nargs="+", type=float, default=[0.01, 0.05, 0.1, 0.2])
    parser.add_argument("--proteome", default="ecoli", help="what `speed` annotates")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=WORK)
    args = parser.parse_args()
    if args.what != "quality" and not args.settings_lines:
        parser.error(f"{args.what} runs photophore annotate: leave out --setting, or give its arguments")
    args.work.mkdir(parents=True, exist_ok=True)
    {"quality": quality, "speed": speed, "calibration": calibration}[args.what](args)


if __name__ == "__main__":
    main()
