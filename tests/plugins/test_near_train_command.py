"""`photophore train near` on pyhmmer's own profiles and proteins: learns, stops, resumes, exports; wrong files are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyhmmer
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from photophore.cli import main
from photophore.errors import InputError, ModelError, Problems, UsageError
from photophore.hookspecs import Runtime
from photophore.types import SequenceBatch
from photophore_near.config import NearConfig
from photophore_near.encoder import create_near
from photophore_near.model import load_network
from photophore_near.shape import NearShape
from photophore_near.training.command import train_from_file
from photophore_near.training.config import read_config
from photophore_near.training.loop import LoopSettings, train
from photophore_near.training.pairs import PairSet

DATA = Path(pyhmmer.__file__).parent / "tests" / "data"
SHAPE = NearShape(step=2, stem=8, width=16, blocks=1, kernel=5, dim=8)
SETTINGS = LoopSettings(
    steps=20, pairs=4, window=64, anchors_per_pair=8, warmup=2, checkpoint_every=5, threads=1, bfloat16=False
)
CONFIG = f"""
out: run
profiles:
  - {{file: {DATA}/hmms/txt/PF02826.hmm}}
  - {{file: {DATA}/hmms/txt/Thioesterase.hmm}}
  - {{file: {DATA}/hmms/txt/LuxC.hmm, search: false}}
proteins:
  - {{file: {DATA}/seqs/938293.PRJEB85.HG003687.faa, share: 0.5}}
  - {DATA}/seqs/PKSI.faa
members:
  - members.fa
max_residues: 8000
shape: {{step: 2, stem: 8, width: 16, blocks: 1, kernel: 5, dim: 8}}
loop: {{steps: 4, pairs: 3, window: 64, anchors_per_pair: 6, warmup: 1, checkpoint_every: 2, learning_rate: 1e-3,
        threads: 1, bfloat16: false}}
"""


@pytest.fixture(autouse=True)
def same_threads():
    """The loop sets torch's threads for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(folder, text=CONFIG):
    """Write the configuration, and members: LuxC's own proteins, named by their profile, and one that nobody knows."""
    records = (DATA / "seqs" / "LuxC.faa").read_text().split(">")[1:7]
    (folder / "members.fa").write_text("".join(f">LuxC/{r}" for r in records) + ">Nobody/x\n" + "MKV" * 30 + "\n")
    (folder / "near.yaml").write_text(text)
    return folder / "near.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole training by the command line."""
    folder = tmp_path_factory.mktemp("train")
    assert main(["train", "near", "--config", str(write(folder)), "--set", "loop.seed=3"]) == 0
    return folder / "run"


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_command_writes_weights_and_exports(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "checkpoint.pt",
        "held_out.json",
        "log.jsonl",
        "near.fp32.onnx",
        "near.int8.onnx",
        "near.safetensors",
        "pairs.npz",
    ]
    assert [row["step"] for row in log_of(finished)] == [2, 4]
    assert load_network(finished / "near.safetensors").shape == SHAPE
    batch = SequenceBatch(("a",), ("MKVLAWYRNDCEQGHILKMFPSTWYV",), ("",), ("x:1",))
    for precision in ("int8", "fp32"):
        encoder = create_near(NearConfig(weights=str(finished / "near.safetensors"), precision=precision), Runtime())
        values = encoder.encode(batch).values
        assert values.shape == (13, 8)
        assert np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)


def test_the_material_holds_what_the_configuration_names(finished):
    pairs = PairSet.load(finished / "pairs.npz")
    assert pairs.names.tolist() == ["2-Hacid_dh_C", "Thioesterase", "LuxC"]
    proteins = len(pairs.protein_offsets) - 1
    assert 700 < proteins < 1400  # half of 2,100, some too short
    members = pairs.hit_protein[pairs.hit_profile == 2]
    assert set(members) <= set(range(proteins - 7, proteins))  # only aligned to its members, not searched
    assert len(set(members)) >= 5
    assert np.all(pairs.hit_protein[pairs.hit_profile != 2] < proteins - 7)
    assert json.loads((finished / "held_out.json").read_text()) == []


def test_a_finished_training_ends_where_it_ended(finished):
    before = (finished / "checkpoint.pt").read_bytes()
    weights = load_network(finished / "near.safetensors").state_dict()
    assert main(["train", "near", "--config", str(finished.parent / "near.yaml"), "--set", "loop.seed=3"]) == 0
    assert (finished / "checkpoint.pt").read_bytes() == before
    again = load_network(finished / "near.safetensors").state_dict()
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    assert [row["step"] for row in log_of(finished)] == [2, 4]


def test_twenty_steps_lower_the_loss(finished, tmp_path):
    settings = replace(SETTINGS, steps=40, learning_rate=3e-3)
    weights = train(finished / "pairs.npz", tmp_path, SHAPE, settings)
    losses = [row["loss"] for row in log_of(tmp_path)]
    assert [row["step"] for row in log_of(tmp_path)] == list(range(5, 41, 5))
    assert np.mean(losses[-2:]) < losses[0] - 0.1
    assert weights == tmp_path / "near.safetensors"
    assert load_network(weights).shape == SHAPE


def test_a_stopped_training_resumes(finished, tmp_path):
    train(finished / "pairs.npz", tmp_path, SHAPE, replace(SETTINGS, steps=5))
    train(finished / "pairs.npz", tmp_path, SHAPE, replace(SETTINGS, steps=12))
    assert [row["step"] for row in log_of(tmp_path)] == [5, 10, 12]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 12
    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(
        ModelError, match=r"checkpoint\.pt: is of a network of another shape than .*width=24.*remove it"
    ):
        train(finished / "pairs.npz", tmp_path, replace(SHAPE, width=24), replace(SETTINGS, steps=13))


def test_what_held_out_profiles_find_is_gone(tmp_path):
    """Held out: the one family of the first file. Its proteins and members leave, and so does its copy in another file."""
    copy = tmp_path / "copy.hmm"
    copy.write_text((DATA / "hmms" / "txt" / "LuxC.hmm").read_text().replace("NAME  LuxC", "NAME  Other"))
    text = CONFIG.replace("profiles:\n", f"profiles:\n  - {DATA}/hmms/txt/LuxC.hmm\n  - {copy}\n").replace(
        f"  - {{file: {DATA}/hmms/txt/LuxC.hmm, search: false}}\n", ""
    )
    config = write(tmp_path, text + "hold_out: {profiles: 1}\n")
    with config.with_name("members.fa").open("a") as stream:
        stream.write((DATA / "seqs" / "LuxC.faa").read_text().replace(">", ">Thioesterase/"))
    train_from_file(config, {"loop.steps": "2"})
    assert json.loads((tmp_path / "run" / "held_out.json").read_text()) == ["LuxC"]
    pairs = PairSet.load(tmp_path / "run" / "pairs.npz")
    assert pairs.names.tolist() == ["2-Hacid_dh_C", "Thioesterase"]
    lengths = np.diff(pairs.protein_offsets)
    assert lengths[-1] == 90  # of all members the unknown one alone is left


# ------------------------------------------------------------------------------------------------ configuration


def test_relative_paths_and_defaults(tmp_path):
    config = read_config(write(tmp_path), {"loop.steps": "100", "out": "mine", "hold_out.profiles": "2"})
    assert (config.out, config.loop.steps, config.loop.learning_rate) == ("mine", 100, 1e-3)
    assert (config.hold_out.profiles, config.hold_out.evalue) == (2, 1e-3)
    assert config.shape == SHAPE
    assert [source.search for source in config.profiles] == [True, True, False]
    assert [source.share for source in config.proteins] == [0.5, 1.0]
    assert config.members[0].file == "members.fa"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("out: run", ""), r"near\.yaml: 'out' is missing; see docs/training\.md"),
        (
            ("out: run", "output: run"),
            r"near\.yaml: unknown key 'output'; did you mean 'out'\?; known are out, profiles",
        ),
        (
            ("steps: 4", "step: 4"),
            r"near\.yaml: loop: unknown key 'step'; did you mean 'steps'\?; known are steps, pairs",
        ),
        (("steps: 4", "steps: many"), r"near\.yaml: loop: steps is 'many'; give a whole number"),
        (("steps: 4", "steps: 2.5"), r"near\.yaml: loop: steps is 2\.5; give a whole number"),
        (("steps: 4", "steps: true"), r"near\.yaml: loop: steps is True; give a whole number"),
        (("steps: 4", "steps: 0"), r"near\.yaml: loop: steps is 0; give at least 1"),
        (("rate: 1e-3", "rate: fast"), r"near\.yaml: loop: learning_rate is 'fast'; give a number"),
        (("rate: 1e-3", "rate: 0"), r"near\.yaml: loop: learning_rate is 0\.0; give a number above 0"),
        (("bfloat16: false", "bfloat16: 3"), r"near\.yaml: loop: bfloat16 is 3; give true or false"),
        (("window: 64", "window: 40"), r"near\.yaml: loop: window is 40; give at least 41"),
        (("warmup: 1", "emitted: 2"), r"near\.yaml: loop: emitted is 2\.0; give a share from 0 to 1"),
        (("warmup: 1", "average: 1"), r"near\.yaml: loop: average is 1\.0; give a number from 0 to below 1"),
        (("kernel: 5", "kernel: 4"), r"near\.yaml: shape: kernel is 4; give an odd number"),
        (("width: 16", "width: 0"), r"near\.yaml: shape: width is 0; give at least 1"),
        (("step: 2", "step: 6"), r"near\.yaml: shape: step is 6; give 1, 2, 4, 8 or 16"),
        (("share: 0.5", "share: 0"), r"near\.yaml: proteins: share is 0\.0; give a share above 0 and at most 1"),
        (("members:\n  - members.fa", "members: members.fa"), r"members: found 'members\.fa'; give a list of files"),
        (("  - members.fa", "  - 7"), r"members: found 7; give keys and values, known are file, share, search"),
        (("  - members.fa", "  - none.fa"), r"members: .*none\.fa is no file; relative paths start at "),
        (("max_residues: 8000", "max_residues: 9"), r"min_residues is 40; give a number from 1 to max_residues \(9\)"),
        (("max_residues: 8000", "hold_out: 3"), r"hold_out: found 3; give keys and values, known are profiles, evalue"),
        (("max_residues: 8000", "hold_out: {evalue: 0}"), r"hold_out: evalue is 0\.0; give a number above 0"),
        (("max_residues: 8000", "hold_out: {largest: 0}"), r"hold_out: largest is 0; give at least 1"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, change, message):
    assert change[0] in CONFIG
    with pytest.raises(UsageError, match=message):
        read_config(write(tmp_path, CONFIG.replace(*change)), {})


def test_a_file_that_is_no_configuration(tmp_path):
    path = tmp_path / "near.yaml"
    path.write_text("- a\n")
    with pytest.raises(
        InputError, match=r"near\.yaml: a training configuration is a mapping of keys to values; see docs"
    ):
        read_config(path, {})
    path.write_text("out: [\n")
    with pytest.raises(InputError, match=r"near\.yaml: cannot be read as YAML \(.*line 2.*\); repair it"):
        read_config(path, {})
    path.write_text("out: run\n")
    with pytest.raises(UsageError, match=r"near\.yaml: profiles is empty; name at least one file"):
        read_config(path, {})
    with pytest.raises(UsageError, match=r"--set out\.x=1: 'out' has no keys of its own"):
        read_config(path, {"out.x": "1"})


def test_all_missing_files_are_named_together(tmp_path):
    text = CONFIG.replace("Thioesterase.hmm", "No.hmm").replace("PKSI.faa", "No.faa")
    with pytest.raises(Problems, match=r"(?s)profiles: .*No\.hmm is no file.*proteins: .*No\.faa is no file"):
        read_config(write(tmp_path, text), {})


def test_broken_profiles_are_named(tmp_path, capsys):
    (tmp_path / "bad.hmm").write_text("this is no profile\n")
    config = write(tmp_path, CONFIG.replace(f"{DATA}/hmms/txt/PF02826.hmm", "bad.hmm"))
    assert main(["train", "near", "--config", str(config)]) == 3
    assert "bad.hmm:1:" in capsys.readouterr().err
    assert not (tmp_path / "run" / "pairs.npz").exists()


def test_the_shipped_configuration(shared_data):
    """Every key is right; the files that a command makes first may be missing."""
    path = Path(__file__).parents[2] / "plugins" / "photophore_near" / "training" / "near-small.yaml"
    try:
        config = read_config(path, {})
    except (UsageError, Problems) as error:
        named = str(error).splitlines()
        assert all("is no file" in line and ("/work/ec" in line or "/work/single" in line) for line in named), named
    else:
        assert config.shape == NearShape()


def test_help_tells_the_keys(capsys):
    assert main(["train", "near", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--set loop.steps=2000 --set out=near-mine" in text
    assert "docs/training.md" in text
