"""What is computed from the rows of two proteins: similarity of residues, lDDT along an alignment, TM-score.

The last two are small networks over what an alignment shows, fitted on folds that the rows were not trained on
(`photophore_siamese.training.fitting`), so that they do not trust the rows more than new folds deserve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from photophore.errors import ModelError
from photophore_near.residues import distributions
from photophore_near.trained import product_by_block
from photophore_siamese.aligning import CHANCE_RESIDUES, Gaps
from photophore_siamese.along import Along, lddt_features, sums, tm_features
from photophore_siamese.comparing import AlignedProteins, Judgement, parts
from photophore_siamese.shape import SiameseShape
from photophore_siamese.trees import tree_sums

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: TM-scores; lDDT along our own alignments, which may be wrong; lDDT along alignments that are given.
HEADS = ("tm", "lddt", "given")
#: Alphabets of structure: shape, contacts, burial (`photophore_siamese.truth.geometry`).
LETTERS = 3
#: Layers of each head.
LAYERS = 2
#: Aligned residues that are judged at once: what is computed of them stays near the processor.
_JUDGED_AT_ONCE = 8192

HEAD_TENSORS = {
    "common.rows", "align.numbers", "exchange", "tm.trees",
    "pair.0.weight", "pair.0.bias", "pair.2.weight", "pair.2.bias",
    *(f"letters.{number}.{part}" for number in range(LETTERS) for part in ("weight", "bias")),
    *(f"{head}.{layer}.{part}" for head in HEADS for layer in range(LAYERS) for part in ("weight", "bias")),
    *(f"{head}.{part}" for head in HEADS for part in ("middle", "spread")),
}  # fmt: skip


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
        exchange = letters @ (0.5 * (tensors["exchange"] + tensors["exchange"].T)) @ letters.T
        self._exchange = np.asarray(exchange, dtype=np.float32)

    def finished(self, rows: FloatArray, residues: npt.NDArray[np.uint8]) -> FloatArray:
        """Add to each row half the logarithm of how alike its residue is to residues from everywhere, and the residue (a token)."""
        alike = (np.float32(self._scale) * rows[:, : self._match]) @ self._tensors[
            "common.rows"
        ].T  # (n, k), at most the scale
        common = np.log(np.exp(alike, out=alike).mean(axis=1, keepdims=True))
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
        share = np.float32(self._share)
        # All that is added is one product: of the rows, of amino acids with one-hot ones, and of the numbers of each side with 1.
        left = np.concatenate(
            [
                np.float32(self._share * self._scale) * one[:, : self._match],
                self._exchange[_tokens(one)],
                -share * one[:, -2:-1] - np.float32(self._shift),
                np.ones((len(one), 1), dtype=np.float32),
            ],
            axis=1,
        )
        right = np.zeros((len(other), left.shape[1]), dtype=np.float32)
        right[:, : self._match] = other[:, : self._match]
        right[np.arange(len(other)), self._match + _tokens(other)] = 1
        right[:, -2], right[:, -1] = 1, -share * other[:, -2]
        result: FloatArray = left @ right.T
        return result

    def judge(self, aligned: Sequence[AlignedProteins], *, given: bool = False) -> list[Judgement]:
        """Return TM-scores and lDDT along alignments, our own or ``given`` ones; 0 where nothing is aligned."""
        judged = [Judgement(0.0, 0.0, np.zeros(0, dtype=np.float32))] * len(aligned)
        lengths = [len(found.pairs) for _, _, found in aligned]
        order = sorted((place for place, length in enumerate(lengths) if length), key=lengths.__getitem__)
        for places in parts(order, lengths, _JUDGED_AT_ONCE):
            told = self.along([aligned[place] for place in places])
            lddt = self.lddt(told)
            scores = self.tm_scores(tm_features(told, lddt)).tolist()
            along = np.split(self.lddt(told, given=True) if given else lddt, told.offsets[1:-1])
            for place, first, second, each in zip(places, scores[::2], scores[1::2], along, strict=True):
                judged[place] = Judgement(first, second, each.copy())
        return judged

    def along(self, aligned: Sequence[AlignedProteins]) -> Along:
        """Return what the rows of proteins tell along alignments, none of which is empty."""
        a = np.concatenate([one[found.pairs[:, 0]] for one, _, found in aligned])
        b = np.concatenate([other[found.pairs[:, 1]] for _, other, found in aligned])
        offsets = np.cumsum([0, *(len(found.pairs) for _, _, found in aligned)])
        letters, others = _tokens(a), _tokens(b)
        similar, exchanged = self._pair_similarity(a, b), self._exchange[letters, others]
        count = np.diff(offsets)
        every = np.concatenate([found.pairs for _, _, found in aligned])
        steps = np.diff(every, axis=0, prepend=0) - 1  # residues that are left out before each pair
        steps[offsets[:-1]] = 0
        cost = sums(self._cost(steps), offsets)
        a, b = a[:, : self._width], b[:, : self._width]
        sizes = np.array([(len(one), len(other)) for one, other, _ in aligned], dtype=np.float64)
        chance = np.array([found.chance for _, _, found in aligned])
        return Along(
            offsets=offsets,
            sizes=sizes,
            similar=similar,
            exchanged=exchanged,
            logits=self._pair_logits(a, b),
            unbroken=(steps == 0).all(axis=1).astype(np.float32),
            same=sums(letters == others, offsets) / count,
            spelled=sums(self._spelled_alike(a, b), offsets) / count[:, None],
            score=self._share * sums(similar, offsets) + sums(exchanged, offsets) - self._shift * count - cost,
            chance=chance / np.minimum(sizes.min(axis=1), CHANCE_RESIDUES),
            own=np.array([(self._own(one), self._own(other)) for one, other, _ in aligned]),
            span=(every[offsets[1:] - 1] - every[offsets[:-1]] + 1).astype(np.float64),
        )

    def lddt(self, told: Along, *, given: bool = False) -> FloatArray:
        """Return the predicted lDDT of each two aligned residues, ``shape=(aligned,)``; a ``given`` alignment is taken to be right."""
        return _squashed(self._head("given" if given else "lddt", lddt_features(told)))

    def tm_scores(self, features: FloatArray) -> FloatArray:
        """Return the TM-scores of rows of `tm_features`: the mean of what networks and trees say, which err in other places."""
        of_network = _squashed(self._head("tm", features))
        of_trees = np.clip(tree_sums(self._tensors["tm.trees"], features), 0, 1)
        return np.asarray((of_network + of_trees) / 2, dtype=np.float32)

    def _cost(self, steps: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return what the gaps before aligned residues cost, by what is left out of both proteins there, ``(aligned, 2)``."""
        gaps = steps > 0
        cost: npt.NDArray[np.float64] = gaps * (self.gaps.open - self.gaps.extend) + self.gaps.extend * steps
        return cost.sum(axis=1)

    def _pair_similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the similarity of the rows of each pair."""
        cosine = (a[:, : self._match] * b[:, : self._match]).sum(axis=1)
        return np.asarray(self._scale * cosine - a[:, -2] - b[:, -2], dtype=np.float32)

    def _pair_logits(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return what the rows of each pair say of its lDDT, as logits; `SiameseNetwork.pair_lddt` in numpy."""
        t = self._tensors
        joined = np.concatenate([a * b, np.abs(a - b)], axis=1)
        hidden = np.maximum(product_by_block(joined, t["pair.0.weight"]) + t["pair.0.bias"], 0)
        return product_by_block(hidden, t["pair.2.weight"])[:, 0] + t["pair.2.bias"]

    def _spelled_alike(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return how likely both residues of a pair have the same letter of structure, in each alphabet, ``shape=(pairs, LETTERS)``."""
        chances = []
        for number in range(LETTERS):
            weight, bias = self._tensors[f"letters.{number}.weight"], self._tensors[f"letters.{number}.bias"]
            left, right = (np.exp(product_by_block(rows, weight) + bias) for rows in (a, b))
            chances.append((left * right).sum(axis=1) / (left.sum(axis=1) * right.sum(axis=1)))
        return np.stack(chances, axis=1)

    def _own(self, residues: FloatArray) -> float:
        """Return the score of a protein with itself, at least 1."""
        letters = _tokens(residues)
        rows = self._share * (self._scale - 2 * residues[:, -2])
        return max(1.0, float((rows + self._exchange[letters, letters]).sum()) - self._shift * len(residues))

    def _head(self, name: str, features: FloatArray) -> FloatArray:
        """Return the logits of a head for ``features (n, features)``, ``shape=(n,)``."""
        t = self._tensors
        if len(t[f"{name}.middle"]) != features.shape[1]:
            raise ModelError(
                f"these weights of the encoder siamese tell the {name} from {len(t[f'{name}.middle'])} features of an alignment, and this "
                f"version computes {features.shape[1]}: they are of another version; fit the heads again with photophore train siamese"
            )
        x = (features - t[f"{name}.middle"]) / t[f"{name}.spread"]
        x = np.tanh(product_by_block(x, t[f"{name}.0.weight"]) + t[f"{name}.0.bias"])
        return product_by_block(x, t[f"{name}.1.weight"])[:, 0] + t[f"{name}.1.bias"]


def _tokens(residues: FloatArray) -> npt.NDArray[np.intp]:
    """Return the residues of finished rows."""
    return residues[:, -1].astype(np.intp)


def _squashed(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
