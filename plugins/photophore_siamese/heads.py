"""What is computed from the rows of two proteins: similarity of residues, lDDT along an alignment, TM-score.

The last two are small networks over what an alignment shows, fitted on folds that the rows were not trained on
(`photophore_siamese.training.fitting`), so that they do not trust the rows more than new folds deserve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore_siamese.aligning import Gaps
from photophore_siamese.comparing import Judgement, Represented
from photophore_siamese.shape import SiameseShape

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: Stretches of the alignment, to each side of a pair, over which what the pairs say is averaged.
SPANS = (1, 3, 8)
#: TM-scores; lDDT along our own alignments, which may be wrong; lDDT along alignments that are given.
HEADS = ("tm", "lddt", "given")
#: Layers of each head.
LAYERS = 2

HEAD_TENSORS = {
    "common.rows", "align.numbers", "pair.0.weight", "pair.0.bias", "pair.2.weight", "pair.2.bias",
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
    similar, logits, unbroken
        ``shape=(aligned,), dtype=float32``: of each pair its similarity, what the rows say of its lDDT, and 1 where the pair
        before is the neighbour on both sides.
    span
        Residues of both from the first to the last aligned one.
    """

    sizes: tuple[int, int]
    cosine: float
    similar: FloatArray
    logits: FloatArray
    unbroken: FloatArray
    span: tuple[int, int]


class Heads:
    """The heads of one network.

    ``tensors`` hold, beside the layers of the heads: ``common.rows (k, match)``, unit vectors of residues from everywhere;
    ``align.numbers``: scale and shift of the similarity, and what opening and extending a gap costs; ``middle`` and
    ``spread`` of the features of each head.
    """

    def __init__(self, shape: SiameseShape, tensors: Mapping[str, FloatArray]) -> None:
        self._match, self._width = shape.match, shape.width
        self._tensors = tensors
        self._scale, self._shift, opening, extending = (float(value) for value in tensors["align.numbers"])
        self.gaps = Gaps(opening, extending)

    def with_commonness(self, rows: FloatArray) -> FloatArray:
        """Add to each row half the logarithm of how alike its residue is to residues from everywhere."""
        logits = np.float32(self._scale) * rows[:, : self._match] @ self._tensors["common.rows"].T  # (n, k)
        most = logits.max(axis=1, keepdims=True)
        common = most + np.log(np.exp(logits - most).mean(axis=1, keepdims=True))
        return np.concatenate([rows, 0.5 * common], axis=1).astype(np.float32)

    def similarity(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return how much likelier than by chance residues belong together, as a logarithm, less the shift."""
        match = self._match
        scaled = np.asarray(np.float32(self._scale) * one[:, :match], dtype=np.float32)
        result: FloatArray = scaled @ other[:, :match].T
        result -= one[:, -1:]
        result -= other[:, -1] + np.float32(self._shift)
        return result

    def judge(self, one: Represented, other: Represented, pairs: IntArray, *, given: bool = False) -> Judgement:
        """Return TM-scores and lDDT along the alignment ``pairs``, our own or a ``given`` one; 0 where nothing is aligned."""
        if not len(pairs):
            return Judgement(0.0, 0.0, np.zeros(0, dtype=np.float32))
        told = self.along(one, other, pairs)
        lddt = self.lddt(told)
        first, second = _squashed(self._head("tm", tm_features(told, lddt))).tolist()
        return Judgement(first, second, self.lddt(told, given=True) if given else lddt)

    def along(self, one: Represented, other: Represented, pairs: IntArray) -> Along:
        """Return what the rows of two proteins tell along an alignment that is not empty."""
        similar = self._pair_similarity(one.residues, other.residues, pairs)
        logits = self._pair_logits(one.residues, other.residues, pairs)
        steps = np.diff(pairs, axis=0, prepend=pairs[:1] - 1) == 1
        unbroken = steps.all(axis=1).astype(np.float32)
        span = pairs[-1] - pairs[0] + 1
        cosine = float(one.vector @ other.vector)
        return Along((len(one), len(other)), cosine, similar, logits, unbroken, (int(span[0]), int(span[1])))

    def lddt(self, told: Along, *, given: bool = False) -> FloatArray:
        """Return the predicted lDDT of each pair of aligned residues; a ``given`` alignment is taken to be right."""
        return _squashed(self._head("given" if given else "lddt", lddt_features(told)))

    def _pair_similarity(self, one: FloatArray, other: FloatArray, pairs: IntArray) -> FloatArray:
        """Return the similarity of each aligned pair."""
        a, b = one[pairs[:, 0]], other[pairs[:, 1]]
        cosine = (a[:, : self._match] * b[:, : self._match]).sum(axis=1)
        return np.asarray(self._scale * cosine - a[:, -1] - b[:, -1] - np.float32(self._shift), dtype=np.float32)

    def _pair_logits(self, one: FloatArray, other: FloatArray, pairs: IntArray) -> FloatArray:
        """Return what the rows of each aligned pair say of its lDDT, as logits; `SiameseNetwork.pair_lddt` in numpy."""
        t = self._tensors
        a, b = one[pairs[:, 0], : self._width], other[pairs[:, 1], : self._width]
        joined = np.concatenate([a * b, np.abs(a - b)], axis=1)
        hidden = np.maximum(joined @ t["pair.0.weight"].T + t["pair.0.bias"], 0)
        return np.asarray((hidden @ t["pair.2.weight"].T + t["pair.2.bias"])[:, 0], dtype=np.float32)

    def _head(self, name: str, features: FloatArray) -> FloatArray:
        """Return the logits of a head for ``features (n, features)``, ``shape=(n,)``."""
        t = self._tensors
        x = (features - t[f"{name}.middle"]) / t[f"{name}.spread"]
        x = np.tanh(x @ t[f"{name}.0.weight"].T + t[f"{name}.0.bias"])
        return np.asarray((x @ t[f"{name}.1.weight"].T + t[f"{name}.1.bias"])[:, 0], dtype=np.float32)


def lddt_features(told: Along) -> FloatArray:
    """Return what the lDDT of each pair is predicted from, ``shape=(aligned, features), dtype=float32``."""
    columns = [told.similar, told.logits]
    for span in SPANS:
        columns += [_smoothed(told.similar, span), _smoothed(told.logits, span)]
    columns += [_smoothed(told.unbroken, SPANS[1])]  # the neighbourhood is in one piece
    aligned, (shorter, longer) = len(told.similar), sorted(told.sizes)
    whole = [np.log(shorter), np.log(longer), aligned / shorter, told.similar.sum() / shorter, told.logits.mean()]
    columns += [np.full(aligned, value) for value in whole]
    return np.stack(columns, axis=1).astype(np.float32)


def tm_features(told: Along, lddt: FloatArray) -> FloatArray:
    """Return what both TM-scores are predicted from, normalised by the first and by the second protein.

    ``shape=(2, features), dtype=float32``; ``lddt`` is the predicted one along the alignment.
    """
    aligned, total = len(lddt), float(told.similar.sum())
    shorter = min(told.sizes)
    both = [
        told.cosine,
        total / shorter,
        np.sqrt(max(total, 0.0)),
        total / aligned,
        float(told.logits.mean()),
        float(lddt.mean()),
        float(lddt.std()),
        np.count_nonzero(told.similar > 0) / shorter,
        float(told.unbroken.mean()),
        *np.quantile(told.similar, (0.1, 0.5)).tolist(),
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


def _squashed(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


def _smoothed(values: FloatArray, span: int) -> FloatArray:
    """Return means over up to ``span`` places to each side, fewer at the ends."""
    running = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.arange(len(values))
    first, last = np.maximum(places - span, 0), np.minimum(places + span + 1, len(values))
    return np.asarray((running[last] - running[first]) / (last - first), dtype=np.float32)
