"""The encoder `near`: proteins and profiles laid on a tape, run through a network, and taken off again."""

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
from photophore_near.packing import lay_out, unpack
from photophore_near.upstream import open_upstream

WEIGHTS_FOLDER = Path(__file__).parent / "weights"

#: Shorter tapes are cut into rows of a multiple of this, so that ten proteins do not pay for a full row.
ROW_STEP = 128


class Network(Protocol):
    """A trained network over rows of a tape; a residue sees ``radius`` positions to each side."""

    dim: int
    radius: int
    digest: str
    empty: int

    def tokens(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Return the token of each residue."""

    def embed_tokens(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map tokens ``(rows, length)`` to unit vectors ``(rows, length, dim)``."""

    def embed_values(self, rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Map distributions ``(rows, length, 20)`` to unit vectors ``(rows, length, dim)`` and the norms they had ``(rows, length, 1)``."""


class NearEncoder:
    """One unit vector a residue, or a profile position, whatever else is in the batch."""

    name = "near"

    def __init__(self, network: Network, config: NearConfig) -> None:
        if config.row_length <= 2 * network.radius:
            raise UsageError(
                f"encoder option row_length={config.row_length}: a residue of these weights sees {network.radius} positions "
                f"to each side; give more than {2 * network.radius}"
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
        """Return one vector a residue."""
        items = [self._network.tokens(sequence) for sequence in batch.sequences]
        values, offsets = self._run(items, self._network.empty, self.dim, self._network.embed_tokens)
        return Embeddings(batch.ids, values, offsets, self.name, self.digest)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Return one vector a profile position; how long it was before it became a unit vector is its informativeness.

        A position that any residue fits gets a short vector, a conserved one a long vector: with the longer half of the
        vectors alone, true families are found as well as with all (``benchmarks/RESULTS.md``).
        """
        items = np.split(profiles.values, profiles.offsets[1:-1]) if len(profiles) else []

        def embed(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
            return np.concatenate(self._network.embed_values(rows), axis=-1)

        values, offsets = self._run(items, 0, self.dim + 1, embed)
        vectors, norms = np.ascontiguousarray(values[:, :-1]), values[:, -1].copy()
        return Embeddings(profiles.ids, vectors, offsets, self.name, self.digest, informativeness=norms)

    def _run(
        self,
        items: Sequence[npt.NDArray[Any]],
        empty: int,
        channels: int,
        embed: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return what ``embed`` gives for each residue, ``shape=(residues, channels)``, and the offsets of the items."""
        if not items:
            return np.empty((0, channels), dtype=np.float32), np.zeros(1, dtype=np.int64)
        tape = lay_out(items, radius=self._network.radius, empty=empty)
        rows = tape.rows(self._row_length(len(tape.values)))  # (rows, length, ...)
        step = self._config.rows_per_call
        values = np.empty((int(tape.lengths.sum()), channels), dtype=np.float32)
        for start in range(0, len(rows), step):
            unpack(tape, embed(rows[start : start + step]), start, values)
        return values, tape.offsets

    def _row_length(self, tape: int) -> int:
        """Return the row length for a tape of ``tape`` positions."""
        needed = -(-(tape + 2 * self._network.radius) // ROW_STEP) * ROW_STEP
        return min(self._config.row_length, needed)


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
