"""The ONNX forms of the near network: fp32 equals torch, int8 keeps directions and neighbours, alone or in a batch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx
import torch

from photophore.fasta import Record, read_fasta
from photophore.hookspecs import Runtime
from photophore.types import SequenceBatch
from photophore_near.config import NearConfig
from photophore_near.encoder import create_near
from photophore_near.export import export_float, export_int8
from photophore_near.model import NearNetwork, load_network, save_network
from photophore_near.onnx_runtime import OnnxNetwork, describe
from photophore_near.residues import PAD_TOKEN, distributions, tokens
from photophore_near.shape import NearShape

SHAPE = NearShape(step=4, stem=16, width=48, blocks=3, kernel=5, dim=24)


@pytest.fixture(scope="module")
def proteins(metagenome_faa):
    records = [record for record in read_fasta([metagenome_faa]) if isinstance(record, Record)]
    return [record.sequence for record in records[:60]]


@pytest.fixture(scope="module")
def rows(proteins):
    """Sixty real proteins as rows of tokens."""
    rows = np.full((len(proteins), 512), PAD_TOKEN, dtype=np.uint8)
    for row, protein in zip(rows, proteins, strict=True):
        part = tokens(protein)[:512]
        row[: len(part)] = part
    return rows


@pytest.fixture(scope="module")
def network():
    """Random weights; biases too, which a new network has at zero."""
    torch.manual_seed(3)
    network = NearNetwork(SHAPE).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.normal_(std=0.1)
    return network


@pytest.fixture(scope="module")
def path(network, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_network(network, folder / "tiny.safetensors", {"step": "0"})
    export_float(network, folder / "tiny.fp32.onnx")
    export_int8(network, rows[:16], folder / "tiny.int8.onnx")
    return folder / "tiny.safetensors"


def run(path, precision):
    return OnnxNetwork(describe(path), precision, Runtime())


def real(rows):
    """Which vectors of the rows are centred on residues."""
    return rows[:, :: SHAPE.step] != PAD_TOKEN


def test_fp32_equals_torch(path, network, rows):
    values = distributions()[rows]
    with torch.no_grad():
        expected = network(torch.from_numpy(values)).numpy()
    norms = np.linalg.norm(expected, axis=2, keepdims=True)
    found, found_norms = run(path, "fp32").embed_values(values)
    assert np.abs(found - expected / norms).max() < 1e-5
    assert np.abs(found_norms / norms - 1).max() < 1e-5
    assert found_norms.shape == (60, 128, 1)


def test_fp32_takes_distributions(path, network):
    rng = np.random.default_rng(4)
    values = rng.dirichlet(np.full(20, 0.3), (3, 200)).astype(np.float32)
    values[:, 120:] = 0
    with torch.no_grad():
        expected = network.embed(torch.from_numpy(values)).numpy()
    assert np.abs(run(path, "fp32").embed_values(values)[0] - expected).max() < 1e-5


def test_int8_points_the_same_way(path, rows):
    exact, coarse = run(path, "fp32").embed_tokens(rows), run(path, "int8").embed_tokens(rows)
    cosine = (exact * coarse).sum(axis=2)[real(rows)]
    assert np.allclose(np.linalg.norm(coarse, axis=2), 1, atol=1e-5)
    assert cosine.mean() > 0.99
    assert np.quantile(cosine, 0.01) > 0.95


def test_int8_keeps_the_nearest_neighbours(path, rows):
    """Residues searched in int8 among others in fp32, as in use: the nearest is the same but for close calls."""
    exact, coarse = (run(path, precision).embed_tokens(rows)[real(rows)] for precision in ("fp32", "int8"))
    database, queries = exact[::2], slice(1, 3000, 2)
    wanted, found = exact[queries] @ database.T, coarse[queries] @ database.T
    best = found.argmax(axis=1)
    assert (best == wanted.argmax(axis=1)).mean() > 0.8
    lost = wanted.max(axis=1) - wanted[np.arange(len(best)), best]
    assert lost.mean() < 0.005
    assert np.quantile(lost, 0.99) < 0.05


def test_int8_gives_the_same_bits_alone_and_in_a_batch(path, proteins):
    encoder = create_near(NearConfig(weights=str(path), row_length=256, positions_per_call=700), Runtime(threads=2))
    single = create_near(NearConfig(weights=str(path)), Runtime())

    def batch(sequences):
        count = len(sequences)
        return SequenceBatch(tuple(f"p{i}" for i in range(count)), tuple(sequences), ("",) * count, ("x:1",) * count)

    together = encoder.encode(batch(proteins))
    for number in (0, 7, 59):
        alone = single.encode(batch([proteins[number]])).values
        start, stop = together.offsets[number : number + 2]
        assert np.array_equal(together.values[start:stop], alone)


def test_int8_weights_stay_within_seven_bits(path):
    model = onnx.load(path.with_name("tiny.int8.onnx"))
    weights = [
        onnx.numpy_helper.to_array(c) for c in model.graph.initializer if ".conv" in c.name and "weight" in c.name
    ]
    assert len(weights) == 2 * SHAPE.blocks
    assert max(int(np.abs(weight.astype(int)).max()) for weight in weights) == 63


def test_the_export_is_the_same_every_time(path, network, rows, tmp_path):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    export_int8(network, rows[:16], tmp_path / "again.onnx")
    export_float(network, tmp_path / "again.fp32.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.with_name("tiny.int8.onnx").read_bytes()
    assert (tmp_path / "again.fp32.onnx").read_bytes() == path.with_name("tiny.fp32.onnx").read_bytes()
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_come_back_as_they_were_saved(path, network):
    again = load_network(path)
    assert again.shape == SHAPE
    assert not again.training
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert SHAPE.radius == 57


def test_a_vector_sees_as_far_as_the_radius_says(path):
    row = tokens("ACDEFGHIKLMNPQRSTVWY" * 10)[None]
    network = run(path, "fp32")
    before = network.embed_tokens(row)
    reach = []
    for place in range(96, 104):
        changed = row.copy()
        changed[0, place] = (changed[0, place] + 1) % 20
        after = network.embed_tokens(changed)
        touched = np.flatnonzero(np.abs(after - before).max(axis=2)[0] > 0) * SHAPE.step
        reach += [place - touched.min(), touched.max() - place]
    assert max(reach) == SHAPE.radius
