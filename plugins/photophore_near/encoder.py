"""The encoder `near`: proteins and profiles, cut into rows, run through a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from photophore.errors import ModelError, UsageError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_near.config import NearConfig
from photophore_near.onnx_runtime import OnnxNetwork, describe, is_own
from photophore_near.packing import MULTIPLE, cut, run_rows
from photophore_near.upstream import open_upstream

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


class Network(Protocol):
    """A trained network: a vector every ``step`` positions, each of which sees ``radius`` positions to each side.

    It can be called from ``threads`` threads at once.
    """

    dim: int
    step: int
    radius: int
    digest: str
    empty: int
    threads: int

    def tokens(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Return the token of each residue."""

    def embed_tokens(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map tokens ``(rows, length)`` to unit vectors ``(rows, length / step, dim)``."""

    def embed_values(self, rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Map distributions ``(rows, length, 20)`` to unit vectors ``(rows, length / step, dim)`` and the norms they had, ``(..., 1)``."""


class NearEncoder:
    """A unit vector every few residues, or profile positions, whatever else is in the batch."""

    name = "near"

    def __init__(self, network: Network, config: NearConfig) -> None:
        needed = 2 * -(-network.radius // MULTIPLE) * MULTIPLE + MULTIPLE
        if config.row_length < needed or config.row_length % MULTIPLE:
            raise UsageError(
                f"encoder option row_length={config.row_length}: a vector of these weights sees {network.radius} positions "
                f"to each side; give a multiple of {MULTIPLE} of at least {needed}"
            )
        self._network = network
        self._config = config

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self._network.dim

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights; the same in every precision, so that int8 queries search fp32 profiles."""
        return self._network.digest

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return a vector every ``step`` residues, centred on residues 0, ``step``, ``2 * step``, ..."""
        items = [self._network.tokens(sequence) for sequence in batch.sequences]
        values, offsets = self._run(items, self._network.empty, self.dim, self._network.embed_tokens)
        return Embeddings(batch.ids, values, offsets, self.name, self.digest, step=self._network.step)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Return a vector for each position; how long it was before it became a unit vector is its informativeness.

        Proteins are searched with a vector every ``step`` residues, from a grid that knows nothing of the profile's. So
        a profile goes through the network once for each way that the grids can lie, shifted by 0 to ``step - 1``.
        """
        items = np.split(profiles.values, profiles.offsets[1:-1]) if len(profiles) else []
        step = self._network.step

        def embed(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
            return np.concatenate(self._network.embed_values(rows), axis=-1)

        values = np.empty((len(profiles.values), self.dim + 1), dtype=np.float32)
        within = np.arange(len(values)) - np.repeat(profiles.offsets[:-1], np.diff(profiles.offsets))
        for shift in range(step):
            empty = np.zeros((shift, profiles.values.shape[1]), dtype=np.float32)
            shifted, offsets = self._run([np.concatenate([empty, item]) for item in items], 0, self.dim + 1, embed)
            centred = (within + shift) % step == 0
            first = np.repeat(offsets[:-1], np.diff(profiles.offsets))
            values[centred] = shifted[(first + (within + shift) // step)[centred]]
        vectors, norms = np.ascontiguousarray(values[:, :-1]), values[:, -1].copy()
        return Embeddings(profiles.ids, vectors, profiles.offsets, self.name, self.digest, informativeness=norms)

    def _run(
        self,
        items: Sequence[npt.NDArray[Any]],
        empty: int,
        channels: int,
        embed: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return what ``embed`` gives for the items, ``shape=(vectors, channels)``, and the offsets of the items."""
        network, config = self._network, self._config
        lengths = [len(item) for item in items]
        return run_rows(
            items,
            cut(lengths, step=network.step, radius=network.radius, row_length=config.row_length),
            embed,
            channels=channels,
            empty=empty,
            step=network.step,
            positions_per_call=config.positions_per_call,
            threads=network.threads,
        )


def create_near(config: NearConfig, runtime: Runtime) -> NearEncoder:
    """Open the weights that ``config`` names.

    Raises
    ------
    ModelError
        If they are missing, damaged, or need torch where it is not installed.
    """
    return NearEncoder(_open_network(weights_path(config.weights), config, runtime), config)


def weights_path(weights: str) -> Path:
    """Return the file of bundled weights given by name, or the path that was given.

    Raises
    ------
    ModelError
        If it is neither.
    """
    bundled = WEIGHTS_FOLDER / f"{weights}.safetensors"
    path = bundled if bundled.is_file() else Path(weights)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in WEIGHTS_FOLDER.glob("*.safetensors"))) or "none"
        raise ModelError(
            f"encoder near: weights={weights!r} is neither bundled (there are: {names}) nor a file; "
            "give the path of a .safetensors, .pt or .npz file"
        )
    return path


def _open_network(path: Path, config: NearConfig, runtime: Runtime) -> Network:
    if not is_own(path):
        return open_upstream(path, runtime)
    model = describe(path)
    graph = model.graph(config.precision)
    if runtime.device == "cpu" and graph.is_file():
        return OnnxNetwork(model, config.precision, runtime)
    if runtime.device == "cpu" and config.precision == "int8":
        raise ModelError(
            f"{graph}: missing, and precision=int8 runs it; export the weights again, "
            "or set encoder.precision=fp32 (computes with torch)"
        )
    try:
        from photophore_near.torch_runtime import TorchNetwork
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path}: on device {runtime.device!r} these weights need torch; install it with: pip install 'photophore[torch]'"
        ) from error
    return TorchNetwork(model, runtime)
