"""What the network learns from: pairs of proteins with the residues that pair up, and what is known of either.

Three sources. Pairs of domains that TM-align compared here, with TM-scores, lDDT and the letters of both traces. Homologs of
these domains, which stand in for them: their structure is not known, but where they align it is nearly that of the domain.
And pairs that were compared elsewhere, of which only sequences, alignment and TM-scores are known.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.errors import InputError
from photophore.fasta import Record, read_fasta
from photophore.inputs import open_input
from photophore_near.residues import TOKEN_LETTERS, tokens
from photophore_siamese.truth.holdout import Split

ByteArray = npt.NDArray[np.uint8]
PlaceArray = npt.NDArray[np.uint16]

_RUN = re.compile(r"(\d+)([MDIPX=])")


@dataclass(frozen=True, slots=True)
class Homolog:
    """A stretch of a protein that resembles a domain.

    Parameters
    ----------
    tokens
        ``shape=(length,), dtype=uint8``.
    place
        ``shape=(residues of the domain,), dtype=int16``: where each residue of the domain lies in it; -1 for nowhere.
    """

    tokens: ByteArray
    place: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """Two proteins compared elsewhere: residues, group (fold) of both, TM-scores, and the pairs ``first``, ``second``."""

    tokens: tuple[ByteArray, ByteArray]
    group: str
    tm: tuple[float, float]
    first: PlaceArray
    second: PlaceArray

    @property
    def sequences(self) -> tuple[str, str]:
        """Both proteins, as letters."""
        one, other = ("".join(TOKEN_LETTERS[token] for token in each) for each in self.tokens)
        return one, other


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two proteins that were compared elsewhere, and the TM-score normalised by either."""

    sequences: tuple[str, str]
    tm: tuple[float, float]


def read_chains(path: Path) -> list[ComparedPair]:
    """Read pairs of chains: a TSV with ``tm1 tm2 sequence1 sequence2``."""
    return [
        ComparedPair((cells["sequence1"], cells["sequence2"]), (float(cells["tm1"]), float(cells["tm2"])))
        for cells in _table(path)
    ]


def read_homologs(path: Path, lengths: dict[str, int], *, most: int) -> dict[str, list[Homolog]]:
    """Read at most ``most`` homologs of each domain.

    ``path`` is what ``diamond blastp --outfmt 6 qseqid qstart cigar sseq`` writes: TSV of the domain, where the alignment
    begins in it (1-based), its CIGAR and the aligned residues of the homolog; ``lengths`` are those of the domains, and lines
    of other domains are left out.

    Raises
    ------
    InputError
        If a line is none of these.
    """
    found: dict[str, list[Homolog]] = defaultdict(list)
    with open_input(path) as (_, stream):
        for line, raw in enumerate(stream, start=1):
            cells = raw.decode("ascii").rstrip("\n").split("\t")
            if len(cells) < 4 or not cells[1].isdigit():
                raise InputError(f"{path}:{line}: is no homolog; write 'qseqid qstart cigar sseq' of diamond blastp")
            name = cells[0].partition("|")[0]
            if name not in lengths or len(found[name]) >= most:
                continue
            residues = cells[3].replace("-", "").replace("*", "X")
            second, first = runs(cells[2])  # in a CIGAR, D passes a residue of the subject
            place = np.full(lengths[name], -1, dtype=np.int16)
            place[first + int(cells[1]) - 1] = second
            found[name].append(Homolog(tokens(residues), place))
    return dict(found)


def read_aligned(pairs: Path, proteins: Path, split: Split, side: str) -> list[AlignedPair]:
    """Read pairs of one side of the split: a TSV with ``id1 id2 tm_len1 tm_len2 alignment``, and FASTA with SCOP classes.

    In an alignment M and P pair two residues up, D passes one of the first protein and I one of the second.
    """
    found: dict[str, tuple[ByteArray, str]] = {}
    for record in read_fasta([proteins]):
        if not isinstance(record, Record):
            continue  # a faulty record has no pairs to lose
        sccs = record.description.split()[0] if record.description else ""
        if record.id not in split.dropped and split.fold_side(sccs) == side:
            found[record.id] = (tokens(record.sequence), ".".join(sccs.split(".")[:2]))
    return [pair for cells in _table(pairs) if (pair := _pair(cells, found)) is not None]


def runs(alignment: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the residues that an alignment of runs (``3M1D2M``) pairs up, 0-based from its beginning."""
    first: list[npt.NDArray[np.int64]] = []
    second: list[npt.NDArray[np.int64]] = []
    i = j = 0
    for text, kind in _RUN.findall(alignment):
        length = int(text)
        if kind in "MPX=":
            first.append(np.arange(i, i + length))
            second.append(np.arange(j, j + length))
        i += length if kind != "I" else 0
        j += length if kind != "D" else 0
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *first]), np.concatenate([empty, *second])


def _pair(cells: dict[str, str], found: dict[str, tuple[ByteArray, str]]) -> AlignedPair | None:
    if cells["id1"] not in found or cells["id2"] not in found:
        return None
    (one, group), (other, _) = found[cells["id1"]], found[cells["id2"]]
    first, second = runs(cells["alignment"])
    if not len(first) or first[-1] >= len(one) or second[-1] >= len(other):
        return None  # aligned with residues that the sequences lack
    tm = (float(cells["tm_len1"]), float(cells["tm_len2"]))
    return AlignedPair((one, other), group, tm, first.astype(np.uint16), second.astype(np.uint16))


def _table(path: Path) -> Iterator[dict[str, str]]:
    with open_input(path) as (_, stream):
        lines: Sequence[str] = stream.read().decode("ascii").splitlines()
    header = lines[0].split("\t")
    for line in lines[1:]:
        yield dict(zip(header, line.split("\t"), strict=True))
