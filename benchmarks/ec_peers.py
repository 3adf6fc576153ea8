"""The peers of `benchmarks/ec.py`: the hits of DIAMOND and of phmmer in the look-up set, kept as tables in the work folder.

    python benchmarks/ec_peers.py price149 val30 val50 nonenzyme_val

phmmer takes about a second a query; it goes on where it was stopped. DIAMOND takes a minute for all.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from material import shared

SETS = ("price149", "val30", "val50", "nonenzyme_val")
LOOKUP = "train"
#: Hits kept of each query, best first.
KEPT = 100
WORK = Path("work/benchmarks/ec")


@dataclass(frozen=True)
class Labelled:
    """Proteins and their EC numbers, in the order of the file; no EC number where the protein is known to be no enzyme."""

    ids: tuple[str, ...]
    ecs: Mapping[str, frozenset[str]]
    sequences: Mapping[str, str]

    def digest(self) -> str:
        """Return twelve characters that change with the names and sequences."""
        text = "\n".join(f"{name} {self.sequences[name]}" for name in self.ids)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def write_fasta(self, path: Path) -> None:
        """Write the proteins under their names."""
        path.write_text("".join(f">{name}\n{self.sequences[name]}\n" for name in self.ids))


@dataclass(frozen=True)
class Hit:
    """A protein of the look-up set that a query found, with its bit score and E-value."""

    target: str
    score: float
    evalue: float


Hits = Mapping[str, Sequence[Hit]]


def table_path(name: str) -> Path:
    """Return the file of a set under ``data/ec``."""
    found = sorted((shared() / "ec").glob(f"{name}.tsv*"))
    if not found:
        raise SystemExit(f"{shared() / 'ec'}: holds no {name}.tsv or {name}.tsv.xz")
    return found[0]


def read_labelled(name: str) -> Labelled:
    """Return the proteins of a set; residues of records that repeat are those of the first."""
    path = table_path(name)
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as stream:
        header = stream.readline().rstrip("\n").split("\t")
        columns = [header.index(column) for column in ("id", "ec", "sequence")]
        rows = [
            tuple(cells[column] for column in columns) for line in stream for cells in [line.rstrip("\n").split("\t")]
        ]
    ids = tuple(dict.fromkeys(row[0] for row in rows))
    if len(ids) != len(rows):
        raise SystemExit(f"{path}: {len(rows) - len(ids)} names repeat")
    ecs = {row[0]: frozenset(filter(None, row[1].split(";"))) for row in rows}
    return Labelled(ids, ecs, {row[0]: row[2] for row in rows})


def phmmer_hits(name: str, queries: Labelled, lookup: Labelled, *, work: Path = WORK) -> Hits:
    """Return the `KEPT` best hits of each query by phmmer's bit score, searched now where no table is kept."""
    path = work / f"phmmer-{name}-{queries.digest()}-{lookup.digest()}.tsv"
    if not path.is_file():
        _search_phmmer(queries, lookup, path)
    return _read_hits(path, queries)


def _search_phmmer(queries: Labelled, lookup: Labelled, path: Path) -> None:
    """Write the table of hits, going on after the last query that an earlier run has finished."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _finished(partial)
    left = [name for name in queries.ids if name not in done]
    start = time.perf_counter()
    with partial.open("a") as stream:
        for number, (query, hits) in enumerate(_phmmer(left, queries, lookup), start=1):
            stream.write(
                "".join(f"{query}\t{hit.target}\t{hit.score:.2f}\t{hit.evalue:.3g}\n" for hit in hits)
                + f"{query}\t\t\t\n"
            )
            stream.flush()
            if number % 25 == 0:
                print(f"{path.name}: {number} of {len(left)}, {time.perf_counter() - start:.0f} s", flush=True)
    partial.rename(path)


def _finished(partial: Path) -> frozenset[str]:
    """Return the queries whose hits stand whole in a table that was broken off, and cut off what is not whole."""
    if not partial.is_file():
        return frozenset()
    lines = partial.read_text().splitlines(keepends=True)
    while lines and not lines[-1].endswith("\t\t\t\n"):
        lines.pop()
    partial.write_text("".join(lines))
    return frozenset(line.split("\t", 1)[0] for line in lines)


def _phmmer(names: Sequence[str], queries: Labelled, lookup: Labelled) -> Iterator[tuple[str, list[Hit]]]:
    """Search ``names`` in the look-up set on one thread, with phmmer's own defaults."""
    import pyhmmer

    alphabet = pyhmmer.easel.Alphabet.amino()

    def digital(proteins: Labelled, chosen: Sequence[str]) -> Iterator[Any]:
        for name in chosen:
            yield pyhmmer.easel.TextSequence(name=name, sequence=proteins.sequences[name]).digitize(alphabet)

    block = pyhmmer.easel.DigitalSequenceBlock(alphabet, digital(lookup, lookup.ids))
    for found in pyhmmer.hmmer.phmmer(digital(queries, names), block, cpus=1):
        hits = [Hit(hit.name, hit.score, hit.evalue) for hit in found if hit.included or hit.reported]
        hits.sort(key=lambda hit: -hit.score)
        yield found.query.name, hits[:KEPT]


def diamond_hits(name: str, queries: Labelled, lookup: Labelled, *, work: Path = WORK, threads: int = 2) -> Hits:
    """Return the hits of ``diamond blastp --ultra-sensitive -e 1e-3`` in its own order, best first."""
    path = work / f"diamond-{name}-{queries.digest()}-{lookup.digest()}.tsv"
    if not path.is_file():
        database, fasta = diamond_database(lookup, work=work, threads=threads), path.with_suffix(".faa")
        queries.write_fasta(fasta)
        run_diamond(database, fasta, path.with_suffix(".partial"), threads=threads)
        path.with_suffix(".partial").rename(path)
    return _read_hits(path, queries)


def diamond_database(lookup: Labelled, *, work: Path, threads: int) -> Path:
    """Return DIAMOND's database of the look-up set, made where it is missing."""
    path = work / f"lookup-{lookup.digest()}.dmnd"
    if not path.is_file():
        work.mkdir(parents=True, exist_ok=True)
        fasta = path.with_suffix(".faa")
        lookup.write_fasta(fasta)
        subprocess.run(
            [diamond(), "makedb", "--in", fasta, "--db", path, "--threads", str(threads), "--quiet"], check=True
        )
    return path


def run_diamond(database: Path, queries: Path, out: Path, *, threads: int) -> None:
    """Search ``queries`` and write the table ``query, target, bit score, E-value``."""
    command = [
        diamond(),
        "blastp",
        "--ultra-sensitive",
        "-e",
        "1e-3",
        "--db",
        database,
        "--query",
        queries,
        "--out",
        out,
    ]
    columns = ["--outfmt", "6", "qseqid", "sseqid", "bitscore", "evalue", "--threads", str(threads), "--quiet"]
    subprocess.run([*command, *columns], check=True)


def diamond() -> str:
    """Return the path of DIAMOND's program."""
    found = shutil.which("diamond")
    if found is None:
        raise SystemExit("diamond: not found; install it (Debian: apt install diamond-aligner, Bioconda: diamond)")
    return found


def _read_hits(path: Path, queries: Labelled) -> Hits:
    """Return the hits of each query, in the order of the table."""
    hits: dict[str, list[Hit]] = {name: [] for name in queries.ids}
    for line in path.read_text().splitlines():
        query, target, score, evalue = line.split("\t")
        if target:
            hits[query].append(Hit(target, float(score), float(evalue)))
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--only", choices=["diamond", "phmmer"])
    args = parser.parse_args()
    lookup = read_labelled(LOOKUP)
    for search in (diamond_hits, phmmer_hits):
        if args.only in {None, search.__name__.removesuffix("_hits")}:
            for name in args.sets:
                hits = search(name, read_labelled(name), lookup)
                print(
                    f"{search.__name__}: {name}: {sum(map(bool, hits.values()))} of {len(hits)} queries have hits",
                    flush=True,
                )


if __name__ == "__main__":
    main()
