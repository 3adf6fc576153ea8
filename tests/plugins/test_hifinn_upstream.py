"""HiFi-NN's published head on ESM-2: the numbers of its definition, and checkpoints that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("esm")

from tests.plugins.plm_cases import DIM, esm2_network, head_tensors, save_esm2, save_head, slow_head  # noqa: E402

from photophore.errors import ModelError, PluginError, UsageError  # noqa: E402
from photophore.hookspecs import Runtime  # noqa: E402
from photophore.models import is_checkpoint  # noqa: E402
from photophore.testing.samples import random_proteins  # noqa: E402
from photophore.types import ProfileBatch  # noqa: E402
from photophore_hifinn.config import HifinnConfig  # noqa: E402
from photophore_hifinn.encoder import create_hifinn  # noqa: E402
from photophore_hifinn.upstream import Head, load_head  # noqa: E402
from photophore_plm.config import Esm2Config  # noqa: E402
from photophore_plm.esm2 import create_esm2  # noqa: E402


@pytest.fixture(scope="module")
def esm2(tmp_path_factory):
    return save_esm2(esm2_network(), tmp_path_factory.mktemp("esm2") / "esm2_small.pt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_head(head_tensors(), tmp_path_factory.mktemp("head") / "hifinn.ckpt")


def open_hifinn(path, esm2):
    return create_hifinn(HifinnConfig(weights=str(path), esm2=str(esm2)), Runtime())


@pytest.mark.parametrize("residues", [1, 2, 57])
def test_the_head_equals_its_definition(checkpoint, residues):
    rows = np.random.default_rng(residues).normal(size=(residues, DIM)).astype(np.float32) * 3
    found = Head(load_head(checkpoint), torch.device("cpu"))(torch.from_numpy(rows)).numpy()
    assert np.abs(found - slow_head(head_tensors(), rows)).max() < 1e-5


def test_the_head_equals_fair_esm_s_layer(checkpoint):
    from esm.modules import TransformerLayer

    tensors = {name: torch.from_numpy(value) for name, value in head_tensors(wide=4 * DIM).items()}
    layer = TransformerLayer(DIM, 4 * DIM, 4, add_bias_kv=False, use_esm1b_layer_norm=True, use_rotary_embeddings=True)
    prefix = "per_residue_attention."
    layer.load_state_dict({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)})
    x = torch.randn(90, DIM)
    with torch.inference_mode():
        x1, _ = layer.eval()(x[:, None])
        x1 = torch.nn.functional.layer_norm(
            x1[:, 0], (DIM,), *(tensors[f"emb_layer_norm.{part}"] for part in ("weight", "bias"))
        )
        x2 = torch.nn.functional.linear(x1.mean(0), tensors["fc1.weight"], tensors["fc1.bias"])
        x2 = torch.nn.functional.gelu(
            torch.nn.functional.layer_norm(x2, (24,), tensors["ln1.weight"], tensors["ln1.bias"])
        )
        x2 = torch.nn.functional.linear(x2, tensors["fc2.weight"], tensors["fc2.bias"])
        found = Head(tensors, torch.device("cpu"))(x)
    assert (found - x2 / x2.norm()).abs().max() < 1e-5


def test_a_mixed_batch_equals_the_definition_one_by_one(checkpoint, esm2):
    batch = random_proteins(33, 1, 60, 2, 21)
    residues = create_esm2(Esm2Config(weights=str(esm2), layer=2), Runtime()).encode(batch)
    found = open_hifinn(checkpoint, esm2).encode(batch)
    assert found.values.shape == (5, 16)
    for item in range(len(batch)):
        rows = residues.values[residues.offsets[item] : residues.offsets[item + 1]]
        assert np.abs(found.values[item] - slow_head(head_tensors(), rows)).max() < 1e-4
        assert np.array_equal(open_hifinn(checkpoint, esm2).encode(batch.select([item])).values[0], found.values[item])


def test_a_long_protein_is_one_vector_of_all_windows(checkpoint, esm2):
    batch = random_proteins(1100, seed=2)
    residues = create_esm2(Esm2Config(weights=str(esm2)), Runtime()).encode(batch).values
    with torch.inference_mode():
        expected = Head(load_head(checkpoint), torch.device("cpu"))(torch.from_numpy(residues)).numpy()
    assert np.abs(open_hifinn(checkpoint, esm2).encode(batch).values[0] - expected).max() < 1e-6


def test_the_digest_is_that_of_both(checkpoint, esm2, tmp_path):
    one = open_hifinn(checkpoint, esm2)
    other_head = open_hifinn(save_head(head_tensors(seed=5), tmp_path / "other.ckpt"), esm2)
    other_esm2 = open_hifinn(checkpoint, save_esm2(esm2_network(seed=5), tmp_path / "other.pt"))
    assert len({one.digest, other_head.digest, other_esm2.digest}) == 3


def test_profiles_are_refused(checkpoint, esm2):
    none = ProfileBatch((), np.zeros((0, 20), np.float32), np.zeros(1, np.int64))
    with pytest.raises(PluginError, match="encoder hifinn reads proteins, and was given 0 profiles"):
        open_hifinn(checkpoint, esm2).encode_profiles(none)


def test_without_esm2(checkpoint):
    with pytest.raises(
        UsageError, match=r"hifinn.ckpt: a HiFi-NN checkpoint reads vectors of ESM-2; name that checkpoint"
    ):
        open_hifinn(checkpoint, "")


def test_weights_that_are_nowhere():
    with pytest.raises(ModelError, match="no model and no file is called 'nowhere.ckpt'.*photophore models add"):
        open_hifinn("nowhere.ckpt", "")


def test_a_folder_as_weights(tmp_path):
    with pytest.raises(ModelError, match="is no file; give the path of a checkpoint or of a .safetensors file"):
        is_checkpoint(tmp_path)


def test_safetensors_are_no_checkpoint(tmp_path):
    (tmp_path / "own.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    assert not is_checkpoint(tmp_path / "own.safetensors")


def test_another_esm2(checkpoint, tmp_path):
    other = save_esm2(esm2_network(dim=16, heads=2, layers=2), tmp_path / "narrow.pt")
    with pytest.raises(
        ModelError, match=r"hifinn.ckpt: takes vectors of length 32, and .*narrow.pt gives 16; name the ESM-2"
    ):
        open_hifinn(checkpoint, other)


def changed(**tensors):
    kept = {**head_tensors(), **tensors}
    return {name: value for name, value in kept.items() if value is not None}


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({"fc1.weight": None}, r"bad.ckpt: has no tensor 'fc1.weight' \(it holds emb_layer_norm.bias, .*Lightning"),
        ({"ln1.bias": None}, "bad.ckpt: has no tensor 'ln1.bias'"),
        (
            {"ln1.bias": np.zeros(7, np.float32)},
            r"ln1.bias has shape \(7,\), not \(24,\) as the others ask for; HiFi-NN's",
        ),
        (
            {"per_residue_attention.self_attn.rot_emb.inv_freq": np.ones(3, np.float32)},
            "bad.ckpt: 3 rotary frequencies make heads that do not divide the width 32",
        ),
    ],
)
def test_a_head_that_is_not_hifinn_s(tmp_path, tensors, text):
    with pytest.raises(ModelError, match=text):
        load_head(save_head(changed(**tensors), tmp_path / "bad.ckpt"))


def test_a_checkpoint_without_state(tmp_path):
    torch.save({"model": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(ModelError, match=r"bad.ckpt: has no 'state_dict' \(it holds model\); HiFi-NN's Lightning"):
        load_head(tmp_path / "bad.ckpt")


def test_options():
    with pytest.raises(ValueError, match="precision is 'fp16'; choose one of int8, fp32"):
        HifinnConfig(precision="fp16")
