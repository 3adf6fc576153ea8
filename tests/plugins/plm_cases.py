"""Small random checkpoints of the published formats: ESM-2 as fair-esm saves it, HiFi-NN's head as Lightning does."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from esm.data import Alphabet
from esm.model.esm2 import ESM2

LAYERS, DIM, HEADS = 3, 32, 4


class TrainingThing:
    """A class that only the training program has: a checkpoint that names it cannot make one."""

    def __init__(self, value):
        self.value = value


def esm2_network(*, layers=LAYERS, dim=DIM, heads=HEADS, seed=0):
    """Return fair-esm's own network with random weights, large enough that every part of it matters."""
    torch.manual_seed(seed)
    network = ESM2(layers, dim, heads, Alphabet.from_architecture("ESM-1b"), token_dropout=True).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.add_(0.1 * torch.randn_like(value))
            if "norm" in name and name.endswith("weight"):
                value.add_(0.3 * torch.rand_like(value))
    return network


def save_esm2(network, path: Path, **settings) -> Path:
    """Save a network as fair-esm's checkpoints are: settings in a Namespace, prefixes, no contact head."""
    tensors = {
        (f"encoder.{name}" if name.startswith("lm_head.") else f"encoder.sentence_encoder.{name}"): value
        for name, value in network.state_dict().items()
        if not name.startswith("contact_head.")
    }
    namespace = argparse.Namespace(
        arch="transformer_lm_large",
        encoder_layers=network.num_layers,
        encoder_embed_dim=network.embed_dim,
        encoder_attention_heads=network.attention_heads,
        token_dropout=network.token_dropout,
    )
    vars(namespace).update(settings)
    cfg = {"model": namespace, "task": argparse.Namespace(data="/data"), "criterion": TrainingThing("masked")}
    torch.save({"args": None, "cfg": cfg, "model": tensors}, path)
    return path


def head_tensors(*, width=DIM, heads=HEADS, wide=48, hidden=24, dim=16, seed=1):
    """Return the tensors of HiFi-NN's head under its own names."""
    random = np.random.default_rng(seed)
    layer = "per_residue_attention"
    linear = {
        **{f"{layer}.self_attn.{part}": (width, width) for part in ("k_proj", "v_proj", "q_proj", "out_proj")},
        f"{layer}.fc1": (wide, width),
        f"{layer}.fc2": (width, wide),
        "fc1": (hidden, width),
        "fc2": (dim, hidden),
    }
    norms = {f"{layer}.self_attn_layer_norm": width, f"{layer}.final_layer_norm": width}
    norms |= {"emb_layer_norm": width, "ln1": hidden}
    tensors = {}
    for name, (rows, columns) in linear.items():
        tensors[f"{name}.weight"] = random.normal(size=(rows, columns)) * 1.5 / np.sqrt(columns)
        tensors[f"{name}.bias"] = random.normal(size=rows) * 0.3
    for name, size in norms.items():
        tensors[f"{name}.weight"] = random.uniform(0.5, 1.5, size)
        tensors[f"{name}.bias"] = random.normal(size=size) * 0.3
    half = width // heads // 2
    tensors[f"{layer}.self_attn.rot_emb.inv_freq"] = 10000.0 ** (-np.arange(half) / half)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def save_head(tensors, path: Path) -> Path:
    """Save tensors as Lightning does, with the rest of the training beside them."""
    torch.save(
        {
            "epoch": 150,
            "pytorch-lightning_version": "2.0.0",
            "state_dict": {name: torch.from_numpy(value) for name, value in tensors.items()},
            "hyper_parameters": {"criterion": TrainingThing(1), "learning_rate": 1e-3},
            "optimizer_states": [{"state": {}, "param_groups": []}],
        },
        path,
    )
    return path


def slow_head(tensors, rows):
    """FORMATS.md, in double precision: ``rows (residues, width)`` of one protein to its unit vector."""
    t = {name: value.astype(np.float64) for name, value in tensors.items()}
    layer, frequencies = "per_residue_attention", t["per_residue_attention.self_attn.rot_emb.inv_freq"]
    head_width = 2 * len(frequencies)

    def linear(x, name):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * t[f"{name}.weight"] + t[f"{name}.bias"]

    def gelu(x):
        return x * 0.5 * (1.0 + torch.erf(torch.from_numpy(x / np.sqrt(2.0))).numpy())

    def turned(vector, position):
        out = np.empty(head_width)
        for i, frequency in enumerate(frequencies):
            a, b, angle = vector[i], vector[i + head_width // 2], position * frequency
            out[i] = a * np.cos(angle) - b * np.sin(angle)
            out[i + head_width // 2] = b * np.cos(angle) + a * np.sin(angle)
        return out

    x = rows.astype(np.float64)
    y = norm(x, f"{layer}.self_attn_layer_norm")
    q, k, v = (linear(y, f"{layer}.self_attn.{part}_proj") for part in "qkv")
    mixed = np.zeros_like(y)
    for begin in range(0, y.shape[1], head_width):
        part = slice(begin, begin + head_width)
        queries = [turned(q[i, part] / np.sqrt(head_width), i) for i in range(len(y))]
        keys = [turned(k[i, part], i) for i in range(len(y))]
        for i, query in enumerate(queries):
            weights = np.exp([query @ key for key in keys])
            mixed[i, part] = (weights / weights.sum()) @ v[:, part]
    x = x + linear(mixed, f"{layer}.self_attn.out_proj")
    x = x + linear(gelu(linear(norm(x, f"{layer}.final_layer_norm"), f"{layer}.fc1")), f"{layer}.fc2")
    pooled = norm(x, "emb_layer_norm").mean(axis=0)
    out = linear(gelu(norm(linear(pooled, "fc1"), "ln1")), "fc2")
    return out / np.linalg.norm(out)
