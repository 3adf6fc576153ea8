"""GLASS-PRIMES' published network: two transformer layers and attention pooling on ProtT5, out of its ``.pth`` checkpoint.

Residue vectors of ProtT5 -> linear -> transformer layers (pre-norm, ReLU) -> linear: a vector a residue. Softmax attention
over the residues -> their weighted sum: the vector of the protein. The cosine of two proteins is their TM-score, that of two
aligned residues their lDDT.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore_plm.checkpoints import read_checkpoint, tensor_digest
from photophore_plm.config import Prott5Config
from photophore_plm.prott5 import ProtT5, open_prott5
from photophore_plm.windows import windows
from photophore_siamese.aligning import Gaps
from photophore_siamese.comparing import AlignedProteins, FloatArray, Judgement
from photophore_siamese.config import ModelConfig

Tensors = Mapping[str, torch.Tensor]

#: Predicted lDDT that adds nothing to an alignment: pairs above it speak for one, pairs below against it.
NEUTRAL_LDDT = 0.5
#: What gaps cost, in lDDT.
GAPS = Gaps(1.0, 0.1)
_WHAT = "GLASS-PRIMES' checkpoints (.pth) can be read"


class Head:
    """The network after ProtT5: ``(residues, width)`` of one protein in, ``(residues, dim)`` out; pools these, too.

    Sizes follow from the shapes of the tensors; how many heads the attention has, from the checkpoint's ``config``.
    """

    def __init__(self, tensors: Tensors, heads: int, device: torch.device) -> None:
        self._tensors = {name: value.to(device) for name, value in tensors.items()}
        self._heads = heads
        self._layers = _layers(tensors)
        self.dim, _ = tensors["output_projection.weight"].shape
        self.width = tensors["input_projection.weight"].shape[1]
        self.digest = tensor_digest(tensors)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the residue vectors of one protein."""
        x = self._linear(rows, "input_projection")
        for layer in range(self._layers):
            name = f"transformer_layers.{layer}"
            x = x + self._attention(self._norm(x, f"{name}.norm1"), f"{name}.self_attn")
            hidden = functional.relu(self._linear(self._norm(x, f"{name}.norm2"), f"{name}.linear1"))
            x = x + self._linear(hidden, f"{name}.linear2")
        return self._linear(x, "output_projection")

    def weights(self, residues: torch.Tensor) -> torch.Tensor:
        """Return how much each residue counts in the pooling, before the softmax, ``shape=(residues,)``."""
        hidden = functional.relu(self._linear(residues, "global_attention.0"))
        return self._linear(hidden, "global_attention.2")[:, 0]

    def _attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Return multi-head self-attention of ``x (residues, hidden)``."""
        projected = functional.linear(x, self._tensors[f"{name}.in_proj_weight"], self._tensors[f"{name}.in_proj_bias"])
        query, key, value = (
            part.view(len(x), self._heads, -1).transpose(0, 1)[None] for part in projected.chunk(3, dim=-1)
        )  # (1, heads, residues, hidden / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self._linear(mixed[0].transpose(0, 1).reshape(x.shape), f"{name}.out_proj")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])


class UpstreamModel:
    """GLASS-PRIMES on ProtT5, as a `photophore_siamese.comparing.StructureModel`.

    A protein longer than the ``max_seq_len`` of the checkpoint goes through the transformer in windows of that length, since
    its attention never saw a longer one; the vector of the protein is pooled over all of them.
    """

    gaps = GAPS

    def __init__(self, prott5: ProtT5, head: Head, longest: int) -> None:
        self._prott5 = prott5
        self._head = head
        self._longest = longest
        self.dim = int(head.dim)
        self.digest = hashlib.sha256(f"{prott5.digest} {head.digest}".encode()).hexdigest()

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, FloatArray]]:
        """Yield ``(place, residues)`` of each protein, shortest first."""
        for place, rows in self._prott5.represent(sequences):
            with self._prott5.computing():
                parts = [
                    self._head(rows[window.start : window.stop])[
                        window.keep_start - window.start : window.keep_stop - window.start
                    ]
                    for window in windows(len(rows), self._longest, self._longest // 3)
                ]
                residues = torch.cat(parts).cpu().numpy()
            yield place, residues

    def pool(self, residues: FloatArray, stretches: Sequence[tuple[int, int]]) -> FloatArray:
        """Return the unit vector of each stretch."""
        with self._prott5.computing():
            rows = torch.from_numpy(residues).to(self._prott5.device)
            weights = self._head.weights(rows)
            pooled = [torch.softmax(weights[start:stop], dim=0) @ rows[start:stop] for start, stop in stretches]
            vectors: FloatArray = functional.normalize(torch.stack(pooled), dim=-1).cpu().numpy()
        return vectors

    @property
    def match_dim(self) -> int:
        """Length of the unit vector of a residue."""
        return int(self.dim)

    def matching(self, residues: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the vectors of residues at length 1, all equally telling."""
        return _unit(residues), np.zeros(len(residues), dtype=np.float32)

    def similarity(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return the predicted lDDT of each pair of residues, above or below `NEUTRAL_LDDT`."""
        return np.asarray(_unit(one) @ _unit(other).T - np.float32(NEUTRAL_LDDT))

    def judge(self, aligned: Sequence[AlignedProteins], *, given: bool = False) -> list[Judgement]:
        """Return the cosine of each two vectors, whatever lengths and alignment are, and of the vectors of each pair."""
        del given
        judged = []
        for one, other, (pairs, *_) in aligned:
            lddt = (_unit(one[pairs[:, 0]]) * _unit(other[pairs[:, 1]])).sum(axis=1)
            first, second = (self.pool(side, [(0, len(side))])[0] for side in (one, other))
            cosine = float(first @ second)
            judged.append(Judgement(cosine, cosine, np.asarray(lddt)))
        return judged


def _unit(rows: FloatArray) -> npt.NDArray[np.float32]:
    """Return rows scaled to length 1; torch's cosine has the same floor."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-8)))


def create_upstream(path: Path, config: ModelConfig, runtime: Runtime) -> UpstreamModel:
    """Open a checkpoint and the ProtT5 under it.

    Raises
    ------
    ModelError
        If one of them is damaged, or they do not fit together.
    """
    tensors, heads, longest = load_head(path)
    precision = "fp32" if config.precision == "fp32" else "fp16"
    prott5 = open_prott5(Prott5Config(weights=config.prott5, precision=precision), runtime)
    head = Head(tensors, heads, prott5.device)
    if head.width != prott5.dim:
        raise ModelError(
            f"{path}: takes vectors of length {head.width}, and {config.prott5} gives {prott5.dim}; name the ProtT5 that "
            "it was trained on (prot_t5_xl_uniref50 gives 1024)"
        )
    return UpstreamModel(prott5, head, longest)


def load_head(path: Path) -> tuple[Tensors, int, int]:
    """Return the tensors of a checkpoint in single precision, their shapes checked, its heads and its ``max_seq_len``."""
    checkpoint = read_checkpoint(path)
    stored, config = checkpoint.get("model_state_dict"), checkpoint.get("config")
    for name, value in (("model_state_dict", stored), ("config", config)):
        if not isinstance(value, Mapping):
            found = ", ".join(map(str, list(checkpoint)[:5])) or "nothing"
            raise ModelError(f"{path}: has no {name!r} (it holds {found}); {_WHAT}")
    tensors = {
        name.removeprefix("module."): value.float() for name, value in (stored or {}).items() if torch.is_tensor(value)
    }
    for name in ("input_projection.weight", "output_projection.weight", "transformer_layers.0.linear1.weight"):
        _require(tensors, name, path)
    wanted = _shapes(tensors)
    for name, shape in wanted.items():
        _require(tensors, name, path)
        if tuple(tensors[name].shape) != shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(tensors[name].shape)}, not {shape} as the others ask for; {_WHAT}"
            )
    heads, longest = (_number(config or {}, name, path) for name in ("nhead", "max_seq_len"))
    hidden = len(tensors["input_projection.weight"])
    if hidden % heads:
        raise ModelError(f"{path}: its config says nhead {heads}, which does not divide the width {hidden}; {_WHAT}")
    return {name: tensors[name] for name in wanted}, heads, longest


def _number(config: Mapping[str, object], name: str, path: Path) -> int:
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{path}: its config says {name} {value!r}, not a whole number above 0; {_WHAT}")
    return value


def _require(tensors: Tensors, name: str, path: Path) -> None:
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise ModelError(f"{path}: has no tensor {name!r} (it holds {found}); {_WHAT}")


def _layers(tensors: Tensors) -> int:
    """Return how many transformer layers there are."""
    return len({name.split(".")[1] for name in tensors if name.startswith("transformer_layers.")})


def _shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor must have, from those of a few."""
    hidden, width = tensors["input_projection.weight"].shape
    wide = tensors["transformer_layers.0.linear1.weight"].shape[0]
    dim = tensors["output_projection.weight"].shape[0]
    linear = {
        "input_projection": (hidden, width),
        "output_projection": (dim, hidden),
        "global_attention.0": (hidden // 2, dim),
        "global_attention.2": (1, hidden // 2),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(_layers(tensors)):
        name = f"transformer_layers.{layer}"
        linear |= {
            f"{name}.self_attn.out_proj": (hidden, hidden),
            f"{name}.linear1": (wide, hidden),
            f"{name}.linear2": (hidden, wide),
        }
        shapes |= {
            f"{name}.self_attn.in_proj_weight": (3 * hidden, hidden),
            f"{name}.self_attn.in_proj_bias": (3 * hidden,),
        }
        for norm in ("norm1", "norm2"):
            shapes |= {f"{name}.{norm}.weight": (hidden,), f"{name}.{norm}.bias": (hidden,)}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
