"""Our own HiFi-NN network on ONNX Runtime: a unit vector a protein, whatever else is in the batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photophore.errors import ModelError, PluginError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_hifinn.shape import FORMAT, GATE_FLOOR, shape_of
from photophore_near.onnx_runtime import open_session
from photophore_near.packing import MULTIPLE, Row, calls, cut
from photophore_near.residues import PAD_TOKEN, tokens
from photophore_near.trained import product_by_row, read_trained
from photophore_near.upstream import tensor_digest

if TYPE_CHECKING:
    from photophore_hifinn.config import HifinnConfig

#: Longer proteins are cut into rows of this many residues, which overlap by what a vector sees.
ROW_LENGTH = 2048
#: Residues that go through the network at once.
RESIDUES_PER_CALL = 16_384

#: What is computed here, after the sums.
_TENSORS = {
    "norm.running_mean", "norm.running_var", "norm.weight", "norm.bias", "inner.weight", "inner.bias", "outer.weight",
}  # fmt: skip

#: What may be passed, where weights are not these.
_INSTEAD = "weights that `photophore train hifinn` wrote, or HiFi-NN's Lightning checkpoint (.ckpt)"

FloatArray = npt.NDArray[np.float32]


class OwnEncoder:
    """Weights that `photophore train hifinn` wrote."""

    name = "hifinn"

    def __init__(self, path: Path, precision: str, runtime: Runtime) -> None:
        self.shape, self._tensors = read_trained(path, FORMAT, shape_of, _INSTEAD)
        if missing := _TENSORS - set(self._tensors):
            raise ModelError(f"{path}: has no tensor {min(missing)!r}; check the download")
        self.digest = tensor_digest(self._tensors)
        self._threads = runtime.threads
        self._session = open_session(path.with_name(f"{path.stem}.{precision}.onnx"), threads=1)

    @property
    def dim(self) -> int:
        """Length of the vector of a protein."""
        return self.shape.dim

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return one unit vector for each protein."""
        items = [tokens(sequence) for sequence in batch.sequences]
        sums = np.zeros((len(items), self.shape.hidden), dtype=np.float32)
        gates = np.zeros((len(items), self.shape.heads), dtype=np.float32)
        trunk = self.shape.trunk
        border = -(-trunk.radius // MULTIPLE) * MULTIPLE
        row_length = max(ROW_LENGTH, 4 * border)  # the borders are computed twice
        rows = cut([len(item) for item in items], step=trunk.step, radius=trunk.radius, row_length=row_length)
        together = list(calls(rows, RESIDUES_PER_CALL))
        with ThreadPoolExecutor(self._threads) as pool:
            pooled = pool.map(lambda call: self._pool(items, call, call[0].length), together)
            for call, (row_sums, row_gates) in zip(together, pooled, strict=True):
                which = [row.item for row in call]
                np.add.at(sums, which, row_sums)
                np.add.at(gates, which, row_gates)
        offsets = np.arange(len(items) + 1, dtype=np.int64)
        return Embeddings(batch.ids, self._vectors(sums, gates), offsets, self.name, self.digest)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Refuse: a vector stands for a whole protein."""
        raise PluginError(
            f"encoder hifinn: encodes proteins, not profiles ({profiles.ids[0] if profiles.ids else 'none given'}); "
            "build the database of a look-up table of proteins: photophore db build --method hifinn LOOKUP.tsv"
        )

    def _pool(self, items: list[npt.NDArray[np.uint8]], call: list[Row], length: int) -> tuple[FloatArray, FloatArray]:
        """Run rows of one padded ``length``; return sums ``(rows, hidden)`` and gates ``(rows, heads)``."""
        padded = np.full((len(call), length), PAD_TOKEN, dtype=np.int32)
        counted = np.zeros((len(call), length // self.shape.trunk.step), dtype=np.float32)
        for tokens_of, counts, row in zip(padded, counted, call, strict=True):
            part = items[row.item][row.start : row.start + length]
            tokens_of[: len(part)] = part
            counts[row.skip : row.skip + row.count] = 1
        result: tuple[FloatArray, FloatArray] = self._session.run(
            ["sums", "gates"], {"tokens": padded, "counted": counted}
        )
        return result

    def _vectors(self, sums: FloatArray, gates: FloatArray) -> FloatArray:
        """Return unit vectors ``(proteins, dim)``; `HifinnNetwork.vectors` in numpy."""
        t = self._tensors
        means = sums / np.repeat(gates + GATE_FLOOR, self.shape.hidden // self.shape.heads, axis=1)
        x = (means - t["norm.running_mean"]) / np.sqrt(t["norm.running_var"] + 1e-5)
        x = x * t["norm.weight"] + t["norm.bias"]
        x = x + np.maximum(product_by_row(x, t["inner.weight"]) + t["inner.bias"], 0)
        x = product_by_row(x, t["outer.weight"])
        unit: FloatArray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return unit


def create_own(path: Path, config: HifinnConfig, runtime: Runtime) -> OwnEncoder:
    """Open the weights at ``path``; `ModelError` where they are not ours, or their exports are missing."""
    return OwnEncoder(path, config.precision, runtime)
