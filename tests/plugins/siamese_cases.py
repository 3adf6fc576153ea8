"""Small random checkpoints of the published formats: ProtT5 as Hugging Face stores it, GLASS-PRIMES as it saves itself."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from sentencepiece import SentencePieceTrainer
from transformers import T5Config, T5EncoderModel

from photophore.hookspecs import Runtime
from photophore_siamese.config import SiameseConfig
from photophore_siamese.encoder import SiameseEncoder, create_siamese

WIDTH, HIDDEN, DIM, HEADS, LAYERS = 24, 32, 16, 4, 2
LETTERS = "ALGVSREDTIPKFQNYMHWCXBOUZ"


def vocabulary() -> bytes:
    """Return a spiece.model that knows every residue as a word, after padding, end and unknown, as ProtT5's does."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(LETTERS)] * 50),
        model_writer=model,
        model_type="word",
        vocab_size=len(LETTERS) + 3,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def t5_network(*, width=WIDTH, seed=0):
    """Return transformers' T5 encoder with random weights, large enough that every part of it matters."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=128, d_model=width, d_kv=8, d_ff=40, num_layers=2, num_heads=4, feed_forward_proj="relu"
    )
    network = T5EncoderModel(config).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(torch.randn_like(value) * (1.0 if "norm" in name or value.ndim < 2 else 0.5))
            if "layer_norm" in name:
                value.abs_().add_(0.3)
    return network


def save_t5(network, folder: Path) -> Path:
    """Save a network as Hugging Face does, with the vocabulary beside it."""
    network.save_pretrained(folder)
    (folder / "spiece.model").write_bytes(vocabulary())
    return folder


def head_tensors(*, width=WIDTH, hidden=HIDDEN, dim=DIM, layers=LAYERS, seed=1):
    """Return the tensors of GLASS-PRIMES' head under its own names."""
    random = np.random.default_rng(seed)
    linear = {
        "input_projection": (hidden, width),
        "output_projection": (dim, hidden),
        "global_attention.0": (hidden // 2, dim),
        "global_attention.2": (1, hidden // 2),
    }
    tensors = {}
    for layer in range(layers):
        name = f"transformer_layers.{layer}"
        linear |= {
            f"{name}.self_attn.out_proj": (hidden, hidden),
            f"{name}.linear1": (4 * hidden, hidden),
            f"{name}.linear2": (hidden, 4 * hidden),
        }
        tensors[f"{name}.self_attn.in_proj_weight"] = random.normal(size=(3 * hidden, hidden)) * 1.5 / np.sqrt(hidden)
        tensors[f"{name}.self_attn.in_proj_bias"] = random.normal(size=3 * hidden) * 0.3
        for norm in ("norm1", "norm2"):
            tensors[f"{name}.{norm}.weight"] = random.uniform(0.5, 1.5, hidden)
            tensors[f"{name}.{norm}.bias"] = random.normal(size=hidden) * 0.3
    for name, (rows, columns) in linear.items():
        tensors[f"{name}.weight"] = random.normal(size=(rows, columns)) * 1.5 / np.sqrt(columns)
        tensors[f"{name}.bias"] = random.normal(size=rows) * 0.3
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def save_head(tensors, path: Path, **config) -> Path:
    """Save tensors as GLASS-PRIMES does, with the rest of the training beside them."""
    settings = {
        "prottrans_dim": WIDTH,
        "hidden_dim": HIDDEN,
        "output_dim": DIM,
        "nhead": HEADS,
        "num_layers": LAYERS,
        "dropout": 0.1,
        "max_seq_len": 300,
    }
    torch.save(
        {
            "epoch": 5,
            "model_state_dict": {name: torch.from_numpy(value) for name, value in tensors.items()},
            "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
            "loss": 0.07,
            "config": {**settings, **config},
        },
        path,
    )
    return path


def slow_head(tensors, rows, heads=HEADS):
    """FORMATS.md, in double precision: ``rows (residues, width)`` of one protein to its residue rows Y and global row Z."""
    t = {name: value.astype(np.float64) for name, value in tensors.items()}
    layers = len({name.split(".")[1] for name in t if name.startswith("transformer_layers.")})

    def linear(x, name):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * t[f"{name}.weight"] + t[f"{name}.bias"]

    def softmax(x):
        weights = np.exp(x - x.max())
        return weights / weights.sum()

    x = linear(rows.astype(np.float64), "input_projection")
    for layer in range(layers):
        name = f"transformer_layers.{layer}"
        y = norm(x, f"{name}.norm1")
        q, k, v = np.split(y @ t[f"{name}.self_attn.in_proj_weight"].T + t[f"{name}.self_attn.in_proj_bias"], 3, axis=1)
        mixed = np.zeros_like(y)
        wide = y.shape[1] // heads
        for begin in range(0, y.shape[1], wide):
            part = slice(begin, begin + wide)
            for i in range(len(y)):
                mixed[i, part] = softmax(k[:, part] @ q[i, part] / np.sqrt(wide)) @ v[:, part]
        x = x + linear(mixed, f"{name}.self_attn.out_proj")
        x = x + linear(np.maximum(linear(norm(x, f"{name}.norm2"), f"{name}.linear1"), 0), f"{name}.linear2")
    residues = linear(x, "output_projection")
    weights = softmax(linear(np.maximum(linear(residues, "global_attention.0"), 0), "global_attention.2")[:, 0])
    return residues, weights @ residues


def cosine(one, other):
    """The cosine of two vectors."""
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def small_encoder(folder: Path, **options) -> SiameseEncoder:
    """Return the encoder siamese on small random checkpoints, which are written into ``folder``."""
    prott5 = save_t5(t5_network(), folder / "prott5")
    path = save_head(head_tensors(), folder / "glass.pth")
    return create_siamese(SiameseConfig(weights=str(path), prott5=str(prott5), **options), Runtime())
