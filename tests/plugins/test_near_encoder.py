"""The encoder `near` with weights of our own layout: ONNX int8 and fp32 against torch, batches, windows, options."""

from __future__ import annotations

import time

import numpy as np
import pytest

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore.types import ProfileBatch, SequenceBatch
from photophore_near import onnx_runtime
from photophore_near.config import NearConfig
from photophore_near.encoder import WEIGHTS_FOLDER, create_near
from photophore_near.packing import MULTIPLE
from photophore_near.residues import distributions, tokens

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

LETTERS = "ACDEFGHIKLMNPQRSTVWYBJZXUO"


def batch(*sequences):
    names = tuple(f"p{i}" for i in range(len(sequences)))
    return SequenceBatch(
        names, tuple(sequences), ("",) * len(names), tuple(f"x.faa:{i + 1}" for i in range(len(names)))
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained narrow network, exported as a trained one is."""
    from photophore_near.export import export_float, export_int8
    from photophore_near.model import NearNetwork, save_network
    from photophore_near.shape import NearShape

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = NearNetwork(NearShape(step=4, stem=16, width=32, blocks=2, kernel=3, dim=16)).eval()
    calibration = np.random.default_rng(0).integers(0, 20, (4, 256)).astype(np.uint8)
    save_network(network, folder / "tiny.safetensors", {})
    export_float(network, folder / "tiny.fp32.onnx")
    export_int8(network, calibration, folder / "tiny.int8.onnx")
    return folder / "tiny.safetensors"


@pytest.fixture(scope="module")
def proteins():
    rng = np.random.default_rng(2)
    return ["".join(rng.choice(list(LETTERS), length)) for length in (1, 2, 500, 31, 90)]


def by_torch(path, sequence):
    """One protein alone, padded as the encoder pads it."""
    from photophore_near.model import load_network

    network = load_network(path)
    values = np.zeros((1, -(-len(sequence) // MULTIPLE) * MULTIPLE, 20), dtype=np.float32)
    values[0, : len(sequence)] = distributions()[tokens(sequence)]
    with torch.no_grad():
        return network.embed(torch.from_numpy(values))[0, : -(-len(sequence) // network.shape.step)].numpy()


def every_position(path, sequence):
    """The vector of each position: of four shifted sequences, the vectors that are centred on it."""
    from photophore_near.model import load_network

    values = np.zeros((4, 32, 20), dtype=np.float32)
    for shift in range(4):
        values[shift, shift : shift + len(sequence)] = distributions()[tokens(sequence)]
    length = -(-(len(sequence) + 3) // MULTIPLE) * MULTIPLE
    with torch.no_grad():
        vectors = load_network(path).embed(torch.from_numpy(values[:, :length])).numpy()
    return np.stack([vectors[-place % 4, -(-place // 4)] for place in range(len(sequence))])


def test_fp32_equals_torch(weights, proteins):
    encoder = create_near(NearConfig(weights=str(weights), precision="fp32"), Runtime())
    expected = np.concatenate([by_torch(weights, protein) for protein in proteins])
    embeddings = encoder.encode(batch(*proteins))
    assert encoder.dim == 16
    assert embeddings.offsets.tolist() == [0, 1, 2, 127, 135, 158]
    assert embeddings.step == 4
    assert np.abs(embeddings.values - expected).max() < 1e-5


def test_int8_points_the_same_way(weights, proteins):
    encoder = create_near(NearConfig(weights=str(weights)), Runtime())
    expected = np.concatenate([by_torch(weights, protein) for protein in proteins])
    values = encoder.encode(batch(*proteins)).values
    assert np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)
    assert (values * expected).sum(axis=1).mean() > 0.99


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_batch_mates_and_windows_change_nothing(weights, proteins, precision):
    short = NearConfig(weights=str(weights), precision=precision, row_length=128, positions_per_call=256)
    together = create_near(short, Runtime(threads=2)).encode(batch(*proteins)).values
    encoder = create_near(NearConfig(weights=str(weights), precision=precision), Runtime())
    alone = np.concatenate([encoder.encode(batch(protein)).values for protein in proteins])
    if precision == "int8":
        assert np.array_equal(together, alone)
    assert np.abs(together - alone).max() < 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_vectors(weights, proteins):
    options = NearConfig(weights=str(weights), precision="fp32")
    on_cpu = create_near(options, Runtime()).encode(batch(*proteins)).values
    on_gpu = create_near(options, Runtime(device="cuda")).encode(batch(*proteins)).values
    assert np.abs(on_cpu - on_gpu).max() < 1e-4


def test_profiles_are_encoded_in_fp32_whatever_the_precision(weights):
    sequence = "MKVLAWYRNDCE"
    values = distributions()[tokens(sequence)]
    profiles = ProfileBatch(ids=("f", "g"), values=values, offsets=np.array([0, 5, 12], dtype=np.int64))
    expected = np.concatenate([every_position(weights, sequence[:5]), every_position(weights, sequence[5:])])
    for precision in ("int8", "fp32"):
        encoder = create_near(NearConfig(weights=str(weights), precision=precision), Runtime())
        found = encoder.encode_profiles(profiles)
        assert found.ids == ("f", "g")
        assert np.abs(found.values - expected).max() < 1e-5


def test_threads_share_what_is_opened_late(monkeypatch):
    """Profiles are encoded in fp32, whose network is opened when the first come, here in four calls side by side."""
    opened, from_file = [], onnx_runtime.open_session

    def slowly(path, threads):
        opened.append(path.name)
        time.sleep(0.05)
        return from_file(path, threads)

    monkeypatch.setattr(onnx_runtime, "open_session", slowly)
    encoder = create_near(NearConfig(positions_per_call=16), Runtime(threads=4))
    values = np.tile(distributions()[tokens("MKVLAWYRNDCE")], (8, 1))
    profiles = ProfileBatch(ids=tuple("abcdefgh"), values=values, offsets=12 * np.arange(9, dtype=np.int64))
    assert len(encoder.encode_profiles(profiles).values) == 96
    assert opened == ["near-small.int8.onnx", "near-small.fp32.onnx"]


def test_nothing_in_nothing_out(weights):
    encoder = create_near(NearConfig(weights=str(weights)), Runtime())
    assert encoder.encode(batch()).values.shape == (0, 16)
    none = ProfileBatch(ids=(), values=np.empty((0, 20), dtype=np.float32), offsets=np.zeros(1, dtype=np.int64))
    assert encoder.encode_profiles(none).values.shape == (0, 16)


def test_weights_without_their_export(weights, proteins, tmp_path):
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match=r"bare\.int8\.onnx: missing.*set encoder\.precision=fp32"):
        create_near(NearConfig(weights=str(bare)), Runtime())
    encoder = create_near(NearConfig(weights=str(bare), precision="fp32"), Runtime())
    expected = create_near(NearConfig(weights=str(weights), precision="fp32"), Runtime())
    assert encoder.digest == expected.digest
    difference = encoder.encode(batch(*proteins)).values - expected.encode(batch(*proteins)).values
    assert np.abs(difference).max() < 1e-5


def test_damaged_weights_are_named(weights, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"bad\.safetensors: not a readable safetensors file"):
        create_near(NearConfig(weights=str(path)), Runtime())
    path.write_bytes(weights.read_bytes())
    path.with_name("bad.int8.onnx").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"bad\.int8\.onnx: ONNX Runtime cannot read it"):
        create_near(NearConfig(weights=str(path)), Runtime())


def test_wrong_options_are_refused(weights):
    with pytest.raises(ValueError, match="precision is 'int4'; choose one of int8, fp32"):
        NearConfig(precision="int4")
    with pytest.raises(ValueError, match="positions_per_call is 0; give a whole number of at least 1"):
        NearConfig(positions_per_call=0)


@pytest.mark.skipif(not (WEIGHTS_FOLDER / "near-small.safetensors").is_file(), reason="near-small is not trained yet")
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_bundled_weights(metagenome_faa, precision):
    entries = metagenome_faa.read_text().split(">")[1:6]
    real = [entry.split("\n", 1)[1].replace("\n", "").replace("*", "") for entry in entries]
    values = create_near(NearConfig(precision=precision), Runtime()).encode(batch(*real)).values
    expected = np.concatenate([by_torch(WEIGHTS_FOLDER / "near-small.safetensors", protein) for protein in real])
    if precision == "fp32":
        assert np.abs(values - expected).max() < 1e-5
    assert (values * expected).sum(axis=1).mean() > 0.95
