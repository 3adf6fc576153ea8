"""What the structural method stands beside: Smith-Waterman with BLOSUM62, phmmer and DIAMOND; and how a search is rated."""

from __future__ import annotations

import lzma
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ec_peers import diamond

FloatArray = npt.NDArray[np.float32]

_NO_LETTER = re.compile("[^ACDEFGHIKLMNPQRSTVWYX]")


@dataclass(frozen=True)
class Alignment:
    """Residues that are paired up, predicted TM-scores, identical pairs, and lDDT."""

    pairs: npt.NDArray[np.int32]
    tm: tuple[float, float] = (0.0, 0.0)
    identical: float = 0.0
    lddt: FloatArray | None = None


def blosum_alignment(one: str, other: str) -> Alignment:
    """Return the best local alignment by BLOSUM62, gaps 11 and 1."""
    import parasail

    result = parasail.sw_trace_striped_16(one, other, 11, 1, parasail.blosum62)
    query, target = result.traceback.query, result.traceback.ref
    i = result.end_query + 1 - sum(letter != "-" for letter in query)
    j = result.end_ref + 1 - sum(letter != "-" for letter in target)
    pairs, identical = [], 0
    for a, b in zip(query, target, strict=True):
        if "-" not in (a, b):
            pairs.append((i, j))
            identical += a == b
        i, j = i + (a != "-"), j + (b != "-")
    return Alignment(np.array(pairs, dtype=np.int32).reshape(-1, 2), identical=float(identical))


def read_scop(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Return names, SCOP classes and sequences of a FASTA file of ``>name/sccs``."""
    names, classes, sequences = [], [], []
    with lzma.open(path, "rt") as stream:
        for line in stream:
            if line.startswith(">"):
                name, _, sccs = line[1:].strip().partition("/")
                names.append(name)
                classes.append(sccs)
                sequences.append("")
            else:
                sequences[-1] += line.strip().upper()
    return names, classes, [_NO_LETTER.sub("X", sequence) for sequence in sequences]


def phmmer_scores(sequences: Sequence[str], *, threads: int) -> FloatArray:
    """Return phmmer's bit score of every pair, ``shape=(n, n)``; minus infinity where it reports none."""
    from pyhmmer import easel, hmmer

    alphabet = easel.Alphabet.amino()
    block = easel.DigitalSequenceBlock(
        alphabet,
        [
            easel.TextSequence(name=str(number), sequence=sequence).digitize(alphabet)
            for number, sequence in enumerate(sequences)
        ],
    )
    scores = np.full((len(sequences), len(sequences)), -np.inf, dtype=np.float32)
    for number, hits in enumerate(hmmer.phmmer(block, block, cpus=threads, E=1e4, domE=1e4)):
        for hit in hits:
            scores[number, int(hit.name)] = hit.score
    return scores


def diamond_scores(sequences: Sequence[str], *, threads: int) -> FloatArray:
    """Return DIAMOND's bit score of every pair, ``shape=(n, n)``; minus infinity where it reports none."""
    scores = np.full((len(sequences), len(sequences)), -np.inf, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        fasta, out = Path(folder) / "all.faa", Path(folder) / "hits.tsv"
        fasta.write_text("".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences)))
        database = ["-d", str(Path(folder) / "all"), "--quiet", "--threads", str(threads)]
        subprocess.run([diamond(), "makedb", "--in", str(fasta), *database], check=True)
        search = ["--ultra-sensitive", "-e", "1e4", "-k", "0", "--outfmt", "6", "qseqid", "sseqid", "bitscore"]
        subprocess.run([diamond(), "blastp", "-q", str(fasta), "-o", str(out), *search, *database], check=True)
        for line in out.read_text().splitlines():
            query, target, bits = line.split("\t")
            scores[int(query), int(target)] = max(scores[int(query), int(target)], float(bits))
    return scores


def sensitivity(scores: FloatArray, classes: Sequence[str]) -> tuple[float, float]:
    """Return the mean share of relatives found before the first domain of another fold: of the superfamily, and of the fold.

    The mean over all queries with relatives is the area under the curve of their shares. Of the fold means of the same
    fold but another superfamily. Domains that a method does not report are found last.
    """
    parts = [sccs.split(".") for sccs in classes]
    superfamilies = np.array([".".join(part[:3]) for part in parts])
    folds = np.array([".".join(part[:2]) for part in parts])
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(len(classes)):
        others = np.arange(len(classes)) != number
        kin = (superfamilies == superfamilies[number]) & others
        fold = (folds == folds[number]) & ~kin & others
        first_wrong = scores[number][folds != folds[number]].max(initial=-np.inf)
        for relatives, shares in zip((kin, fold), found, strict=True):
            if relatives.any():
                above = scores[number][relatives]
                shares.append(float(((above > first_wrong) & np.isfinite(above)).mean()))
    return float(np.mean(found[0])), float(np.mean(found[1]))
