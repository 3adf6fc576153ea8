"""From evidence to probabilities, and from a false discovery rate to what a protein is given."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode

import numpy as np
import pytest
from tests.plugins.hifinn_table import stumps

from photophore.ec import parse_ec
from photophore.errors import DatabaseError
from photophore_hifinn import ranking
from photophore_hifinn.evidence import FEATURES
from photophore_hifinn.ranking import RANKER_FILE, LevelModel, Ranker, Verdict, decide

RATES = (0.01, 0.05, 0.1)


def model(thresholds, trees=None, **changes):
    return LevelModel(trees or stumps(), thresholds=thresholds, **changes)


#: Thresholds at 1, 5 and 10 % of levels 4 to 1.
RANKER = Ranker(
    rates=RATES,
    levels=(model((2.0, 0.9, 0.8)), model((0.95, 0.7, 0.6)), model((0.9, 0.6, 0.5)), model((0.8, 0.5, 0.3))),
)


def ranked(*levels):
    """Return EC numbers and probabilities by level, from texts such as ``1.1.1.1=0.9 1.1.1.2=0.5``, deepest first."""
    pairs = [[word.split("=") for word in text.split()] for text in levels]
    chosen = [[(parse_ec(number), float(value)) for number, value in each] for each in pairs]
    return dict(zip(ranking.LEVELS, chosen, strict=True))


def given(verdict):
    return [(str(number), value) for number, value in verdict.given]


# Probabilities.


def logistic(value):
    return 1 / (1 + np.exp(-np.asarray(value)))


def scores(*values):
    """Return evidence with these scores, and nothing else."""
    return np.array([[value if name == "score" else 0 for name in FEATURES] for value in values], dtype=np.float32)


def test_trees_add_up_to_the_logarithm_of_odds():
    """A score is worth 1.5 beyond 10 bits and 2 more beyond 20, where the threshold itself is not beyond; all start at -1."""
    found = model((), stumps(("score", 10, 1.5), ("score", 20, 2), start=-1.0))
    wanted = logistic([-1, -1, 0.5, 0.5, 2.5])
    np.testing.assert_allclose(found.raw_probability(scores(-5, 10, 11, 20, 21)), wanted, rtol=1e-6)
    np.testing.assert_allclose(found.probability(scores(-5, 10, 11, 20, 21)), wanted, rtol=1e-6)


def test_every_feature_is_weighed():
    random = np.random.default_rng(0)
    values = random.normal(size=len(FEATURES))
    evidence = random.normal(size=(7, len(FEATURES))).astype(np.float32)
    found = model((), stumps(*((name, 0.1, value) for name, value in zip(FEATURES, values, strict=True)), start=0.3))
    wanted = logistic(0.3 + (evidence > np.float32(0.1)) @ values)
    np.testing.assert_allclose(found.raw_probability(evidence), wanted, rtol=1e-5)


def test_a_row_alone_has_the_probability_that_it_has_among_others():
    random = np.random.default_rng(1)
    steps = [
        (FEATURES[place], threshold, value) for place, (threshold, value) in enumerate(random.normal(size=(40, 2)))
    ]
    evidence = random.normal(size=(200, len(FEATURES))).astype(np.float32)
    found = model((), stumps(*steps))
    alone = np.concatenate([found.raw_probability(row[None]) for row in evidence])
    np.testing.assert_allclose(alone, found.raw_probability(evidence), rtol=1e-12)


def test_the_calibration_by_eye():
    """A model that says 0.5 is right in 3 of 10; halfway from there to 1, the share is halfway to 0.9."""
    knots = {"raw": (0.0, 0.5, 1.0), "calibrated": (0.1, 0.3, 0.9)}
    nothing = np.zeros((1, len(FEATURES)), dtype=np.float32)
    for raw, wanted in ((0.5, 0.3), (0.75, 0.6), (0.25, 0.2)):
        found = model((), stumps(start=np.log(raw / (1 - raw))), **knots).probability(nothing)
        np.testing.assert_allclose(found, [wanted], rtol=1e-6)


def test_no_evidence_has_no_probabilities():
    assert RANKER.levels[0].probability(np.zeros((0, len(FEATURES)), dtype=np.float32)).shape == (0,)


# Thresholds.


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [(0.01, 0.95), (0.03, 0.95), (0.05, 0.7), (0.0999, 0.7), (0.1, 0.6), (0.3, 0.6), (0.009, 2.0), (0.0, 2.0)],
)
def test_between_known_rates_the_lower_one_counts(rate, wanted):
    assert RANKER.threshold(3, rate) == wanted


def test_a_rate_is_known_in_spite_of_rounding():
    ranker = Ranker((0.1, 0.3), (model((0.9, 0.5)),) * 4)
    assert ranker.threshold(1, 0.1 * 3) == ranker.threshold(1, 1.0 - 0.7) == 0.5


# Stored.


def test_a_ranker_comes_back_as_it_was_saved(tmp_path):
    uneven = model((0.5, 0.4, 0.1), stumps(("share", 1 / 3, 0.7)), raw=(0.0, 0.7), calibrated=(0.1, 1.0))
    ranker = Ranker(RATES, (uneven, *RANKER.levels[1:]))
    ranker.save(tmp_path)
    assert Ranker.load(tmp_path) == ranker


@pytest.mark.parametrize("changed", ["schema", "features"])
def test_other_evidence_is_refused(tmp_path, changed):
    RANKER.save(tmp_path)
    path = tmp_path / RANKER_FILE
    content = json.loads(path.read_text())
    content[changed] = {"schema": 7, "features": [*FEATURES[1:], FEATURES[0]]}[changed]
    path.write_text(json.dumps(content))
    with pytest.raises(DatabaseError) as error:
        Ranker.load(tmp_path)
    assert str(error.value) == (
        f"{path}: weighs other evidence than this version gathers (schema {content['schema']}); build the database "
        "again, or use the version of photophore that built it"
    )


@pytest.mark.parametrize("harm", ["gone", "cut", "no levels", "unknown field", "not text", "cut trees", "no trees"])
def test_a_damaged_file_is_refused(tmp_path, harm):
    RANKER.save(tmp_path)
    path = tmp_path / RANKER_FILE
    text = path.read_text()
    if harm == "gone":
        path.unlink()
    elif harm == "not text":
        path.write_bytes(b"\xff\xfe\x00")
    else:
        path.write_text(
            {
                "cut": text[: len(text) // 2],
                "no levels": text.replace('"levels"', '"lvls"'),
                "unknown field": text.replace('"raw"', '"rough"'),
                "cut trees": text.replace('"trees": "', '"trees": "AAAA'),
                "no trees": re.sub('"trees": "[^"]*"', f'"trees": "{b64encode(zlib.compress(b"x")).decode()}"', text),
            }[harm]
        )
    with pytest.raises(DatabaseError) as error:
        Ranker.load(tmp_path)
    assert str(error.value).startswith(f"{path}: cannot be read (")
    assert str(error.value).endswith("); copy or build the database again (photophore db verify)")


# Decisions.


def test_several_full_numbers_may_be_given():
    verdict = decide(ranked("1.1.1.1=0.95 1.1.1.2=0.9 1.1.1.3=0.89", "1.1.1=1", "1.1=1", "1=1"), RANKER, 0.05)
    assert given(verdict) == [("1.1.1.1", 0.95), ("1.1.1.2", 0.9)]
    assert not verdict.reason


def test_beside_the_best_only_what_raises_the_f1_to_be_expected():
    """0.5 alone gives 0.5; with 0.26, 2 * 0.76 / 3; the third would have to be above 0.76 / 3."""
    ranker = Ranker((0.5,), (model((0.1,)),) * 4)
    rest = ("1.1.1=1", "1.1=1", "1=1")
    assert given(decide(ranked("1.1.1.1=0.5 1.1.1.2=0.26 1.1.1.3=0.25", *rest), ranker, 0.5)) == [
        ("1.1.1.1", 0.5),
        ("1.1.1.2", 0.26),
    ]
    assert len(given(decide(ranked("1.1.1.1=0.5 1.1.1.2=0.26 1.1.1.3=0.254", *rest), ranker, 0.5))) == 3
    assert given(decide(ranked("1.1.1.1=0.5 1.1.1.2=0.25", *rest), ranker, 0.5)) == [("1.1.1.1", 0.5)]
    assert given(decide(ranked("1.1.1.1=0.2", *rest), ranker, 0.5)) == [("1.1.1.1", 0.2)]


def test_one_number_is_given_where_the_serial_stays_open():
    verdict = decide(ranked("1.1.1.1=0.85 1.1.1.2=0.8", "1.1.1=0.75 2.7.1=0.72", "1.1=1", "1=1"), RANKER, 0.05)
    assert given(verdict) == [("1.1.1.-", 0.75)]
    assert verdict.reason == "1.1.1.1 has probability 0.85, 0.90 is wanted at a false discovery rate of 0.05"


def test_the_level_above_is_tried_until_one_is_sure():
    verdict = decide(ranked("1.1.1.1=0.5", "1.1.1=0.59", "1.1=0.49", "1=0.3 2=0.3"), RANKER, 0.1)
    assert given(verdict) == [("1.-.-.-", 0.3)]
    assert verdict.reason == "1.1.1.1 has probability 0.50, 0.80 is wanted at a false discovery rate of 0.1"


def test_where_no_level_is_sure_nothing_is_given():
    verdict = decide(ranked("1.1.1.1=0.5", "1.1.1=0.59", "1.1=0.49", "1=0.29"), RANKER, 0.1)
    assert verdict == Verdict(
        (),
        "no enzyme found: 1.1.1.1 has probability 0.50, 0.80 is wanted at a false discovery rate of 0.1",
    )


def test_a_rate_that_full_numbers_never_reach():
    evidence = ranked("1.1.1.1=1", "1.1.1=0.96", "1.1=1", "1=1")
    verdict = decide(evidence, RANKER, 0.01)
    assert given(verdict) == [("1.1.1.-", 0.96)]
    assert verdict.reason == "1.1.1.1 has probability 1.00, which is never enough"
    assert decide(evidence, RANKER, 0.001) == Verdict(
        (), "no enzyme found: 1.1.1.1 has probability 1.00, which is never enough"
    )


def test_a_protein_like_no_family_is_given_nothing():
    evidence: dict = {level: [] for level in ranking.LEVELS}
    assert decide(evidence, RANKER, 0.1) == Verdict((), "no enzyme found: no family of enzymes is like it")


def test_a_higher_rate_never_gives_less():
    random = np.random.default_rng(2)
    numbers = ("1.1.1.1", "1.1.1", "1.1", "1")
    for values in random.random((50, 4)):
        evidence = ranked(*(f"{number}={value}" for number, value in zip(numbers, values, strict=True)))
        depths = [max((ec.level for ec, _ in decide(evidence, RANKER, rate).given), default=0) for rate in RATES]
        assert depths == sorted(depths)
