"""Our own network for EC numbers: fp32 export equals torch, int8 points the same way, a vector depends on its protein alone."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from safetensors.numpy import save_file
from tests.plugins.hifinn_cases import SHAPE, random_tokens, save, small_network, values_of

from photophore.errors import ModelError, PluginError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import Runtime
from photophore.types import ProfileBatch, SequenceBatch
from photophore_hifinn import own
from photophore_hifinn.config import HifinnConfig
from photophore_hifinn.encoder import create_hifinn
from photophore_hifinn.model import HifinnNetwork, load_network
from photophore_hifinn.shape import FORMAT, HifinnShape
from photophore_near.model import NearNetwork
from photophore_near.model import save_network as save_near
from photophore_near.residues import AMINO_ACIDS, tokens
from photophore_near.shape import NearShape


@pytest.fixture(scope="module")
def proteins(metagenome_faa):
    """Sixty real proteins."""
    records = [record for record in read_fasta([metagenome_faa]) if isinstance(record, Record)]
    return [record.sequence for record in records[:60]]


@pytest.fixture(scope="module")
def network(proteins):
    return small_network([tokens(protein) for protein in proteins])


@pytest.fixture(scope="module")
def path(network, proteins, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return save(network, folder, [tokens(protein)[:512] for protein in proteins[:16]])


def open_encoder(path, precision="fp32", threads=1):
    return create_hifinn(HifinnConfig(weights=str(path), precision=precision), Runtime(threads=threads))


def encode(encoder, *sequences):
    count = len(sequences)
    batch = SequenceBatch(tuple(f"p{i}" for i in range(count)), sequences, ("",) * count, ("x:1",) * count)
    embeddings = encoder.encode(batch)
    assert embeddings.ids == batch.ids
    assert embeddings.offsets.tolist() == list(range(count + 1))
    return embeddings.values


def text(item):
    return "".join(AMINO_ACIDS[token] for token in item)


def whole(network, sequence):
    """Return the vector that torch gives a protein in one piece."""
    with torch.no_grad():
        return network(*values_of([tokens(sequence)])).numpy()[0]


def test_fp32_equals_torch(path, network, proteins):
    found = encode(open_encoder(path), *proteins)
    expected = np.array([whole(network, protein) for protein in proteins])
    assert found.shape == (60, SHAPE.dim)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs(np.triu(found @ found.T, 1)).mean() < 0.6  # proteins point different ways, or nothing would be shown


def test_int8_points_the_same_way(path, proteins):
    exact, coarse = (encode(open_encoder(path, precision), *proteins) for precision in ("fp32", "int8"))
    cosine = (exact * coarse).sum(axis=1)
    assert cosine.mean() > 0.997
    assert cosine.min() > 0.98


def test_int8_keeps_the_nearest_protein(path, proteins):
    """Proteins searched in int8 among others in fp32: what comes first is first, or all but."""
    exact, coarse = (encode(open_encoder(path, precision), *proteins) for precision in ("fp32", "int8"))
    wanted, found = exact[:30] @ exact[30:].T, coarse[:30] @ exact[30:].T
    lost = wanted.max(axis=1) - wanted[np.arange(30), found.argmax(axis=1)]
    assert (lost == 0).mean() >= 0.8
    assert lost.mean() < 0.02


def test_both_precisions_are_one_encoder(path, network, tmp_path):
    exact, coarse = open_encoder(path), open_encoder(path, "int8")
    assert exact.digest == coarse.digest
    other = small_network(seed=4)
    assert open_encoder(save(other, tmp_path)).digest != exact.digest
    assert (exact.name, exact.dim) == ("hifinn", SHAPE.dim)


# -------------------------------------------------------------------------------- one vector a protein, whatever its length


@pytest.mark.parametrize("more", [-1, 0, 1, 15, own.ROW_LENGTH // 2, own.ROW_LENGTH + 37])
def test_a_long_protein_gets_the_vector_that_it_gets_whole(path, network, more):
    sequence = text(random_tokens(own.ROW_LENGTH + more, seed=more + 1)[0])
    found = encode(open_encoder(path), sequence)[0]
    assert np.abs(found - whole(network, sequence)).max() < 1e-5


def test_int8_of_a_long_protein_does_not_depend_on_its_rows(path, monkeypatch):
    sequence = text(random_tokens(5000)[0])
    encoder = open_encoder(path, "int8")
    in_rows = encode(encoder, sequence)
    monkeypatch.setattr(own, "ROW_LENGTH", 8192)
    assert np.abs(encode(encoder, sequence) - in_rows).max() < 1e-5


def test_a_network_that_sees_farther_than_half_a_row(tmp_path):
    far = HifinnShape(NearShape(step=16, stem=4, width=8, blocks=17, kernel=5, dim=8), hidden=8, heads=2, dim=8)
    assert far.trunk.radius > own.ROW_LENGTH // 2
    torch.manual_seed(6)
    network = HifinnNetwork(far).eval()
    encoder = open_encoder(save(network, tmp_path))
    for length in (100, 6000):
        item = random_tokens(length)[0]
        values, _ = values_of([item])
        counted = torch.ones(1, -(-length // 16))
        with torch.no_grad():
            expected = network(values, counted).numpy()[0]
        assert np.abs(encode(encoder, text(item))[0] - expected).max() < 1e-5


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_batch_mates_do_not_matter(path, proteins, monkeypatch, precision):
    """The same bits alone, among others, in small calls and with more threads."""
    sequences = [*proteins, "M", text(random_tokens(4500)[0])]
    together = encode(open_encoder(path, precision, threads=2), *sequences)
    monkeypatch.setattr(own, "RESIDUES_PER_CALL", 700)
    single = open_encoder(path, precision)
    alone = np.concatenate([encode(single, sequence) for sequence in sequences])
    assert np.array_equal(together, alone)
    assert np.array_equal(encode(single, *sequences[::-1])[::-1], alone)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_protein_of_one_residue(path, network, precision):
    found = encode(open_encoder(path, precision), "M", "X")
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ whole(network, "M") > (0.9 if precision == "int8" else 0.99999)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_no_proteins(path):
    assert encode(open_encoder(path)).shape == (0, SHAPE.dim)


def test_shut_gates_still_give_a_vector(network, tmp_path):
    shut = load_network(save(network, tmp_path))
    with torch.no_grad():
        shut.gates.bias.fill_(-200)
    found = encode(open_encoder(save(shut, tmp_path)), "MKVLAWYRND")
    assert np.isfinite(found).all()
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------- refused


def test_profiles_are_refused(path):
    profiles = ProfileBatch(("kinase",), np.full((3, 20), 0.05, dtype=np.float32), np.array([0, 3]))
    with pytest.raises(
        PluginError,
        match=r"encoder hifinn: encodes proteins, not profiles \(kinase\); .*photophore db build --method hifinn",
    ):
        open_encoder(path).encode_profiles(profiles)


def test_weights_without_their_export(path, tmp_path):
    (tmp_path / "bare.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match=r"bare\.int8\.onnx: missing; export the weights again"):
        open_encoder(tmp_path / "bare.safetensors", "int8")
    (tmp_path / "bare.int8.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"bare\.int8\.onnx: ONNX Runtime cannot read it \(.*\); check the download"):
        open_encoder(tmp_path / "bare.safetensors", "int8")


def test_weights_of_another_network(tmp_path):
    save_near(NearNetwork(NearShape(stem=8, width=16, blocks=1, dim=8)), tmp_path / "near.safetensors", {})
    wanted = rf"near\.safetensors: format is 'photophore-near-2', not '{FORMAT}'; pass weights that `photophore train hifinn`"
    for read in (open_encoder, load_network):
        with pytest.raises(ModelError, match=wanted):
            read(tmp_path / "near.safetensors")


@pytest.mark.parametrize("shape", ["{", "{}", '{"trunk": {"depth": 3}}', '{"trunk": {}, "hidden": 7}'])
def test_weights_without_a_shape(tmp_path, shape):
    path = tmp_path / "none.safetensors"
    save_file({"a": np.zeros(1)}, path, {"format": FORMAT, "shape": shape})
    for read in (open_encoder, load_network):
        with pytest.raises(ModelError, match=r"none\.safetensors: its metadata has no usable shape .*export it again"):
            read(path)


def test_weights_that_lack_a_tensor(tmp_path):
    other = tmp_path / "less.safetensors"
    save_file({"a": np.zeros(1)}, other, {"format": FORMAT, "shape": json.dumps(asdict(SHAPE))})
    with pytest.raises(ModelError, match=r"less\.safetensors: has no tensor 'inner\.bias'; check the download"):
        open_encoder(other)


def test_a_file_that_is_no_weights(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("hello")
    for read in (open_encoder, load_network):
        with pytest.raises(
            ModelError, match=r"text\.safetensors: not a readable safetensors file .*check the download"
        ):
            read(path)


def test_weights_come_back_as_they_were_saved(path, network):
    again = load_network(path)
    assert (again.shape, again.training) == (SHAPE, False)
    state = again.state_dict()
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


def test_the_export_is_the_same_every_time(path, network, proteins, tmp_path):
    save(network, tmp_path, [tokens(protein)[:512] for protein in proteins[:16]])
    for name in ("tiny.fp32.onnx", "tiny.int8.onnx"):
        assert (tmp_path / name).read_bytes() == path.with_name(name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 0}, r"hidden is 0; give at least 1"),
        ({"heads": 0}, r"heads is 0; give at least 1"),
        ({"dim": 0}, r"dim is 0; give at least 1"),
        ({"hidden": 30}, r"hidden is 30; give a multiple of heads \(8\)"),
    ],
)
def test_impossible_shapes(change, message):
    with pytest.raises(ValueError, match=message):
        HifinnShape(**change)
