"""Training of the structural network: losses by eye, batches, homologs, a run from structures to weights that can be used."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("tmtools")

import torch
import yaml
from tests.plugins.siamese_network import domains, write_domains

from photophore.errors import InputError, ModelError, Problems, UsageError
from photophore.hookspecs import Runtime
from photophore_near.residues import PAD_TOKEN, tokens
from photophore_siamese.comparing import compare, residues_of
from photophore_siamese.config import SiameseConfig
from photophore_siamese.own import create_own
from photophore_siamese.plugin import train_siamese
from photophore_siamese.training.batches import Drawing, Known, PairSampler
from photophore_siamese.training.config import read_config
from photophore_siamese.training.fitting import fit_head, recovered, spread_weights
from photophore_siamese.training.losses import Anchors, kin_loss, lddt_loss, pairing_loss, tm_loss
from photophore_siamese.training.material import AlignedPair, Homolog, read_aligned, read_chains, read_homologs, runs
from photophore_siamese.trees import tree_sums, trees_of
from photophore_siamese.truth.cache import TruthTable
from photophore_siamese.truth.geometry import UNKNOWN
from photophore_siamese.truth.holdout import Split


def test_pairing_is_the_share_of_the_partner_among_candidates():
    match = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    excluded = torch.tensor([[True, False, False, True]])  # itself, and one that may be right, too
    anchors = Anchors(torch.tensor([0]), torch.tensor([1]), excluded, torch.tensor([2.0]))
    exchanged = torch.tensor([[4.0, 0.5, -1.0, 4.0]])
    expected = -np.log(np.exp(3.5) / (np.exp(3.5) + np.exp(-1)))
    assert float(pairing_loss(match, anchors, torch.tensor(3.0), exchanged)) == pytest.approx(expected, rel=1e-5)


def test_kin_leaves_relatives_of_the_same_fold_out():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    alone = kin_loss(vectors, torch.tensor([1, 1, 1, 1]), torch.tensor([0.9, 0.1]), torch.tensor(5.0))
    assert float(alone) == pytest.approx(0.0, abs=1e-6)  # no other fold is there to be mistaken for
    told = kin_loss(vectors, torch.tensor([1, 1, 2, 2]), torch.tensor([0.9, 0.1]), torch.tensor(5.0))
    assert float(told) == pytest.approx(-np.log(np.exp(5) / (2 * np.exp(5) + 1)), rel=1e-5)


def test_tm_and_lddt_are_distances():
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0], [1.0, 0.0]])
    assert float(tm_loss(vectors, torch.tensor([0.5, 0.05]))) == pytest.approx(0.1)  # 0.05 is left out, as in the paper
    assert float(lddt_loss(torch.tensor([0.5, 0.2]), torch.tensor([0.9, float("nan")]))) == pytest.approx(0.4)
    assert float(lddt_loss(torch.tensor([0.5]), torch.tensor([float("nan")]))) == 0.0


def test_runs_pair_up_what_both_have():
    first, second = runs("2D3M1I2P")
    assert first.tolist() == [2, 3, 4, 5, 6]
    assert second.tolist() == [0, 1, 2, 4, 5]


def test_homologs_lie_where_they_align(tmp_path):
    path = tmp_path / "homologs.tsv"
    # Domain: 2 residues before; then 3 aligned, one that only the domain has, 2 aligned.
    path.write_text("a|1.10.10\t3\t3M1I2M\tMKV-AC\nb\t1\t2M1D1M\tMKVA\nother\t1\t1M\tM\n")
    found = read_homologs(path, {"a": 9, "b": 3}, most=5)
    assert found["a"][0].place.tolist() == [-1, -1, 0, 1, 2, -1, 3, 4, -1]
    assert found["a"][0].tokens.tolist() == tokens("MKVAC").tolist()
    assert found["b"][0].place.tolist() == [0, 1, 3]
    assert set(found) == {"a", "b"}
    path.write_text("a\tx\n")
    with pytest.raises(InputError, match=r"homologs\.tsv:1: is no homolog"):
        read_homologs(path, {"a": 9}, most=5)


def test_pairs_from_elsewhere_are_of_one_side_of_the_split(tmp_path):
    (tmp_path / "p.fa").write_text(">x a.1.1.1\nMKVLAC\n>y a.1.1.2\nMKVLA\n>z b.1.1.1\nMKVLA\n>w b.1.1.1\nMKVLA\n")
    (tmp_path / "p.tsv").write_text(
        "id1\tid2\ttm_len1\ttm_len2\talignment\nx\ty\t0.7\t0.8\t1D5M\nz\tw\t0.9\t0.9\t5M\nx\ty\t0.7\t0.8\t9M\n"
    )
    (pair,) = read_aligned(tmp_path / "p.tsv", tmp_path / "p.fa", Split({}, {"b.1": "test"}, frozenset()), "train")
    assert pair.group == "a.1"
    assert pair.tm == (0.7, 0.8)
    assert pair.first.tolist() == [1, 2, 3, 4, 5]
    assert len(pair.tokens[0]) == 6


def test_chains_are_read(tmp_path):
    (tmp_path / "c.tsv").write_text(
        "id1\tid2\ttm1\ttm2\trmsd\tsequence1\tsequence2\tstates\na\tb\t0.2\t0.3\t1\tMK\tMKV\t::1\n"
    )
    (pair,) = read_chains(tmp_path / "c.tsv")
    assert pair.sequences == ("MK", "MKV")
    assert pair.tm == (0.2, 0.3)


def sampler(**changes):
    given = domains(8)
    pairs = np.array([[0, 4], [1, 5], [0, 1], [2, 6]], dtype=np.int32)
    counts = [5, 5, 2, 5]
    first = np.concatenate([np.arange(count) + 3 for count in counts]).astype(np.uint16)
    truth = TruthTable(
        pairs,
        np.array([[0.9, 0.8], [0.9, 0.9], [0.2, 0.2], [0.7, 0.7]], dtype=np.float32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        first,
        first + np.uint16(1),
        np.linspace(0.1, 0.9, sum(counts)).astype(np.float16),
    )
    letters = [np.full((len(sequence), 3), number, dtype=np.uint8) for number, sequence in enumerate(given.sequences)]
    settings = {"homolog_share": 0.0, "elsewhere_share": 0.0, "max_residues": 60, "pairs": 3, "seed": 1} | changes
    homologs, elsewhere, seed = settings.pop("homologs", {}), settings.pop("elsewhere", []), settings.pop("seed")
    return given, PairSampler(Known(given, truth, letters, homologs, elsewhere), Drawing(**settings), seed)


def test_batches_hold_what_is_known_of_each_pair():
    given, pairs = sampler()
    for _ in range(6):
        batch = pairs.draw()
        assert batch.tokens.shape[0] == 6
        assert (np.diff(batch.inside.astype(int), axis=1) <= 0).all()  # from the first residue on
        for row, length in enumerate(batch.inside.sum(axis=1).tolist()):
            number = int(batch.letters[row, 0, 0])
            assert batch.tokens[row, :length].tolist() == tokens(given.sequences[number]).tolist()
            assert (batch.tokens[row, length:] == PAD_TOKEN).all()
            assert (batch.letters[row, length:] == UNKNOWN).all()
        assert (batch.aligned[:, 2] == batch.aligned[:, 1] + 1).all()
        related = batch.groups[0::2] == batch.groups[1::2]
        assert (related == (batch.tm > 0.5)).all()
        assert len(batch.lddt) == len(batch.aligned)


def test_domains_stand_between_stretches_of_others():
    given, pairs = sampler(flank_share=0.99, max_residues=90)
    flanked = 0
    for _ in range(20):
        batch = pairs.draw()
        assert ((batch.tokens != PAD_TOKEN).sum(axis=1) <= 90).all()
        for row, inside in enumerate(batch.inside):
            (own,) = np.nonzero(inside)
            number = int(batch.letters[row, own[0], 0])
            assert batch.tokens[row, own].tolist() == tokens(given.sequences[number]).tolist()
            assert (batch.letters[row, ~inside] == UNKNOWN).all()
            flanked += own[0] > 0
        for pair, first, second in batch.aligned.tolist():
            begins = [int(batch.inside[2 * pair + side].argmax()) for side in (0, 1)]
            assert second - begins[1] == first - begins[0] + 1
    assert flanked > 20


def test_a_homolog_stands_in_where_it_aligns():
    place = np.full(40, -1, dtype=np.int16)
    place[4:7] = [0, 1, 2]
    homolog = Homolog(tokens("MKV"), place)
    _, pairs = sampler(homologs={"d000A00": [homolog]}, homolog_share=0.99)
    seen = 0
    for _ in range(30):
        batch = pairs.draw()
        for row in np.flatnonzero(batch.inside.sum(axis=1) == 3):
            seen += 1
            assert batch.letters[row, :3, 0].tolist() == [0, 0, 0]
            inside = batch.aligned[batch.aligned[:, 0] == row // 2]
            column = 1 + row % 2
            assert inside[:, column].max() <= 2
    assert seen > 3


def test_pairs_from_elsewhere_come_in_batches_of_their_own():
    one, other = tokens("MKVLAMKVLA"), tokens("MKVLAC")
    known = AlignedPair((one, other), "a.1", (0.7, 0.9), np.arange(3, dtype=np.uint16), np.arange(3, dtype=np.uint16))
    _, pairs = sampler(elsewhere=[known], elsewhere_share=0.5)
    batches = [pairs.draw() for _ in range(30)]
    foreign = [batch for batch in batches if np.isnan(batch.lddt).all()]
    assert 5 < len(foreign) < 25
    assert all((batch.letters == UNKNOWN).all() and (batch.groups == 0).all() for batch in foreign)
    assert foreign[0].tm.tolist() == pytest.approx([0.8] * 3)


def test_recovery_counts_pairs_of_residues():
    table = TruthTable(
        np.array([[0, 1]], dtype=np.int32),
        np.array([[0.9, 0.9]], dtype=np.float32),
        np.array([0, 4], dtype=np.int64),
        np.arange(4, dtype=np.uint16),
        np.arange(4, dtype=np.uint16),
        np.ones(4, dtype=np.float16),
    )
    ours = np.array([[0, 0], [1, 1], [2, 3]], dtype=np.int32)
    assert recovered([ours], table, np.array([0])) == pytest.approx(0.5)


def test_rare_scores_weigh_more():
    weights = spread_weights(np.array([0.25] * 900 + [0.95] * 100 + [0.55] * 10, dtype=np.float32))
    assert weights[900] == pytest.approx(9 * weights[0], rel=1e-5)
    assert weights[1000] == pytest.approx(18 * weights[0], rel=1e-5)  # as if there were 50: a few say little
    assert weights.mean() == pytest.approx(1, rel=1e-5)


def test_a_head_finds_what_can_be_found():
    random = np.random.default_rng(0)
    features = random.normal(size=(500, 3)).astype(np.float32) * [1, 10, 0.1] + [0, 5, 0]
    targets = (1 / (1 + np.exp(-features[:, 0]))).astype(np.float32)
    tensors = fit_head("tm", features.astype(np.float32), targets, np.ones(500, dtype=np.float32), rounds=200)
    x = np.tanh(
        ((features - tensors["tm.middle"]) / tensors["tm.spread"]) @ tensors["tm.0.weight"].T + tensors["tm.0.bias"]
    )
    found = 1 / (1 + np.exp(-(x @ tensors["tm.1.weight"].T + tensors["tm.1.bias"])[:, 0]))
    assert np.abs(found - targets).mean() < 0.02


def test_trees_say_what_the_library_says():
    from sklearn.ensemble import HistGradientBoostingRegressor

    random = np.random.default_rng(0)
    features = random.normal(size=(400, 5)).astype(np.float32)
    targets = np.tanh(features[:, 0]) + (features[:, 1] > 0.3) + random.normal(size=400) * 0.1
    models = [
        HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=6, max_features=0.6, random_state=seed).fit(features, targets)
        for seed in range(2)
    ]
    asked = random.normal(size=(300, 5)).astype(np.float32)
    expected = np.mean([model.predict(asked) for model in models], axis=0)
    assert np.abs(tree_sums(trees_of(models), asked) - expected).max() < 1e-5


def config_file(folder, **changes):
    """Write a run over two dozen domains, small enough for seconds."""
    write_domains(folder / "domains.npz", domains(24))
    Split({"1.30.10": "valid", "2.10.10": "test"}, {}, frozenset()).write(folder / "held_out.txt", ["folds"])
    sections = {
        "out": "out",
        "domains": "domains.npz",
        "held_out": "held_out.txt",
        "truth": {"train": 60, "valid": 15, "test": 10, "shapes": 4, "contacts": 4, "burials": 3},
        "shape": {
            "trunk": {"step": 2, "stem": 8, "width": 16, "blocks": 1, "kernel": 3, "dim": 8},
            "dilations": [1],
            "fine_blocks": 1,
            "match": 12,
            "side": 4,
            "hidden": 16,
            "heads": 4,
            "dim": 8,
            "pair": 8,
        },
        "loop": {"steps": 4, "pairs": 3, "anchors": 32, "checkpoint_every": 2, "curve_every": 4, "bfloat16": False},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(sections | changes))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    train_siamese(config_file(folder), {})
    return folder


def test_a_run_writes_weights_that_compare_proteins(trained):
    weights = trained / "out" / "siamese.safetensors"
    log = [json.loads(line) for line in (trained / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [2, 4]
    assert 0 <= log[1]["held_out_partner"] <= 1
    model = create_own(weights, SiameseConfig(weights=str(weights)), Runtime())
    one, other = residues_of(model, domains(24).sequences[:2])
    match = compare(model, one, other)
    assert 0 < match.tm_score < 1
    assert len(match.lddt) == len(match.pairs)


def test_a_run_that_was_cut_goes_on(trained, caplog):
    with caplog.at_level("INFO"):
        train_siamese(trained / "run.yaml", {"loop.steps": "6"})
    assert "resumed at step 4" in caplog.text
    rows = (trained / "out" / "log.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 6
    assert "pairs aligned" not in caplog.text  # the truth is at hand


def test_a_checkpoint_of_another_network_is_refused(trained):
    with pytest.raises(ModelError, match="is of a network of another shape"):
        train_siamese(trained / "run.yaml", {"shape.side": "6", "loop.steps": "9"})


def test_configurations_are_checked_before_work(tmp_path):
    path = config_file(tmp_path, homologs="none.tsv", start_from="none.safetensors")
    with pytest.raises(Problems, match="homologs") as raised:
        read_config(path, {})
    assert "start_from" in str(raised.value)
    for key, text, message in (
        ("loop.pairs", "1", "pairs is 1; a pair is told from others: give at least 2"),
        ("loop.blur", "1.0", "blur is 1.0; give a number from 0 to below 1"),
        ("truth.train", "1", "train is 1; give at least 2"),
        ("shape.trunk.step", "4", "trunk.step is 4; give 2"),
        ("pairs_elsewhere", "domains.npz", "pairs_elsewhere and proteins_elsewhere go together"),
        ("homologs_each", "0", "homologs_each is 0; give at least 1"),
    ):
        with pytest.raises(UsageError, match=message):
            read_config(config_file(tmp_path), {key: text})


def test_the_configuration_of_the_shipped_weights_is_whole(shared_data, tmp_path):
    from importlib import resources
    from pathlib import Path

    del shared_data
    path = Path(str(resources.files("photophore_siamese") / "training" / "siamese-small.yaml"))
    (tmp_path / "homologs.tsv").touch()
    config = read_config(path, {"homologs": str(tmp_path / "homologs.tsv")})
    assert config.shape.width == 96
    assert config.loop.steps > 1000
