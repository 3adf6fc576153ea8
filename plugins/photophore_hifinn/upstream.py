"""HiFi-NN's published network: a transformer layer and two linear layers on ESM-2, out of its Lightning checkpoint.

Residue vectors of ESM-2's last layer but one -> one more layer of ESM-2's kind (pre-norm, rotary embeddings) -> layer norm
-> mean over the residues -> linear -> layer norm -> GELU -> linear -> unit vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from photophore.errors import ModelError, OutOfMemoryError, PluginError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_hifinn.config import HifinnConfig
from photophore_plm.checkpoints import read_checkpoint, tensor_digest
from photophore_plm.config import Esm2Config
from photophore_plm.esm2 import Esm2, open_esm2

Tensors = Mapping[str, torch.Tensor]

_LAYER = "per_residue_attention"
_ATTENTION = f"{_LAYER}.self_attn"
_FREQUENCIES = f"{_ATTENTION}.rot_emb.inv_freq"
_WHAT = "HiFi-NN's Lightning checkpoints can be read"


class Head:
    """The network after ESM-2: ``(residues, width)`` of one protein in, a unit vector ``(dim,)`` out.

    Sizes follow from the shapes of the tensors; a head of attention is twice as wide as there are rotary frequencies.
    """

    def __init__(self, tensors: Tensors, device: torch.device) -> None:
        self._tensors = {name: value.to(device) for name, value in tensors.items()}
        self.dim, _ = tensors["fc2.weight"].shape
        self.width = tensors["emb_layer_norm.weight"].shape[0]
        self._head_width = 2 * len(tensors[_FREQUENCIES])
        self.digest = tensor_digest(tensors)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vector of one protein."""
        x = rows + self._attention(self._norm(rows, f"{_LAYER}.self_attn_layer_norm"))
        hidden = functional.gelu(self._linear(self._norm(x, f"{_LAYER}.final_layer_norm"), f"{_LAYER}.fc1"))
        x = x + self._linear(hidden, f"{_LAYER}.fc2")
        pooled = self._norm(x, "emb_layer_norm").mean(dim=0)  # (width,)
        hidden = functional.gelu(self._norm(self._linear(pooled, "fc1"), "ln1"))
        return functional.normalize(self._linear(hidden, "fc2"), dim=-1)

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        """Return multi-head self-attention of ``x (residues, width)``; no matrix of all pairs is held in memory."""
        cos, sin = self._angles(len(x))
        query, key = (self._rotated(self._heads(x, name), cos, sin) for name in ("q_proj", "k_proj"))
        mixed = functional.scaled_dot_product_attention(query, key, self._heads(x, "v_proj"))  # (1, heads, residues, w)
        return self._linear(mixed[0].transpose(0, 1).reshape(x.shape), f"{_ATTENTION}.out_proj")

    def _heads(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Project ``x (residues, width)`` and part the heads: ``(1, heads, residues, head width)``."""
        return self._linear(x, f"{_ATTENTION}.{name}").view(len(x), -1, self._head_width).transpose(0, 1)[None]

    def _angles(self, residues: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosine and sine of the rotary angles, ``shape=(residues, head width)``."""
        frequencies = self._tensors[_FREQUENCIES]
        angles = torch.arange(residues, device=frequencies.device)[:, None] * frequencies
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()

    @staticmethod
    def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Turn each pair (i, i + half) of the last axis by its angle."""
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])


class UpstreamEncoder:
    """A unit vector for each protein, by HiFi-NN's published network."""

    name = "hifinn"

    def __init__(self, esm2: Esm2, head: Head) -> None:
        self._esm2 = esm2
        self._head = head
        self.dim = head.dim
        self.digest = hashlib.sha256(f"{esm2.digest} {head.digest}".encode()).hexdigest()

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return the vector of each protein; proteins go through the head one by one."""
        values = np.empty((len(batch), self.dim), dtype=np.float32)
        try:
            with torch.inference_mode():
                for place, rows in self._esm2.represent(batch.sequences):
                    values[place] = self._head(rows).cpu().numpy()
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemoryError(
                "encoder hifinn: the device ran out of memory on one protein; use --device cpu"
            ) from error
        return Embeddings(batch.ids, values, np.arange(len(batch) + 1, dtype=np.int64), self.name, self.digest)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Refuse: ESM-2 reads residues."""
        raise PluginError(
            f"encoder hifinn reads proteins, and was given {len(profiles)} profiles; choose encoder near for profiles"
        )


def create_upstream(path: Path, esm2_path: Path, config: HifinnConfig, runtime: Runtime) -> UpstreamEncoder:
    """Open a Lightning checkpoint and the ESM-2 under it.

    Raises
    ------
    ModelError
        If one of them is damaged, or they do not fit together.
    """
    tensors = load_head(path)
    options = Esm2Config(weights=str(esm2_path), precision="fp32" if config.precision == "fp32" else "fp16")
    esm2 = open_esm2(esm2_path, options, runtime)
    head = Head(tensors, esm2.device)
    if head.width != esm2.dim:
        raise ModelError(
            f"{path}: takes vectors of length {head.width}, and {esm2_path} gives {esm2.dim}; name the ESM-2 that it was "
            "trained on (esm2_t33_650M_UR50D.pt gives 1280)"
        )
    return UpstreamEncoder(esm2, head)


def load_head(path: Path) -> Tensors:
    """Return the tensors of a Lightning checkpoint in single precision, their shapes checked."""
    checkpoint = read_checkpoint(path)
    stored = checkpoint.get("state_dict")
    if not isinstance(stored, Mapping):
        found = ", ".join(map(str, list(checkpoint)[:5])) or "nothing"
        raise ModelError(f"{path}: has no 'state_dict' (it holds {found}); {_WHAT}")
    tensors = {name: value.float() for name, value in stored.items() if torch.is_tensor(value)}
    for name in ("emb_layer_norm.weight", f"{_LAYER}.fc1.weight", "fc1.weight", "fc2.weight", _FREQUENCIES):
        _require(tensors, name, path)
    wanted = _shapes(tensors)
    for name, shape in wanted.items():
        _require(tensors, name, path)
        if tuple(tensors[name].shape) != shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(tensors[name].shape)}, not {shape} as the others ask for; {_WHAT}"
            )
    width = len(tensors["emb_layer_norm.weight"])
    if width % (2 * len(tensors[_FREQUENCIES])):
        raise ModelError(
            f"{path}: {len(tensors[_FREQUENCIES])} rotary frequencies make heads that do not divide the width {width}; {_WHAT}"
        )
    return {name: tensors[name] for name in wanted}


def _require(tensors: Tensors, name: str, path: Path) -> None:
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise ModelError(f"{path}: has no tensor {name!r} (it holds {found}); {_WHAT}")


def _shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor must have, from those of a few."""
    width = tensors["emb_layer_norm.weight"].shape[0]
    wide, hidden = tensors[f"{_LAYER}.fc1.weight"].shape[0], tensors["fc1.weight"].shape[0]
    dim = tensors["fc2.weight"].shape[0]
    linear = {
        **{f"{_ATTENTION}.{part}": (width, width) for part in ("q_proj", "k_proj", "v_proj", "out_proj")},
        f"{_LAYER}.fc1": (wide, width),
        f"{_LAYER}.fc2": (width, wide),
        "fc1": (hidden, width),
        "fc2": (dim, hidden),
    }
    norms = {f"{_LAYER}.self_attn_layer_norm": width, f"{_LAYER}.final_layer_norm": width}
    norms |= {"emb_layer_norm": width, "ln1": hidden}
    shapes: dict[str, tuple[int, ...]] = {_FREQUENCIES: (tensors[_FREQUENCIES].numel(),)}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name, size in norms.items():
        shapes |= {f"{name}.weight": (size,), f"{name}.bias": (size,)}
    return shapes
