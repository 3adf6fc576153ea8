"""Profiles of groups of labelled proteins, small enough to ship: every position is one of a few thousand score columns.

A group is what a look-up table calls relatives (a cluster) with one set of EC numbers. Its profile says which residues
the members share at each position, in thirds of a bit against the background. Positions of five million proteins look
much alike, so a codebook of 4,096 columns holds them: two bytes a position instead of twenty.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.ec import EC, split_ecs
from photophore.errors import DatabaseError, InputError
from photophore_near.residues import AMINO_ACIDS

PROFILES_FILE = "profiles.npz"
SCHEMA = 1

#: Scores are stored in steps of this many bits.
BITS_PER_STEP = 1 / 3
#: Columns of the codebook: two bytes a position, most of which a compressor takes away.
CODEBOOK = 4096
#: Positions on which the codebook is trained.
_TRAINED_ON = 400_000
#: Residues that have no column score as what they are nearest to; the rest as what is like nothing special.
LIKE = str.maketrans("BZJUOX", "DEICKA")
_LETTERS = AMINO_ACIDS.encode("ascii").ljust(256, b"X")


@dataclass(frozen=True, slots=True)
class GroupProfiles:
    """Profiles of groups.

    Parameters
    ----------
    names
        Unique names of the groups.
    clusters
        Cluster of each group; groups of one cluster differ in their EC numbers.
    ecs
        EC numbers of each group.
    codebook
        ``shape=(columns, 20), dtype=int8``: scores in steps of `BITS_PER_STEP`, residues as in `AMINO_ACIDS`.
    codes
        ``shape=(positions,), dtype=uint16``: column of each position.
    offsets
        ``shape=(groups + 1,), dtype=int64``: positions of each group.
    """

    names: tuple[str, ...]
    clusters: tuple[str, ...]
    ecs: tuple[tuple[EC, ...], ...]
    codebook: npt.NDArray[np.int8]
    codes: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def scores(self, group: int) -> npt.NDArray[np.int8]:
        """Return the profile of a group, ``shape=(positions, 20)``."""
        return self.codebook[self.codes[self.offsets[group] : self.offsets[group + 1]]]

    def consensus(self, group: int) -> str:
        """Return the best residue at each position of a group."""
        return self.scores(group).argmax(axis=1).astype(np.uint8).tobytes().translate(_LETTERS).decode("ascii")

    def best(self) -> npt.NDArray[np.uint8]:
        """Return the best residue at each position of all groups, as its place in `AMINO_ACIDS`, ``shape=(positions,)``."""
        best: npt.NDArray[np.uint8] = self.codebook.argmax(axis=1).astype(np.uint8)[self.codes]
        return best

    def all_consensus(self) -> str:
        """Return the best residue at each position of all groups, one after the other."""
        return self.best().tobytes().translate(_LETTERS).decode("ascii")

    def information(self) -> npt.NDArray[np.float32]:
        """Return how sharp each position is: its best score in bits, ``shape=(positions,)``."""
        best = self.codebook.max(axis=1).astype(np.float32) * np.float32(BITS_PER_STEP)
        return np.asarray(best[self.codes])

    def save(self, folder: Path) -> None:
        """Write `PROFILES_FILE` into ``folder``."""
        np.savez_compressed(
            folder / PROFILES_FILE,
            schema=np.array(SCHEMA),
            names=np.array(self.names, dtype=np.str_),
            clusters=np.array(self.clusters, dtype=np.str_),
            ecs=np.array([";".join(map(str, each)) for each in self.ecs], dtype=np.str_),
            codebook=self.codebook,
            low=(self.codes & 0xFF).astype(np.uint8),  # apart, the bytes are more alike and shrink more
            high=(self.codes >> 8).astype(np.uint8),
            offsets=self.offsets,
        )

    @classmethod
    def load(cls, folder: Path) -> GroupProfiles:
        """Read `PROFILES_FILE` of ``folder``; `DatabaseError` where it is damaged or of another version."""
        path = folder / PROFILES_FILE
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                if int(stored["schema"]) != SCHEMA:
                    raise DatabaseError(
                        f"{path}: the profiles are stored in schema {int(stored['schema'])}, this version reads {SCHEMA}; "
                        "build the database again, or use the version of photophore that built it"
                    )
                profiles = cls(
                    names=tuple(stored["names"].tolist()),
                    clusters=tuple(stored["clusters"].tolist()),
                    ecs=tuple(split_ecs(text) for text in stored["ecs"].tolist()),
                    codebook=stored["codebook"],
                    codes=stored["low"].astype(np.uint16) | stored["high"].astype(np.uint16) << 8,
                    offsets=stored["offsets"],
                )
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
            InputError,
        ) as error:
            raise DatabaseError(
                f"{path}: cannot be read ({error}); copy or build the database again (photophore db verify)"
            ) from error
        if len(profiles.offsets) != len(profiles) + 1 or profiles.offsets[-1] != len(profiles.codes):
            raise DatabaseError(f"{path}: its offsets do not fit its positions; copy or build the database again")
        return profiles


def compress(
    columns: npt.NDArray[np.int8], *, seed: int, threads: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint16]]:
    """Return a codebook of at most `CODEBOOK` columns, and the nearest of them to each of ``columns (positions, 20)``.

    Columns that occur so often that they are in the codebook anyway (those of single proteins) are kept as they are.
    """
    import faiss

    different, inverse, counts = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
    if len(different) <= CODEBOOK:
        return different, inverse.astype(np.uint16).reshape(-1)
    common = np.argsort(-counts, kind="stable")[: CODEBOOK // 64]
    rest = np.ones(len(different), dtype=bool)
    rest[common] = False
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(rest[inverse.reshape(-1)]))[:_TRAINED_ON]
    faiss.omp_set_num_threads(threads)
    clusters = CODEBOOK - len(common)
    means = faiss.Kmeans(20, clusters, niter=12, seed=seed, min_points_per_centroid=1)
    means.train(np.ascontiguousarray(columns[chosen], dtype=np.float32))
    codebook = np.concatenate([different[common], np.rint(means.centroids).astype(np.int8)])
    nearest = faiss.IndexFlatL2(20)
    nearest.add(codebook.astype(np.float32))
    codes = nearest.search(different.astype(np.float32), 1)[1][:, 0]
    return codebook, codes[inverse.reshape(-1)].astype(np.uint16)


def pack(
    names: Sequence[str],
    clusters: Sequence[str],
    ecs: Sequence[tuple[EC, ...]],
    scores: Sequence[npt.NDArray[np.int8]],
    *,
    seed: int = 1,
    threads: int = 1,
) -> GroupProfiles:
    """Return the profiles ``scores``, ``shape=(positions, 20)`` each, of the groups in small form."""
    codebook, codes = compress(np.concatenate(list(scores)), seed=seed, threads=threads)
    return GroupProfiles(
        names=tuple(names),
        clusters=tuple(clusters),
        ecs=tuple(ecs),
        codebook=codebook,
        codes=codes,
        offsets=np.cumsum([0, *map(len, scores)], dtype=np.int64),
    )
