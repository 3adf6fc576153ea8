"""`photophore annotate` against hmmsearch, end to end, on the same cores in one run, as the database grows.

    python benchmarks/speed.py --profiles padloc.hmm ec3.hmm ec2.hmm --positions 250000 500000 1000000 2000000

Databases are built once and kept in the work folder; only `annotate` is timed: start-up, reading, encoding, search,
pyhmmer, writing of all formats. hmmsearch reads a binary profile file and writes HMMER's domain table. Both report
E <= 1e-3; how many of hmmsearch's pairs (protein, profile) annotate has found is in the table, too. Both work out the
domains of every pair that they report, so the ratio falls with the pairs that each protein has. "Rows differ" are domains
in both tables of which a printed number is not the same (E-values, scores, biases, envelope, accuracy).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from material import machine, read_profiles, read_proteins, write_fasta

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", nargs="+", type=Path, required=True)
    parser.add_argument("--positions", nargs="+", type=int, default=[250_000, 500_000, 1_000_000, 2_000_000])
    parser.add_argument("--proteins", nargs="+", default=["metagenome_938293", "paeruginosa", "synechocystis"])
    parser.add_argument("--set", nargs="*", default=[], dest="settings", metavar="KIND.FIELD=VALUE")
    parser.add_argument("--build-set", nargs="*", default=[], metavar="KIND.FIELD=VALUE")
    parser.add_argument(
        "--build-args", nargs="*", default=[], help="further arguments of db build, such as --index=flat"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flushed", action="store_true", help="let hmmsearch, too, take subnormal numbers for zero")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    proteins = read_proteins(args.proteins)
    fasta = args.work / "speed.fa"
    write_fasta(proteins, fasta)
    cut_profiles(args)
    print(f"# {machine()}; {args.threads} threads; {len(proteins):,} proteins, {proteins.residues:,} residues")
    print("| positions | profiles | hmmsearch s | annotate s | ratio | pairs a protein | pairs found | rows differ | stages (s) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for positions in args.positions:
        for _ in range(args.repeats):
            time_once(args, positions, fasta, len(proteins))


def cut_profiles(args: argparse.Namespace) -> None:
    """Write one binary profile file and build one database for each number of positions."""
    missing = [positions for positions in args.positions if not (args.work / f"db{positions}").is_dir()]
    if not missing:
        return
    profiles = [profile for path in args.profiles for profile in read_profiles(path)]
    for positions in missing:
        taken = 0
        path = args.work / f"speed{positions}.h3m"
        with path.open("wb") as stream:
            for profile in profiles:
                if taken >= positions:
                    break
                profile.write(stream, binary=True)
                taken += profile.M
        settings = [word for entry in args.build_set for word in ("--set", entry)]
        command = [
            sys.executable,
            "-m",
            "photophore",
            "db",
            "build",
            str(path),
            "-o",
            str(args.work / f"db{positions}"),
        ]
        subprocess.run([*command, *settings, *args.build_args], check=True, stdout=subprocess.DEVNULL)


def time_once(args: argparse.Namespace, positions: int, fasta: Path, proteins: int) -> None:
    """Time both programs once, one after the other, and print a row."""
    threads = ("--threads", str(args.threads))
    profiles = args.work / f"speed{positions}.h3m"
    database, out = args.work / f"db{positions}", args.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    settings = [word for entry in args.settings for word in ("--set", entry)]
    ours = timed(
        [
            sys.executable,
            "-m",
            "photophore",
            "annotate",
            str(fasta),
            "-d",
            str(database),
            "-o",
            str(out),
            *threads,
            *settings,
        ]
    )
    peer = timed(
        [
            *(sys.executable, str(HERE / "hmmsearch.py"), str(profiles), str(fasta), str(args.work / "peer.tbl"), *threads),
            *(["--flushed"] if args.flushed else []),
        ]
    )
    manifest = json.loads((database / "manifest.json").read_text())
    stages = json.loads((out / "run.json").read_text())["seconds"]
    theirs, own = domain_rows(args.work / "peer.tbl"), domain_rows(out / "hits.domtblout")
    both = theirs.keys() & own.keys()
    wanted, found = ({row[:2] for row in rows} for rows in (theirs, own))  # protein and profile
    shown = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages.items())
    print(
        f"| {manifest['positions']:,} | {manifest['targets']:,} | {peer:.1f} | {ours:.1f} | {peer / ours:.1f} | "
        f"{len(wanted) / proteins:.2f} | {100 * len(wanted & found) / max(1, len(wanted)):.1f} % | "
        f"{sum(theirs[row] != own[row] for row in both)} of {len(both):,} | {shown} |",
        flush=True,
    )


def domain_rows(table: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return what HMMER's domain table says of each aligned domain, but for numbers that depend on what else is reported.

    Keys are both names, in any order (hmmsearch and hmmscan differ), and the coordinates of the alignment.
    """
    rows = {}
    with table.open() as stream:
        for line in stream:
            if not line.startswith("#"):
                word = line.split()
                rows[*sorted((word[0], word[3])), *word[15:19]] = (*word[6:9], *word[12:15], *word[19:22])
    return rows


def timed(command: list[str]) -> float:
    """Run ``command``; return its wall-clock seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
