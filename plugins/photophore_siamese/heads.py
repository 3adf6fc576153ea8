"""What is computed from the rows of two proteins: similarity of residues, lDDT along an alignment, TM-score.

The last two are small networks over what an alignment shows, fitted on folds that the rows were not trained on
(`photophore_siamese.training.fitting`), so that they do not trust the rows more than new folds deserve.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from photophore_siamese.aligning import Gaps
from photophore_siamese.comparing import Represented
from photophore_siamese.shape import SiameseShape

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: Stretches of the alignment, to each side of a pair, over which what the pairs say is averaged.
SPANS = (1, 3, 8)
#: Layers of each head.
LAYERS = 2

HEAD_TENSORS = {
    "common.rows", "align.numbers", "pair.0.weight", "pair.0.bias", "pair.2.weight", "pair.2.bias",
    *(f"{head}.{layer}.{part}" for head in ("tm", "lddt") for layer in range(LAYERS) for part in ("weight", "bias")),
    *(f"{head}.{part}" for head in ("tm", "lddt") for part in ("middle", "spread")),
}  # fmt: skip


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

    def tm_score(self, one: Represented, other: Represented, pairs: IntArray) -> float:
        """Return the predicted TM-score normalised by the length of ``one``; 0 where nothing is aligned."""
        if not len(pairs):
            return 0.0
        features = self.tm_features(one, other, pairs)
        return float(_squashed(self._head("tm", features[None]))[0])

    def lddt(self, one: FloatArray, other: FloatArray, pairs: IntArray) -> FloatArray:
        """Return the predicted lDDT of each pair of aligned residues."""
        if not len(pairs):
            return np.zeros(0, dtype=np.float32)
        return _squashed(self._head("lddt", self.lddt_features(one, other, pairs)))

    def tm_features(self, one: Represented, other: Represented, pairs: IntArray) -> FloatArray:
        """Return what the TM-score is predicted from, ``shape=(features,), dtype=float32``."""
        similar = self._pair_similarity(one.residues, other.residues, pairs)
        raw = _squashed(self._pair_logits(one.residues, other.residues, pairs))
        size1, size2, aligned = len(one), len(other), len(pairs)
        shorter = min(size1, size2)
        return np.array(
            [
                float(one.vector @ other.vector),
                np.log(size1),
                np.log(size2),
                aligned / size1,
                aligned / size2,
                similar.sum() / size1,
                similar.sum() / shorter,
                np.sqrt(max(float(similar.sum()), 0.0)),
                similar.mean(),
                raw.sum() / size1,
                raw.mean(),
                np.count_nonzero(similar > 0) / shorter,
            ],
            dtype=np.float32,
        )

    def lddt_features(self, one: FloatArray, other: FloatArray, pairs: IntArray) -> FloatArray:
        """Return what the lDDT of each pair is predicted from, ``shape=(aligned, features), dtype=float32``."""
        similar = self._pair_similarity(one, other, pairs)
        logits = self._pair_logits(one, other, pairs)
        columns = [similar, logits]
        for span in SPANS:
            columns += [_smoothed(similar, span), _smoothed(logits, span)]
        steps = np.diff(pairs, axis=0, prepend=pairs[:1] - 1) == 1
        unbroken = steps.all(axis=1).astype(np.float32)  # 1 where the pair before is the neighbour on both sides
        columns += [_smoothed(unbroken, SPANS[1])]
        shorter = min(len(one), len(other))
        whole = [np.log(len(one)), np.log(len(other)), len(pairs) / shorter, similar.sum() / shorter, logits.mean()]
        columns += [np.full(len(pairs), value) for value in whole]
        return np.stack(columns, axis=1).astype(np.float32)

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


def _squashed(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


def _smoothed(values: FloatArray, span: int) -> FloatArray:
    """Return means over up to ``span`` places to each side, fewer at the ends."""
    running = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.arange(len(values))
    first, last = np.maximum(places - span, 0), np.minimum(places + span + 1, len(values))
    return np.asarray((running[last] - running[first]) / (last - first), dtype=np.float32)
