"""The near network as ONNX: fp32 from distributions, int8 from tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from photophore_near.model import NearNetwork
from photophore_near.trunk_export import Graph, array_of, float_trunk, int8_trunk


def export_float(network: NearNetwork, path: Path) -> None:
    """Write ``values (rows, length, 20) float32 -> embeddings (rows, length / step, dim)``, equal to torch to 1e-5.

    A second output, ``norms (rows, length / step, 1)``, is how long each vector was before it became a unit vector.
    """
    graph = Graph()
    x = float_trunk(graph, network, "values")
    head = [
        graph.constant("head.weight", array_of(network.head.weight)),
        graph.constant("head.bias", array_of(network.head.bias)),
    ]
    x = graph.node("Squeeze", [graph.node("Conv", [x, *head], "head"), "height"], "vectors")
    _normalise(graph, graph.node("Transpose", [x], "rows", perm=[0, 2, 1]))
    source = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["rows", "length", 20])
    graph.save(path, [source], _outputs(network.shape.dim))


def export_int8(network: NearNetwork, calibration: npt.NDArray[np.uint8], path: Path) -> None:
    """Write ``tokens (rows, length) int32 -> embeddings (rows, length / step, dim)``.

    Parameters
    ----------
    network
        Trained network.
    calibration
        ``shape=(rows, length), dtype=uint8``: tokens of real proteins, to measure the range of the activations.
    path
        The ONNX file to write.
    """
    graph = Graph()
    features = int8_trunk(graph, network, calibration, "tokens")
    vectors = features.linear(
        graph, "vectors", array_of(network.head.weight)[:, :, 0, 0].T, array_of(network.head.bias)
    )
    _normalise(graph, vectors)
    source = helper.make_tensor_value_info("tokens", TensorProto.INT32, ["rows", "length"])
    graph.save(path, [source], _outputs(network.shape.dim))


def _outputs(dim: int) -> list[Any]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "vectors", size])
        for name, size in (("embeddings", dim), ("norms", 1))
    ]


def _normalise(graph: Graph, vectors: str) -> None:
    """Add the outputs: the norm of each vector, and the unit vector."""
    axis = graph.constant("axis", np.array([-1], dtype=np.int64))
    smallest = graph.constant("smallest", np.float32(1e-12))
    norms = graph.node("Max", [graph.node("ReduceL2", [vectors, axis], "lengths", keepdims=1), smallest], "norms")
    graph.node("Div", [vectors, norms], "embeddings")
