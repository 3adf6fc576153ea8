"""The command that fits the ranker: what each protein is judged by, that thresholds promise no more than was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from base64 import b64encode
from collections import Counter
from math import ceil, floor

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pyfamsa")
pytest.importorskip("parasail")
pytest.importorskip("Bio")

from sklearn.ensemble import HistGradientBoostingClassifier
from tests.plugins.hifinn_groups import batch_of
from tests.plugins.hifinn_table import (
    CLUSTERS,
    FAMILIES,
    annotate,
    build,
    make_table,
    numbers_of,
    plain_ranker,
    rows_of,
)

from photophore.database import Database
from photophore.ec import split_ecs
from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn.evidence import FEATURES
from photophore_hifinn.families import Families
from photophore_hifinn.lookup import Labelled, read_labelled
from photophore_hifinn.ranking import LEVELS, LevelModel, Ranker
from photophore_hifinn.training.ranker import (
    RATES,
    Case,
    _calibration,
    _least,
    _thinned,
    _thresholds,
    _unclustered_kin,
    choose,
    fit,
    gather,
    main,
)
from photophore_hifinn.training.trees import onnx_of
from photophore_siamese.trees import tree_sums, trees_of


@pytest.fixture(scope="module")
def table(metagenome_faa):
    return make_table(metagenome_faa)


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Return a folder with a table and a database with profiles."""
    folder = tmp_path_factory.mktemp("ranker")
    (folder / "lookup.tsv").write_text(table.text())
    plain_ranker().save(folder)
    assert (
        build(
            folder / "lookup.tsv", folder / "db", "annotator.profiles=build", f"annotator.ranker={folder}/ranker.json"
        )
        == 0
    )
    return folder


@pytest.fixture(scope="module")
def proteins(folder):
    return list(read_labelled(folder / "lookup.tsv"))


@pytest.fixture(scope="module")
def cases(folder, proteins):
    return gather(Database.open(folder / "db"), proteins, threads=1)


def words(folder, out):
    return list(map(str, [folder / "db", "--proteins", folder / "lookup.tsv", "-o", out, "--threads", "1"]))


@pytest.fixture(scope="module")
def fitted(folder):
    main(words(folder, folder / "fitted"))
    return folder / "fitted"


# ------------------------------------------------------------------------------------------------------------ the command


def test_the_command_writes_a_ranker(fitted):
    assert [path.name for path in fitted.iterdir()] == ["ranker.json"]
    ranker = Ranker.load(fitted)
    assert ranker.rates == RATES
    assert len(ranker.levels) == len(LEVELS)
    for model in ranker.levels:
        assert len(model.thresholds) == len(RATES)
        assert len(model.raw) == len(model.calibrated)
        assert (np.diff(model.raw) > 0).all()
        assert (np.diff(model.calibrated) > 0).all()
        assert 0 <= model.calibrated[0] <= model.calibrated[-1] <= 1


def test_the_command_writes_the_same_bytes_again(folder, fitted, tmp_path):
    command = [sys.executable, "-m", "photophore_hifinn.training.ranker", *words(folder, tmp_path / "again")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "again" / "ranker.json").read_bytes() == (fitted / "ranker.json").read_bytes()
    assert " proteins, " in done.stderr
    assert "no enzymes" in done.stderr


def test_new_proteins_are_annotated_with_what_was_fitted(folder, fitted, table, tmp_path):
    """The whole way: profiles of one database, a ranker fitted on them, a database of both, new proteins."""
    options = (f"annotator.profiles={folder / 'db' / 'annotator'}", f"annotator.ranker={fitted / 'ranker.json'}")
    assert build(folder / "lookup.tsv", tmp_path / "db", *options) == 0
    queries = [*table.enzymes.items(), *((f"o{n}", sequence) for n, sequence in enumerate(table.others))]
    (tmp_path / "new.faa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in queries))
    assert annotate(tmp_path / "new.faa", tmp_path / "db", tmp_path / "out", "--fdr", "0.2") == 0
    rows = [row for row in rows_of(tmp_path / "out" / "annotations.tsv") if row["level"] == "4"]
    right = [row for row in rows if row["protein"] == row["target"]]
    assert len(right) > 0.8 * len(table.enzymes)
    assert len(rows) - len(right) < 0.3 * len(rows)
    assert sum(row["protein"].startswith("o") for row in rows) < 0.3 * len(rows)


def without(content, key):
    return [{name: value for name, value in level.items() if name != key} for level in content["levels"]]


def narrow_trees():
    """Return trees of one leaf over one feature, as they are stored."""
    return b64encode(zlib.compress(onnx_of(np.array([[[-1, 0, 0, 0, 1]]], dtype=np.float32), 1))).decode()


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: {"levels": content["levels"][:3]},
        lambda content: {"levels": without(content, "thresholds")},
        lambda content: {"levels": [{**level, "trees": narrow_trees()} for level in content["levels"]]},
        lambda content: {"levels": [{**level, "raw": [0.0]} for level in content["levels"]]},
        lambda content: {"rates": [*content["rates"], 0.9]},
    ],
)
def test_a_ranker_that_lacks_numbers_is_refused(fitted, tmp_path, harm):
    content = json.loads((fitted / "ranker.json").read_text())
    (tmp_path / "ranker.json").write_text(json.dumps({**content, **harm(content)}))
    with pytest.raises(
        DatabaseError,
        match=rf"ranker\.json: does not have 4 levels with trees over {len(FEATURES)} features and a threshold",
    ):
        Ranker.load(tmp_path)


# ------------------------------------------------------------------------------------------------------------ the evidence


def test_a_protein_is_judged_without_its_cluster(cases, proteins):
    """What only its own cluster carries is not among the EC numbers; what its sister carries is."""
    assert [case.protein for case in cases] == proteins
    for case in cases:
        if not case.protein.ecs:
            assert not any(case.right(level).any() for level in LEVELS)
            continue
        family, cluster = (int(part) for part in case.protein.cluster[1:].split("c"))
        number, other = numbers_of(family)
        found = [str(ec) for ec in case.evidence[4][0]]
        if cluster == CLUSTERS - 1:
            assert other not in found
            assert not case.right(4).any()
        elif number in found:
            assert case.right(4).sum() == 1
    twins = [case for case in cases if case.protein.ecs and not case.protein.cluster.endswith("c2")]
    assert len(twins) == FAMILIES * 2 * 3
    assert sum(case.right(4).any() for case in twins) > 0.9 * len(twins)


def test_kin_without_a_cluster_is_left_out(folder, table):
    """A relative of a protein alone that is no enzyme either, where no cluster says that they are relatives."""
    families = Families.load(folder / "db" / "annotator")
    finder = families.finder(Runtime())
    sequence = table.others[-1]  # of the last protein alone
    proteins = [
        Labelled("lone", (), sequence, "x:1"),
        Labelled("clustered", (), sequence, "x:2", "c"),
        Labelled("enzyme", split_ecs("1.1.1.1"), sequence, "x:3"),
        Labelled("stranger", (), table.strangers[0], "x:4"),
    ]
    kin = _unclustered_kin(proteins, batch_of([protein.sequence for protein in proteins]), finder, families.profiles)
    assert kin == [{families.profiles.names.index(f"{table.rows[-1][0]}/")}, set(), set(), set()]


def test_evidence_is_complete(cases):
    for case in cases:
        for level in LEVELS:
            ecs, evidence = case.evidence[level]
            assert evidence.shape == (len(ecs), len(FEATURES))
            assert np.isfinite(evidence).all()
            assert all(ec.level <= level for ec in ecs)


def test_threads_and_mates_do_not_change_the_evidence(folder, proteins, cases):
    again = gather(Database.open(folder / "db"), proteins[40:44], threads=2)
    for one, other in zip(again, cases[40:44], strict=True):
        assert one.evidence[4][0] == other.evidence[4][0]
        assert np.allclose(one.evidence[4][1], other.evidence[4][1], rtol=1e-4, atol=1e-5)  # cosines are of a product


def test_the_right_number_comes_first(cases):
    ranker = fit(cases, threads=1)
    judged = [(case.right(4), ranker.levels[0].probability(case.evidence[4][1])) for case in cases]
    right = [truth[probable.argmax()] for truth, probable in judged if truth.any()]
    assert np.mean(right) > 0.9


def test_a_draw_holds_the_root_of_each_cluster():
    sizes = {f"c{n}": n for n in range(1, 10)}
    cases = [Case(Labelled(f"{name}.{n}", (), "MK", "x:1", name), {}) for name in sizes for n in range(sizes[name])]
    chance = np.random.default_rng(0)
    draws = [_thinned(cases, chance) for _ in range(400)]
    counts = [Counter(case.protein.cluster for case in draw) for draw in draws]
    for name, size in sizes.items():
        root = size**0.5
        assert np.mean([count[name] for count in counts]) == pytest.approx(root, abs=0.15)
        assert {floor(root), ceil(root)} == {count[name] for count in counts}
    assert {case.protein.id for draw in draws for case in draw} == {case.protein.id for case in cases}
    assert all(len({case.protein.id for case in draw}) == len(draw) for draw in draws)


def test_trees_say_as_a_graph_what_they_said_when_they_were_fitted():
    random = np.random.default_rng(0)
    evidence = random.normal(size=(600, 7)).astype(np.float32)
    right = evidence[:, 0] + evidence[:, 1] * evidence[:, 2] > 0.3
    fitted = HistGradientBoostingClassifier(max_iter=20, max_depth=3, early_stopping=False).fit(evidence, right)
    nodes = trees_of([fitted])
    assert len({int((tree[:, 0] < 0).sum()) for tree in nodes}) > 1  # trees of different sizes
    found = LevelModel(onnx_of(nodes, 7)).raw_probability(evidence)
    np.testing.assert_allclose(found, fitted.predict_proba(evidence)[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-tree_sums(nodes, evidence))), rtol=1e-5)


def test_the_calibration_by_eye():
    """0.2 is right and 0.3 is not, so they are one step, at the mean of both; so are all from 0.4 on."""
    knots, shares = _calibration(
        np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9]), np.array([False, True, False, True, True, True])
    )
    assert knots == pytest.approx((0.1, 0.25, 0.7))
    assert shares == (0.0, 0.5, 1.0)


# ---------------------------------------------------------------------------------------------------------- the thresholds


def made_up(count, seed=0):
    """Return cases with probabilities that are what they say: an EC number of probability p is right with probability p."""
    chance = np.random.default_rng(seed)
    everything = [split_ecs(f"{a}.{b}.{c}.{d}")[0] for a in (1, 2) for b in (1, 2) for c in (1, 2) for d in (1, 2)]
    cases, judged = [], {level: [] for level in LEVELS}
    for number in range(count):
        rivals = [everything[place] for place in chance.permutation(len(everything))[: chance.integers(0, 4)]]
        sure = np.round(chance.random(len(rivals)), 2)  # so that some are equal
        true = tuple(ec for ec, p in zip(rivals, sure, strict=True) if chance.random() < p)
        evidence = {}
        for level in LEVELS:
            best: dict = {}
            for ec, p in zip(rivals, sure.tolist(), strict=True):
                cut = ec.at_level(level)
                best[cut] = 1 - (1 - best.get(cut, 0.0)) * (1 - p)
            evidence[level] = (list(best), np.zeros((len(best), len(FEATURES)), dtype=np.float32))
            judged[level].append(np.array(list(best.values())))
        cases.append(Case(Labelled(f"p{number}", true, "MK", "x:1", f"c{number}"), evidence))
    return cases, judged


def reported(case, probable, thresholds, rate):
    """Return the level that is reported of a case and which of the reports are right, as annotating does it."""
    for level in LEVELS:
        names, truth, values = case.evidence[level][0], case.right(level), probable[level]
        order = sorted(range(len(values)), key=lambda place: (-values[place], str(names[place])))
        many = range(1, len(order) + 1) if level == 4 else (1,)
        expected = {m: 2 * sum(values[place] for place in order[:m]) / (m + 1) for m in many if m <= len(order)}
        told = order[: max(expected, key=lambda m: (round(expected[m], 9), -m), default=0)]
        told = [place for place in told if values[place] >= thresholds[level][rate]]
        if told:
            return level, truth[told]
    return 0, np.zeros(0, dtype=bool)


def test_thresholds_promise_no_more_than_was_measured():
    cases, judged = made_up(1500)
    thresholds = _thresholds(cases, judged)
    least = []
    for place, rate in enumerate(RATES):
        right, wrong = Counter(), Counter()
        for number, case in enumerate(cases):
            level, truth = reported(case, {level: judged[level][number] for level in LEVELS}, thresholds, place)
            right[level] += int(truth.sum())
            wrong[level] += int((~truth).sum())
        for level in LEVELS:
            assert wrong[level] <= rate * (wrong[level] + right[level]), (rate, level)
        assert sum(wrong.values()) <= rate * (sum(wrong.values()) + sum(right.values()))
        least.append(right[4] + wrong[4])
    assert least == sorted(least)
    assert 0 < least[6] < least[-1]
    assert list(thresholds[4]) == sorted(thresholds[4], reverse=True)


def test_a_fitted_ranker_asks_for_less_at_higher_rates(fitted):
    deepest = Ranker.load(fitted).levels[0].thresholds
    assert list(deepest) == sorted(deepest, reverse=True)
    assert deepest[-1] <= 1


T, F = True, False


@pytest.mark.parametrize(
    ("pairs", "rate", "wanted"),
    [
        ([], 0.5, 2.0),
        ([(0.9, T)], 0.5, 2.0),  # one more might be wrong
        ([(0.9, T)] * 2, 0.5, 0.9),
        ([(0.9, T)] * 9 + [(0.8, T)], 0.1, 0.8),
        ([(0.9, T)] * 8 + [(0.5, F)], 0.2, 0.9),
        ([(0.5, F)] + [(0.9, T)] * 8, 0.25, 0.5),  # in any order
        ([(0.9, T)] * 3 + [(0.9, F)] * 3, 0.5, 2.0),  # equals stand or fall together
        ([(0.9, F), *[(0.5, T)] * 9], 0.2, 0.5),  # the whole counts, not the way there
    ],
)
def test_the_least_threshold_by_eye(pairs, rate, wanted):
    assert _least(pairs, rate) == wanted


# -------------------------------------------------------------------------------------------------------------- the choice


def test_a_few_of_each_cluster_are_chosen():
    def member(name, cluster, ec):
        return Labelled(name, split_ecs(ec), "MK", "x:1", cluster)

    big = [member(f"b{n}", "big", "1.1.1.1") for n in range(30)]
    twin = [member(f"t{n}", "twin", "1.1.1.1") for n in range(2)]
    none = [member(f"n{n}", "", "") for n in range(3)]
    novel = [member(f"v{n}.{m}", f"v{n}", f"2.7.1.{n + 1}") for n in range(200) for m in range(3)]
    chosen = choose([*big, *twin, *none, *novel])
    counts = Counter(protein.cluster for protein in chosen if protein.cluster)
    assert (counts["big"], counts["twin"]) == (10, 2)
    assert {protein.id for protein in chosen} >= {"n0", "n1", "n2"}
    drawn = [counts[f"v{n}"] for n in range(200)]
    assert set(drawn) == {0, 1}
    assert 25 < sum(drawn) < 80  # a quarter
    assert choose([*big, *twin, *none, *novel]) == chosen


def test_no_more_are_chosen_than_asked_for(monkeypatch):
    proteins = [Labelled(f"n{number}", (), "MK", "x:1") for number in range(50)]
    monkeypatch.setattr("photophore_hifinn.training.ranker._MOST", 20)
    chosen = choose(proteins)
    assert len(chosen) == 20
    assert set(chosen) < set(proteins)
    assert chosen == choose(proteins)
