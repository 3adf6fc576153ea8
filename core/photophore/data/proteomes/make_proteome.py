"""Make the bundled proteome: call the genes of the complete genome that the package pyrodigal brings.

    python core/photophore/data/proteomes/make_proteome.py [OUT.faa.gz]

The same genome and the same version of pyrodigal give the same proteins, and no date goes into the file.
"""

from __future__ import annotations

import gzip
import importlib.resources
import re
import sys
import textwrap
from pathlib import Path

import pyrodigal

GENOME = "GCF_001457455.1_NCTC11397_genomic.fna.gz"
PREFIX = "NCTC11397"
DEFAULT_OUT = Path(__file__).parent / "corynebacterium_diphtheriae_nctc11397.faa.gz"
LINE_WIDTH = 60


def read_contigs(fasta: str) -> list[tuple[str, str]]:
    """Return name and upper-case sequence of each record of a FASTA text."""
    contigs = []
    for record in re.split(r"^>", fasta, flags=re.MULTILINE)[1:]:
        header, _, body = record.partition("\n")
        contigs.append((header.split()[0], "".join(body.split()).upper()))
    return contigs


def call_proteins(contigs: list[tuple[str, str]]) -> list[str]:
    """Train on all contigs (whole chromosomes: no gene runs off their ends), call their genes, and return FASTA records named after the strain."""
    finder = pyrodigal.GeneFinder(closed=True)
    finder.train(*(sequence.encode() for _, sequence in contigs), translation_table=11)
    records = []
    for contig, sequence in contigs:
        for gene in finder.find_genes(sequence.encode()):
            protein = gene.translate().removesuffix("*")
            strand = "+" if gene.strand == 1 else "-"
            header = f">{PREFIX}_{len(records) + 1:05d} {contig}:{gene.begin}-{gene.end}({strand})"
            records.append("\n".join([header, *textwrap.wrap(protein, LINE_WIDTH)]) + "\n")
    return records


def main(out: Path) -> None:
    """Write the proteins to ``out``."""
    genome = importlib.resources.files("pyrodigal").joinpath("tests/data", GENOME).read_bytes()
    records = call_proteins(read_contigs(gzip.decompress(genome).decode("ascii")))
    out.write_bytes(gzip.compress("".join(records).encode("ascii"), compresslevel=9, mtime=0))
    print(f"{out}: {len(records):,} proteins, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUT)
