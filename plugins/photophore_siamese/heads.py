"""What is computed from the rows of two proteins: similarity of residues, lDDT along an alignment, TM-score.

The last two are small networks over what an alignment shows, fitted on folds that the rows were not trained on
(`photophore_siamese.training.fitting`), so that they do not trust the rows more than new folds deserve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore_near.residues import distributions
from photophore_siamese.aligning import Gaps, best_score
from photophore_siamese.comparing import Judgement, Represented
from photophore_siamese.shape import SiameseShape
from photophore_siamese.trees import tree_sums

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: Stretches of the alignment, to each side of a pair, over which what the pairs say is averaged.
SPANS = (1, 3, 8)
#: TM-scores; lDDT along our own alignments, which may be wrong; lDDT along alignments that are given.
HEADS = ("tm", "lddt", "given")
#: Alphabets of structure: shape, contacts, burial (`photophore_siamese.truth.geometry`).
LETTERS = 3
#: Residues of a protein that are held against another read backwards.
CHANCE_RESIDUES = 255
#: Layers of each head.
LAYERS = 2

HEAD_TENSORS = {
    "common.rows", "align.numbers", "exchange", "tm.trees",
    "pair.0.weight", "pair.0.bias", "pair.2.weight", "pair.2.bias",
    *(f"letters.{number}.{part}" for number in range(LETTERS) for part in ("weight", "bias")),
    *(f"{head}.{layer}.{part}" for head in HEADS for layer in range(LAYERS) for part in ("weight", "bias")),
    *(f"{head}.{part}" for head in HEADS for part in ("middle", "spread")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Along:
    """What the rows of two proteins tell along an alignment.

    Parameters
    ----------
    sizes
        Residues of both.
    cosine
        Of their vectors.
    similar, exchanged, logits, unbroken
        ``shape=(aligned,), dtype=float32``: of each pair the similarity of its rows, what its amino acids say, what the rows
        say of its lDDT, and 1 where the pair before is the neighbour on both sides.
    same, spelled
        Share of the pairs with the same amino acid on both sides, and mean chance that both have the same letter of structure, in
        each alphabet.
    score, chance, own
        Score of the alignment; by residue, that of the best one with one protein read backwards, which is what their composition
        brings by chance; and of each protein with itself.
    span
        Residues of both from the first to the last aligned one.
    """

    sizes: tuple[int, int]
    cosine: float
    similar: FloatArray
    exchanged: FloatArray
    logits: FloatArray
    unbroken: FloatArray
    same: float
    spelled: tuple[float, ...]
    score: float
    chance: float
    own: tuple[float, float]
    span: tuple[int, int]


class Heads:
    """The heads of one network.

    ``tensors`` hold, beside the layers of the heads: ``common.rows (k, match)``, unit vectors of residues from everywhere;
    ``exchange (20, 20)``: what amino acids add to the similarity; ``letters``: layers that read letters of structure;
    ``align.numbers``: scale of the rows, their share of the similarity, its shift, and what opening and extending a gap costs;
    ``middle`` and ``spread`` of the features of each head; ``tm.trees``: see `photophore_siamese.trees`.
    """

    def __init__(self, shape: SiameseShape, tensors: Mapping[str, FloatArray]) -> None:
        self._match, self._width = shape.match, shape.width
        self._tensors = tensors
        self._scale, self._share, self._shift, opening, extending = (float(value) for value in tensors["align.numbers"])
        self.gaps = Gaps(opening, extending)
        letters = distributions()  # (tokens, 20)
        #: What two tokens add to the similarity, ``(tokens, tokens)``.
        self._exchange = letters @ (0.5 * (tensors["exchange"] + tensors["exchange"].T)) @ letters.T

    def finished(self, rows: FloatArray, residues: npt.NDArray[np.uint8]) -> FloatArray:
        """Add to each row half the logarithm of how alike its residue is to residues from everywhere, and the residue (a token)."""
        logits = np.float32(self._scale) * rows[:, : self._match] @ self._tensors["common.rows"].T  # (n, k)
        most = logits.max(axis=1, keepdims=True)
        common = most + np.log(np.exp(logits - most).mean(axis=1, keepdims=True))
        return np.concatenate([rows, 0.5 * common, residues[:, None]], axis=1).astype(np.float32)

    def as_rows(self, match: FloatArray, common: FloatArray, letters: npt.NDArray[np.intp]) -> FloatArray:
        """Return finished rows that `similarity` takes, of vectors that are none of single residues."""
        rows = np.zeros((len(match), self._width + 2), dtype=np.float32)
        rows[:, : self._match], rows[:, -2], rows[:, -1] = match, common, letters
        return rows

    def similarity(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return how much likelier than by chance residues belong together, as a logarithm, less the shift.

        Rows say it, which know the folds that they were trained on too well and so have but a share, and amino acids.
        """
        match, share = self._match, np.float32(self._share)
        result: FloatArray = self._exchange[_tokens(one)].take(_tokens(other), axis=1)
        result -= share * one[:, -2:-1]
        result -= share * other[:, -2] + np.float32(self._shift)
        result += (np.float32(self._share * self._scale) * one[:, :match]) @ other[:, :match].T
        return result

    def judge(self, one: Represented, other: Represented, pairs: IntArray, *, given: bool = False) -> Judgement:
        """Return TM-scores and lDDT along the alignment ``pairs``, our own or a ``given`` one; 0 where nothing is aligned."""
        if not len(pairs):
            return Judgement(0.0, 0.0, np.zeros(0, dtype=np.float32))
        told = self.along(one, other, pairs)
        lddt = self.lddt(told)
        first, second = self.tm_scores(tm_features(told, lddt)).tolist()
        return Judgement(first, second, self.lddt(told, given=True) if given else lddt)

    def along(self, one: Represented, other: Represented, pairs: IntArray) -> Along:
        """Return what the rows of two proteins tell along an alignment that is not empty."""
        a, b = one.residues[pairs[:, 0]], other.residues[pairs[:, 1]]
        letters, others = _tokens(a), _tokens(b)
        exchanged = self._exchange[letters, others]
        similar = self._pair_similarity(a, b)
        steps = np.diff(pairs, axis=0, prepend=pairs[:1] - 1) - 1  # residues that are left out before each pair
        gaps = steps[steps > 0]
        cost = len(gaps) * self.gaps.open + float((gaps - 1).sum()) * self.gaps.extend
        span = pairs[-1] - pairs[0] + 1
        return Along(
            sizes=(len(one), len(other)),
            cosine=float(one.vector @ other.vector),
            similar=similar,
            exchanged=exchanged,
            logits=self._pair_logits(a[:, : self._width], b[:, : self._width]),
            unbroken=(steps == 0).all(axis=1).astype(np.float32),
            same=float((letters == others).mean()),
            spelled=self._spelled_alike(a[:, : self._width], b[:, : self._width]),
            score=float(self._share * similar.sum() + exchanged.sum()) - self._shift * len(pairs) - cost,
            chance=self._chance(one.residues, other.residues),
            own=(self._own(one.residues), self._own(other.residues)),
            span=(int(span[0]), int(span[1])),
        )

    def lddt(self, told: Along, *, given: bool = False) -> FloatArray:
        """Return the predicted lDDT of each pair of aligned residues; a ``given`` alignment is taken to be right."""
        return _squashed(self._head("given" if given else "lddt", lddt_features(told)))

    def tm_scores(self, features: FloatArray) -> FloatArray:
        """Return the TM-scores of rows of `tm_features`: the mean of what networks and trees say, which err in other places."""
        of_trees = np.clip(tree_sums(self._tensors["tm.trees"], features), 0, 1)
        return np.asarray((_squashed(self._head("tm", features)) + of_trees) / 2, dtype=np.float32)

    def _pair_similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the similarity of the rows of each pair."""
        cosine = (a[:, : self._match] * b[:, : self._match]).sum(axis=1)
        return np.asarray(self._scale * cosine - a[:, -2] - b[:, -2], dtype=np.float32)

    def _pair_logits(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return what the rows of each pair say of its lDDT, as logits; `SiameseNetwork.pair_lddt` in numpy."""
        t = self._tensors
        joined = np.concatenate([a * b, np.abs(a - b)], axis=1)
        hidden = np.maximum(joined @ t["pair.0.weight"].T + t["pair.0.bias"], 0)
        return np.asarray((hidden @ t["pair.2.weight"].T + t["pair.2.bias"])[:, 0], dtype=np.float32)

    def _spelled_alike(self, a: FloatArray, b: FloatArray) -> tuple[float, ...]:
        """Return how likely both residues of a pair have the same letter of structure, in each alphabet, as a mean."""
        chances = []
        for number in range(LETTERS):
            weight, bias = self._tensors[f"letters.{number}.weight"].T, self._tensors[f"letters.{number}.bias"]
            left, right = np.exp(a @ weight + bias), np.exp(b @ weight + bias)
            both = (left * right).sum(axis=1) / (left.sum(axis=1) * right.sum(axis=1))
            chances.append(float(both.mean()))
        return tuple(chances)

    def _chance(self, one: FloatArray, other: FloatArray) -> float:
        """Return the score, by residue, of the best alignment with one protein read backwards; of the shorter, the beginning counts."""
        shorter, longer = sorted((one, other), key=len)
        shorter = shorter[:CHANCE_RESIDUES]
        return best_score(self.similarity(shorter, longer[::-1]), self.gaps) / len(shorter)

    def _own(self, residues: FloatArray) -> float:
        """Return the score of a protein with itself, at least 1."""
        letters = _tokens(residues)
        rows = self._share * (self._scale - 2 * residues[:, -2])
        return max(1.0, float((rows + self._exchange[letters, letters]).sum()) - self._shift * len(residues))

    def _head(self, name: str, features: FloatArray) -> FloatArray:
        """Return the logits of a head for ``features (n, features)``, ``shape=(n,)``."""
        t = self._tensors
        x = (features - t[f"{name}.middle"]) / t[f"{name}.spread"]
        x = np.tanh(x @ t[f"{name}.0.weight"].T + t[f"{name}.0.bias"])
        return np.asarray((x @ t[f"{name}.1.weight"].T + t[f"{name}.1.bias"])[:, 0], dtype=np.float32)


def lddt_features(told: Along) -> FloatArray:
    """Return what the lDDT of each pair is predicted from, ``shape=(aligned, features), dtype=float32``."""
    said = np.stack([told.similar, told.exchanged, told.logits, told.unbroken])
    running = np.cumsum(np.pad(said, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    columns: list[npt.NDArray[Any]] = [said[:3], *(_smoothed(running[:3], span) for span in SPANS)]
    columns += [_smoothed(running[3:], SPANS[1])]  # the neighbourhood is in one piece
    aligned, (shorter, longer) = len(told.similar), sorted(told.sizes)
    whole = [
        np.log(shorter),
        np.log(longer),
        aligned / shorter,
        told.similar.sum() / shorter,
        told.exchanged.sum() / shorter,
        told.logits.mean(),
        told.same,
    ]
    columns += [np.broadcast_to(np.array(whole)[:, None], (len(whole), aligned))]
    return np.ascontiguousarray(np.concatenate(columns).T, dtype=np.float32)


def tm_features(told: Along, lddt: FloatArray) -> FloatArray:
    """Return what both TM-scores are predicted from, normalised by the first and by the second protein.

    ``shape=(2, features), dtype=float32``; ``lddt`` is the predicted one along the alignment.
    """
    aligned, total, letters = len(lddt), float(told.similar.sum()), float(told.exchanged.sum())
    shorter = min(told.sizes)
    ordered = np.sort(told.similar)
    both = [
        told.cosine,
        total / shorter,
        max(total, 0.0) ** 0.5,
        total / aligned,
        letters / shorter,
        max(letters, 0.0) ** 0.5,
        letters / aligned,
        told.same,
        told.same * aligned / shorter,
        float(told.logits.mean()),
        float(lddt.mean()),
        float(lddt.std()),
        np.count_nonzero(told.similar > 0) / shorter,
        float(told.unbroken.mean()),
        float(ordered[(aligned - 1) // 10]),
        float(ordered[(aligned - 1) // 2]),
        *told.spelled,
        told.chance,
        told.score / shorter - told.chance,
        told.score / shorter,
        told.score / shorter**0.5,
        told.score / (told.own[0] * told.own[1]) ** 0.5,
    ]
    rows = []
    for mine in (0, 1):
        size, theirs = told.sizes[mine], told.sizes[1 - mine]
        own = [
            np.log(size),
            np.log(theirs),
            aligned / size,
            aligned / theirs,
            total / size,
            float(lddt.sum()) / size,
            np.count_nonzero(lddt > 0.6) / size,
            told.span[mine] / size,
        ]
        rows.append([*both, *own])
    return np.array(rows, dtype=np.float32)


def _tokens(residues: FloatArray) -> npt.NDArray[np.intp]:
    """Return the residues of finished rows."""
    return residues[:, -1].astype(np.intp)


def _squashed(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


def _smoothed(running: npt.NDArray[np.float64], span: int) -> npt.NDArray[np.float64]:
    """Return means over up to ``span`` places to each side, fewer at the ends; ``running (k, n + 1)`` are sums from the start."""
    places = np.arange(running.shape[1] - 1)
    first, last = np.maximum(places - span, 0), np.minimum(places + span + 1, len(places))
    result: npt.NDArray[np.float64] = (running[:, last] - running[:, first]) / (last - first)
    return result
