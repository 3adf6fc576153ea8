"""The figures of `benchmarks/ec.py`, in numpy; tests hold them to scikit-learn's.

Precision, recall and F1 are weighted by class as HiFi-NN (equations 3 to 5) and CLEAN report them: each EC number of the
truth counts as often as proteins carry it, so that a wrong label that no protein of the set carries costs no class its
precision. Averages over proteins (sample) and over all pairs of protein and label (micro) do count such labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Labels = Mapping[str, AbstractSet[str]]

#: Bins of the expected calibration error.
BINS = 15


@dataclass(frozen=True)
class Scores:
    """How well the labels of a set of proteins were told.

    Parameters
    ----------
    precision, recall, f1
        Weighted by class; 0 for a class without a prediction.
    sample_f1
        F1 of each protein's labels, averaged; 0 for a protein without labels.
    micro_f1
        F1 of all pairs of protein and label.
    labels
        Predicted labels a protein.
    coverage
        Share of the proteins with a predicted label.
    """

    precision: float
    recall: float
    f1: float
    sample_f1: float
    micro_f1: float
    labels: float
    coverage: float


def indicators(truth: Labels, predicted: Labels) -> tuple[BoolArray, BoolArray]:
    """Return who truly carries which label, and who was told to: both ``shape=(proteins, classes)``.

    Proteins are those of ``truth``, in its order; classes are the labels of both, sorted. Raises ``ValueError`` for a
    prediction about a protein that is not there; a protein without a prediction has no labels.
    """
    strange = predicted.keys() - truth.keys()
    if strange:
        raise ValueError(f"predictions for {len(strange)} proteins that have no truth, such as {min(strange)!r}")
    classes = sorted(set().union(*truth.values(), *predicted.values()))
    column = {name: number for number, name in enumerate(classes)}
    matrices = np.zeros((2, len(truth), len(classes)), dtype=np.bool_)
    for row, protein in enumerate(truth):
        matrices[0, row, [column[name] for name in truth[protein]]] = True
        matrices[1, row, [column[name] for name in predicted.get(protein, ())]] = True
    return matrices[0], matrices[1]


def score(truth: Labels, predicted: Labels) -> Scores:
    """Return how well ``predicted`` tells the labels of ``truth``."""
    true, told = indicators(truth, predicted)
    both = true & told
    support = true.sum(axis=0)  # (classes,)
    weights = _ratio(support, np.full_like(support, support.sum()))
    class_f1 = _ratio(2 * both.sum(axis=0), support + told.sum(axis=0))
    sample_f1 = _ratio(2 * both.sum(axis=1), true.sum(axis=1) + told.sum(axis=1))
    return Scores(
        precision=float(weights @ _ratio(both.sum(axis=0), told.sum(axis=0))),
        recall=float(weights @ _ratio(both.sum(axis=0), support)),
        f1=float(weights @ class_f1),
        sample_f1=_mean(sample_f1),
        micro_f1=float(_ratio(2 * both.sum(keepdims=True), true.sum(keepdims=True) + told.sum(keepdims=True)).item()),
        labels=_mean(told.sum(axis=1)),
        coverage=_mean(told.any(axis=1)),
    )


def false_discovery_rate(confidence: npt.ArrayLike, right: npt.ArrayLike, threshold: float = 0.0) -> float:
    """Return the share that is wrong of the predictions with at least this confidence; 0 where there is none."""
    taken = np.asarray(confidence, dtype=np.float64) >= threshold
    wrong = ~np.asarray(right, dtype=np.bool_)
    return _mean(wrong[taken])


def expected_calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = BINS) -> float:
    """Return the mean distance of confidence and share of right predictions, over bins of about equal mass.

    Predictions of the same confidence fall into one bin, so that the order of the predictions does not count; 0 of none.
    """
    values = np.asarray(confidence, dtype=np.float64)
    if not len(values):
        return 0.0
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts  # predictions with less confidence, (distinct,)
    place = (first * bins // len(values))[which]  # (predictions,)
    gaps = np.bincount(place, weights=values - np.asarray(right, dtype=np.float64))
    return float(np.abs(gaps).sum() / len(values))


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> DoubleArray:
    """Divide; 0 where there is nothing to divide by (scikit-learn's ``zero_division=0``)."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _mean(values: npt.NDArray[np.generic]) -> float:
    """Return the mean; 0 of none."""
    return float(np.mean(values)) if len(values) else 0.0
