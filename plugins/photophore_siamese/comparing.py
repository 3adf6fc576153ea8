"""What a structural model is to those who use it, and two proteins compared by one: alignment, TM-score, lDDT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from photophore_siamese.aligning import (
    CHANCE_RESIDUES,
    Gaps,
    LocalAlignment,
    align_long,
    align_many,
    chance_score,
)

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: Cells of the alignment of one pair above which it is made in bands of rows, so that memory is bounded.
LONG_CELLS = 16_000_000
#: Cells of the similarity matrices that are held at once when many pairs are aligned.
CELLS_AT_ONCE = 4_000_000


@runtime_checkable
class SpellingModel(Protocol):
    """A model that scores many proteins against one quickly, as texts of letters, before any is aligned."""

    def spell(self, residues: FloatArray) -> npt.NDArray[np.uint8]:
        """Return a protein, given by its residue vectors, as letters."""

    def text_scores(self, residues: FloatArray, texts: Sequence[npt.NDArray[np.uint8]]) -> IntArray:
        """Return how well each text aligns to a protein, ``shape=(texts,)``."""


class Judgement(NamedTuple):
    """What a model says of two aligned proteins: TM-scores, normalised by the first and by the second, and lDDT of each pair.

    All are 0 to 1; ``lddt`` of ``shape=(aligned,), dtype=float32``.
    """

    tm_score: float
    tm_score_other: float
    lddt: FloatArray


#: Residue vectors of two proteins, and their alignment.
AlignedProteins = tuple[FloatArray, FloatArray, LocalAlignment]


class StructureModel(Protocol):
    """A network that sees structure in sequence: our own, or GLASS-PRIMES' published one.

    Results of one protein never depend on the others that are given with it.
    """

    @property
    def dim(self) -> int:
        """Length of the vector of a protein."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights."""

    @property
    def gaps(self) -> Gaps:
        """What gaps cost, in units of `similarity`."""

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, FloatArray]]:
        """Yield ``(place, residues)`` of each protein in any order, ``residues`` of ``shape=(n, width), dtype=float32``."""

    def pool(self, residues: FloatArray, stretches: Sequence[tuple[int, int]]) -> FloatArray:
        """Return a unit vector of each stretch ``(start, stop)`` of a protein, ``shape=(stretches, dim)``.

        It depends on the residue vectors of that stretch alone.
        """

    @property
    def match_dim(self) -> int:
        """Length of the unit vectors that `matching` gives."""

    def matching(self, residues: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return unit vectors by which residues that pair up are found, ``(n, match_dim)``, and how telling each is, ``(n,)``."""

    def similarity(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return what it adds to an alignment to pair residue i with residue j, ``shape=(n, m)``.

        Above 0 where they belong together; each entry depends on its two residues alone.
        """

    def judge(self, aligned: Sequence[AlignedProteins], *, given: bool = False) -> list[Judgement]:
        """Return of each two proteins the predicted TM-scores, and the lDDT of each pair of aligned residues.

        A model may leave the alignment out of account for the TM-score. One that is ``given``, by structures or by numbering, is
        taken to be right, where the model's own may be wrong.
        """


@dataclass(frozen=True, slots=True)
class StructuralMatch:
    """What a model says of two proteins.

    Parameters
    ----------
    pairs
        ``shape=(aligned, 2), dtype=int32``: residues (0-based) of the first and of the second that pair up, both rising.
    tm_score, tm_score_other
        Normalised by the length of the first, and of the second.
    lddt
        ``shape=(aligned,), dtype=float32``: predicted lDDT of each pair.
    similarity
        Score of the alignment, in the units of the model.
    """

    pairs: IntArray
    tm_score: float
    tm_score_other: float
    lddt: FloatArray
    similarity: float


def residues_of(model: StructureModel, sequences: Sequence[str]) -> list[FloatArray]:
    """Return the residue vectors of each protein."""
    found = dict(model.represent(sequences))
    return [found[place] for place in range(len(sequences))]


def compare(model: StructureModel, one: FloatArray, other: FloatArray) -> StructuralMatch:
    """Align two proteins, given by their residue vectors, and predict their TM-score and the lDDT along the alignment."""
    (found,) = align_residues(model, [(one, other)])
    (judged,) = model.judge([(one, other, found)])
    return StructuralMatch(found.pairs, *judged, similarity=found.score)


def match_along(model: StructureModel, one: FloatArray, other: FloatArray, pairs: IntArray) -> StructuralMatch:
    """Return what ``model`` says of two proteins along an alignment that is given."""
    given = LocalAlignment(pairs, 0.0, _chance(model, one, other))
    (judged,) = model.judge([(one, other, given)], given=True)
    return StructuralMatch(pairs, *judged, similarity=0.0)


def align_residues(model: StructureModel, wanted: Sequence[tuple[FloatArray, FloatArray]]) -> list[LocalAlignment]:
    """Return the alignment of each pair of proteins, given by their residue vectors; memory is bounded."""
    found: dict[int, LocalAlignment] = {}
    cells = [len(one) * len(other) for one, other in wanted]
    order = sorted(range(len(wanted)), key=cells.__getitem__)
    for place in (place for place in order if cells[place] > LONG_CELLS):
        found[place] = _align_long(model, *wanted[place])
    for part in parts([place for place in order if cells[place] <= LONG_CELLS], cells, CELLS_AT_ONCE):
        found |= _align_together(model, wanted, part)
    return [found[place] for place in range(len(wanted))]


def parts(order: Sequence[int], sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield ``order``, places by rising size, in parts of at most ``most`` if each is as large as the largest, or of one."""
    part: list[int] = []
    for place in order:
        if part and sizes[place] * (len(part) + 1) > most:
            yield part
            part = []
        part.append(place)
    if part:
        yield part


def _align_together(
    model: StructureModel, wanted: Sequence[tuple[FloatArray, FloatArray]], places: Sequence[int]
) -> dict[int, LocalAlignment]:
    """Align pairs at once; the shorter protein of each goes down the rows, which is what the work depends on."""
    matrices = [model.similarity(*wanted[place]) for place in places]
    turned = [matrix.shape[0] > matrix.shape[1] for matrix in matrices]
    laid = [matrix.T if turn else matrix for matrix, turn in zip(matrices, turned, strict=True)]
    aligned = zip(places, align_many(laid, model.gaps), turned, strict=True)
    return {place: each._replace(pairs=each.pairs[:, ::-1]) if turn else each for place, each, turn in aligned}


def _align_long(model: StructureModel, one: FloatArray, other: FloatArray) -> LocalAlignment:
    shape = len(one), len(other)
    found = align_long(lambda start, stop: model.similarity(one[start:stop], other), shape, model.gaps)
    return LocalAlignment(*found, _chance(model, one, other))


def _chance(model: StructureModel, one: FloatArray, other: FloatArray) -> float:
    """Return the score that comes by chance, see `LocalAlignment`."""
    shorter, longer = sorted((one, other), key=len)
    return chance_score(model.similarity(shorter[:CHANCE_RESIDUES], longer), model.gaps)
