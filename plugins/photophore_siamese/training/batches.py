"""Batches: pairs of proteins side by side, with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from photophore_near.packing import MULTIPLE
from photophore_near.residues import PAD_TOKEN, tokens
from photophore_siamese.training.material import AlignedPair, Homolog
from photophore_siamese.truth.cache import TruthTable
from photophore_siamese.truth.domains import Domains
from photophore_siamese.truth.geometry import UNKNOWN

ByteArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs ``(2p, 2p + 1)`` of proteins.

    Parameters
    ----------
    tokens
        ``shape=(proteins, length), dtype=uint8``, padded.
    inside
        ``shape=(proteins, length), dtype=bool``: True for residues of the protein itself; not for padding, nor for flanks, which are
        there to be told from it.
    letters
        ``shape=(proteins, length, 3), dtype=uint8``: shape, contact and burial of each residue, 255 where unknown.
    groups
        ``shape=(proteins,)``: equal where two proteins may share a fold.
    tm
        ``shape=(pairs,), dtype=float32``: mean of both TM-scores.
    aligned
        ``shape=(aligned, 3)``: pair, residue of its first and of its second protein.
    lddt
        ``shape=(aligned,), dtype=float32``; nan where unknown.
    """

    tokens: ByteArray
    inside: npt.NDArray[np.bool_]
    letters: ByteArray
    groups: IntArray
    tm: FloatArray
    aligned: IntArray
    lddt: FloatArray


@dataclass(slots=True)
class _Side:
    """One protein of a pair: its tokens, its letters, where the residues of the domain it stands for lie in it, and its flanks."""

    tokens: ByteArray
    letters: ByteArray
    place: npt.NDArray[np.int16] | None = None
    before: ByteArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    after: ByteArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))


@dataclass(frozen=True, slots=True)
class Known:
    """All that batches are drawn from.

    Parameters
    ----------
    domains, truth
        Domains, and pairs of them that were compared.
    letters
        Of each domain, ``shape=(residues, 3), dtype=uint8``.
    homologs
        Of domains, by name.
    elsewhere
        Pairs that were compared elsewhere.
    """

    domains: Domains
    truth: TruthTable
    letters: Sequence[ByteArray]
    homologs: Mapping[str, Sequence[Homolog]] = field(default_factory=dict)
    elsewhere: Sequence[AlignedPair] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """How batches are drawn; the fields are those of `LoopSettings`."""

    pairs: int
    homolog_share: float
    elsewhere_share: float
    max_residues: int
    flank_share: float = 0.0


#: Most residues of a flank, and fewest.
_FLANKS = (120, 10)
#: So many batches are drawn together, and put in order of length: proteins of one batch need little padding.
_DRAWN_TOGETHER = 16


class PairSampler:
    """Draws pairs of domains and their homologs, or pairs compared elsewhere."""

    def __init__(self, known: Known, drawing: Drawing, seed: int | tuple[int, int]) -> None:
        domains, truth, elsewhere = known.domains, known.truth, known.elsewhere
        self._truth, self._letters, self._elsewhere = truth, known.letters, elsewhere
        self._tokens = [tokens(sequence) for sequence in domains.sequences]
        self._homologs = [known.homologs.get(name, ()) for name in domains.ids]
        self._pairs, self._max = drawing.pairs, drawing.max_residues
        self._flank_share = drawing.flank_share
        self._members = np.unique(truth.pairs)
        self._shares = (drawing.homolog_share, drawing.elsewhere_share if elsewhere else 0.0)
        self._random = np.random.default_rng(seed)
        topologies = domains.level(3)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(topologies))}
        self._groups = np.array([numbers[name] for name in topologies])
        folds = {name: number for number, name in enumerate(dict.fromkeys(pair.group for pair in elsewhere))}
        self._folds = [folds[pair.group] for pair in elsewhere]
        tm = truth.tm.mean(axis=1)
        self._longer = np.diff(domains.offsets)[truth.pairs].max(axis=1)
        fits = self._longer <= drawing.max_residues
        self._high = np.flatnonzero((tm >= 0.45) & fits)
        self._any = np.flatnonzero(fits)
        self._elsewhere_fits = [
            number for number, pair in enumerate(elsewhere) if max(map(len, pair.tokens)) <= drawing.max_residues
        ]
        self._waiting: list[tuple[bool, list[int]]] = []

    def draw(self) -> Batch:
        """Draw a batch, of one source: the groups of two sources cannot be told from each other."""
        if not self._waiting:
            self._waiting = self._draw_together()
        elsewhere, chosen = self._waiting.pop()
        return self._of_elsewhere(chosen) if elsewhere else self._of_domains(chosen)

    def _draw_together(self) -> list[tuple[bool, list[int]]]:
        """Return many batches in random order: whether of pairs compared elsewhere, and their numbers."""
        count = self._random.binomial(_DRAWN_TOGETHER, self._shares[1])
        drawn = self._random.choice(self._elsewhere_fits, count * self._pairs) if count else np.zeros(0, np.int64)
        lengths = np.array([max(map(len, self._elsewhere[int(number)].tokens)) for number in drawn], dtype=np.int64)
        batches = [(True, part) for part in self._cut(drawn, lengths)]
        wanted = (_DRAWN_TOGETHER - count) * self._pairs
        alike = wanted * 2 // 3
        drawn = np.concatenate([self._random.choice(self._high, alike), self._random.choice(self._any, wanted - alike)])
        batches += [(False, part) for part in self._cut(drawn, self._longer[drawn])]
        return [batches[i] for i in self._random.permutation(len(batches))]

    def _cut(self, drawn: IntArray, lengths: IntArray) -> list[list[int]]:
        """Return ``drawn`` in batches of like lengths."""
        order = drawn[np.argsort(lengths, kind="stable")]
        return [order[start : start + self._pairs].tolist() for start in range(0, len(order), self._pairs)]

    def _of_domains(self, chosen: Sequence[int]) -> Batch:
        sides: list[_Side] = []
        groups, tm, aligned, lddt = [], [], [], []
        for pair, number in enumerate(chosen):
            truth = self._truth.truth(number)
            one, other = (self._side(int(domain)) for domain in self._truth.pairs[number])
            one, other = self._flanked(one), self._flanked(other)
            first, second = _placed(one, truth.first), _placed(other, truth.second)
            both = (first >= 0) & (second >= 0)
            first, second = first + len(one.before), second + len(other.before)
            sides += [one, other]
            groups += [int(self._groups[domain]) for domain in self._truth.pairs[number]]
            tm.append(sum(truth.tm) / 2)
            aligned.append(np.stack([np.full(both.sum(), pair), first[both], second[both]], axis=1))
            lddt.append(truth.lddt[both].astype(np.float32))
        return _batch(sides, groups, tm, aligned, lddt)

    def _of_elsewhere(self, chosen: Sequence[int]) -> Batch:
        sides: list[_Side] = []
        groups, tm, aligned, lddt = [], [], [], []
        for pair, number in enumerate(chosen):
            given = self._elsewhere[number]
            one, other = (
                self._flanked(_Side(part, np.full((len(part), 3), UNKNOWN, dtype=np.uint8))) for part in given.tokens
            )
            sides += [one, other]
            groups += [self._folds[number]] * 2
            tm.append(sum(given.tm) / 2)
            first, second = (
                given.first.astype(np.int64) + len(one.before),
                given.second.astype(np.int64) + len(other.before),
            )
            aligned.append(np.stack([np.full(len(first), pair), first, second], axis=1))
            lddt.append(np.full(len(given.first), np.nan, dtype=np.float32))
        return _batch(sides, groups, tm, aligned, lddt)

    def _flanked(self, side: _Side) -> _Side:
        """Return a side between stretches of other domains, as domains lie in proteins; sometimes, and where there is room."""
        if self._random.random() >= self._flank_share:
            return side
        room = self._max - len(side.tokens)
        flanks = []
        for _ in range(2):
            length = int(self._random.integers(_FLANKS[0] + 1)) if self._random.random() < 0.8 else 0
            length = min(length, room)
            other = self._tokens[int(self._random.choice(self._members))]
            start = int(self._random.integers(max(1, len(other) - length + 1)))
            flanks.append(other[start : start + length] if length >= _FLANKS[1] else other[:0])
            room -= len(flanks[-1])
        return replace(side, before=flanks[0], after=flanks[1])

    def _side(self, domain: int) -> _Side:
        """Return a domain, or a homolog in its place."""
        homologs = self._homologs[domain]
        if homologs and self._random.random() < self._shares[0]:
            homolog = homologs[int(self._random.integers(len(homologs)))]
            if len(homolog.tokens) <= self._max:
                inside = homolog.place >= 0
                letters = np.full((len(homolog.tokens), 3), UNKNOWN, dtype=np.uint8)
                letters[homolog.place[inside]] = self._letters[domain][inside]
                return _Side(homolog.tokens, letters, homolog.place)
        return _Side(self._tokens[domain], self._letters[domain])


def _placed(side: _Side, residues: npt.NDArray[np.uint16]) -> IntArray:
    """Return where residues of a domain lie in the protein that stands for it; -1 for nowhere."""
    if side.place is None:
        return residues.astype(np.int64)
    return side.place[residues].astype(np.int64)


def _batch(
    sides: Sequence[_Side],
    groups: Sequence[int],
    tm: Sequence[float],
    aligned: Sequence[IntArray],
    lddt: Sequence[FloatArray],
) -> Batch:
    whole = [np.concatenate([side.before, side.tokens, side.after]) for side in sides]
    width = -(-max(map(len, whole)) // MULTIPLE) * MULTIPLE
    padded = np.full((len(sides), width), PAD_TOKEN, dtype=np.uint8)
    letters = np.full((len(sides), width, 3), UNKNOWN, dtype=np.uint8)
    inside = np.zeros((len(sides), width), dtype=bool)
    for row, side in enumerate(sides):
        padded[row, : len(whole[row])] = whole[row]
        own = slice(len(side.before), len(side.before) + len(side.tokens))
        letters[row, own] = side.letters
        inside[row, own] = True
    return Batch(
        padded,
        inside,
        letters,
        np.array(groups, dtype=np.int64),
        np.array(tm, dtype=np.float32),
        np.concatenate(aligned).astype(np.int64),
        np.concatenate(lddt),
    )
