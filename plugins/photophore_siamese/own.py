"""Our own structural network on ONNX Runtime: rows of residues, vectors of stretches, TM-score and lDDT of a pair.

A row is a unit vector that alignments compare, what pooling and lDDT read beside it, how alike the residue is to
just any residue, and which amino acid it is. The similarity of two residues is the logarithm of how much likelier than by
chance they belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore_near.onnx_runtime import open_session
from photophore_near.packing import MULTIPLE, cut, run_rows
from photophore_near.residues import PAD_TOKEN, tokens
from photophore_near.trained import product_by_row, read_trained
from photophore_near.upstream import tensor_digest
from photophore_siamese.aligning import Gaps
from photophore_siamese.codes import CODE_TENSORS, Codes, Text
from photophore_siamese.comparing import AlignedProteins, Judgement
from photophore_siamese.heads import HEAD_TENSORS, Heads
from photophore_siamese.shape import FORMAT, GATE_FLOOR, shape_of

if TYPE_CHECKING:
    from photophore_siamese.config import ModelConfig

#: Longer proteins are cut into rows of this many residues, which overlap by what a row sees.
ROW_LENGTH = 2048
#: Residues that go through the network at once.
RESIDUES_PER_CALL = 16_384
#: Residues of which the channels are pooled at once.
_POOLED_AT_ONCE = 8192

#: What is computed here, after the rows, but for the heads.
_TENSORS = {
    "channels.weight", "channels.bias", "gates.weight", "gates.bias", "norm.running_mean", "norm.running_var",
    "norm.weight", "norm.bias", "inner.weight", "inner.bias", "outer.weight",
}  # fmt: skip

#: What may be passed, where weights are not these.
_INSTEAD = "weights that `photophore train siamese` wrote, or GLASS-PRIMES' own checkpoint (.pth)"

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


class OwnModel:
    """Weights that `photophore train siamese` wrote."""

    def __init__(self, path: Path, precision: str, threads: int) -> None:
        self.shape, self._tensors = read_trained(path, FORMAT, shape_of, _INSTEAD)
        if missing := (_TENSORS | HEAD_TENSORS | CODE_TENSORS) - set(self._tensors):
            raise ModelError(f"{path}: has no tensor {min(missing)!r}; check the download, or train it to the end")
        self._heads = Heads(self.shape, self._tensors)
        self._codes = Codes(self._heads, self._tensors)
        self._digest = tensor_digest(self._tensors)
        self._session = open_session(path.with_name(f"{path.stem}.{precision}.onnx"), threads)

    @property
    def dim(self) -> int:
        """Length of the vector of a protein."""
        return self.shape.dim

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights."""
        return self._digest

    @property
    def gaps(self) -> Gaps:
        """What gaps cost, in units of `similarity`."""
        return self._heads.gaps

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, FloatArray]]:
        """Yield ``(place, residues)`` of each protein, ``residues`` of ``shape=(n, match + side + 2), dtype=float32``."""
        border = -(-self.shape.radius // MULTIPLE) * MULTIPLE
        row_length = max(ROW_LENGTH, 4 * border)  # the borders are computed twice
        order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]))
        while order:
            part = _next_part(order, sequences)
            residues = [tokens(sequences[place]) for place in part]
            rows, offsets = run_rows(
                residues,
                cut([len(each) for each in residues], step=1, radius=self.shape.radius, row_length=row_length),
                self._run,
                channels=self.shape.width,
                empty=PAD_TOKEN,
                step=1,
                positions_per_call=RESIDUES_PER_CALL,
            )
            for number, place in enumerate(part):
                yield place, self._heads.finished(rows[offsets[number] : offsets[number + 1]], residues[number])

    def pool(self, residues: FloatArray, stretches: Sequence[tuple[int, int]]) -> FloatArray:
        """Return a unit vector of each stretch ``(start, stop)`` of a protein, ``shape=(stretches, dim)``."""
        sums = np.zeros((len(stretches), self.shape.hidden))
        gates = np.zeros((len(stretches), self.shape.heads))
        for begin in range(0, len(residues), _POOLED_AT_ONCE):
            part = residues[begin : begin + _POOLED_AT_ONCE, : self.shape.width]
            open_gates, channels = self._gated(part)
            edges = np.clip(np.array(stretches, dtype=np.int64) - begin, 0, len(part))
            for number, (first, last) in enumerate(edges.tolist()):
                sums[number] += self._weighed(open_gates[first:last], channels[first:last])
                gates[number] += open_gates[first:last].sum(axis=0, dtype=np.float64)
        return self._vectors(sums.astype(np.float32), gates.astype(np.float32))

    @property
    def match_dim(self) -> int:
        """Length of the unit vector of a residue."""
        return self.shape.match

    def matching(self, residues: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the unit vectors of residues, and how unlike just any residue each is."""
        return residues[:, : self.shape.match], -residues[:, -2]

    def similarity(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return what it adds to an alignment to pair residue i with residue j, ``shape=(n, m)``."""
        return self._heads.similarity(one, other)

    def spell(self, residues: FloatArray) -> Text:
        """Return a protein as letters of kinds of residues."""
        return self._codes.spell(residues)

    def text_scores(self, residues: FloatArray, texts: Sequence[Text]) -> npt.NDArray[np.int32]:
        """Return how well each text aligns to a protein."""
        return self._codes.scores(residues, texts)

    def judge(self, aligned: Sequence[AlignedProteins], *, given: bool = False) -> list[Judgement]:
        """Return TM-scores and the lDDT of each pair of aligned residues, along our own alignments or ``given`` ones."""
        return self._heads.judge(aligned, given=given)

    def _run(self, rows: npt.NDArray[np.uint8]) -> FloatArray:
        """Map tokens ``(rows, length)`` to rows of residues ``(rows, length, width)``."""
        (residues,) = self._session.run(["residues"], {"tokens": rows.astype(np.int32)})
        result: FloatArray = residues
        return result

    def _gated(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the gates ``(n, heads)``, and the channels ``(n, hidden)`` before they go through them."""
        t = self._tensors
        gates = 1 / (1 + np.exp(-(rows @ t["gates.weight"].T + t["gates.bias"])))
        channels = rows @ t["channels.weight"].T
        channels += t["channels.bias"]
        return gates, np.maximum(channels, 0, out=channels)

    def _weighed(self, gates: FloatArray, channels: FloatArray) -> FloatArray:
        """Return the sum of each channel ``(hidden,)``, weighed by the gate of its head."""
        heads = self.shape.heads
        by_gate = (gates.T @ channels).reshape(heads, heads, -1)  # every channel by every gate: cheaper than to pick
        result: FloatArray = by_gate[np.arange(heads), np.arange(heads)].ravel()
        return result

    def _vectors(self, sums: FloatArray, gates: FloatArray) -> FloatArray:
        """Return unit vectors ``(stretches, dim)``; `SiameseNetwork.vectors` in numpy."""
        t = self._tensors
        means = sums / np.repeat(gates + GATE_FLOOR, self.shape.hidden // self.shape.heads, axis=1)
        x = (means - t["norm.running_mean"]) / np.sqrt(t["norm.running_var"] + 1e-5)
        x = x * t["norm.weight"] + t["norm.bias"]
        x = x + np.maximum(product_by_row(x, t["inner.weight"]) + t["inner.bias"], 0)
        x = product_by_row(x, t["outer.weight"])
        unit: FloatArray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return unit


def create_own(path: Path, config: ModelConfig, runtime: Runtime) -> OwnModel:
    """Open the weights at ``path``; `ModelError` where they are not ours, or their exports are missing."""
    return OwnModel(path, config.precision, runtime.threads)


def _next_part(order: list[int], sequences: Sequence[str]) -> list[int]:
    """Take proteins from the front of ``order``: as many as go through the network at once, at least one."""
    room = RESIDUES_PER_CALL
    part: list[int] = []
    while order and (not part or len(sequences[order[0]]) <= room):
        room -= len(sequences[order[0]])
        part.append(order.pop(0))
    return part
