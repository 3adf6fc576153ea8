"""Equation 6 across aggregator and annotator, against the equation itself; the rows that come of it."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.ec import parse_ec
from photophore.errors import DatabaseError, DataError
from photophore.hookspecs import Runtime
from photophore.testing.samples import frozen_neighbours, proteins
from photophore.types import Candidates, TargetTable
from photophore_hifinn.annotator import HifinnAnnotator, label_shares, relatives_of
from photophore_hifinn.config import HifinnAnnotatorConfig, LabelDensityConfig
from photophore_hifinn.label_density import LabelDensity
from photophore_hifinn.labels import LabelTable

LABELS = ["2.7.1.1", "2.7.1.1;3.5.1.n3", "", "1.1.1.-", "2.7.1.2", ""]
NAMES = tuple(f"t{number}" for number in range(len(LABELS)))
TARGETS = TargetTable(NAMES, np.arange(len(NAMES) + 1, dtype=np.int64))
TABLE = LabelTable.make(NAMES, [tuple(map(parse_ec, filter(None, text.split(";")))) for text in LABELS])


def found(*cosines):
    """Neighbours of proteins p1, p2, ...: for each one the cosine of every target, nearest first."""
    scores = np.array(cosines, dtype=np.float32).reshape(len(cosines), -1)
    rows = np.argsort(-scores, axis=1, kind="stable")
    return frozen_neighbours(
        [1] * len(cosines), np.zeros(len(cosines), np.int32), rows, np.take_along_axis(scores, rows, axis=1)
    )


def aggregate(neighbours, **options):
    return LabelDensity(LabelDensityConfig(**options), Runtime()).aggregate(neighbours, TARGETS)


def annotate(neighbours, options=None, **shown):
    batch = proteins(*["MKVLAW"] * len(neighbours.ids))
    annotator = HifinnAnnotator(TABLE, TARGETS, HifinnAnnotatorConfig(**shown))
    return annotator.annotate(batch, aggregate(neighbours, **(options or {})))


def slow_equation_6(cosines, temperature, k):
    """p(l) = sum over neighbours with label l of exp(-d / T) / sum over all k of exp(-d / T), in long doubles."""
    nearest = sorted(range(len(cosines)), key=lambda target: -cosines[target])[:k]
    weight = {target: np.exp(-(1 - np.longdouble(cosines[target])) / temperature) for target in nearest}
    labels = {target: LABELS[target].split(";") for target in nearest}
    return {
        label: float(sum(weight[t] for t in nearest if label in labels[t]) / sum(weight.values()))
        for label in {label for each in labels.values() for label in each}
    }


@pytest.mark.parametrize(("temperature", "k"), [(0.001, 20), (0.02, 20), (0.02, 3), (1.0, 4), (0.05, 1)])
def test_shares_by_label_are_equation_6(temperature, k):
    random = np.random.default_rng(0)
    cosines = np.float32(0.9) + random.uniform(-0.02, 0.02, (8, len(NAMES))).astype(np.float32)
    candidates = aggregate(found(*cosines), temperature=temperature, k=k)
    for row in range(len(cosines)):
        shares = label_shares(relatives_of(candidates, row, TABLE, TARGETS))
        expected = slow_equation_6(cosines[row].tolist(), temperature, k)
        assert {str(label.ec or "") for label in shares} == expected.keys()
        for label in shares:
            assert label.confidence == pytest.approx(expected[str(label.ec or "")], abs=1e-6)


def test_distances_and_cosines_come_along():
    candidates = aggregate(found([0.5, 0.9, 0.1, -0.5, 0.2, 0.3]), temperature=0.5)
    assert candidates.targets.tolist() == [1, 0, 5, 4, 2]
    assert candidates.evidence["cosine"] == pytest.approx([0.9, 0.5, 0.3, 0.2, 0.1])
    assert candidates.evidence["distance"] == pytest.approx([0.1, 0.5, 0.7, 0.8, 0.9])


def test_the_cut_off_drops_candidates_but_not_their_part_of_the_sum():
    cosines = [0.7, 0.6, 0.6, 0.5, 0.4, 0.3]
    free, cut = (aggregate(found(cosines), temperature=0.1, max_distance=limit) for limit in (2.0, 0.45))
    assert cut.targets.tolist() == [0, 1, 2]
    assert np.array_equal(cut.scores, free.scores[:3])
    assert free.scores.sum() == pytest.approx(1.0)


def test_far_neighbours_underflow_to_nothing_and_never_to_nan():
    candidates = aggregate(found([-0.1, -0.95, -1.0, -1.0, -1.0, -1.0]), max_distance=2.0)
    assert candidates.scores.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_rows():
    rows = annotate(found([0.900, 0.899, 0.898, 0.2, 0.1, 0.0], [0.1, 0.2, 0.1, 0.9, 0.3, 0.0]), shown=2)
    shares = np.exp([0.0, -1.0, -2.0])
    shares /= shares.sum()
    assert [(row.protein, row.target, row.ecs) for row in rows] == [
        ("p1", "2.7.1.1", ("2.7.1.1",)),
        ("p1", "3.5.1.n3", ("3.5.1.n3",)),
        ("p2", "1.1.1.-", ("1.1.1.-",)),
    ]
    assert [row.score for row in rows] == pytest.approx([shares[0] + shares[1], shares[1], 1.0], abs=1e-4)
    assert [row.confidence for row in rows] == [row.score for row in rows]
    assert [(row.start, row.end, row.protein_length) for row in rows] == [(0, 6, 6)] * 3
    assert [row.evidence["level"] for row in rows] == [4, 4, 3]
    assert [row.evidence["distance"] for row in rows] == pytest.approx([0.1, 0.101, 0.1], abs=1e-6)
    assert rows[0].evidence["neighbours"] == "t0:0.1000:2.7.1.1,t1:0.1010:2.7.1.1;3.5.1.n3"
    assert rows[2].evidence["neighbours"] == "t3:0.1000:1.1.1.-,t4:0.7000:2.7.1.2"
    assert {row.evidence["reason"] for row in rows} == {""}


def test_neighbours_that_are_no_enzymes():
    (row,) = annotate(found([0.1, 0.1, 0.9, 0.1, 0.1, 0.1]), shown=1)
    assert (row.target, row.ecs, row.score, row.confidence) == ("unassigned", (), 0.0, None)
    assert row.evidence == {
        "distance": None,
        "level": None,
        "bits": None,
        "rivals": "",
        "neighbours": "t2:0.1000:-",
        "reason": "no enzyme found: the neighbours are no enzymes (confidence 1.00)",
    }


def test_no_ec_number_is_confident_enough():
    (row,) = annotate(found([0.9, 0.1, 0.1, 0.9, 0.9, 0.1]), min_confidence=0.5)
    assert row.target == "unassigned"
    assert row.evidence["reason"] == "no EC number reaches confidence 0.5: the best is 1.1.1.- with 0.33"


def test_no_neighbour_within_the_cut_off_gives_no_row():
    assert annotate(found([0.5] * 6), {"max_distance": 0.38}) == ()


def test_scores_that_are_no_shares_are_scaled():
    candidates = Candidates(("p1",), np.array([0, 2]), np.array([4, 0], np.int32), np.array([30.0, 10.0], np.float32))
    rows = HifinnAnnotator(TABLE, TARGETS, HifinnAnnotatorConfig()).annotate(proteins("MKVLAW"), candidates)
    assert [(row.target, row.score, row.evidence["distance"]) for row in rows] == [
        ("2.7.1.2", 0.75, None),
        ("2.7.1.1", 0.25, None),
    ]


def test_labels_of_another_build():
    other = TargetTable(NAMES[::-1], TARGETS.offsets)
    with pytest.raises(
        DatabaseError, match="the index has 6 targets and the annotator EC numbers of 6 proteins, or their"
    ):
        HifinnAnnotator(TABLE, other, HifinnAnnotatorConfig())


def test_candidates_of_other_proteins():
    candidates = Candidates(("other",), np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    with pytest.raises(DataError, match="annotator hifinn: the candidates are not those of the batch"):
        HifinnAnnotator(TABLE, TARGETS, HifinnAnnotatorConfig()).annotate(proteins("MK"), candidates)


@pytest.mark.parametrize(
    ("config", "options", "text"),
    [
        (LabelDensityConfig, {"temperature": 0.0}, "temperature is 0.0; give a number above 0, such as 0.001"),
        (LabelDensityConfig, {"temperature": float("nan")}, "temperature is nan; give a number above 0"),
        (LabelDensityConfig, {"k": -1}, "k is -1; give 0 for all, or a number above"),
        (LabelDensityConfig, {"max_distance": -0.1}, "max_distance is -0.1; give a number from 0 to 2, such as 0.38"),
        (HifinnAnnotatorConfig, {"min_confidence": 1.5}, "min_confidence is 1.5; give a number from 0 to 1"),
        (HifinnAnnotatorConfig, {"shown": -1}, "shown is -1; give a whole number, or 0 for none"),
    ],
)
def test_options(config, options, text):
    with pytest.raises(ValueError, match=text):
        config(**options)
