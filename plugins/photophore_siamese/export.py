"""The residue part of our structural network as ONNX: from tokens to rows, in fp32 and in int8.

What comes after the rows (pooling, alignment, the heads) is a few small matrices a protein; `photophore_siamese.own` computes
them in numpy. The 8-bit form is the fp32 graph quantised by ONNX Runtime's static method: ranges are measured on real
proteins, activations are unsigned, weights have one scale an output channel, and the last linear layer stays in floats, for
what it returns are directions.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx import TensorProto, helper

from photophore_near.residues import distributions
from photophore_near.trunk_export import Graph, array_of
from photophore_siamese.model import SiameseNetwork

#: Calibration rows that go through the network at once.
_ROWS_AT_ONCE = 20


@torch.no_grad()
def export(network: SiameseNetwork, weights: Path, calibration: npt.NDArray[np.uint8]) -> None:
    """Write both forms beside ``weights``; ``calibration (rows, length)`` are tokens of real proteins."""
    whole = weights.with_suffix(".fp32.onnx")
    export_float(network, whole)
    export_int8(whole, calibration, weights.with_suffix(".int8.onnx"))


@torch.no_grad()
def export_float(network: SiameseNetwork, path: Path) -> None:
    """Write ``tokens (rows, length) int32 -> rows (rows, length, width) float32``; the length is even."""
    graph = Graph()
    table = graph.constant("embedding.table", np.maximum(distributions() @ _kernel(network.trunk.embedding).T, 0))
    embedded = graph.node("Gather", [table, "tokens"], "embedded.rows")  # (rows, length, stem)
    height = graph.constant("height", np.array([2], dtype=np.int64))
    turned = graph.node("Transpose", [embedded], "embedded.turned", perm=[0, 2, 1])
    fine = graph.node("Unsqueeze", [turned, height], "embedded")  # (rows, stem, 1, length)
    coarse = fine
    for number, layer in enumerate(network.trunk.shorten):
        coarse = graph.node("Relu", [_convolution(graph, f"shorten{number}", layer, coarse)], f"shorten{number}.relu")
    for number, block in enumerate(network.trunk.blocks):
        coarse = _block(graph, f"block{number}", block, coarse)
    balance = array_of(network.balance)
    for number, block in enumerate(network.wide):
        if number == 0:
            coarse = graph.node("Mul", [coarse, graph.constant("balance", balance[None, :, None, None])], "balanced")
        coarse = _block(graph, f"wide{number}", block, coarse)
    joined = _joined(graph, network, fine, coarse)
    for number, block in enumerate(network.blocks):
        joined = _block(graph, f"fine{number}", block, joined)
    rows = graph.node("Squeeze", [_convolution(graph, "rows_head", network.rows_head, joined), height], "rows.channels")
    _unit_first(graph, network, graph.node("Transpose", [rows], "rows.raw", perm=[0, 2, 1]))
    value = helper.make_tensor_value_info
    graph.save(
        path,
        [value("tokens", TensorProto.INT32, ["rows", "length"])],
        [value("residues", TensorProto.FLOAT, ["rows", "length", network.shape.width])],
    )


def export_int8(whole: Path, calibration: npt.NDArray[np.uint8], path: Path) -> None:
    """Write the graph at ``whole`` with its convolutions in 8 bits."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools of onnx are built on what onnx itself has deprecated
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        level = logging.getLogger().level
        quantize_static(
            str(prepared),
            str(path),
            _Rows(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Add", "Relu", "Mul"],
            nodes_to_exclude=["rows_head"],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
        )
        logging.getLogger().setLevel(level)


class _Rows:
    """Feeds calibration rows to the quantiser, some at a time."""

    def __init__(self, rows: npt.NDArray[np.uint8]) -> None:
        self._parts = [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]

    def get_next(self) -> dict[str, npt.NDArray[np.int32]] | None:
        return {"tokens": self._parts.pop(0).astype(np.int32)} if self._parts else None


def _joined(graph: Graph, network: SiameseNetwork, fine: str, coarse: str) -> str:
    """Add what joins every second residue with all: each coarse vector is spread over two residues."""
    width = network.shape.trunk.width
    spread = _convolution(graph, "spread", network.spread, coarse)  # (rows, 2 * width, 1, length / 2)
    apart = graph.constant("spread.apart", np.array([0, 2, width, -1], dtype=np.int64))
    apart_shape = graph.node("Reshape", [spread, apart], "spread.halves")  # (rows, 2, width, length / 2)
    ordered = graph.node("Transpose", [apart_shape], "spread.ordered", perm=[0, 2, 3, 1])
    together = graph.constant("spread.together", np.array([0, width, 1, -1], dtype=np.int64))
    spread = graph.node("Reshape", [ordered, together], "spread.whole")  # (rows, width, 1, length)
    read = _convolution(graph, "fine", network.fine, fine)
    return graph.node("Relu", [graph.node("Add", [read, spread], "joined.sum")], "joined")


def _unit_first(graph: Graph, network: SiameseNetwork, rows: str) -> None:
    """Add the output ``residues``: the first part of each row brought to length 1."""
    shape = network.shape
    split = graph.constant("split", np.array([shape.match, shape.side], dtype=np.int64))
    graph.nodes.append(helper.make_node("Split", [rows, split], ["match", "side"], axis=2))
    axis = graph.constant("last", np.array([2], dtype=np.int64))
    length = graph.node("ReduceL2", ["match", axis], "match.length", keepdims=1)
    least = graph.constant("least", np.float32(1e-12))
    unit = graph.node("Div", ["match", graph.node("Max", [length, least], "match.some")], "match.unit")
    graph.node("Concat", [unit, "side"], "residues", axis=2)


def _block(graph: Graph, name: str, block: Any, x: str) -> str:
    inner = graph.node("Relu", [_convolution(graph, f"{name}.conv1", block.conv1, x)], f"{name}.hidden")
    inner = _convolution(graph, f"{name}.conv2", block.conv2, inner)
    return graph.node("Relu", [graph.node("Add", [x, inner], f"{name}.sum")], f"{name}.out")


def _convolution(graph: Graph, name: str, layer: torch.nn.Conv2d, x: str) -> str:
    inputs = [
        x,
        graph.constant(f"{name}.weight", array_of(layer.weight)),
        graph.constant(f"{name}.bias", array_of(layer.bias)),
    ]
    before = graph.node(
        "Conv",
        inputs,
        name,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        pads=[layer.padding[0], layer.padding[1]] * 2,
    )
    graph.nodes[-1].name = name
    return before


def _kernel(layer: torch.nn.Conv2d) -> npt.NDArray[np.float32]:
    return array_of(layer.weight)[:, :, 0, 0]
