"""A small network of our own for EC numbers, and made-up enzymes: each EC number has an ancestor that its proteins vary."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from photophore_hifinn.export import export
from photophore_hifinn.model import HifinnNetwork, save_network
from photophore_hifinn.shape import HifinnShape
from photophore_hifinn.training.proteins import LabelledProtein, pad, read_labelled
from photophore_near.residues import AMINO_ACIDS, distributions
from photophore_near.shape import NearShape

SHAPE = HifinnShape(NearShape(step=2, stem=8, width=16, blocks=2, kernel=5, dim=8), hidden=32, heads=4, dim=16)
NUMBERS = ("1.1.1.1", "1.1.1.2", "1.1.1.3", "2.7.1.1", "2.7.1.2", "3.5.1.n3")
#: Proteins of each EC number, in clusters of two.
OF_EACH, IN_CLUSTER, NO_ENZYMES = 6, 2, 5


def values_of(items):
    """Return what the network takes of proteins (rows of tokens): distributions, and which positions count."""
    tokens, lengths = pad(items)
    places = np.arange(tokens.shape[1] // SHAPE.trunk.step) * SHAPE.trunk.step
    return torch.from_numpy(distributions()[tokens]), torch.from_numpy(np.float32(places < lengths[:, None]))


def random_tokens(*lengths, seed=0):
    """Return random proteins as tokens."""
    random = np.random.default_rng(seed)
    return [random.integers(0, 20, length).astype(np.uint8) for length in lengths]


@torch.no_grad()
def small_network(items=None, *, shape=SHAPE, seed=3):
    """Return random weights of which every part matters: biases, balance, and the mean and spread of ``items``."""
    torch.manual_seed(seed)
    network = HifinnNetwork(shape).eval()
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            value.normal_(std=0.1)
    network.balance.uniform_(0.5, 2.0)
    sums, gates = network.pooled(*values_of(items or random_tokens(*range(60, 160, 5))))
    means = sums / gates.repeat_interleave(shape.hidden // shape.heads, dim=1)
    network.norm.running_mean.copy_(means.mean(dim=0))
    network.norm.running_var.copy_(means.var(dim=0).clamp(min=1e-4))
    return network


def save(network, folder: Path, items=None) -> Path:
    """Save a network with both exports; ranges are measured on ``items``."""
    path = folder / "tiny.safetensors"
    save_network(network, path, {"step": "0"})
    export(network, path, pad(items or random_tokens(200, 220, 240, 256))[0])
    return path


def write_proteins(folder: Path) -> None:
    """Write ``enzymes.tsv``, with clusters, and ``others.tsv``, without."""
    random = np.random.default_rng(5)
    letters = np.array(list(AMINO_ACIDS))
    lines = ["id\tec\tcluster30\tsequence"]
    for number in NUMBERS:
        ancestor = random.integers(0, 20, 90)
        for copy in range(OF_EACH):
            residues = np.where(random.random(90) < 0.2, random.integers(0, 20, 90), ancestor)
            name = f"e{number}/{copy}"
            cluster = f"{number}/{copy // IN_CLUSTER}"
            lines.append(f"{name}\t{number}\t{cluster}\t{''.join(letters[residues])}")
    (folder / "enzymes.tsv").write_text("\n".join([*lines, ""]))
    rows = [f"n{copy}\t\t{''.join(letters[random.integers(0, 20, 70)])}\n" for copy in range(NO_ENZYMES)]
    (folder / "others.tsv").write_text("id\tec\tsequence\n" + "".join(rows) + "short\t\tMKV\n")


def read_proteins(folder: Path) -> list[LabelledProtein]:
    """Write the made-up proteins into ``folder`` and return them as the training reads them."""
    write_proteins(folder)
    return [
        protein
        for name in ("enzymes.tsv", "others.tsv")
        for protein in read_labelled(folder / name, cluster="cluster30", min_residues=20)
    ]


def shape_yaml(shape=SHAPE) -> str:
    """Return a shape as YAML, on one line."""
    return json.dumps(asdict(shape))


#: A configuration of a training on the made-up proteins.
CONFIG = f"""
out: run
proteins: [enzymes.tsv, others.tsv]
min_residues: 20
hold_out: {{share: 0.2, largest: 3, seed: 7}}
shape: {shape_yaml()}
loop: {{steps: 6, groups: 3, serials: 2, of_each: 2, non_enzymes: 2, max_residues: 64, learning_rate: 1e-3,
        warmup: 1, checkpoint_every: 2, curve_every: 3, threads: 1, bfloat16: false}}
"""


def write_config(folder: Path, text: str = CONFIG) -> Path:
    """Write the made-up proteins and the configuration ``text`` into ``folder``; return its path."""
    write_proteins(folder)
    (folder / "hifinn.yaml").write_text(text)
    return folder / "hifinn.yaml"
