"""`photophore train hifinn` on made-up enzymes: learns, stops, resumes, exports; its losses and batches are what they say."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from tests.plugins.hifinn_cases import IN_CLUSTER, NO_ENZYMES, NUMBERS, OF_EACH, SHAPE, shape_yaml, write_proteins

from photophore.cli import main
from photophore.ec import overlap, split_ecs
from photophore.errors import InputError, ModelError, Problems, UsageError
from photophore.hookspecs import Runtime
from photophore.types import SequenceBatch
from photophore_hifinn.config import HifinnConfig
from photophore_hifinn.encoder import create_hifinn
from photophore_hifinn.model import load_network
from photophore_hifinn.shape import HifinnShape
from photophore_hifinn.training.command import train_from_file
from photophore_hifinn.training.config import read_config
from photophore_hifinn.training.loop import LoopSettings, train
from photophore_hifinn.training.losses import overlap_loss, overlap_targets, proxy_loss
from photophore_hifinn.training.proteins import BatchSampler, hold_out, pad, read_labelled
from photophore_near.model import NearNetwork
from photophore_near.model import load_network as load_near
from photophore_near.model import save_network as save_near
from photophore_near.residues import PAD_TOKEN

SETTINGS = LoopSettings(
    steps=8, groups=3, serials=2, of_each=2, non_enzymes=2, max_residues=64, learning_rate=3e-3, trunk_rate=1.0,
    warmup=2, average=0.9, checkpoint_every=4, curve_every=8, threads=1, bfloat16=False,
)  # fmt: skip
CONFIG = f"""
out: run
proteins: [enzymes.tsv, others.tsv]
min_residues: 20
hold_out: {{share: 0.2, largest: 3, seed: 7}}
shape: {shape_yaml()}
loop: {{steps: 6, groups: 3, serials: 2, of_each: 2, non_enzymes: 2, max_residues: 64, learning_rate: 1e-3,
        warmup: 1, checkpoint_every: 2, curve_every: 3, threads: 1, bfloat16: false}}
"""


@pytest.fixture(autouse=True)
def same_threads():
    """The loop sets torch's threads for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(folder, text=CONFIG):
    write_proteins(folder)
    (folder / "hifinn.yaml").write_text(text)
    return folder / "hifinn.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole training by the command line."""
    folder = tmp_path_factory.mktemp("train")
    assert main(["train", "hifinn", "--config", str(write(folder)), "--set", "loop.seed=3"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def proteins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proteins")
    write_proteins(folder)
    return [
        protein
        for name in ("enzymes.tsv", "others.tsv")
        for protein in read_labelled(folder / name, cluster="cluster30", min_residues=20)
    ]


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
    config = write(tmp_path, CONFIG.replace("enzymes.tsv, others.tsv", "others.tsv"))
    with pytest.raises(
        UsageError,
        match=r"hifinn\.yaml: hold_out: no file of proteins has the column 'cluster30'; .*hold_out\.share to 0",
    ):
        train_from_file(config, {})
    with pytest.raises(InputError, match=r"none of the proteins has an EC number; check the column ec"):
        train_from_file(config, {"hold_out.share": "0"})


def test_without_held_out_proteins_there_is_no_curve(tmp_path):
    train_from_file(write(tmp_path), {"hold_out.share": "0", "loop.steps": "2"})
    assert (tmp_path / "run" / "held_out.txt").read_text() == ""
    assert [sorted(row) for row in log_of(tmp_path / "run")] == [["overlap", "proxy", "seconds", "step"]]


def test_where_torch_is_missing_the_command_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from photophore.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "train", "hifinn", "--config", str(write(tmp_path))]
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


# ------------------------------------------------------------------------------------------------------------ the batches


def sampler(proteins, seed=1, **changes):
    settings = {"groups": 4, "serials": 2, "of_each": 2, "non_enzymes": 3, "max_residues": 50, **changes}
    return BatchSampler(proteins, seed=seed, **settings)


def test_batches_hold_hard_negatives(proteins):
    """Each group is of one a.b.c and of as many serials as asked for, each with proteins of different clusters."""
    drawn = sampler(proteins)
    for _ in range(20):
        batch = drawn.draw()
        assert len(batch.proteins) == 4 * 2 * 2 + 3
        assert [bool(protein.ecs) for protein in batch.proteins] == [True] * 16 + [False] * 3
        for group in range(4):
            members = batch.proteins[4 * group : 4 * group + 4]
            numbers = [protein.ecs[0] for protein in members]
            assert len({number.parts[:3] for number in numbers}) == 1
            alone = numbers[0].parts[0] == "3"  # 3.5.1 has one serial only
            assert [len(list(run)) for _, run in groupby(numbers)] == ([4] if alone else [2, 2])
            assert all(a.cluster != b.cluster for a, b in (members[:2], members[2:]))


def test_batches_respect_the_seed(proteins):
    def rows(seed, count=3):
        drawn = sampler(proteins, seed)
        return [drawn.draw().tokens.tobytes() for _ in range(count)]

    assert rows(1) == rows(1)
    assert rows((1, 0)) == rows((1, 0))
    assert rows(1) != rows(2)
    assert rows((1, 0)) != rows((1, 40))
    assert len(set(rows(1, 5))) == 5


def test_crops_are_stretches_of_their_proteins(proteins):
    drawn = sampler(proteins)
    starts = set()
    for _ in range(5):
        batch = drawn.draw()
        assert batch.tokens.shape == (19, 64)  # 50 residues, padded to a multiple of 16
        assert batch.lengths.tolist() == [50] * 19
        for row, protein in zip(batch.tokens, batch.proteins, strict=True):
            places = [
                start
                for start in range(len(protein.residues) - 49)
                if np.array_equal(protein.residues[start : start + 50], row[:50])
            ]
            assert places
            assert (row[50:] == PAD_TOKEN).all()
            starts.update(places)
    assert len(starts) > 10
    whole = sampler(proteins, max_residues=1000).draw()
    assert set(whole.lengths) == {70, 90}


def test_few_proteins_are_drawn_again(proteins):
    """One EC number with one cluster fills a batch, and there need be no other proteins."""
    batch = sampler(proteins[:2]).draw()
    assert len(batch.proteins) == 16
    assert {protein.name for protein in batch.proteins} <= {proteins[0].name, proteins[1].name}
    with pytest.raises(InputError, match=r"none of the proteins has an EC number; check the column ec of the training"):
        sampler([protein for protein in proteins if not protein.ecs])


def test_rows_are_padded_to_a_multiple_of_16():
    rows, lengths = pad([np.zeros(17, np.uint8), np.ones(1, np.uint8)])
    assert rows.shape == (2, 32)
    assert lengths.tolist() == [17, 1]
    assert (rows[1, 1:] == PAD_TOKEN).all()


# ----------------------------------------------------------------------------------------------------------- the proteins


def test_whole_clusters_are_held_out(proteins):
    kept, held = hold_out(proteins, share=0.4, largest=3, seed=7)
    assert len(kept) + len(held) == len(proteins)
    assert {protein.cluster for protein in held}.isdisjoint(protein.cluster for protein in kept)
    enzymes = [protein for protein in held if protein.ecs]
    assert len(enzymes) == IN_CLUSTER * len({protein.cluster for protein in enzymes}) > 0
    assert hold_out(proteins, share=0.4, largest=3, seed=7) == (kept, held)
    assert hold_out(proteins, share=0.4, largest=3, seed=8) != (kept, held)
    assert hold_out(proteins, share=0.0, largest=3, seed=7) == (proteins, [])
    _, small = hold_out(proteins, share=0.99, largest=1, seed=7)
    assert small
    assert not any(protein.ecs for protein in small)  # clusters of two are too large


def test_tables_are_read_as_they_stand(proteins, tmp_path):
    assert len(proteins) == len(NUMBERS) * OF_EACH + NO_ENZYMES  # the short one is left out
    assert [str(ec) for ec in proteins[-NO_ENZYMES - 1].ecs] == ["3.5.1.n3"]
    assert (proteins[0].name, proteins[0].cluster) == ("e1.1.1.1/0", "1.1.1.1/0")
    assert (proteins[-1].name, proteins[-1].cluster, proteins[-1].ecs) == ("n4", "n4", ())
    text = "\ufeffec\tmore\tid\tsequence\r\n1.1.1.1; EC 2.7.1\tx\ta\tmkvX*\r\n\r\n"
    with lzma.open(tmp_path / "t.tsv.xz", "wt", encoding="utf-8", newline="") as stream:
        stream.write(text)
    (found,) = read_labelled(tmp_path / "t.tsv.xz", cluster="more")
    assert (found.name, found.cluster, [str(ec) for ec in found.ecs]) == ("a", "x", ["1.1.1.1", "2.7.1.-"])
    assert found.residues.tolist() == [10, 8, 17, 23]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.tsv:1: has no column 'ec'; a look-up table has id, ec and sequence"),
        ("id\tEC\tsequence\n", r"t\.tsv:1: has no column 'ec'; a look-up table has id, ec and sequence"),
        ("id\tec\tsequence\na\t1.1.1.1\n", r"t\.tsv:2: has 2 cells, the header has 3; write every cell, also an empty"),
        ("id\tec\tsequence\na\t\tMK\nb\t8.1\tMK\n", r"t\.tsv:3: '8\.1' is no EC number: class '8' is none of 1 to 7"),
        ("id\tec\tsequence\na\t\tMK4\n", r"t\.tsv:2: 'a' has '4' at residue 3; only the letters ACDEF.* are residues"),
        ("id\tec\tsequence\n\xe9\t\tMK\n", r"t\.tsv:2: is no text in UTF-8 \(.*\); convert the file"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "t.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path / "t.tsv", cluster="cluster30")


# ------------------------------------------------------------------------------------------------------ the configuration


def test_relative_paths_and_defaults(tmp_path):
    config = read_config(write(tmp_path), {"loop.steps": "100", "out": "mine", "shape.trunk.width": "24"})
    assert (config.out, config.loop.steps, config.loop.learning_rate, config.loop.proxy) == ("mine", 100, 1e-3, 0.2)
    assert config.shape == replace(SHAPE, trunk=replace(SHAPE.trunk, width=24))
    assert config.hold_out.column == "cluster30"
    assert config.proteins == ("enzymes.tsv", "others.tsv")
    (tmp_path / "least.yaml").write_text("out: run\nproteins: [enzymes.tsv]\nshape:\n")
    assert read_config(tmp_path / "least.yaml", {}).shape == HifinnShape()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("out: run", ""), r"hifinn\.yaml: 'out' is missing; see docs/training\.md"),
        (("out: run", "outs: run"), r"hifinn\.yaml: unknown key 'outs'; did you mean 'out'\?; known are out, proteins"),
        (("[enzymes.tsv, others.tsv]", "[]"), r"hifinn\.yaml: proteins is empty; name at least one file"),
        (("[enzymes.tsv, others.tsv]", "enzymes.tsv"), r"proteins: found 'enzymes\.tsv'; give a list of files"),
        (("enzymes.tsv, others.tsv", "4"), r"proteins: found \[4\]; give a list of files"),
        (("others.tsv", "none.tsv"), r"proteins: .*none\.tsv is no file; relative paths start at "),
        (("out: run", "out: run\nstart_from: no.safetensors"), r"start_from: .*no\.safetensors is no file; relative"),
        (("min_residues: 20", "min_residues: 0"), r"hifinn\.yaml: min_residues is 0; give at least 1"),
        (("share: 0.2", "share: 1"), r"hold_out: share is 1\.0; give a share from 0 to below 1"),
        (("largest: 3", "largest: 0"), r"hold_out: largest is 0; give at least 1"),
        (("seed: 7", "seed: -1"), r"hold_out: seed is -1; give at least 0"),
        (("seed: 7", "column: 3"), r"hold_out: column is 3; give text"),
        ((f"shape: {shape_yaml()}", "shape: 3"), r"shape: found 3; give keys and values, known are trunk, hidden"),
        (('"hidden": 32', '"hidden": 30'), r"shape: hidden is 30; give a multiple of heads \(4\)"),
        (('"heads": 4', '"head": 4'), r"shape: unknown key 'head'; did you mean 'heads'\?"),
        (('"kernel": 5', '"kernel": 4'), r"shape: trunk: kernel is 4; give an odd number"),
        (("steps: 6", "step: 6"), r"loop: unknown key 'step'; did you mean 'steps'\?"),
        (("steps: 6", "steps: many"), r"loop: steps is 'many'; give a whole number"),
        (("steps: 6", "steps: 0"), r"loop: steps is 0; give at least 1"),
        (("max_residues: 64", "max_residues: 8"), r"loop: max_residues is 8; give at least 16"),
        (("steps: 6", "average: 1"), r"loop: average is 1\.0; give a number from 0 to below 1"),
        (("steps: 6", "blur: -1"), r"loop: blur is -1\.0; give a number from 0 to below 1"),
        (("steps: 6", "trunk_rate: -1"), r"loop: trunk_rate is -1\.0; give at least 0"),
        (("steps: 6", "scale: 0"), r"loop: scale is 0\.0; give a number above 0"),
        (("rate: 1e-3", "rate: 0"), r"loop: learning_rate is 0\.0; give a number above 0"),
        (("steps: 6", "overlap: 0, proxy: 0"), r"loop: overlap and proxy are both 0; give one of the losses a weight"),
        (
            ("groups: 3, serials: 2, of_each: 2", "groups: 1, serials: 1, of_each: 1"),
            r"loop: groups, serials and of_each",
        ),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, change, message):
    assert change[0] in CONFIG
    with pytest.raises(UsageError, match=message):
        read_config(write(tmp_path, CONFIG.replace(*change)), {})


def test_all_missing_files_are_named_together(tmp_path):
    text = CONFIG.replace("enzymes.tsv, others.tsv", "a.tsv, b.tsv")
    with pytest.raises(Problems, match=r"(?s)proteins: .*a\.tsv is no file.*proteins: .*b\.tsv is no file"):
        read_config(write(tmp_path, text), {})


def test_the_shipped_configuration(shared_data):
    """Every key is right, and the files are there."""
    assert (shared_data / "ec" / "train.tsv.xz").is_file()
    path = Path(__file__).parents[2] / "plugins" / "photophore_hifinn" / "training" / "hifinn-small.yaml"
    try:
        config = read_config(path, {})
    except (UsageError, Problems) as error:
        assert all("is no file" in line and "/shared/" in line for line in str(error).splitlines())  # noqa: PT017
    else:
        assert config.shape == HifinnShape()
        assert (config.hold_out.share, config.loop.proxy) == (0.08, 0.2)
