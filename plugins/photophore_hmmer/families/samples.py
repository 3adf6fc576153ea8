"""The proteins that families are searched against: whole genomes, and a seeded sample of a large collection."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from photophore_hmmer.families.search import Proteins
from photophore_hmmer.families.tables import read_proteins


def read_genomes(paths: Sequence[Path], longest: int) -> Proteins:
    """Return the proteins of whole genomes of at most ``longest`` residues, named ``genome|protein``."""
    records = [
        (f"{path.name.partition('.')[0]}|{name}", sequence)
        for path in paths
        for name, sequence in read_proteins(path)
        if len(sequence) <= longest
    ]
    return Proteins(tuple(name for name, _ in records), tuple(sequence for _, sequence in records))


def read_sample(path: Path, count: int, longest: int, seed: int) -> Proteins:
    """Return ``count`` proteins of ``path`` of at most ``longest`` residues drawn by ``seed``, in the order of the file."""
    records = [record for record in read_proteins(path) if len(record[1]) <= longest]
    chosen = sorted(random.Random(seed).sample(range(len(records)), min(count, len(records))))
    return Proteins(tuple(records[i][0] for i in chosen), tuple(records[i][1] for i in chosen))
