"""Fits the ranker: ``python -m photophore_hifinn.training.ranker DATABASE --proteins TSV ... -o FOLDER``.

Proteins are annotated with their whole cluster taken out of the database: its profiles, and its proteins as neighbours.
What then speaks for the right and for the wrong EC numbers is what the ranker learns from. Neighbours only propose
groups: how near they are is no evidence, since the network that places them was trained on the same proteins.
"""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from threadpoolctl import threadpool_limits

from photophore.database import Database
from photophore.ec import EC
from photophore.hookspecs import Runtime
from photophore.runconfig import available_cpus
from photophore.types import SequenceBatch
from photophore_faiss.config import FlatConfig
from photophore_faiss.indexes import FlatIndex
from photophore_hifinn.compact import GroupProfiles
from photophore_hifinn.config import HifinnConfig
from photophore_hifinn.encoder import create_hifinn
from photophore_hifinn.evidence import FEATURES, evidence_of
from photophore_hifinn.families import Families
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.hits import Hit
from photophore_hifinn.lookup import Labelled, read_labelled
from photophore_hifinn.ranking import LEVELS, LevelModel, Ranker, by_probability, reportable
from photophore_hifinn.rescoring import align
from photophore_hifinn.training.trees import onnx_of
from photophore_siamese.trees import trees_of

_log = logging.getLogger(__name__)

#: False discovery rates that thresholds are made for.
RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8)
#: Proteins drawn of each cluster, the share drawn of the clusters whose EC numbers occur nowhere else, and of all in the end.
_OF_CLUSTER, _NOVEL, _MOST = 10, 0.25, 30_000
#: Bits a residue from which two proteins are close relatives, more than clusters at 30 % of identity leave to one another.
_KIN_BITS = 1.2
_NEIGHBOURS, _FOLDS, _TOGETHER, _SEED = 20, 5, 500, 5
#: A level is judged by trees fitted on so many draws of the proteins. The trees of a draw: how many, the leaves of each, how much
#: of a tree counts, and the share of the evidence that a split may look at: so the alignments, the siamese network and the
#: kinship of the groups all get their say.
_DRAWS, _TREES, _LEAVES, _STEP, _SEEN = 3, 200, 16, 0.07, 0.3
#: Rows of evidence in a leaf, at least: so many, or this share of all where there are few; and the ridge on what a leaf says.
_ROWS, _ROWS_SHARE, _RIDGE = 100, 0.005, 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """A protein with its evidence at each level: EC numbers and ``shape=(numbers, features)``."""

    protein: Labelled
    evidence: Mapping[int, tuple[list[EC], npt.NDArray[np.float32]]]

    def true(self, level: int) -> set[EC]:
        """Return the protein's own EC numbers, cut to ``level``."""
        return {ec.at_level(level) for ec in self.protein.ecs}

    def right(self, level: int) -> npt.NDArray[np.bool_]:
        """Return which of the EC numbers in evidence at ``level`` the protein has."""
        true = self.true(level)
        return np.array([ec in true for ec in self.evidence[level][0]], dtype=bool)


def gather(database: Database, proteins: Sequence[Labelled], *, threads: int) -> list[Case]:
    """Return the evidence for ``proteins``, each without its own cluster."""
    runtime = Runtime(threads=threads)
    folder = database.annotator_folder
    families = Families.load(folder)
    profiles = families.profiles
    index = FlatIndex(FlatConfig(), runtime)
    index.load(database.index_folder)
    vectors = index.vectors()
    clusters = np.array([profiles.clusters[group] for group in families.of_protein.tolist()])
    encoder = create_hifinn(HifinnConfig(), runtime)
    finder = families.finder(runtime)
    gatherer = families.gatherer(runtime, finder)
    cases: list[Case] = []
    for start in range(0, len(proteins), _TOGETHER):
        part = proteins[start : start + _TOGETHER]
        batch = SequenceBatch(
            tuple(protein.id for protein in part), tuple(protein.sequence for protein in part),
            ("",) * len(part), tuple(protein.source for protein in part),
        )  # fmt: skip
        own = [protein.relatives for protein in part]
        cosine = encoder.encode(batch).values @ vectors.T
        for row, cluster in zip(cosine, own, strict=True):
            row[clusters == cluster] = -2.0
        nearest = np.argpartition(-cosine, min(_NEIGHBOURS, len(vectors)) - 1, axis=1)[:, :_NEIGHBOURS]
        kin = _unclustered_kin(part, batch, finder, profiles)

        def allowed(row: int, group: int, own: list[str] = own, kin: list[set[int]] = kin) -> bool:
            return profiles.clusters[group] != own[row] and group not in kin[row]

        proposed = [sorted(set(families.of_protein[row].tolist())) for row in nearest]
        hits = gatherer.hits(batch, proposed, allowed=allowed)
        cases += [_case(protein, found) for protein, found in zip(part, hits, strict=True)]
        _log.info("%d of %d proteins", len(cases), len(proteins))
    return cases


def _unclustered_kin(
    proteins: Sequence[Labelled], batch: SequenceBatch, finder: GroupFinder, profiles: GroupProfiles
) -> list[set[int]]:
    """Return the close relatives among the groups that are no enzymes, of each protein that is none and has no cluster.

    Without a cluster only the protein itself is taken out; relatives that a cluster would have held must go, too.
    """
    kin: list[set[int]] = [set() for _ in proteins]
    lone = [row for row, protein in enumerate(proteins) if not protein.ecs and not protein.cluster]
    if not lone:
        return kin
    found = finder.find(batch.select(lone))
    other = np.array([not ecs for ecs in profiles.ecs])[found.groups]
    rows, groups = np.array(lone)[found.rows[other]], found.groups[other]
    bits = align(profiles, batch.sequences, rows, groups).bits
    for row, group, score in zip(rows.tolist(), groups.tolist(), bits.tolist(), strict=True):
        if score >= _KIN_BITS * len(batch.sequences[row]):
            kin[row].add(group)
    return kin


def _case(protein: Labelled, hits: Sequence[Hit]) -> Case:
    return Case(protein, {level: evidence_of(hits, len(protein.sequence), level) for level in LEVELS})


def fit(cases: Sequence[Case], *, threads: int) -> Ranker:
    """Fit a model for each level, calibrate it on clusters that it was not fitted on, and choose the thresholds there."""
    folds = _folds(cases)
    levels = []
    judged: dict[int, list[npt.NDArray[np.float64]]] = {}
    for level in LEVELS:
        with threadpool_limits(threads, "openmp"):  # scikit-learn would take all cores
            raw = _out_of_fold(cases, folds, level)
            model = _model(cases, level)
        truth = np.concatenate([case.right(level) for case in cases])
        knots, shares = _calibration(np.concatenate(raw), truth)
        judged[level] = [np.interp(each, knots, shares) for each in raw]
        levels.append(replace(model, raw=knots, calibrated=shares))
    thresholds = _thresholds(cases, judged)
    return Ranker(
        RATES, tuple(replace(model, thresholds=thresholds[level]) for level, model in zip(LEVELS, levels, strict=True))
    )


def _calibration(
    raw: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return knots that rise throughout: the steps of an isotonic regression, each at the mean of what it holds.

    On a step all would be equally probable, and stand or fall together.
    """
    shares = IsotonicRegression(y_min=0.0, y_max=1.0).fit(raw, truth).predict(raw)
    steps, of_row, rows = np.unique(shares, return_inverse=True, return_counts=True)
    knots = np.bincount(of_row, weights=raw) / rows
    return tuple(np.round(knots, 7).tolist()), tuple(np.round(steps, 7).tolist())


def _folds(cases: Sequence[Case]) -> list[int]:
    clusters = sorted({case.protein.relatives for case in cases})
    drawn = np.random.default_rng(_SEED).integers(_FOLDS, size=len(clusters)).tolist()
    fold = dict(zip(clusters, drawn, strict=True))
    return [fold[case.protein.relatives] for case in cases]


def _model(cases: Sequence[Case], level: int) -> LevelModel:
    """Fit trees on draws of ``cases``; the model is what they say on average."""
    chance = np.random.default_rng([_SEED, level])
    fitted = [_trees(_thinned(cases, chance), level, seed) for seed in range(_DRAWS)]
    return LevelModel(onnx_of(trees_of(fitted), len(FEATURES)))


def _thinned(cases: Sequence[Case], chance: np.random.Generator) -> list[Case]:
    """Draw the square root of n of each cluster's n proteins, since they say much the same."""
    clusters: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        clusters[case.protein.relatives].append(case)
    return [
        members[number]
        for members in clusters.values()
        for number in chance.permutation(len(members))[: int(len(members) ** 0.5 + chance.random())].tolist()
    ]


def _trees(cases: Sequence[Case], level: int, seed: int) -> HistGradientBoostingClassifier:
    evidence = np.concatenate([case.evidence[level][1] for case in cases])
    right = np.concatenate([case.right(level) for case in cases])
    return HistGradientBoostingClassifier(
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        learning_rate=_STEP,
        max_features=_SEEN,
        min_samples_leaf=min(_ROWS, max(1, int(_ROWS_SHARE * len(right)))),
        l2_regularization=_RIDGE,
        early_stopping=False,
        random_state=seed,
    ).fit(evidence, right)


def _out_of_fold(cases: Sequence[Case], folds: Sequence[int], level: int) -> list[npt.NDArray[np.float64]]:
    """Return the raw probabilities of each case by a model that was fitted without its fold."""
    models = [
        _model([case for case, fold in zip(cases, folds, strict=True) if fold != left_out], level)
        for left_out in range(_FOLDS)
    ]
    return [models[fold].raw_probability(case.evidence[level][1]) for case, fold in zip(cases, folds, strict=True)]


def _thresholds(
    cases: Sequence[Case], judged: Mapping[int, Sequence[npt.NDArray[np.float64]]]
) -> dict[int, tuple[float, ...]]:
    """Return for each level and rate the least probability at which at most ``rate`` of what is reported is wrong.

    A level is asked only for the proteins that no deeper level was reported for, as when proteins are annotated.
    """
    found: dict[int, list[float]] = defaultdict(list)
    for rate in RATES:
        left = list(range(len(cases)))
        for level in LEVELS:
            pairs = [pair for number in left for pair in _reportable(cases[number], judged[level][number], level)]
            least = _least(pairs, rate)
            found[level].append(least)
            left = [number for number in left if not (judged[level][number] >= least).any()]
    return {level: tuple(values) for level, values in found.items()}


def _reportable(case: Case, probable: npt.NDArray[np.float64], level: int) -> list[tuple[float, bool]]:
    """Return probability and truth of what could be reported."""
    ranked = by_probability(case.evidence[level][0], probable)
    true = case.true(level)
    return [(value, ec in true) for ec, value in reportable(ranked, level)]


def _least(pairs: Sequence[tuple[float, bool]], rate: float) -> float:
    """Return the least threshold above which the share of wrong ones, one more counted for the unseen, is at most ``rate``."""
    ordered = sorted(pairs, reverse=True)
    wrong = np.cumsum([not right for _, right in ordered])
    kept = np.flatnonzero((wrong + 1) / (np.arange(len(ordered)) + 1) <= rate) if ordered else np.zeros(0, dtype=int)
    values = [value for value, _ in ordered]
    for last in kept[::-1].tolist():  # equal probabilities stand or fall together
        if last + 1 == len(values) or values[last + 1] < values[last]:
            return round(float(values[last]), 6)
    return 2.0


def choose(proteins: Sequence[Labelled]) -> list[Labelled]:
    """Return a few proteins of each cluster, and fewer of the clusters whose EC numbers occur in no other; at most so many."""
    clusters: dict[str, list[Labelled]] = defaultdict(list)
    carried: dict[EC, set[str]] = defaultdict(set)
    for protein in proteins:
        clusters[protein.relatives].append(protein)
        for ec in protein.ecs:
            carried[ec].add(protein.relatives)
    drawn = [protein for name, members in sorted(clusters.items()) for protein in _draw(members, carried, name)]
    kept = np.sort(np.random.default_rng(_SEED).permutation(len(drawn))[:_MOST])
    return [drawn[number] for number in kept.tolist()]


def _draw(members: Sequence[Labelled], carried: Mapping[EC, set[str]], name: str) -> list[Labelled]:
    chance = np.random.default_rng([_SEED, *name.encode("utf-8")])
    known = [protein for protein in members if not protein.ecs or any(len(carried[ec]) > 1 for ec in protein.ecs)]
    if known:
        return [known[i] for i in chance.permutation(len(known))[:_OF_CLUSTER]]
    return [members[int(chance.integers(len(members)))]] if chance.random() < _NOVEL else []


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m photophore_hifinn.training.ranker", description=__doc__)
    parser.add_argument("database", type=Path, help="database that was built with annotator.profiles=build")
    parser.add_argument("--proteins", type=Path, nargs="+", required=True, help="the look-up tables it was built of")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for ranker.json")
    parser.add_argument("--threads", type=int, default=available_cpus())
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    chosen = choose([protein for path in given.proteins for protein in read_labelled(path)])
    _log.info("%d proteins, %d of them no enzymes", len(chosen), sum(not protein.ecs for protein in chosen))
    cases = gather(Database.open(given.database), chosen, threads=given.threads)
    given.output.mkdir(parents=True, exist_ok=True)
    fit(cases, threads=given.threads).save(given.output)
    _log.info("%s", given.output / "ranker.json")


if __name__ == "__main__":
    main()
