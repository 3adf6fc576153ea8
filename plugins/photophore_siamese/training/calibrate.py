"""Fits the calibration: ``python -m photophore_siamese.training.calibrate DATABASE --domains TSV ... -o calibration.json``.

Domains of known place in CATH, best of folds that the network was not trained on, are annotated with the database. From
each the neighbours are taken out that carry its name or share too many of its residues, so that what is left is what a new
protein would find. How often the best neighbour is then of the right superfamily and topology is what the calibration says.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from photophore.chain import Search
from photophore.database import Database
from photophore.errors import InputError
from photophore.hookspecs import Runtime
from photophore.links import choose_links
from photophore.registry import load_registry
from photophore.runconfig import LinkChoice, available_cpus
from photophore.types import SequenceBatch
from photophore_siamese.annotator import SiameseAnnotator, features_of
from photophore_siamese.calibration import LEVELS, Calibration, Curve
from photophore_siamese.catalogue import Catalogue
from photophore_siamese.config import SiameseAnnotatorConfig
from photophore_siamese.encoder import ResidueVectors
from photophore_siamese.lookup import Domain, read_domains
from photophore_siamese.placing import Found

_log = logging.getLogger(__name__)

#: Neighbours fetched and aligned: many of a domain's nearest are taken out again.
_FETCHED = 50
#: Options of the links by which so many are fetched.
_MORE: Mapping[str, Mapping[str, int]] = {
    "flat": {"k": _FETCHED}, "top": {"k": _FETCHED}, "diagonal": {"max_candidates": _FETCHED},
}  # fmt: skip
_TOGETHER = 200
#: Inverse strength of the ridge on the weights.
_RIDGE = 1.0
#: Points of a curve, at most.
_POINTS = 64


@dataclass(frozen=True, slots=True)
class Case:
    """What was found for one domain: ``features (found, features)``, and which of the found are right at each level."""

    features: npt.NDArray[np.float64]
    right: dict[str, npt.NDArray[np.bool_]]


class Finder:
    """A database opened to find what `photophore annotate` would, but for close relatives."""

    def __init__(self, database: Database, *, threads: int) -> None:
        stored = database.manifest.links
        choices = {
            kind: LinkChoice(link.name, {**link.options, **_MORE.get(link.name, {})}) for kind, link in stored.items()
        }
        links, problems = choose_links(load_registry(), choices)
        if problems:
            raise problems[0]
        runtime = Runtime(threads=threads)
        self.encoder: ResidueVectors = links["encoder"].spec.create(links["encoder"].config, runtime)
        index = links["index"].spec.create(links["index"].config, runtime)
        index.load(database.index_folder)
        self._search = Search(
            links["encoder"].spec, self.encoder, links["index"].name, index, database.manifest.vectors
        )
        self._targets = database.targets
        self.catalogue = Catalogue.load(database.annotator_folder)
        self._sizes = [len(sequence) for sequence in self.catalogue.sequences]
        config = SiameseAnnotatorConfig(aligned=_FETCHED, nearly=0.0, shown=_FETCHED)
        self._annotator = SiameseAnnotator(self.catalogue, None, self._targets, config, runtime)
        self._annotator.use_encoder(self.encoder)
        self._aggregator = links["aggregator"].spec.create(links["aggregator"].config, runtime)

    def cases(self, domains: Sequence[Domain], *, max_identity: float) -> list[Case]:
        """Return what is found for each of ``domains``."""
        cases: list[Case] = []
        for start in range(0, len(domains), _TOGETHER):
            part = domains[start : start + _TOGETHER]
            batch = SequenceBatch(
                tuple(domain.id for domain in part), tuple(domain.sequence for domain in part),
                ("",) * len(part), tuple(domain.source for domain in part),
            )  # fmt: skip
            candidates = self._aggregator.aggregate(self._search.neighbours(batch), self._targets)
            found = self._annotator.find(batch, candidates, list(range(len(batch))))
            for row, domain in enumerate(part):
                kept = [each for each in found.get(row, []) if not self._is_close(domain, each, max_identity)]
                cases.append(self._case(domain, kept))
            _log.info("%d of %d domains", len(cases), len(domains))
        return cases

    def _is_close(self, domain: Domain, found: Found, most: float) -> bool:
        """Whether a neighbour is the domain itself, or shares more than ``most`` of the aligned residues with it."""
        if self.catalogue.ids[found.target] == domain.id:
            return True
        target = self.catalogue.sequences[found.target]
        same = sum(target[i] == domain.sequence[j] for i, j in found.match.pairs.tolist())
        return same > most * len(found.match.pairs)

    def _case(self, domain: Domain, found: Sequence[Found]) -> Case:
        topology = ".".join(domain.code.split(".")[:3])
        right = {
            "topology": np.array([self.catalogue.topology(each.target) == topology for each in found], dtype=bool),
            "superfamily": np.array([self.catalogue.codes[each.target] == domain.code for each in found], dtype=bool),
        }
        return Case(features_of(found, self._sizes), right)


def fit(cases: Sequence[Case], digest: str) -> Calibration:
    """Weigh the features, and measure how often the best neighbour of a domain is right.

    The weights are learnt from all neighbours; the curve is measured on the best of each domain, by weights that were learnt
    without that domain.
    """
    return Calibration(
        digest, {level: _curve([case for case in cases if len(case.features)], level) for level in LEVELS}
    )


def _curve(cases: Sequence[Case], level: str) -> Curve:
    truths = {bool(value) for case in cases for value in case.right[level]}
    if len(truths) < 2:
        raise InputError(
            f"no calibration of the {level}: the neighbours of the domains are all {'right' if True in truths else 'wrong'}; "
            "give domains of more folds, some of which are in the database"
        )
    folds = np.arange(len(cases)) % 5
    best_evidence, best_right = [], []
    for fold in range(5):
        weights, offset = _weights([case for case, other in zip(cases, folds, strict=True) if other != fold], level)
        for case in (case for case, other in zip(cases, folds, strict=True) if other == fold):
            evidence = case.features @ weights + offset
            best_evidence.append(evidence.max())
            best_right.append(case.right[level][evidence.argmax()])
    weights, offset = _weights(cases, level)
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(
        best_evidence, np.array(best_right, dtype=np.float64)
    )
    points, shares = curve.X_thresholds_, curve.y_thresholds_
    chosen = np.unique(np.linspace(0, len(points) - 1, _POINTS).round().astype(int))
    rounded = Curve(
        tuple(np.round(weights, 5).tolist()),
        round(float(offset), 5),
        tuple(np.round(points[chosen], 4).tolist()),
        tuple(np.round(shares[chosen], 4).tolist()),
    )
    _log.info("%s: the best neighbour is right for %.1f %% of %d domains", level, 100 * np.mean(best_right), len(cases))
    return rounded


def _weights(cases: Sequence[Case], level: str) -> tuple[npt.NDArray[np.float64], float]:
    """Return weights and offset of a logistic model on the features as they are."""
    features = np.concatenate([case.features for case in cases])
    right = np.concatenate([case.right[level] for case in cases])
    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    model = LogisticRegression(C=_RIDGE, max_iter=5_000).fit((features - middle) / spread, right)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - weights @ middle)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("database", type=Path)
    parser.add_argument(
        "--domains", type=Path, nargs="+", required=True, metavar="TSV", help="columns id, sequence, cath"
    )
    parser.add_argument(
        "--max-identity", type=float, default=0.5, help="share of identical residues of a neighbour that counts"
    )
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="JSON")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    domains = [domain for path in given.domains for domain in read_domains(path)]
    finder = Finder(Database.open(given.database), threads=given.threads)
    cases = finder.cases(domains, max_identity=given.max_identity)
    fit(cases, finder.encoder.digest).save(given.output)


if __name__ == "__main__":
    main()
