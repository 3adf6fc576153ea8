"""The residue part of our HiFi-NN network as ONNX: from tokens to sums under the gates, in fp32 and in int8.

What comes after the sums is a few small matrices a protein; `photophore_hifinn.own` computes it in numpy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from onnx import TensorProto, helper

from photophore_hifinn.model import HifinnNetwork
from photophore_hifinn.shape import GATE_FLOOR
from photophore_near.onnx_runtime import open_session
from photophore_near.residues import PAD_TOKEN, distributions
from photophore_near.trunk_export import Graph, array_of, float_trunk, int8_trunk


def export_float(network: HifinnNetwork, path: Path) -> None:
    """Write ``tokens (rows, length) int32, counted (rows, length / step) -> sums (rows, hidden), gates (rows, heads)``."""
    graph = Graph()
    table = graph.constant("distributions", distributions())
    values = graph.node("Gather", [table, "tokens"], "values")
    stream = float_trunk(graph, network.trunk, values)  # (rows, width, 1, positions)
    features = graph.node("Transpose", [graph.node("Squeeze", [stream, "height"], "flat")], "features", perm=[0, 2, 1])
    linear = []
    for name, weight, bias in _linear_parts(network):
        product = graph.node("MatMul", [features, graph.constant(f"{name}.weight", weight)], f"{name}.product")
        linear.append(graph.node("Add", [product, graph.constant(f"{name}.bias", bias)], name))
    _pool(graph, network, *linear)
    _save(graph, network, path)


def export_int8(network: HifinnNetwork, calibration: npt.NDArray[np.uint8], path: Path) -> None:
    """Write the same with the convolutions in 8 bits; ``calibration (rows, length)`` are tokens of real proteins.

    Rounding shifts the mean of a channel, by much the same in every protein. Proteins differ by little more than that, so
    the shift is measured on the calibration rows, and taken off.
    """
    _write_int8(network, calibration, np.zeros(network.shape.hidden, dtype=np.float32), path)
    tokens = calibration.astype(np.int64)
    counted = (tokens[:, :: network.shape.trunk.step] != PAD_TOKEN).astype(np.float32)
    inputs = {"tokens": calibration.astype(np.int32), "counted": counted}
    coarse = _means(network, *open_session(path, threads=1).run(["sums", "gates"], inputs))
    with torch.no_grad():
        pooled = network.pooled(torch.from_numpy(distributions()[tokens]), torch.from_numpy(counted))
    exact = _means(network, *map(array_of, pooled))
    _write_int8(network, calibration, (exact - coarse).mean(axis=0), path)


def _write_int8(
    network: HifinnNetwork, calibration: npt.NDArray[np.uint8], shift: npt.NDArray[np.float32], path: Path
) -> None:
    graph = Graph()
    features = int8_trunk(graph, network.trunk, calibration, "tokens")
    _pool(graph, network, *(features.linear(graph, *part) for part in _linear_parts(network)), shift=shift)
    _save(graph, network, path)


def _means(
    network: HifinnNetwork, sums: npt.NDArray[np.float32], gates: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the means ``(rows, hidden)`` under the gates."""
    share = network.shape.hidden // network.shape.heads
    return (sums / np.repeat(gates + GATE_FLOOR, share, axis=1)).astype(np.float32)


def _linear_parts(network: HifinnNetwork) -> list[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Return name, weight ``(width, channels)`` and bias of the channels and of the gates, the balance taken in."""
    balance = array_of(network.balance)[:, None]
    return [
        (name, array_of(layer.weight)[:, :, 0, 0].T * balance, array_of(layer.bias))
        for name, layer in (("pooled", network.channels), ("gates.linear", network.gates))
    ]


def _pool(
    graph: Graph, network: HifinnNetwork, channels: str, gates: str, *, shift: npt.NDArray[np.float32] | None = None
) -> None:
    """Add the gated sums, of channels to which ``shift (hidden,)`` is added.

    Every gate is summed with every channel, and the pairs that belong together are kept: eight times the products, but
    of one matrix product a row, and nothing is laid out anew. The gates themselves are summed by a product, too, for
    ``ReduceSum`` over positions rounds by how many rows there are.
    """
    shape = network.shape
    channels = graph.node("Relu", [channels], "pooled.relu")  # (rows, positions, hidden)
    column = graph.constant("column", np.array([2], dtype=np.int64))
    counted = graph.node("Unsqueeze", ["counted", column], "counted.column")
    gates = graph.node("Mul", [graph.node("Sigmoid", [gates], "gates.open"), counted], "gates.counted")
    turned = graph.node("Transpose", [gates], "gates.turned", perm=[0, 2, 1])
    pairs = graph.node("MatMul", [turned, channels], "pairs")  # (rows, heads, hidden)
    total = graph.node("MatMul", [turned, counted], "gates.sum")  # (rows, heads, 1)
    if shift is not None:
        moved = graph.node("Mul", [total, graph.constant("shift", shift)], "pairs.shift")
        pairs = graph.node("Add", [pairs, moved], "pairs.shifted")
    own = np.repeat(np.eye(shape.heads, dtype=np.float32), shape.hidden // shape.heads, axis=1)
    kept = graph.node("Mul", [pairs, graph.constant("own", own)], "pairs.kept")
    axis = graph.constant("axis", np.array([1], dtype=np.int64))
    graph.node("ReduceSum", [kept, axis], "sums", keepdims=0)
    graph.node("Squeeze", [total, column], "gates")


def _save(graph: Graph, network: HifinnNetwork, path: Path) -> None:
    value = helper.make_tensor_value_info
    inputs = [
        value("tokens", TensorProto.INT32, ["rows", "length"]),
        value("counted", TensorProto.FLOAT, ["rows", "positions"]),
    ]
    outputs = [
        value("sums", TensorProto.FLOAT, ["rows", network.shape.hidden]),
        value("gates", TensorProto.FLOAT, ["rows", network.shape.heads]),
    ]
    graph.save(path, inputs, outputs)


@torch.no_grad()
def export(network: HifinnNetwork, weights: Path, calibration: npt.NDArray[np.uint8]) -> None:
    """Write both forms beside ``weights``."""
    export_float(network, weights.with_suffix(".fp32.onnx"))
    export_int8(network, calibration, weights.with_suffix(".int8.onnx"))
