"""The metrics of the EC benchmark: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from ec_metrics import expected_calibration_error, false_discovery_rate, indicators, score


def random_labels(seed: int, *, classes: int, most: int, proteins: int = 60) -> dict[str, set[str]]:
    rng = np.random.default_rng(seed)
    return {
        f"p{number}": {f"1.1.1.{c}" for c in rng.integers(1, classes + 1, rng.integers(0, most + 1))}
        for number in range(proteins)
    }


def test_by_hand() -> None:
    truth = {"a": {"1.1.1.1"}, "b": {"1.1.1.1"}, "c": {"2.7.1.1", "2.7.1.2"}, "d": {"3.1.1.1"}}
    told = {"a": {"1.1.1.1", "9"}, "b": {"2.7.1.1"}, "c": {"2.7.1.1"}}
    scores = score(truth, told)
    # classes of the truth: 1.1.1.1 (two proteins) P 1 R 1/2; 2.7.1.1 P 1/2 R 1; 2.7.1.2 and 3.1.1.1 nothing
    assert scores.precision == pytest.approx((2 * 1 + 1 / 2) / 5)
    assert scores.recall == pytest.approx((2 * 1 / 2 + 1) / 5)
    assert scores.f1 == pytest.approx((2 * 2 / 3 + 2 / 3) / 5)
    assert scores.sample_f1 == pytest.approx((2 / 3 + 0 + 2 / 3 + 0) / 4)
    assert scores.micro_f1 == pytest.approx(2 * 2 / (5 + 4))
    assert (scores.labels, scores.coverage) == (1.0, 0.75)


def test_a_wrong_label_that_nobody_carries_costs_the_weighted_figures_nothing() -> None:
    truth = {"a": {"1.1.1.1"}, "b": {"1.1.1.2"}}
    plain, guessing = score(truth, truth), score(truth, {name: {*ecs, "7.1.1.1"} for name, ecs in truth.items()})
    assert guessing.f1 == plain.f1 == guessing.precision == 1
    assert guessing.sample_f1 == pytest.approx(2 / 3)
    assert guessing.micro_f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("classes", "most"), [(5, 3), (80, 2), (300, 5)])
def test_as_scikit_learn(seed: int, classes: int, most: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", exc_type=ImportError)
    truth, told = (random_labels(2 * seed + side, classes=classes, most=most) for side in (0, 1))
    told = {
        name: (labels | set(sorted(truth[name])[:1]) if name.endswith("3") else labels) for name, labels in told.items()
    }
    scores, (true, predicted) = score(truth, told), indicators(truth, told)

    def theirs(average: str) -> list[float]:
        return metrics.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)[:3]

    assert [scores.precision, scores.recall, scores.f1] == pytest.approx(theirs("weighted"), abs=1e-12)
    assert scores.sample_f1 == pytest.approx(theirs("samples")[2], abs=1e-12)
    assert scores.micro_f1 == pytest.approx(theirs("micro")[2], abs=1e-12)


def test_indicators_follow_the_names() -> None:
    truth = {"a": {"x"}, "b": {"y"}}
    true, told = indicators(truth, {"b": {"z", "y"}})
    assert true.tolist() == [[True, False, False], [False, True, False]]
    assert told.tolist() == [[False, False, False], [False, True, True]]
    with pytest.raises(ValueError, match="predictions for 1 proteins that have no truth, such as 'c'"):
        indicators(truth, {"c": {"x"}})


def test_nothing_to_score() -> None:
    assert score({}, {}).f1 == 0
    scores = score({"a": set()}, {"a": set()})
    assert (scores.f1, scores.sample_f1, scores.micro_f1, scores.coverage) == (0, 0, 0, 0)


def test_false_discovery_rate() -> None:
    confidence, right = [0.9, 0.8, 0.8, 0.1], [True, False, True, False]
    assert false_discovery_rate(confidence, right) == 0.5
    assert false_discovery_rate(confidence, right, 0.8) == pytest.approx(1 / 3)
    assert false_discovery_rate(confidence, right, 0.9) == 0
    assert false_discovery_rate(confidence, right, 0.95) == 0


def test_calibration_error_by_hand() -> None:
    assert expected_calibration_error([], []) == 0
    assert expected_calibration_error([0.5, 0.5], [True, False]) == 0
    assert expected_calibration_error([1.0, 1.0, 0.0, 0.0], [True, True, False, False]) == 0
    # two bins: 0.1 and 0.3 with one right, 0.8 and 0.9 with one right
    assert expected_calibration_error([0.1, 0.3, 0.8, 0.9], [False, True, True, False], 2) == pytest.approx(
        (abs(0.2 - 0.5) + abs(0.85 - 0.5)) / 2
    )


def test_calibration_error_does_not_depend_on_the_order_of_ties() -> None:
    confidence = np.repeat([0.2, 0.7], 50)
    right = np.tile([True, False], 50)
    shuffled = np.concatenate([np.sort(right[:50]), np.sort(right[50:])])
    assert expected_calibration_error(confidence, right) == pytest.approx(0.25)
    assert expected_calibration_error(confidence, shuffled) == pytest.approx(0.25)


def test_calibration_error_against_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration", exc_type=ImportError)
    rng = np.random.default_rng(1)
    confidence = rng.random(1500)
    right = rng.random(1500) < confidence**2
    share, mean = calibration.calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    assert expected_calibration_error(confidence, right) == pytest.approx(np.abs(share - mean).mean(), abs=1e-12)


def test_perfectly_calibrated_is_near_zero() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(20_000)
    assert expected_calibration_error(confidence, rng.random(20_000) < confidence) < 0.02
