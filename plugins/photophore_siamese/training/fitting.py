"""The heads, fitted on folds that the rows were not trained on: similarity, gaps, lDDT along an alignment, TM-score.

Rows know the folds that they were trained on better than new ones. What is made of them is therefore fitted on the `valid` side
of the split, and, for whole chains, on pairs of chains that were compared elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor, nn

from photophore_near.onnx_runtime import open_session
from photophore_near.packing import MULTIPLE
from photophore_near.residues import AMINO_ACIDS, PAD_TOKEN, tokens
from photophore_near.trained import read_trained
from photophore_siamese.aligning import LocalAlignment, align_many
from photophore_siamese.along import lddt_features, tm_features
from photophore_siamese.codes import KINDS
from photophore_siamese.heads import Heads
from photophore_siamese.model import SiameseNetwork
from photophore_siamese.shape import FORMAT, shape_of
from photophore_siamese.training.material import AlignedPair, ComparedPair
from photophore_siamese.trees import trees_of
from photophore_siamese.truth.cache import TruthTable
from photophore_siamese.truth.domains import Domains
from photophore_siamese.truth.lddt import aligned_lddt

_log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

#: Residues from everywhere, against which those of a pair are held.
_COMMON = 256
#: What is tried for the similarity, a logarithm: scale of the rows and their share, shift; and then for gaps.
_SIMILARITIES = tuple(product((8.0, 12.0), (0.1, 0.15, 0.2, 0.3, 0.5), (-0.1, 0.1)))
_GAPS = tuple(product((3.0, 4.0, 5.0), (0.25, 0.35, 0.5)))
_TRIED_PAIRS = 240
#: TM-scores from which on domains are alike, and below which they are not; the share of these that alike ones are to be above.
_ALIKE, _UNLIKE, _NEARLY_ALL = 0.5, 0.35, 0.97
_AT_ONCE = 400
#: What the heads take from the training as it is.
_SHARED = ("pair.", "exchange", "letters.")
#: Hidden units of each network of a head, and networks.
_HIDDEN, _NETWORKS = 16, 10
#: Boosted trees: so many rounds, this often.
_ROUNDS, _FORESTS = 100, 2
#: A tenth of the range with fewer TM-scores than this counts less than the others.
_RARE = 50


#: Pairs of residues, and the lDDT of each.
LddtAlong = tuple[IntArray, npt.NDArray[np.floating[Any]]]


@dataclass(frozen=True, slots=True)
class Example:
    """Two aligned proteins, and their TM-scores normalised by either."""

    one: FloatArray
    other: FloatArray
    aligned: LocalAlignment
    tm: tuple[float, float]


class Fitter:
    """Fits the heads of the network at ``weights``, to the rows that its export in 8 bits gives."""

    def __init__(self, network: SiameseNetwork, weights: Path, common: Sequence[str], *, threads: int) -> None:
        self._network = network
        self._session = open_session(weights.with_suffix(".int8.onnx"), threads)
        _, learnt = read_trained(weights, FORMAT, shape_of, "weights that `photophore train siamese` wrote")
        self.tensors: dict[str, FloatArray] = {
            name: np.asarray(value, dtype=np.float32) for name, value in learnt.items() if name.startswith(_SHARED)
        }
        random = np.random.default_rng(0)
        self._common = [(self._rows(sequence), tokens(sequence)) for sequence in common]
        everywhere = np.concatenate([rows[:, : network.shape.match] for rows, _ in self._common])
        self.tensors["common.rows"] = everywhere[random.permutation(len(everywhere))[:_COMMON]]
        self.tensors["align.numbers"] = np.array([10.0, 0.2, 0.0, 4.0, 0.35], dtype=np.float32)

    @property
    def heads(self) -> Heads:
        """The heads as far as they are fitted."""
        return Heads(self._network.shape, self.tensors)

    def represent(self, sequences: Sequence[str]) -> list[FloatArray]:
        """Return the finished rows of each protein."""
        heads = self.heads
        return [heads.finished(self._rows(sequence), tokens(sequence)) for sequence in sequences]

    def fit_alignment(self, sequences: Mapping[int, str], truth: TruthTable) -> float:
        """Choose similarity and gaps by which alike domains align as TM-align has it, and stand out from unlike ones.

        What is best by the sum of two shares: of TM-align's pairs of residues that are recovered, and of alike domains whose
        score, by the root of the shorter length, is above that of nearly all unlike ones. ``sequences`` are those of the domains
        of ``truth``. Returns the share that is recovered.
        """
        tm = truth.tm.mean(axis=1)
        alike, unlike = _every(np.flatnonzero(tm >= _ALIKE)), _every(np.flatnonzero(tm < _UNLIKE))
        rows = {int(n): self._rows(sequences[int(n)]) for n in np.unique(truth.pairs[np.concatenate([alike, unlike])])}
        root = {number: len(sequences[number]) ** 0.5 for number in rows}
        best = (-1.0, 0.0, self.tensors["align.numbers"])
        for columns, tried in (([0, 1, 2], _SIMILARITIES), ([3, 4], _GAPS)):
            before = best[-1]
            for values in tried:
                numbers = before.copy()
                numbers[columns] = values
                self.tensors["align.numbers"] = numbers
                heads = self.heads
                seen = {n: heads.finished(each, tokens(sequences[n])) for n, each in rows.items()}
                ours = self.align(truth.pairs[alike], seen)
                found = recovered([aligned.pairs for aligned in ours], truth, alike)
                kin, others = (
                    [
                        aligned.score / min(root[int(i)], root[int(j)])
                        for aligned, (i, j) in zip(result, truth.pairs[side], strict=True)
                    ]
                    for result, side in ((ours, alike), (self.align(truth.pairs[unlike], seen), unlike))
                )
                apart = float(np.mean(np.array(kin) > np.quantile(others, _NEARLY_ALL))) if others else 0.0
                if found + apart > best[0]:
                    best = (found + apart, found, numbers)
        self.tensors["align.numbers"] = best[-1]
        _log.info("alignment: %s recovers %.3f, and tells %.3f apart", best[-1].tolist(), best[1], best[0] - best[1])
        return best[1]

    def align(self, pairs: npt.NDArray[np.int32], seen: Mapping[int, FloatArray]) -> list[LocalAlignment]:
        """Return the alignment of each of ``pairs (n, 2)``."""
        heads, found = self.heads, []
        for start in range(0, len(pairs), _AT_ONCE):
            matrices = [
                heads.similarity(seen[int(i)], seen[int(j)])
                for i, j in pairs[start : start + _AT_ONCE]
            ]
            found += align_many(matrices, heads.gaps)
        return found

    def fit_lddt(
        self, domains: Domains, seen: Mapping[int, FloatArray], truth: TruthTable, aligned: Sequence[LocalAlignment]
    ) -> None:
        """Fit the lDDT heads: along our own alignments ``aligned``, and along TM-align's, which are given."""
        heads = self.heads
        sides = [(int(one), int(other)) for one, other in truth.pairs]
        theirs = [truth.truth(number) for number in range(len(sides))]
        given: list[LddtAlong] = [
            (np.stack([each.first, each.second], axis=1).astype(np.int32), each.lddt) for each in theirs
        ]
        own: list[LddtAlong] = [
            (pairs, aligned_lddt(domains.trace(one)[pairs[:, 0]], domains.trace(other)[pairs[:, 1]]))
            for (one, other), (pairs, *_) in zip(sides, aligned, strict=True)
        ]
        for name, alignments in (("lddt", own), ("given", given)):
            features, wanted = [], []
            for (one, other), (pairs, lddt) in zip(sides, alignments, strict=True):
                if len(pairs):  # of chance lDDT reads nothing
                    along = heads.along([(seen[one], seen[other], LocalAlignment(pairs, 0.0, 0.0))])
                    features.append(lddt_features(along)[::3])
                    wanted.append(np.asarray(lddt[::3], dtype=np.float32))
            rows, targets = np.concatenate(features), np.concatenate(wanted)
            self.tensors |= fit_head(name, rows, targets, np.ones(len(rows), dtype=np.float32))

    def fit_tm(self, drawn: Sequence[Example], met: Sequence[Example]) -> None:
        """Fit the TM head: on pairs that were ``drawn`` to be alike or not, every tenth of the range the same, and on pairs as they are ``met``."""
        heads = self.heads
        usable = [example for example in (*drawn, *met) if len(example.aligned.pairs)]
        count = sum(len(example.aligned.pairs) > 0 for example in drawn)
        told = [heads.along([(example.one, example.other, example.aligned)]) for example in usable]
        rows = np.concatenate([tm_features(each, heads.lddt(each)) for each in told])
        targets = np.array([example.tm for example in usable], dtype=np.float32)
        weights = np.concatenate([spread_weights(targets[:count]), np.ones_like(targets[count:])])
        self.tensors |= fit_head("tm", rows, targets.ravel(), weights.ravel())
        self.tensors["tm.trees"] = fit_trees(rows, targets.ravel(), weights.ravel())

    def fit_codes(self) -> None:
        """Divide the residues of each amino acid into kinds by their rows."""
        finished = np.concatenate([self.heads.finished(rows, residues) for rows, residues in self._common])
        width = self._network.shape.match
        match = np.zeros((len(AMINO_ACIDS), KINDS, width), dtype=np.float32)
        common = np.zeros((len(AMINO_ACIDS), KINDS), dtype=np.float32)
        for letter in range(len(AMINO_ACIDS)):
            rows = finished[finished[:, -1] == letter]
            if not len(rows):
                continue  # an amino acid that is not there: all its kinds are alike
            kinds = KMeans(min(KINDS, len(rows)), n_init=1, random_state=0).fit_predict(rows[:, :width])
            for kind in range(KINDS):
                members = rows[kinds == kind] if (kinds == kind).any() else rows
                match[letter, kind], common[letter, kind] = members[:, :width].mean(axis=0), members[:, -2].mean()
        self.tensors["codes.match"], self.tensors["codes.common"] = match.reshape(-1, width), common.ravel()

    def _rows(self, sequence: str) -> FloatArray:
        residues = tokens(sequence)
        padded = np.full((1, -(-len(residues) // MULTIPLE) * MULTIPLE), PAD_TOKEN, dtype=np.int32)
        padded[0, : len(residues)] = residues
        (rows,) = self._session.run(["residues"], {"tokens": padded})
        return np.asarray(rows[0, : len(residues)], dtype=np.float32)


def fit_heads(
    fitter: Fitter,
    domains: Domains,
    truth: TruthTable,
    elsewhere: Sequence[AlignedPair],
    chains: Sequence[ComparedPair],
) -> dict[str, FloatArray]:
    """Fit all heads on pairs of domains that were held out; the TM-score on pairs compared ``elsewhere`` and of ``chains``, too.

    Returns the tensors of the heads.
    """
    wanted = [int(number) for number in np.unique(truth.pairs)]
    fitter.fit_alignment({number: domains.sequences[number] for number in wanted}, truth)
    seen = dict(zip(wanted, fitter.represent([domains.sequences[number] for number in wanted]), strict=True))
    aligned = fitter.align(truth.pairs, seen)
    fitter.fit_lddt(domains, seen, truth, aligned)
    drawn = [
        Example(seen[int(one)], seen[int(other)], found, tuple(tm))
        for (one, other), found, tm in zip(truth.pairs, aligned, truth.tm, strict=True)
    ]
    fitter.fit_codes()
    fitter.fit_tm([*drawn, *_examples(fitter, elsewhere)], _examples(fitter, chains))
    return fitter.tensors


def _examples(fitter: Fitter, compared: Sequence[AlignedPair | ComparedPair]) -> list[Example]:
    """Represent and align pairs that were compared elsewhere."""
    texts = list(dict.fromkeys(sequence for pair in compared for sequence in pair.sequences))
    seen = dict(enumerate(fitter.represent(texts)))
    places = {text: place for place, text in enumerate(texts)}
    numbers = np.array([[places[text] for text in pair.sequences] for pair in compared], dtype=np.int32).reshape(-1, 2)
    return [
        Example(seen[int(one)], seen[int(other)], found, pair.tm)
        for (one, other), found, pair in zip(numbers, fitter.align(numbers, seen), compared, strict=True)
    ]


def _every(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return some of ``numbers``, from end to end."""
    return numbers[:: max(1, len(numbers) // _TRIED_PAIRS)][:_TRIED_PAIRS]


def recovered(aligned: Sequence[IntArray], truth: TruthTable, numbers: npt.NDArray[np.int64]) -> float:
    """Return the mean share of the pairs of residues of ``truth`` that ``aligned`` has, too."""
    shares = []
    for ours, number in zip(aligned, numbers, strict=True):
        theirs = truth.truth(int(number))
        wanted = set(zip(theirs.first.tolist(), theirs.second.tolist(), strict=True))
        shares.append(len(wanted.intersection(map(tuple, ours.tolist()))) / max(len(wanted), 1))
    return float(np.mean(shares))


def spread_weights(tm: npt.NDArray[np.float32], bins: int = 10) -> npt.NDArray[np.float32]:
    """Return weights under which every tenth of the range of TM-scores counts the same."""
    where = np.minimum((tm * bins).astype(int), bins - 1)
    counts = np.bincount(where.ravel(), minlength=bins)
    weights = 1 / np.maximum(counts[where], _RARE)
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def fit_head(
    name: str, features: FloatArray, targets: FloatArray, weights: FloatArray, *, rounds: int = 600, batch: int = 4096
) -> dict[str, FloatArray]:
    """Return the tensors of a head that predicts ``targets (n,)`` with the least mean distance.

    It is the mean, as logits, of several networks that begin and draw differently, side by side in one.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    x, y, w = (torch.from_numpy(part) for part in ((features - middle) / spread, targets, weights))
    networks = [_fit_network(x, y, w, rounds=rounds, batch=batch, seed=seed) for seed in range(_NETWORKS)]
    with torch.no_grad():
        mean = torch.stack([network(x) for network in networks]).mean(dim=0)
        _log.info("%s head: mean distance %.4f", name, float((torch.sigmoid(mean.squeeze(1)) - y).abs().mean()))
    first, last = [network[0] for network in networks], [network[2] for network in networks]
    joined = {
        "0.weight": torch.cat([layer.weight for layer in first]),
        "0.bias": torch.cat([layer.bias for layer in first]),
        "1.weight": torch.cat([layer.weight for layer in last], dim=1) / _NETWORKS,
        "1.bias": torch.stack([layer.bias for layer in last]).mean(dim=0),
    }
    tensors = {f"{name}.{part}": np.asarray(value.detach().numpy()) for part, value in joined.items()}
    return {f"{name}.middle": middle.astype(np.float32), f"{name}.spread": spread.astype(np.float32), **tensors}


def fit_trees(features: FloatArray, targets: FloatArray, weights: FloatArray) -> FloatArray:
    """Return boosted trees (`photophore_siamese.trees`) that predict ``targets (n,)`` with the least mean distance."""
    models = [
        HistGradientBoostingRegressor(
            loss="absolute_error",
            max_iter=_ROUNDS,
            learning_rate=0.08,
            max_leaf_nodes=8,
            min_samples_leaf=min(30, max(1, len(features) // 10)),
            max_features=0.4,
            early_stopping=False,
            random_state=seed,
        ).fit(features, targets, sample_weight=weights)
        for seed in range(_FORESTS)
    ]
    return trees_of(models)


def _fit_network(x: Tensor, y: Tensor, w: Tensor, *, rounds: int, batch: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = nn.Sequential(nn.Linear(x.shape[1], _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, 1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds)
    for _ in range(rounds):
        rows = torch.from_numpy(random.integers(len(x), size=min(batch, len(x))))
        optimiser.zero_grad()
        _head_loss(network, x[rows], y[rows], w[rows]).backward()
        optimiser.step()
        schedule.step()
    return network


def _head_loss(network: nn.Module, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    return ((torch.sigmoid(network(x).squeeze(1)) - y).abs() * weights).mean()
