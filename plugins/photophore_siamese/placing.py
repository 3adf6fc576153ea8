"""Domains found inside proteins: candidates aligned where they are near, compared, and gathered into places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from photophore.types import Candidates
from photophore_siamese.aligning import LocalAlignment
from photophore_siamese.comparing import (
    AlignedProteins,
    FloatArray,
    StructuralMatch,
    StructureModel,
    align_residues,
)
from photophore_siamese.config import SiameseAnnotatorConfig
from photophore_siamese.domains import DomainVectors

#: Two stretches lie at one place when they share more than this much of the shorter.
SAME_PLACE = 0.5
#: A domain is sought this far beyond where it may lie, in lengths of the domain, to each side: beyond the window that is near
#: to it, and beyond the place where its residues' neighbours put it.
_MARGIN, _MARGIN_OF_OFFSET = 0.5, 0.25
#: Fewer aligned residues are no domain.
LEAST_ALIGNED = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """A candidate to be aligned: protein (row of the batch), target, and where on the protein to seek it."""

    protein: int
    target: int
    start: int
    stop: int


class Stretch(Protocol):
    """A domain on a stretch of a protein."""

    @property
    def target(self) -> int:
        """Index of the domain."""

    @property
    def start(self) -> int:
        """First residue."""

    @property
    def stop(self) -> int:
        """The residue behind the last."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A domain aligned to a protein, from ``start`` to before ``stop``; the alignment names residues of the *whole* protein."""

    protein: int
    target: int
    start: int
    stop: int
    alignment: LocalAlignment


@dataclass(frozen=True, slots=True)
class Found:
    """A domain at its place on a protein.

    Parameters
    ----------
    protein, target
        Row of the batch, and index of the domain.
    start, stop
        Residues of the protein from the first to behind the last aligned one.
    match
        The domain compared with that stretch; its first protein is the domain, its second the *whole* protein.
    """

    protein: int
    target: int
    start: int
    stop: int
    match: StructuralMatch

    @property
    def lddt(self) -> float:
        """Mean predicted lDDT along the alignment."""
        return float(self.match.lddt.mean())


def choose(
    candidates: Candidates,
    protein: int,
    residues: int,
    sizes: Sequence[int],
    config: SiameseAnnotatorConfig,
    worth: Mapping[int, int] | None = None,
) -> Iterator[Wanted]:
    """Yield the candidates of one protein that are worth an alignment: the best of each place.

    Parameters
    ----------
    candidates
        Best first; evidence ``start`` and ``end`` say where, or ``offset`` where the target begins, else it is the whole protein.
    protein, residues
        Row of the batch, and length of that protein.
    sizes
        Residues of each domain of the database.
    config
        Its ``aligned`` and ``nearly``.
    worth
        By target: those worth more go first, and where the best of a place is worth far more than another, the other is left
        out; None leaves the order of ``candidates``, and all of them.
    """
    part = slice(int(candidates.offsets[protein]), int(candidates.offsets[protein + 1]))
    targets = candidates.targets[part].tolist()
    evidence = {name: column[part].tolist() for name, column in candidates.evidence.items()}
    starts, stops, share = [0] * len(targets), [residues] * len(targets), _MARGIN
    if "start" in evidence and "end" in evidence:
        starts, stops = evidence["start"], evidence["end"]
    elif "offset" in evidence:
        share = _MARGIN_OF_OFFSET
        starts = [min(max(0, offset), residues - 1) for offset in evidence["offset"]]
        ends = [offset + sizes[target] for offset, target in zip(evidence["offset"], targets, strict=True)]
        stops = [max(start + 1, min(residues, end)) for start, end in zip(starts, ends, strict=True)]
    ordered = list(zip(targets, starts, stops, strict=True))
    if worth is not None:
        ordered.sort(key=lambda each: -worth[each[0]])
    taken: list[tuple[int, tuple[int, int]]] = []
    for target, start, stop in ordered:
        here = [other for other, place in taken if same_place((start, stop), place)]
        if len(here) >= config.aligned or (here and worth and worth[target] < config.nearly * worth[here[0]]):
            continue
        taken.append((target, (start, stop)))
        margin = int(share * sizes[target])
        yield Wanted(protein, target, max(0, start - margin), min(residues, stop + margin))


def place(
    model: StructureModel,
    wanted: Sequence[Wanted],
    domains: DomainVectors,
    proteins: Mapping[int, FloatArray],
    *,
    judged: int,
) -> list[Found]:
    """Align all candidates, and compare the best ``judged`` domains of each place with the stretch that they are aligned to.

    ``domains`` are at hand, ``proteins`` (residue vectors) by row of the batch. Those that hardly align are left out.
    """
    by_protein: dict[int, list[Aligned]] = {}
    for each in _aligned(model, wanted, domains, proteins):
        by_protein.setdefault(each.protein, []).append(each)
    best = [
        here[row]
        for here in by_protein.values()
        for rows in gather(here, [each.alignment.score for each in here])
        for row in rows[:judged]
    ]
    judgements = model.judge([_on_stretch(each, domains, proteins[each.protein]) for each in best])
    return [
        Found(
            each.protein,
            each.target,
            each.start,
            each.stop,
            StructuralMatch(each.alignment.pairs, *judgement, similarity=each.alignment.score),
        )
        for each, judgement in zip(best, judgements, strict=True)
    ]


def _on_stretch(aligned: Aligned, domains: DomainVectors, protein: FloatArray) -> AlignedProteins:
    """Return a domain, the stretch of a protein that it is aligned to, and the alignment of both."""
    stretch = protein[aligned.start : aligned.stop]
    return domains.residues(aligned.target), stretch, _moved(aligned.alignment, -aligned.start)


def _moved(alignment: LocalAlignment, residues: int) -> LocalAlignment:
    """Return an alignment with the second protein's residues counted from elsewhere."""
    return alignment._replace(pairs=alignment.pairs + np.array([0, residues], dtype=np.int32))


def _aligned(
    model: StructureModel,
    wanted: Sequence[Wanted],
    domains: DomainVectors,
    proteins: Mapping[int, FloatArray],
) -> Iterator[Aligned]:
    sides = [(domains.residues(each.target), proteins[each.protein][each.start : each.stop]) for each in wanted]
    for each, found in zip(wanted, align_residues(model, sides), strict=True):
        if len(found.pairs) >= LEAST_ALIGNED:
            on_protein = _moved(found, each.start)
            start, stop = int(on_protein.pairs[0, 1]), int(on_protein.pairs[-1, 1]) + 1
            yield Aligned(each.protein, each.target, start, stop, on_protein)


def gather(found: Sequence[Stretch], worth: Sequence[float]) -> list[list[int]]:
    """Return which domains of one protein lie at one place, places and domains by falling ``worth``; ties by target."""
    places: list[list[int]] = []
    for row in sorted(range(len(found)), key=lambda row: (-worth[row], found[row].target, found[row].start)):
        each = found[row]
        for others in places:
            first = found[others[0]]
            if same_place((each.start, each.stop), (first.start, first.stop)):
                others.append(row)
                break
        else:
            places.append([row])
    return places


def same_place(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two stretches share more than `SAME_PLACE` of the shorter."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared > SAME_PLACE * min(one[1] - one[0], other[1] - other[0])
