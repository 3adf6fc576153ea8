"""Are the numbers HMMER's, and does the answer depend on the cut? On real proteins, with the default database.

    python benchmarks/exactness.py --proteins metagenome_938293 --count 700

Compares every reported domain with an unfiltered pyhmmer search (Z = number of profiles), to the last printed digit, and
the bytes of one run with those of 7 merged shards, of one thread, and, sorted, of shuffled input.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

import pyhmmer
from material import machine, read_proteins, write_fasta
from pyarrow import parquet

from photophore.database import find
from photophore_hmmer.store import ProfileStore

FILES = ("annotations.tsv", "annotations.gff3", "annotations.jsonl", "hits.domtblout", "proteins.tsv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proteins", nargs="+", default=["metagenome_938293"])
    parser.add_argument("--count", type=int, default=700)
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks/exactness"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    proteins = read_proteins(args.proteins).select(range(args.count))
    whole = args.work / "whole.fa"
    write_fasta(proteins, whole)
    records = whole.read_text().split(">")[1:]
    print(f"# {machine()}; {len(proteins):,} proteins, {proteins.residues:,} residues, default database")

    one = annotate(args.work, "one", records, "2")
    print(f"| one thread, bytes | {same(one, annotate(args.work, 'single', records, '1'))} |")
    shards = [annotate(args.work, f"shard{n}", records[n * len(records) // 7 : (n + 1) * len(records) // 7], "2") for n in range(7)]
    merged = args.work / "merged"
    run("merge", *map(str, shards), "-o", str(merged), "--force")
    print(f"| 7 shards merged, bytes | {same(one, merged)} |")
    shuffled = random.Random(1).sample(records, len(records))
    print(f"| shuffled, sorted lines | {same(one, annotate(args.work, 'shuffled', shuffled, '2'), ordered=False)} |")
    compare(one, proteins.sequences)


def annotate(work: Path, name: str, records: list[str], threads: str) -> Path:
    """Run `annotate` on the records; return its folder."""
    fasta, out = work / f"{name}.fa", work / name
    fasta.write_text("".join(f">{record}" for record in records))
    run("annotate", str(fasta), "-o", str(out), "--threads", threads, "--force")
    return out


def run(*arguments: str) -> None:
    """Run `photophore` with the arguments."""
    subprocess.run([sys.executable, "-m", "photophore", *arguments], check=True, capture_output=True)


def same(one: Path, other: Path, *, ordered: bool = True) -> str:
    """Say which files differ."""
    def lines(path: Path) -> list[bytes]:
        kept = [line for line in path.read_bytes().splitlines() if ordered or not line.startswith(b"#")]
        if path.suffix == ".gff3" and not ordered:
            kept = [b";".join(part for part in line.split(b";") if b"ID=" not in part) for line in kept]
        return kept if ordered else sorted(b" ".join(line.split(b" ")) for line in kept)

    different = [name for name in FILES if lines(one / name) != lines(other / name)]
    return f"differ: {', '.join(different)}" if different else "the same"


def compare(folder: Path, sequences: tuple[str, ...]) -> None:
    """Compare every row with an unfiltered search by pyhmmer."""
    store = ProfileStore(find(None).annotator_folder)
    profiles = [store.read(number) for number in range(len(store))]
    alphabet = pyhmmer.easel.Alphabet.amino()
    block = pyhmmer.easel.DigitalSequenceBlock(
        alphabet,
        [pyhmmer.easel.TextSequence(name=f"p{n}", sequence=s).digitize(alphabet) for n, s in enumerate(sequences)],
    )
    truth: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    pairs = set()
    for profile, hits in zip(profiles, pyhmmer.hmmsearch(profiles, block, E=1e-3, Z=len(profiles), domE=1e9), strict=True):
        for hit in hits.reported:
            pairs.add((hit.name, profile.name))
            truth[hit.name, profile.name] = {
                (*printed(hit.score, hit.bias, hit.evalue), *printed(d.score, d.bias, d.i_evalue),
                 str(d.alignment.target_from), str(d.alignment.target_to), str(d.alignment.hmm_from), str(d.alignment.hmm_to))
                for d in hit.domains
            }  # fmt: skip
    rows = parquet.read_table(folder / "annotations.parquet").to_pylist()  # full precision
    wanted = ("start", "end", "family_start", "family_end")
    different = sum(
        (
            *printed(*(float(row[name]) for name in ("score", "bias", "evalue"))),
            *printed(*(float(row[name]) for name in ("domain_score", "domain_bias", "i_evalue"))),
            *(str(row[name]) for name in wanted),
        )
        not in truth.get((row["protein"], row["target"]), set())
        for row in rows
    )
    found = {(row["protein"], row["target"]) for row in rows}
    print(f"| rows that differ from pyhmmer's | {different} of {len(rows)} |")
    print(f"| pairs of the unfiltered search (E <= 1e-3) that come through | {len(found & pairs)} of {len(pairs)} |")


def printed(score: float, bias: float, evalue: float) -> tuple[str, str, str]:
    """Return the three as HMMER prints them in its tables."""
    return f"{score:.1f}", f"{bias:.1f}", f"{evalue:.2g}"


if __name__ == "__main__":
    main()
