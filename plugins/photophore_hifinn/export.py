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
from photophore_near.residues import distributions
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
    """Write the same with the convolutions in 8 bits; ``calibration (rows, length)`` are tokens of real proteins."""
    graph = Graph()
    features = int8_trunk(graph, network.trunk, calibration, "tokens")
    _pool(graph, network, *(features.linear(graph, *part) for part in _linear_parts(network)))
    _save(graph, network, path)


def _linear_parts(network: HifinnNetwork) -> list[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Return name, weight ``(width, channels)`` and bias of the channels and of the gates, the balance taken in."""
    balance = array_of(network.balance)[:, None]
    return [
        (name, array_of(layer.weight)[:, :, 0, 0].T * balance, array_of(layer.bias))
        for name, layer in (("pooled", network.channels), ("gates.linear", network.gates))
    ]


def _pool(graph: Graph, network: HifinnNetwork, channels: str, gates: str) -> None:
    """Add the gated sums.

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
    own = np.repeat(np.eye(shape.heads, dtype=np.float32), shape.hidden // shape.heads, axis=1)
    kept = graph.node("Mul", [pairs, graph.constant("own", own)], "pairs.kept")
    axis = graph.constant("axis", np.array([1], dtype=np.int64))
    graph.node("ReduceSum", [kept, axis], "sums", keepdims=0)
    last = graph.constant("last", np.array([2], dtype=np.int64))
    graph.node("Squeeze", [graph.node("MatMul", [turned, counted], "gates.sum"), last], "gates")


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
