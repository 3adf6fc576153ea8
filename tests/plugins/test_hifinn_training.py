"""`photophore train hifinn` on made-up enzymes: learns, stops, resumes, exports; its losses are what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from tests.plugins.hifinn_cases import CONFIG, NUMBERS, SHAPE, read_proteins, write_config

from photophore.cli import main
from photophore.ec import overlap, split_ecs
from photophore.errors import InputError, ModelError, UsageError
from photophore.hookspecs import Runtime
from photophore.types import SequenceBatch
from photophore_hifinn.config import HifinnConfig
from photophore_hifinn.encoder import create_hifinn
from photophore_hifinn.model import load_network
from photophore_hifinn.training.command import train_from_file
from photophore_hifinn.training.loop import LoopSettings, train
from photophore_hifinn.training.losses import overlap_loss, overlap_targets, proxy_loss
from photophore_hifinn.training.proteins import hold_out
from photophore_near.model import NearNetwork
from photophore_near.model import load_network as load_near
from photophore_near.model import save_network as save_near

SETTINGS = LoopSettings(
    steps=8, groups=3, serials=2, of_each=2, non_enzymes=2, max_residues=64, learning_rate=3e-3, trunk_rate=1.0,
    warmup=2, average=0.9, checkpoint_every=4, curve_every=8, threads=1, bfloat16=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def same_threads():
    """The loop sets torch's threads for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole training by the command line."""
    folder = tmp_path_factory.mktemp("train")
    assert main(["train", "hifinn", "--config", str(write_config(folder)), "--set", "loop.seed=3"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def proteins(tmp_path_factory):
    return read_proteins(tmp_path_factory.mktemp("proteins"))


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# ------------------------------------------------------------------------------------------------------------ the command


def test_the_command_writes_weights_and_exports(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "checkpoint.pt",
        "held_out.txt",
        "hifinn.fp32.onnx",
        "hifinn.int8.onnx",
        "hifinn.safetensors",
        "log.jsonl",
    ]
    assert load_network(finished / "hifinn.safetensors").shape == SHAPE
    batch = SequenceBatch(("a", "b"), ("MKVLAWYRNDCEQGHILKMFPSTWYV", "MK"), ("", ""), ("x:1", "x:2"))
    for precision in ("int8", "fp32"):
        config = HifinnConfig(weights=str(finished / "hifinn.safetensors"), precision=precision)
        values = create_hifinn(config, Runtime()).encode(batch).values
        assert values.shape == (2, SHAPE.dim)
        assert np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)


def test_the_log_holds_a_learning_curve(finished):
    rows = log_of(finished)
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    for row in rows:
        assert 0 < row["overlap"] < 2
        assert row["proxy"] > 0
        assert row["seconds"] >= 0
    curve = [row for row in rows if "held_out_top1" in row]
    assert [row["step"] for row in curve] == [3, 6]
    assert all(0 <= row["held_out_top1"] <= row["held_out_top10"] <= 1 for row in curve)


def test_what_was_kept_out_stands_in_a_file(finished, proteins):
    names = (finished / "held_out.txt").read_text().split()
    _, held = hold_out(proteins, share=0.2, largest=3, seed=7)
    assert names == [protein.name for protein in held]
    assert 0 < len(names) < len(proteins) / 2


def test_a_finished_training_ends_where_it_ended(finished):
    before = (finished / "checkpoint.pt").read_bytes()
    weights = load_network(finished / "hifinn.safetensors").state_dict()
    assert main(["train", "hifinn", "--config", str(finished.parent / "hifinn.yaml"), "--set", "loop.seed=3"]) == 0
    assert (finished / "checkpoint.pt").read_bytes() == before
    again = load_network(finished / "hifinn.safetensors").state_dict()
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    assert len(log_of(finished)) == 4


def test_without_clusters_nothing_can_be_kept_out(tmp_path):
    config = write_config(tmp_path, CONFIG.replace("enzymes.tsv, others.tsv", "others.tsv"))
    with pytest.raises(
        UsageError,
        match=r"hifinn\.yaml: hold_out: no file of proteins has the column 'cluster30'; .*hold_out\.share to 0",
    ):
        train_from_file(config, {})
    with pytest.raises(InputError, match=r"none of the proteins has an EC number; check the column ec"):
        train_from_file(config, {"hold_out.share": "0"})


def test_without_held_out_proteins_there_is_no_curve(tmp_path):
    train_from_file(write_config(tmp_path), {"hold_out.share": "0", "loop.steps": "2"})
    assert (tmp_path / "run" / "held_out.txt").read_text() == ""
    assert [sorted(row) for row in log_of(tmp_path / "run")] == [["overlap", "proxy", "seconds", "step"]]


def test_where_torch_is_missing_the_command_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from photophore.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "train", "hifinn", "--config", str(write_config(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "training hifinn needs torch, which is not installed; run: pip install 'photophore[torch]'" in done.stderr


# --------------------------------------------------------------------------------------------------------------- the loop


def test_a_hundred_steps_lower_the_losses_and_find_relatives(proteins, tmp_path):
    kept, held = hold_out(proteins, share=0.2, largest=9, seed=7)
    weights = train(kept, held, tmp_path, SHAPE, replace(SETTINGS, steps=100))
    rows = log_of(tmp_path)
    assert weights == tmp_path / "hifinn.safetensors"
    assert rows[-1]["overlap"] < 0.5 * rows[0]["overlap"]
    assert rows[-1]["proxy"] < rows[0]["proxy"]
    assert rows[-1]["held_out_top1"] > 0.5
    assert not load_network(weights).training


def test_a_stopped_training_resumes(proteins, tmp_path):
    train(proteins, [], tmp_path, SHAPE, replace(SETTINGS, steps=4))
    train(proteins, [], tmp_path, SHAPE, replace(SETTINGS, steps=10))
    assert [row["step"] for row in log_of(tmp_path)] == [4, 8, 10]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 10
    assert state["ecs"] == sorted(NUMBERS)
    assert not list(tmp_path.glob("*.partial"))


def test_another_shape_or_other_numbers_are_refused(proteins, tmp_path):
    train(proteins, [], tmp_path, SHAPE, replace(SETTINGS, steps=1))
    for other in (replace(SHAPE, dim=8), replace(SHAPE, heads=2), replace(SHAPE, trunk=replace(SHAPE.trunk, width=24))):
        with pytest.raises(
            ModelError, match=r"checkpoint\.pt: is of a network of another shape than Hifinn.*remove it"
        ):
            train(proteins, [], tmp_path, other, SETTINGS)
    fewer = [protein for protein in proteins if str(protein.ecs) != str(proteins[0].ecs)]
    with pytest.raises(ModelError, match=r"checkpoint\.pt: was trained on 6 EC numbers that are not the 5 of these"):
        train(fewer, [], tmp_path, SHAPE, SETTINGS)
    renamed = [replace(p, ecs=split_ecs("4.1.1.1")) if p.ecs == proteins[0].ecs else p for p in proteins]
    with pytest.raises(
        ModelError, match=r"was trained on 6 EC numbers that are not the 6 of these proteins; remove it"
    ):
        train(renamed, [], tmp_path, SHAPE, SETTINGS)


def test_the_same_seed_trains_the_same(proteins, tmp_path):
    states = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        weights = train(proteins, [], tmp_path / name, SHAPE, replace(SETTINGS, steps=3, seed=seed))
        states.append(load_network(weights).state_dict()["outer.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_convolutions_may_come_from_near(proteins, tmp_path):
    """Trained at a rate of 0 they stay what they were, and each channel is brought to a like size."""
    torch.manual_seed(8)
    near = NearNetwork(SHAPE.trunk)
    with torch.no_grad():
        near.blocks[-1].conv2.weight[0] *= 50  # one channel grew
    save_near(near, tmp_path / "near.safetensors", {})
    weights = train(
        proteins,
        [],
        tmp_path,
        SHAPE,
        replace(SETTINGS, steps=2, trunk_rate=0.0),
        start_from=tmp_path / "near.safetensors",
    )
    network = load_network(weights)
    state, expected = network.trunk.state_dict(), load_near(tmp_path / "near.safetensors").state_dict()
    assert set(expected) - set(state) == {"head.weight", "head.bias"}
    assert all(torch.equal(value, expected[name]) for name, value in state.items())
    assert network.balance[0] < network.balance.median()
    other = replace(SHAPE, trunk=replace(SHAPE.trunk, width=24))
    with pytest.raises(
        ModelError, match=r"near\.safetensors: has the shape NearShape.*width=16.*width=24.*set shape\.trunk"
    ):
        train(proteins, [], tmp_path / "other", other, SETTINGS, start_from=tmp_path / "near.safetensors")


def test_bfloat16_trains_too(proteins, tmp_path):
    train(proteins, proteins[:4], tmp_path, SHAPE, replace(SETTINGS, bfloat16=True, curve_every=4))
    assert all(np.isfinite(list(row.values())).all() for row in log_of(tmp_path))


# ------------------------------------------------------------------------------------------------------------- the losses

LABELS = [
    split_ecs(text)
    for text in (
        "1.1.1.1",
        "1.1.1.2",
        "1.1.1.1;2.7.1.1",
        "2.7.1.-",
        "2.7.-.-",
        "2.7.1.2",
        "",
        "3.5.1.n3",
        "",
        "3.5.1.3",
    )
]


def targets_of(labels):
    prefixes = sorted({str(prefix) for ecs in labels for ec in ecs for prefix in ec.parents()})
    return overlap_targets(labels, {prefix: column for column, prefix in enumerate(prefixes)})


def test_targets_are_the_overlap_of_every_pair():
    targets, defined = targets_of(LABELS)
    assert targets.shape == defined.shape == (10, 10)
    for i, one in enumerate(LABELS):
        for j, other in enumerate(LABELS):
            says_nothing = i == j or not (one or other)  # two that are no enzymes
            assert bool(defined[i, j]) is not says_nothing
            if not says_nothing:
                assert float(targets[i, j]) == pytest.approx(overlap(one, other), abs=1e-7)
    assert float(targets[0, 1]) == 0.75
    assert float(targets[0, 2]) == 1.0
    assert float(targets[3, 5]) == 1.0
    assert float(targets[0, 6]) == 0.0


def test_the_overlap_loss_is_the_mean_over_pairs():
    vectors = torch.nn.functional.normalize(torch.randn(10, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    terms = []
    for i, j in combinations(range(10), 2):
        if LABELS[i] or LABELS[j]:
            cosine = float((vectors[i] * vectors[j]).sum())
            terms.append((cosine - overlap(LABELS[i], LABELS[j])) ** 2)
    assert len(terms) == 44  # of 45: the two that are no enzymes say nothing of each other
    assert float(overlap_loss(vectors, *targets_of(LABELS))) == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_cross_entropy_is_that_of_each_enzyme():
    generator = torch.Generator().manual_seed(2)
    vectors = torch.nn.functional.normalize(torch.randn(3, 4, generator=generator), dim=1)
    proxies = torch.randn(5, 4, generator=generator)
    labels = np.float32([[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0.5, 0, 0, 0.5, 0]])
    terms = []
    for row in (0, 2):
        logits = [10 * float(vectors[row] @ proxy / proxy.norm()) for proxy in proxies]
        shares = np.exp(logits) / np.exp(logits).sum()
        terms.append(-(labels[row] * np.log(shares)).sum())
    found = proxy_loss(vectors, proxies, labels, torch.tensor(10.0))
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-5)
