"""A small network of our own with heads, and domains whose structure is plain: helices and strands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from photophore_near.residues import tokens
from photophore_near.shape import NearShape
from photophore_siamese.codes import CODE_TENSORS, KINDS
from photophore_siamese.export import export
from photophore_siamese.heads import HEAD_TENSORS
from photophore_siamese.model import SiameseNetwork, save_network
from photophore_siamese.shape import SiameseShape
from photophore_siamese.truth.domains import Domains

SHAPE = SiameseShape(
    trunk=NearShape(step=2, stem=8, width=16, blocks=2, kernel=3, dim=8),
    dilations=(1, 2),
    fine_blocks=1,
    match=12,
    side=6,
    hidden=24,
    heads=4,
    dim=10,
    pair=8,
)


def small_network(seed=0):
    """Return a network with random weights and a norm that has seen something."""
    torch.manual_seed(seed)
    network = SiameseNetwork(SHAPE).eval()
    with torch.no_grad():
        network.balance.uniform_(0.5, 2.0)
        network.norm.running_mean.uniform_(0.0, 0.2)
        network.norm.running_var.uniform_(0.01, 0.1)
        for layer in (network.rows_head, network.gates):
            layer.bias.uniform_(-0.5, 0.5)
    return network


def random_heads(network, seed=0):
    """Return tensors of heads, by the names of `HEAD_TENSORS` and `CODE_TENSORS`, with weights that matter."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(20, SHAPE.match))
    tensors = {
        "common.rows": common / np.linalg.norm(common, axis=1, keepdims=True),
        "align.numbers": np.array([8.0, 0.6, 0.2, 4.0, 0.5]),
    }
    kinds = random.normal(size=(20 * KINDS, SHAPE.match))
    tensors["codes.match"] = 0.9 * kinds / np.linalg.norm(kinds, axis=1, keepdims=True)
    tensors["codes.common"] = random.normal(size=20 * KINDS) * 0.1
    tensors["tm.trees"] = np.array([[[6, 0.1, 1, 2, 0], [-1, 0, 0, 0, 0.2], [-1, 0, 0, 0, 0.7]]])
    for number, letters in enumerate((6, 5, 4)):
        tensors[f"letters.{number}.weight"] = random.normal(size=(letters, SHAPE.width)) * 0.2
        tensors[f"letters.{number}.bias"] = random.normal(size=letters) * 0.2
    for head, features in (("tm", 31), ("lddt", 20), ("given", 20)):
        tensors |= {
            f"{head}.middle": np.zeros(features),
            f"{head}.spread": np.ones(features),
            f"{head}.0.weight": random.normal(size=(6, features)) * 0.2,
            f"{head}.0.bias": random.normal(size=6) * 0.2,
            f"{head}.1.weight": random.normal(size=(1, 6)),
            f"{head}.1.bias": random.normal(size=1),
        }
    own = {name for name, _ in network.named_parameters()}
    assert set(tensors) == {name for name in HEAD_TENSORS | CODE_TENSORS if name not in own}
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def save(network, folder: Path, proteins) -> Path:
    """Write weights with heads, and both exports; int8 ranges come from ``proteins``."""
    path = folder / "own.safetensors"
    save_network(network, path, {}, random_heads(network))
    rows = np.full((len(proteins), 64), tokens("X")[0], dtype=np.uint8)
    for row, protein in zip(rows, proteins, strict=True):
        part = tokens(protein)[:64]
        row[: len(part)] = part
    export(network, path, rows)
    return path


def helix(residues, start=0.0):
    """Return C-alpha atoms of an ideal alpha helix: 1.5 angstrom and 100 degrees a residue, radius 2.3."""
    n = np.arange(residues) + start
    angle = np.radians(100.0) * n
    return np.stack([2.3 * np.cos(angle), 2.3 * np.sin(angle), 1.5 * n], axis=1)


def strand(residues):
    """Return C-alpha atoms of an ideal strand: 3.3 angstrom a residue along a zigzag."""
    n = np.arange(residues)
    return np.stack([0.9 * (n % 2), 0.1 * n, 3.3 * n], axis=1)


def hairpin(residues):
    """Return two helices side by side, joined by a loop: 10 angstrom between the axes."""
    half = residues // 2
    up, down = helix(half), helix(residues - half)
    down = np.stack([down[:, 0] + 10.0, -down[:, 1], up[-1, 2] - down[:, 2]], axis=1)
    return np.concatenate([up, down])


def domains(count, *, residues=40, seed=0):
    """Return domains of four topologies: helices, strands, hairpins and longer hairpins, with random sequences."""
    random = np.random.default_rng(seed)
    kinds = (("1.10.10", helix), ("2.10.10", strand), ("1.20.10", hairpin), ("1.30.10", hairpin))
    names, cath, sequences, traces = [], [], [], []
    for number in range(count):
        topology, build = kinds[number % len(kinds)]
        length = residues + (number % 3) + (8 if topology == "1.30.10" else 0)
        names.append(f"d{number:03d}A00")
        cath.append(f"{topology}.{10 * (number // len(kinds) % 2 + 1)}")
        sequences.append("".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), length)))
        traces.append(build(length) + random.normal(size=(length, 3)) * 0.1)
    offsets = np.concatenate([[0], np.cumsum([len(trace) for trace in traces])]).astype(np.int64)
    return Domains(tuple(names), tuple(cath), tuple(sequences), offsets, np.concatenate(traces))


def write_domains(path: Path, given: Domains) -> Path:
    """Write domains as the file that `read_domains` reads."""
    np.savez(
        path,
        id=np.array(given.ids),
        cath=np.array(given.cath),
        sequence=np.array(given.sequences),
        offset=given.offsets,
        ca=np.round(given.traces * 100).astype(np.int16),
    )
    return path
