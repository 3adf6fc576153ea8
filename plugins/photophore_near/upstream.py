"""NEAR's published network (btaf198): its alphabet, its weight files, and its forward pass.

One-hot residues -> linear -> eight layers of ``x + conv2(elu(conv1(elu(x))))`` with zeros beyond both ends -> unit rows.
The first layer is linear, so a distribution over residues goes in as well as a residue.
"""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore_near.residues import AMINO_ACIDS

#: Symbols by their index; ``U``, ``B``, ``J`` and ``0`` were set to index 0 (unknown), and so is any letter not listed.
SYMBOLS = "XARNDCEQGHILKMFPSTWYVBJZ0"
UNKNOWN_SYMBOLS = "UBJ0"

#: Token of the nothing between proteins: the row after the last symbol of the embedding table.
EMPTY = len(SYMBOLS)

Array = npt.NDArray[np.float32]


def _byte_to_token() -> npt.NDArray[np.uint8]:
    lookup = np.zeros(256, dtype=np.uint8)
    for token, symbol in enumerate(SYMBOLS):
        lookup[ord(symbol)] = 0 if symbol in UNKNOWN_SYMBOLS else token
    return lookup


_LOOKUP = _byte_to_token()


def tokens(sequence: str) -> npt.NDArray[np.uint8]:
    """Return NEAR's symbol of each residue, ``shape=(residues,)``."""
    return _LOOKUP[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


@dataclass(frozen=True, slots=True)
class Convolution:
    """``weight (out, in, kernel)`` and ``bias (out,)``."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class UpstreamWeights:
    """NEAR's tensors: ``embedding (dim, 25)`` and two convolutions a layer."""

    embedding: Array
    layers: tuple[tuple[Convolution, Convolution], ...]

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return int(self.embedding.shape[0])

    @property
    def radius(self) -> int:
        """How far one residue sees to each side."""
        return sum(convolution.weight.shape[2] // 2 for layer in self.layers for convolution in layer)


class Convolutions(Protocol):
    """Runs the layers: ``x (rows, length, dim)``, ``mask (rows, length)`` true at residues -> ``(rows, length, dim)``."""

    def __call__(self, x: Array, mask: npt.NDArray[np.bool_]) -> Array: ...


class UpstreamNetwork:
    """NEAR's network over rows of residues: a vector each."""

    empty = EMPTY
    step = 1
    threads = 1  # its convolutions take all

    def __init__(self, weights: UpstreamWeights, digest: str, convolutions: Convolutions) -> None:
        self.dim = weights.dim
        self.radius = weights.radius
        self.digest = digest
        table = weights.embedding.T  # (25, dim)
        self._table = np.concatenate([table, np.zeros((1, self.dim), dtype=np.float32)])
        self._amino_acids = table[tokens(AMINO_ACIDS)]  # (20, dim)
        self._convolutions = convolutions

    def tokens(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Return the symbols of ``sequence``."""
        return tokens(sequence)

    def embed_tokens(self, rows: npt.NDArray[np.uint8]) -> Array:
        """Map symbols ``(rows, length)`` to unit vectors ``(rows, length, dim)``."""
        return unit(self._convolutions(self._table[rows], np.not_equal(rows, EMPTY)))[0]

    def embed_values(self, rows: Array) -> tuple[Array, Array]:
        """Map distributions ``(rows, length, 20)``, all zero where there is nothing, to unit vectors and the norms they had."""
        return unit(self._convolutions(rows @ self._amino_acids, np.asarray(rows.any(axis=2))))

    def forward(self, sequence: str) -> Array:
        """Return what the network gives for one protein before normalisation, ``shape=(residues, dim)``."""
        row = tokens(sequence)[None]
        return self._convolutions(self._table[row], np.ones(row.shape, dtype=np.bool_))[0]


class NumpyConvolutions:
    """The layers by matrix products: several times slower than torch, for machines without it, and easy to check."""

    def __init__(self, weights: UpstreamWeights) -> None:
        self._layers = weights.layers

    def __call__(self, x: Array, mask: npt.NDArray[np.bool_]) -> Array:
        """Run the layers on ``x (rows, length, dim)``."""
        inside = mask[:, :, None]
        for first, second in self._layers:
            hidden = _convolve(_elu(x), first) * inside
            x = (x + _convolve(_elu(hidden), second)) * inside
        return x


def load_upstream(path: Path) -> tuple[UpstreamWeights, str]:
    """Read NEAR's weights from its ``.pt`` checkpoint, or from ``.npz`` or ``.safetensors`` with the same keys.

    Returns
    -------
    weights : UpstreamWeights
    digest : str
        SHA-256 over the tensors, the same for every file format.

    Raises
    ------
    ModelError
        If the file cannot be read or does not hold such tensors.
    """
    tensors = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in _read(path).items()}
    tensors.pop("in_symbols", None)
    return _assemble(tensors, path), tensor_digest(tensors)


def open_upstream(path: Path, runtime: Runtime) -> UpstreamNetwork:
    """Return NEAR's network with the weights at ``path``, by torch where it is installed and by numpy elsewhere."""
    weights, digest = load_upstream(path)
    if importlib.util.find_spec("torch") is not None:
        from photophore_near.torch_runtime import TorchConvolutions

        return UpstreamNetwork(weights, digest, TorchConvolutions(weights, runtime))
    if runtime.device != "cpu":
        raise ModelError(
            f"{path}: device {runtime.device!r} needs torch; install it with: pip install 'photophore[torch]'"
        )
    return UpstreamNetwork(weights, digest, NumpyConvolutions(weights))


def tensor_digest(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 (hex) of named tensors as float32, whatever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name], dtype="<f4")
        digest.update(f"{name} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def unit(x: Array) -> tuple[Array, Array]:
    """Return ``x`` with its last axis scaled to length 1 (zeros stay zeros), and the lengths it had, ``shape=(..., 1)``."""
    norm = np.maximum(np.sqrt(np.einsum("...d,...d->...", x, x)), np.float32(1e-12))[..., None]
    return x / norm, norm


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _convolve(x: Array, convolution: Convolution) -> Array:
    kernel = convolution.weight.shape[2]
    length = x.shape[1]
    padded = np.pad(x, ((0, 0), (kernel // 2, kernel // 2), (0, 0)))
    result = np.broadcast_to(convolution.bias, x.shape).copy()
    for shift in range(kernel):
        result += padded[:, shift : shift + length] @ convolution.weight[:, :, shift].T
    return result


def _read(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of NEAR's weights, or near-small for the bundled ones")
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: not a readable npz file ({error}); check the download") from error
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors: Mapping[str, npt.NDArray[Any]] = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: not a readable safetensors file ({error}); check the download") from error
        return tensors
    return _read_checkpoint(path)


def _read_checkpoint(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    if importlib.util.find_spec("torch") is None:
        raise ModelError(f"{path}: a checkpoint needs torch; install it with: pip install 'photophore[torch]'")
    from photophore_near.torch_runtime import read_checkpoint

    return read_checkpoint(path)


def _assemble(tensors: Mapping[str, Array], path: Path) -> UpstreamWeights:
    layers: list[tuple[Convolution, Convolution]] = []
    embedding = _tensor(tensors, "embedding_layer.weight", path, ndim=2)
    dim = embedding.shape[0]
    if embedding.shape[1] != len(SYMBOLS):
        raise ModelError(
            f"{path}: embedding_layer.weight has shape {embedding.shape}, not (dim, {len(SYMBOLS)}); "
            "these are not weights of NEAR's alphabet"
        )
    while f"conv_layers.{len(layers)}.conv1.weight" in tensors:
        prefix = f"conv_layers.{len(layers)}"
        first, second = (_convolution(tensors, f"{prefix}.{part}", dim, path) for part in ("conv1", "conv2"))
        layers.append((first, second))
    if not layers:
        raise ModelError(f"{path}: has no conv_layers.0.conv1.weight; these are not weights of NEAR")
    unused = set(tensors) - {"embedding_layer.weight"} - _convolution_names(len(layers))
    if unused:
        raise ModelError(f"{path}: holds {min(unused)!r}, which NEAR's network does not have; check the file")
    return UpstreamWeights(embedding, tuple(layers))


def _convolution_names(layers: int) -> set[str]:
    return {
        f"conv_layers.{layer}.{part}.{kind}"
        for layer in range(layers)
        for part in ("conv1", "conv2")
        for kind in ("weight", "bias")
    }


def _convolution(tensors: Mapping[str, Array], name: str, dim: int, path: Path) -> Convolution:
    weight = _tensor(tensors, f"{name}.weight", path, ndim=3)
    bias = _tensor(tensors, f"{name}.bias", path, ndim=1)
    if weight.shape[:2] != (dim, dim) or weight.shape[2] % 2 == 0 or bias.shape != (dim,):
        raise ModelError(
            f"{path}: {name} has shapes {weight.shape} and {bias.shape}, not ({dim}, {dim}, odd kernel) and ({dim},)"
        )
    return Convolution(weight, bias)


def _tensor(tensors: Mapping[str, Array], name: str, path: Path, *, ndim: int) -> Array:
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise ModelError(f"{path}: has no tensor {name!r} (it holds {found}); these are not weights of NEAR")
    if tensors[name].ndim != ndim:
        raise ModelError(f"{path}: {name} has {tensors[name].ndim} dimensions, not {ndim}")
    return tensors[name]
