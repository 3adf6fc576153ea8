"""How alike proteins and groups are by the siamese network, which sees structure in sequence: a second witness beside the profiles.

A group is the text of its consensus in that network's letters: kinds of each amino acid, by what surrounds it. The kinds are
stored with the profiles, so that only the proteins go through the network when they are annotated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import numpy.typing as npt

from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn.compact import GroupProfiles
from photophore_siamese.aligning import UNITS
from photophore_siamese.codes import KINDS
from photophore_siamese.config import ModelConfig
from photophore_siamese.encoder import open_structure_model

if TYPE_CHECKING:
    from photophore_siamese.own import OwnModel

_KINDS_PER_BYTE = 2
_BITS_OF_KIND = 4


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """The consensus of all groups in the letters of the siamese network.

    Parameters
    ----------
    kinds
        ``shape=(positions,), dtype=uint8``: kind of each position's best amino acid, 0 to 11.
    digest
        SHA-256 (hex) of the weights whose letters these are.
    """

    kinds: npt.NDArray[np.uint8]
    digest: str

    def stored(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what `from_stored` takes: two kinds a byte."""
        even = np.append(self.kinds, np.zeros(len(self.kinds) % _KINDS_PER_BYTE, dtype=np.uint8))
        return {
            "kinds": even[::2] | even[1::2] << _BITS_OF_KIND,
            "kinds_number": np.array(len(self.kinds)),
            "kinds_digest": np.array(self.digest, dtype=np.str_),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, npt.NDArray[np.generic]]) -> Self:
        """Undo `stored`; `KeyError` where something is missing."""
        packed = stored["kinds"].astype(np.uint8)
        kinds = np.stack([packed & ((1 << _BITS_OF_KIND) - 1), packed >> _BITS_OF_KIND], axis=1).ravel()
        return cls(kinds[: int(stored["kinds_number"])], str(stored["kinds_digest"]))


def spell(profiles: GroupProfiles, runtime: Runtime) -> Spelling:
    """Return the consensus of all groups in the letters of the siamese network."""
    model = _open(runtime)
    consensus = [profiles.consensus(group) for group in range(len(profiles))]
    kinds = np.empty(int(profiles.offsets[-1]), dtype=np.uint8)
    for group, residues in model.represent(consensus):
        kinds[profiles.offsets[group] : profiles.offsets[group + 1]] = model.spell(residues) % KINDS
    return Spelling(kinds, model.digest)


class SpelledGroups:
    """The groups as texts, and the network that proteins are held against them with."""

    def __init__(self, profiles: GroupProfiles, spelling: Spelling, runtime: Runtime) -> None:
        self._model = _open(runtime)
        if spelling.digest != self._model.digest:
            raise DatabaseError(
                f"the groups were spelled by siamese weights {spelling.digest[:12]}, this version brings "
                f"{self._model.digest[:12]}; build the database again, or use the version of photophore that built it"
            )
        self._texts = profiles.best() * np.uint8(KINDS) + spelling.kinds
        self._offsets = profiles.offsets

    def alike(self, sequences: Sequence[str], groups: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """Return how alike each protein is to each of its ``groups``: natural logarithm of odds, above the same text backwards.

        At least 0. A text backwards keeps its composition and loses its structure, as in `photophore_hifinn.rescoring`.
        """
        found = [np.zeros(len(each), dtype=np.float32) for each in groups]
        asked = [row for row, each in enumerate(groups) if len(each)]
        for place, residues in self._model.represent([sequences[row] for row in asked]):
            row = asked[place]
            texts = [self._texts[self._offsets[group] : self._offsets[group + 1]] for group in groups[row]]
            scores = self._model.text_scores(residues, [*texts, *(text[::-1] for text in texts)]).astype(np.float32)
            found[row] = np.maximum(scores[: len(texts)] - scores[len(texts) :], 0.0) / np.float32(UNITS)
        return found


def _open(runtime: Runtime) -> OwnModel:
    return cast("OwnModel", open_structure_model(ModelConfig(), runtime))  # the weights that come with the package
