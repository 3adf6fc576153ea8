"""Makes fair-esm's ESM-2 network out of its checkpoint, as far as the layer that is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photophore.errors import ModelError, PluginError, UsageError
from photophore_plm.checkpoints import read_checkpoint, tensor_digest

#: What the training program put before the names of the tensors.
_PREFIXES = ("encoder.sentence_encoder.", "encoder.")
#: Parts that do not make representations.
_HEADS = ("lm_head.", "contact_head.")
_LAYER = re.compile(r"layers\.(\d+)\.")
_WHAT = "fair-esm's own checkpoints of ESM-2, such as esm2_t33_650M_UR50D.pt, can be read"


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of an ESM-2 network, as its checkpoint says them."""

    layers: int
    dim: int
    heads: int
    token_dropout: bool


@dataclass(frozen=True, slots=True)
class LoadedEsm2:
    """fair-esm's network with the layers up to ``layer`` of ``layers``, and its alphabet."""

    network: Any
    alphabet: Any
    dim: int
    layer: int
    layers: int
    digest: str


def load_esm2(path: Path, layer: int | None = None) -> LoadedEsm2:
    """Load an ESM-2 checkpoint of any size.

    Parameters
    ----------
    path
        Checkpoint of fair-esm: ``cfg`` with the sizes and ``model`` with the tensors.
    layer
        Layer whose output is wanted, from 1 on; None is the last but one. Later ones are not kept.

    Raises
    ------
    ModelError
        If it cannot be read, or is not one of ESM-2.
    UsageError
        If it has no such layer.
    PluginError
        If fair-esm is missing.
    """
    esm2_class, alphabet_class = _fair_esm()
    checkpoint = read_checkpoint(path)
    shape = _shape(checkpoint, path)
    layer = max(1, shape.layers - 1) if layer is None else layer
    if layer > shape.layers:
        raise UsageError(f"encoder option layer={layer}: {path} has {shape.layers} layers; give 1 to {shape.layers}")
    tensors = _tensors(checkpoint["model"], shape, layer)
    alphabet = alphabet_class.from_architecture("ESM-1b")
    with torch.device("meta"):  # no memory, and no time for random numbers that are not wanted
        network = esm2_class(layer, shape.dim, shape.heads, alphabet, shape.token_dropout)
    network.lm_head, network.contact_head = torch.nn.Identity(), torch.nn.Identity()
    if layer < shape.layers:
        network.emb_layer_norm_after = torch.nn.Identity()  # stands after the very last layer alone
    _check_tensors(tensors, network.state_dict(), path)
    network.load_state_dict(tensors, assign=True)
    return LoadedEsm2(network, alphabet, shape.dim, layer, shape.layers, tensor_digest(tensors))


def _fair_esm() -> tuple[Any, Any]:
    """Return the classes of the network and of its alphabet."""
    try:
        from esm.data import Alphabet
        from esm.model.esm2 import ESM2
    except ModuleNotFoundError as error:  # another package is called esm, too
        raise PluginError(
            f"encoder esm2 needs fair-esm ({error.name} is missing); run: pip install 'photophore[torch]'"
        ) from error
    return ESM2, Alphabet


def _shape(checkpoint: Mapping[str, Any], path: Path) -> Shape:
    """Return the sizes out of ``cfg`` (or ``args``) of a checkpoint."""
    if not isinstance(checkpoint.get("model"), Mapping):
        found = ", ".join(map(str, list(checkpoint)[:5])) or "nothing"
        raise ModelError(f"{path}: has no 'model' (it holds {found}); {_WHAT}")
    config = checkpoint.get("cfg")
    told = config.get("model") if isinstance(config, Mapping) else getattr(config, "model", checkpoint.get("args"))
    values = dict(told) if isinstance(told, Mapping) else vars(told) if hasattr(told, "__dict__") else {}
    names = ("encoder_layers", "encoder_embed_dim", "encoder_attention_heads", "token_dropout")
    if missing := [name for name in names if name not in values]:
        raise ModelError(f"{path}: its settings do not say {', '.join(missing)}; {_WHAT}")
    layers, dim, heads, dropout = (values[name] for name in names)
    if not all(isinstance(size, int) and size > 0 for size in (layers, dim, heads)) or dim % (2 * heads):
        raise ModelError(f"{path}: says {layers!r} layers of width {dim!r} with {heads!r} heads; {_WHAT}")
    return Shape(layers, dim, heads, bool(dropout))


def _tensors(stored: Mapping[str, Any], shape: Shape, layer: int) -> dict[str, torch.Tensor]:
    """Return the tensors that a network up to ``layer`` needs, under its own names, in single precision."""
    tensors: dict[str, torch.Tensor] = {}
    for given, value in stored.items():
        name = next((given.removeprefix(prefix) for prefix in _PREFIXES if given.startswith(prefix)), given)
        number = _LAYER.match(name)
        late = number is not None and layer <= int(number[1]) < shape.layers
        last = name.startswith("emb_layer_norm_after.") and layer < shape.layers
        if torch.is_tensor(value) and not (late or last or name.startswith(_HEADS)):
            tensors[name] = value.float()
    half = shape.dim // shape.heads // 2
    for place in range(layer):  # a buffer that follows from the sizes, which some files leave out
        tensors.setdefault(f"layers.{place}.self_attn.rot_emb.inv_freq", 1e4 ** (-torch.arange(half).float() / half))
    return tensors


def _check_tensors(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raise `ModelError` unless the tensors are those of the network."""
    if missing := sorted(wanted.keys() - tensors.keys()):
        raise ModelError(f"{path}: has no tensor {missing[0]!r} ({len(missing)} of {len(wanted)} are missing); {_WHAT}")
    if unknown := sorted(tensors.keys() - wanted.keys()):
        raise ModelError(f"{path}: holds {unknown[0]!r}, which ESM-2 does not have; {_WHAT}")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(value.shape)}, and its settings ask for {tuple(wanted[name].shape)}; {_WHAT}"
            )
