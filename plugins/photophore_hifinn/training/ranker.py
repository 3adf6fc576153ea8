"""Fits the ranker: ``python -m photophore_hifinn.training.ranker DATABASE --held-out FILE --proteins TSV ... -o FOLDER``.

Proteins that the network never saw are annotated with their whole cluster taken out of the database: its profiles, and
its proteins as neighbours. What then speaks for the right and for the wrong EC numbers is what the ranker learns from.
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
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

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
from photophore_hifinn.evidence import Hit, Neighbour, evidence_of
from photophore_hifinn.families import Families
from photophore_hifinn.finding import GroupFinder
from photophore_hifinn.gathering import PROPOSED, Gatherer
from photophore_hifinn.labels import LabelTable
from photophore_hifinn.lookup import Labelled, read_labelled
from photophore_hifinn.ranking import LEVELS, LevelModel, Ranker
from photophore_hifinn.rescoring import align

_log = logging.getLogger(__name__)

#: False discovery rates that thresholds are made for.
RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
#: Proteins drawn of each cluster, and the share of the clusters whose EC numbers occur nowhere else.
_OF_CLUSTER, _NOVEL = 8, 0.25
#: Bits a residue from which two proteins are close relatives: about 30 % of identical residues.
_KIN_BITS = 0.6
_NEIGHBOURS, _FOLDS, _TOGETHER, _SEED = 20, 5, 500, 5
#: Inverse strength of the ridge on the weights.
_RIDGE = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """A protein with its evidence at each level: EC numbers and ``shape=(numbers, features)``."""

    protein: Labelled
    evidence: Mapping[int, tuple[list[EC], npt.NDArray[np.float32]]]

    def right(self, level: int) -> npt.NDArray[np.bool_]:
        """Return which of the EC numbers the protein has, cut to ``level``."""
        true = {ec.at_level(level) for ec in self.protein.ecs}
        return np.array([ec in true for ec in self.evidence[level][0]], dtype=bool)


def gather(database: Database, proteins: Sequence[Labelled], *, threads: int) -> list[Case]:
    """Return the evidence for ``proteins``, each without its own cluster."""
    runtime = Runtime(threads=threads)
    folder = database.annotator_folder
    families, table = Families.load(folder), LabelTable.load(folder)
    profiles = families.profiles
    index = FlatIndex(FlatConfig(), runtime)
    index.load(database.index_folder)
    vectors = index.vectors()
    clusters = np.array([profiles.clusters[group] for group in families.of_protein.tolist()])
    encoder = create_hifinn(HifinnConfig(), runtime)
    finder = GroupFinder(profiles, runtime, groups=PROPOSED, statistics=families.statistics)
    gatherer = Gatherer(profiles, finder)
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
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :_NEIGHBOURS]
        kin = _unclustered_kin(part, batch, finder, profiles)

        def allowed(row: int, group: int, own: list[str] = own, kin: list[set[int]] = kin) -> bool:
            return profiles.clusters[group] != own[row] and group not in kin[row]

        proposed = [sorted(set(families.of_protein[row].tolist())) for row in nearest]
        hits = gatherer.hits(batch, proposed, allowed=allowed)
        for number, protein in enumerate(part):
            neighbours = [Neighbour(table.of(int(row)), float(cosine[number, row])) for row in nearest[number]]
            cases.append(_case(protein, hits[number], neighbours))
        _log.info("%d of %d proteins", len(cases), len(proteins))
    return cases


def _unclustered_kin(
    proteins: Sequence[Labelled], batch: SequenceBatch, finder: GroupFinder, profiles: GroupProfiles
) -> list[set[int]]:
    """Return the close relatives among the groups that are no enzymes, of each protein that is none and has no cluster.

    Without a cluster only the protein itself is taken out; relatives that a cluster would have held must go, too.
    """
    rows, groups, _ = finder.find(batch)
    lone = np.array([not protein.ecs and not protein.cluster for protein in proteins])
    other = np.array([not ecs for ecs in profiles.ecs])
    wanted = lone[rows] & other[groups]
    rows, groups = rows[wanted], groups[wanted]
    bits = align(profiles, batch.sequences, rows, groups).bits
    kin: list[set[int]] = [set() for _ in proteins]
    for row, group, score in zip(rows.tolist(), groups.tolist(), bits.tolist(), strict=True):
        if score >= _KIN_BITS * len(batch.sequences[row]):
            kin[row].add(group)
    return kin


def _case(protein: Labelled, hits: Sequence[Hit], neighbours: Sequence[Neighbour]) -> Case:
    residues = len(protein.sequence)
    return Case(protein, {level: evidence_of(hits, neighbours, residues, level) for level in LEVELS})


def fit(cases: Sequence[Case]) -> Ranker:
    """Fit a model for each level, calibrate it on clusters that it was not fitted on, and choose the thresholds there."""
    folds = _folds(cases)
    levels = []
    judged: dict[int, list[npt.NDArray[np.float64]]] = {}
    for level in LEVELS:
        raw = _out_of_fold(cases, folds, level)
        truth = np.concatenate([case.right(level) for case in cases])
        calibration = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(np.concatenate(raw), truth)
        model = replace(
            _model(cases, level),
            raw=tuple(np.round(calibration.X_thresholds_, 6).tolist()),
            calibrated=tuple(np.round(calibration.y_thresholds_, 6).tolist()),
        )
        judged[level] = [np.interp(each, model.raw, model.calibrated) for each in raw]
        levels.append(model)
    thresholds = _thresholds(cases, judged)
    return Ranker(
        RATES, tuple(replace(model, thresholds=thresholds[level]) for level, model in zip(LEVELS, levels, strict=True))
    )


def _folds(cases: Sequence[Case]) -> list[int]:
    clusters = sorted({case.protein.relatives for case in cases})
    drawn = np.random.default_rng(_SEED).integers(_FOLDS, size=len(clusters)).tolist()
    fold = dict(zip(clusters, drawn, strict=True))
    return [fold[case.protein.relatives] for case in cases]


def _model(cases: Sequence[Case], level: int) -> LevelModel:
    evidence = np.concatenate([case.evidence[level][1] for case in cases])
    right = np.concatenate([case.right(level) for case in cases])
    means, spreads = evidence.mean(axis=0), np.maximum(evidence.std(axis=0), 1e-6)
    logistic = LogisticRegression(C=_RIDGE, max_iter=5_000).fit((evidence - means) / spreads, right)
    return LevelModel(
        tuple(np.round(means, 6).tolist()),
        tuple(np.round(spreads, 6).tolist()),
        tuple(np.round(logistic.coef_[0], 6).tolist()),
        round(float(logistic.intercept_[0]), 6),
    )


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
    """Return probability and truth of what could be reported: every number at the deepest level, else the best one."""
    right = case.right(level)
    if level == LEVELS[0]:
        return list(zip(probable.tolist(), right.tolist(), strict=True))
    return [(float(probable.max()), bool(right[probable.argmax()]))] if len(probable) else []


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
    """Return a few proteins of each cluster, and fewer of the clusters whose EC numbers occur in no other."""
    clusters: dict[str, list[Labelled]] = defaultdict(list)
    carried: dict[EC, set[str]] = defaultdict(set)
    for protein in proteins:
        clusters[protein.relatives].append(protein)
        for ec in protein.ecs:
            carried[ec].add(protein.relatives)
    return [protein for name, members in sorted(clusters.items()) for protein in _draw(members, carried, name)]


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
    parser.add_argument("--held-out", type=Path, required=True, help="held_out.txt of the training of its encoder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for ranker.json")
    parser.add_argument("--threads", type=int, default=available_cpus())
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    held = set(given.held_out.read_text(encoding="utf-8").split())
    everything = [protein for path in given.proteins for protein in read_labelled(path)]
    drawn = {protein.id for protein in choose(everything)}
    chosen = [protein for protein in everything if protein.id in held and protein.id in drawn]
    _log.info("%d proteins, %d of them no enzymes", len(chosen), sum(not protein.ecs for protein in chosen))
    cases = gather(Database.open(given.database), chosen, threads=given.threads)
    given.output.mkdir(parents=True, exist_ok=True)
    fit(cases).save(given.output)
    _log.info("%s", given.output / "ranker.json")


if __name__ == "__main__":
    main()
