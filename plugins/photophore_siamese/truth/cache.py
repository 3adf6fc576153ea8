"""The truth on disk: shards of some hundred pairs, each written whole, so that a run that was cut short goes on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.errors import InputError
from photophore_siamese.truth.aligning import PairTruth, align_structures
from photophore_siamese.truth.domains import Domains

_log = logging.getLogger(__name__)

#: Pairs in a shard: about fifteen seconds of TM-align.
SHARD = 250


@dataclass(frozen=True, slots=True)
class TruthTable:
    """TM-scores, alignments and lDDT of many pairs.

    Parameters
    ----------
    pairs
        ``shape=(n, 2), dtype=int32``: numbers of the domains.
    tm
        ``shape=(n, 2), dtype=float32``: TM-score normalised by either.
    offsets
        ``shape=(n + 1,), dtype=int64``: where the aligned residues of each pair begin.
    first, second
        ``shape=(aligned,), dtype=uint16``: residues paired up, 0-based.
    lddt
        ``shape=(aligned,), dtype=float16``.
    """

    pairs: npt.NDArray[np.int32]
    tm: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    first: npt.NDArray[np.uint16]
    second: npt.NDArray[np.uint16]
    lddt: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.pairs)

    def truth(self, number: int) -> PairTruth:
        """Return one pair."""
        part = slice(self.offsets[number], self.offsets[number + 1])
        tm = self.tm[number]
        return PairTruth((float(tm[0]), float(tm[1])), self.first[part], self.second[part], self.lddt[part])


def compute(domains: Domains, pairs: npt.NDArray[np.int32], folder: Path) -> None:
    """Align ``pairs (n, 2)`` and write a shard for every `SHARD` of them that has none in ``folder`` yet.

    Raises
    ------
    InputError
        If ``folder`` holds the truth of other domains.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(domains, folder)
    for number, start in enumerate(range(0, len(pairs), SHARD)):
        wanted = pairs[start : start + SHARD]
        path = folder / f"{number:05d}.npz"
        if path.exists():
            with np.load(path) as file:
                if np.array_equal(file["pairs"], wanted):
                    continue
        table = join([_table(wanted, [align_structures(domains, int(i), int(j)) for i, j in wanted])])
        beside = path.with_suffix(".partial")
        with beside.open("wb") as out:
            np.savez(
                out,
                pairs=table.pairs,
                tm=table.tm,
                offsets=table.offsets,
                first=table.first,
                second=table.second,
                lddt=table.lddt,
            )
        beside.replace(path)
        _log.info("%s: %d of %d pairs aligned", folder.name, start + len(wanted), len(pairs))


def read_table(domains: Domains, folder: Path) -> TruthTable:
    """Read every whole shard of ``folder``; `InputError` if there is none, or they are of other domains."""
    shards = sorted(folder.glob("[0-9]*.npz"))
    if not shards:
        raise InputError(f"{folder}: has no pairs; compute them first: photophore train siamese")
    _claim(domains, folder)
    return join(list(_read(shards)))


def join(tables: Sequence[TruthTable]) -> TruthTable:
    """Return the pairs of all ``tables`` as one."""
    counts = [np.diff(table.offsets) for table in tables]
    return TruthTable(
        np.concatenate([table.pairs for table in tables]),
        np.concatenate([table.tm for table in tables]),
        np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        np.concatenate([table.first for table in tables]),
        np.concatenate([table.second for table in tables]),
        np.concatenate([table.lddt for table in tables]),
    )


def _table(pairs: npt.NDArray[np.int32], truths: Sequence[PairTruth]) -> TruthTable:
    return TruthTable(
        pairs.astype(np.int32),
        np.array([truth.tm for truth in truths], dtype=np.float32),
        np.concatenate([[0], np.cumsum([len(truth.first) for truth in truths])]).astype(np.int64),
        np.concatenate([truth.first for truth in truths]),
        np.concatenate([truth.second for truth in truths]),
        np.concatenate([truth.lddt for truth in truths]),
    )


def _read(shards: Sequence[Path]) -> Iterator[TruthTable]:
    for path in shards:
        with np.load(path) as file:
            yield TruthTable(**{name: file[name] for name in ("pairs", "tm", "offsets", "first", "second", "lddt")})


def _claim(domains: Domains, folder: Path) -> None:
    """Hold ``folder`` to these domains: pairs are numbers, which mean nothing among others."""
    digest = hashlib.sha256("\n".join(domains.ids).encode()).hexdigest()
    mark = folder / "domains.sha256"
    if not mark.exists():
        mark.write_text(digest + "\n", encoding="ascii")
    elif mark.read_text(encoding="ascii").strip() != digest:
        raise InputError(f"{folder}: holds pairs of other domains; remove it, or give another folder")
