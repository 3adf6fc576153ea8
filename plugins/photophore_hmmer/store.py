"""The profiles of a database on disk, each opened and made ready for search when first asked for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pyhmmer.plan7 import HMM, Background, HMMFile, OptimizedProfile, Profile

from photophore.errors import DatabaseError
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.band import ProfileScores, profile_scores
from photophore_hmmer.table import COMPRESSED_FILE, ProfileTable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from typing import BinaryIO

#: Higher levels save 8 % of the bytes and cost ten times the time.
_LEVEL = 9
#: Profiles whose candidates are scored at once, at most; those that are good enough are then searched with.
SCORED_TOGETHER = 32
#: Positions that a `Preparer` has room for before it grows.
_POSITIONS = 1000
#: hmmpress configures for this length; every comparison sets its own, so that any other gives the same numbers.
_CONFIGURED_LENGTH = 400


def write_profiles(hmms: Iterable[HMM], stream: BinaryIO, *, compress: bool) -> tuple[int, ...]:
    """Write the profiles one after the other; return where each begins, and the end."""
    offsets = [0]
    for hmm in hmms:
        record = io.BytesIO()
        hmm.write(record, binary=True)
        stored = zstd.compress(record.getvalue(), _LEVEL) if compress else record.getvalue()
        offsets.append(offsets[-1] + stream.write(stored))
    return tuple(offsets)


class Preparer:
    """Turns profile HMMs into the form that is searched with; one a thread, for it works in its own scratch memory."""

    def __init__(self) -> None:
        self._background = Background(AMINO)
        self._scratch = Profile(_POSITIONS, AMINO)
        self._read: dict[int, HMM] = {}

    def read(self, store: ProfileStore, target: int) -> HMM:
        """Return profile number ``target`` of ``store``, which is not read again when it is among the last ones."""
        hmm = self._read.get(target)
        if hmm is None:
            while len(self._read) >= SCORED_TOGETHER:
                del self._read[next(iter(self._read))]  # the oldest
            hmm = self._read[target] = store.read(target)
        return hmm

    def prepare(self, hmm: HMM) -> OptimizedProfile:
        """Return ``hmm`` configured for local multi-hit search, as hmmpress would."""
        if self._scratch.allocM < hmm.M:
            self._scratch = Profile(2 * hmm.M, AMINO)
        self._scratch.clear()
        self._scratch.configure(hmm, self._background, L=_CONFIGURED_LENGTH)
        return self._scratch.to_optimized()


class Thresholds(NamedTuple):
    """What a profile says of its scores: location (bits) and rate (1/bit) of its Forward scores by chance, and its cut-offs (bits)."""

    tau: float
    rate: float
    gathering: float | None
    trusted: float | None
    noise: float | None

    @classmethod
    def of(cls, hmm: HMM) -> Thresholds:
        """Return those of ``hmm``."""
        cutoffs, chance = hmm.cutoffs, hmm.evalue_parameters
        return cls(chance.f_tau, chance.f_lambda, cutoffs.gathering1, cutoffs.trusted1, cutoffs.noise1)


class ProfileStore:
    """Profiles by their number in the database.

    Nothing is read until it is asked for; what was made of it stays (about 340 bytes a position), so that a run pays once
    for each profile that ever had a candidate. Different profiles may be asked for from different threads; one and
    the same may not be searched with in two threads at once, because HMMER sets it to the length of each protein.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = ProfileTable.load(folder)
        self._path = folder / self.table.file
        self._ready: dict[int, OptimizedProfile] = {}
        self._scores: dict[int, tuple[ProfileScores, Thresholds]] = {}
        try:
            self._file = self._path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise DatabaseError(
                f"{self._path}: cannot be opened ({error.strerror}); run photophore db verify, then build or fetch it again"
            ) from error
        if size != self.table.offsets[-1]:
            self._file.close()
            raise DatabaseError(
                f"{self._path}: has {size} bytes, not {self.table.offsets[-1]}; "
                "run photophore db verify, then build or fetch the database again"
            )

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __len__(self) -> int:
        return len(self.table)

    def read(self, target: int) -> HMM:
        """Return profile number ``target`` as it was built into the database."""
        begin, end = self.table.offsets[target : target + 2]
        try:
            record = os.pread(self._file.fileno(), end - begin, begin)
            if self.table.file == COMPRESSED_FILE:
                record = zstd.decompress(record)
            with HMMFile(io.BytesIO(record), alphabet=AMINO) as stream:
                hmm = stream.read()
        except (OSError, ValueError, EOFError, zstd.ZstdError) as error:
            raise self._damaged(target, str(error)) from error
        if hmm is None or hmm.name != self.table.names[target]:
            raise self._damaged(target, f"found {hmm.name!r}" if hmm else "found nothing")
        return hmm

    def optimized(self, target: int, preparer: Preparer) -> OptimizedProfile:
        """Return profile number ``target`` ready for search, made with the caller's ``preparer`` when not yet in memory."""
        profile = self._ready.get(target)
        if profile is None:
            profile = self._ready[target] = preparer.prepare(preparer.read(self, target))
        return profile

    def scores(self, target: int, preparer: Preparer) -> tuple[ProfileScores, Thresholds]:
        """Return what each letter scores along profile number ``target``, and what its scores are worth."""
        known = self._scores.get(target)
        if known is None:
            hmm = preparer.read(self, target)
            known = self._scores[target] = profile_scores(hmm), Thresholds.of(hmm)
        return known

    def _damaged(self, target: int, reason: str) -> DatabaseError:
        return DatabaseError(
            f"{self._path}: profile {self.table.names[target]!r} (number {target + 1}) cannot be read ({reason}); "
            "run photophore db verify, then build or fetch the database again"
        )
