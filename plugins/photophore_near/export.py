"""The near network as ONNX: fp32 from distributions, int8 from tokens.

The int8 graph is written operator by operator (``QLinearConv`` in channels-last order, ``QLinearAdd``), because this is
the form that ONNX Runtime runs without a single conversion in between. Activations are unsigned 8-bit with zero point 0
after a ReLU, which the saturation at 0 then does for free; weights are symmetric, one scale an output channel, and kept
within 7 bits so that processors without VNNI, which add pairs of products in 16 bits, give the same numbers.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from photophore_near.model import NearNetwork
from photophore_near.residues import distributions

_OPSETS = (("", 21), ("com.microsoft", 1))
_IR_VERSION = 10
#: Largest magnitude of an int8 weight: 7 bits.
_WEIGHT_MAX = 63.0
#: Share of calibration activations that fits the 8 bits; the rest saturates.
_CLIP = 0.9999


class _Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def save(self, path: Path, source: Any, dim: int) -> None:
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "vectors", size])
            for name, size in (("embeddings", dim), ("norms", 1))
        ]
        graph = helper.make_graph(self.nodes, "near", [source], outputs, self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(*pair) for pair in _OPSETS], ir_version=_IR_VERSION
        )
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def export_float(network: NearNetwork, path: Path) -> None:
    """Write ``values (rows, length, 20) float32 -> embeddings (rows, length / step, dim)``, equal to torch to 1e-5.

    A second output, ``norms (rows, length / step, 1)``, is how long each vector was before it became a unit vector.
    """
    graph = _Graph()
    kernel = network.shape.kernel
    padding: dict[str, Any] = {"kernel_shape": [1, kernel], "pads": [0, kernel // 2, 0, kernel // 2]}
    height = graph.constant("height", np.array([2], dtype=np.int64))
    x = graph.node("Transpose", ["values"], "channels", perm=[0, 2, 1])
    x = graph.node("Unsqueeze", [x, height], "planes")
    x = graph.node("Conv", [x, graph.constant("embedding", _array(network.embedding.weight))], "embedded")
    x = graph.node("Relu", [x], "shortened0")
    for number, layer in enumerate(network.shorten):
        name = f"shorten{number}"
        weights = [
            graph.constant(f"{name}.weight", _array(layer.weight)),
            graph.constant(f"{name}.bias", _array(layer.bias)),
        ]
        span = layer.kernel_size[1]
        x = graph.node(
            "Conv", [x, *weights], name, kernel_shape=[1, span], strides=[1, 2], pads=[0, span // 2, 0, span // 2]
        )
        x = graph.node("Relu", [x], f"shortened{number + 1}")
    for number, block in enumerate(network.blocks):
        inner = x
        for conv in ("conv1", "conv2"):
            layer, name = getattr(block, conv), f"block{number}.{conv}"
            weights = [
                graph.constant(f"{name}.weight", _array(layer.weight)),
                graph.constant(f"{name}.bias", _array(layer.bias)),
            ]
            inner = graph.node("Conv", [inner, *weights], name, **padding)
            if conv == "conv1":
                inner = graph.node("Relu", [inner], f"{name}.relu")
        x = graph.node("Relu", [graph.node("Add", [x, inner], f"block{number}.sum")], f"stream{number}")
    head = [
        graph.constant("head.weight", _array(network.head.weight)),
        graph.constant("head.bias", _array(network.head.bias)),
    ]
    x = graph.node("Squeeze", [graph.node("Conv", [x, *head], "head"), height], "vectors")
    _normalise(graph, graph.node("Transpose", [x], "rows", perm=[0, 2, 1]))
    source = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["rows", "length", 20])
    graph.save(path, source, network.shape.dim)


@dataclass(frozen=True, slots=True)
class _Scales:
    """Step of the 8-bit grid of every activation tensor, and how far each channel of the last stream is scaled down.

    ``shortened`` are the first layer and what the convolutions of stride 2 make of it, ``stream`` what each block returns.

    The last stream only has to give a direction, so training lets a few of its channels grow without bound; on one grid
    for all channels the others would vanish. ``shrink``, ``shape=(width,)``, are factors of whole 255ths.
    """

    shortened: list[float]
    stream: list[float]
    hidden: list[float]
    update: list[float]
    shrink: npt.NDArray[np.float32]


def _reach(x: torch.Tensor) -> torch.Tensor:
    """Return what nearly all magnitudes of each channel of ``x (batch, width, 1, length)`` stay below, ``shape=(width,)``."""
    return torch.quantile(x.abs().transpose(0, 1).flatten(1)[:, ::2], _CLIP, dim=1)


@torch.no_grad()
def _calibrate(network: NearNetwork, values: torch.Tensor) -> _Scales:
    """Run ``values (rows, length, 20)`` through the network and measure the range of every activation."""
    x = torch.relu(network.embedding(values.transpose(1, 2).unsqueeze(2)))
    shortened: list[float] = [float(_reach(x).max()) / 255]
    for layer in network.shorten:
        x = torch.relu(layer(x))
        shortened.append(float(_reach(x).max()) / 255)
    stream: list[float] = []
    hidden: list[float] = []
    update: list[float] = []
    shrink = torch.ones(network.shape.width)
    for number, block in enumerate(network.blocks):
        inner = torch.relu(block.conv1(x))
        added = block.conv2(inner)
        after = torch.relu(x + added)
        if number == len(network.blocks) - 1:
            reach = torch.maximum(_reach(after), _reach(added))
            shrink = torch.floor(255 * (reach.median() / reach).clamp(max=1.0)).clamp(min=1.0) / 255
        x, added = after * shrink[:, None, None], added * shrink[:, None, None]
        hidden.append(float(_reach(inner).max()) / 255)
        update.append(float(_reach(added).max()) / 127)
        stream.append(float(_reach(x).max()) / 255)
    return _Scales(shortened, stream, hidden, update, shrink.numpy())


@torch.no_grad()
def _equalised(network: NearNetwork, values: torch.Tensor) -> NearNetwork:
    """Return the same function with the channels inside each block brought to like ranges, half in either convolution.

    A channel between two convolutions may be scaled by any factor, for ReLU lets it through.
    """
    network = copy.deepcopy(network)
    x = torch.relu(network.embedding(values.transpose(1, 2).unsqueeze(2)))
    for layer in network.shorten:
        x = torch.relu(layer(x))
    for block in network.blocks:
        inner = torch.relu(block.conv1(x))
        x = torch.relu(x + block.conv2(inner))
        weights = block.conv2.weight.abs().amax(dim=(0, 2, 3)).clamp(min=1e-6)
        factor = (_reach(inner).clamp(min=1e-6) / weights).sqrt()
        factor /= factor.median()
        block.conv1.weight /= factor[:, None, None, None]
        block.conv1.bias /= factor
        block.conv2.weight *= factor[None, :, None, None]
    return network


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
    table = torch.from_numpy(distributions())
    values = table[torch.from_numpy(calibration.astype(np.int64))]
    network = _equalised(network, values)
    scales = _calibrate(network, values)
    shrunk = torch.from_numpy(scales.shrink)
    network.blocks[-1].conv2.weight.data *= shrunk[:, None, None, None]
    network.blocks[-1].conv2.bias.data *= shrunk
    graph = _Graph()
    zero, middle = graph.constant("zero", np.uint8(0)), graph.constant("middle", np.uint8(128))
    embedded = np.maximum(distributions() @ _array(network.embedding.weight)[:, :, 0, 0].T, 0)  # (tokens, channels)
    lookup = graph.constant("embedding", _unsigned(embedded, scales.shortened[0]))
    height = graph.constant("height", np.array([1], dtype=np.int64))
    x = graph.node("Unsqueeze", [graph.node("Gather", [lookup, "tokens"], "embedded"), height], "shortened0")
    step, stream = scales.shortened[0], graph.constant("shortened0.step", np.float32(scales.shortened[0]))
    for number, layer in enumerate(network.shorten):
        after = graph.constant(f"shortened{number + 1}.step", np.float32(scales.shortened[number + 1]))
        x = _convolution(graph, f"shorten{number}", layer, x, step, (stream, zero), (after, zero))
        step, stream = scales.shortened[number + 1], after
    for number, block in enumerate(network.blocks):
        name = f"block{number}"
        hidden = graph.constant(f"{name}.hidden.step", np.float32(scales.hidden[number]))
        update = graph.constant(f"{name}.update.step", np.float32(scales.update[number]))
        after = graph.constant(f"stream{number}.step", np.float32(scales.stream[number]))
        inner = _convolution(graph, f"{name}.conv1", block.conv1, x, step, (stream, zero), (hidden, zero))
        inner = _convolution(
            graph, f"{name}.conv2", block.conv2, inner, scales.hidden[number], (hidden, zero), (update, middle)
        )
        if number == len(network.blocks) - 1:
            factors = graph.constant("shrink", np.rint(scales.shrink * 255).astype(np.uint8))
            whole = graph.constant("shrink.step", np.float32(1 / 255))
            x = graph.node(
                "QLinearMul", [x, stream, zero, factors, whole, zero, stream, zero], "skip", domain="com.microsoft"
            )
        x = graph.node(
            "QLinearAdd",
            [x, stream, zero, inner, update, middle, after, zero],
            f"stream{number}",
            domain="com.microsoft",
        )
        step, stream = scales.stream[number], after
    x = graph.node("Squeeze", [x, height], "features")
    weight = _array(network.head.weight)[:, :, 0, 0].T / scales.shrink[:, None]  # (width, dim)
    steps = np.abs(weight).max(axis=0) / 127.0
    head = [
        graph.constant("head.weight", np.rint(weight / steps).astype(np.int8)),
        stream,
        graph.constant("head.step", steps.astype(np.float32)),
        zero,
        graph.constant("head.zero", np.zeros(len(steps), dtype=np.int8)),
        graph.constant("head.bias", _array(network.head.bias)),
    ]
    _normalise(graph, graph.node("MatMulIntegerToFloat", [x, *head], "vectors", domain="com.microsoft"))
    source = helper.make_tensor_value_info("tokens", TensorProto.INT32, ["rows", "length"])
    graph.save(path, source, network.shape.dim)


def _normalise(graph: _Graph, vectors: str) -> None:
    """Add the outputs: the norm of each vector, and the unit vector."""
    axis = graph.constant("axis", np.array([-1], dtype=np.int64))
    smallest = graph.constant("smallest", np.float32(1e-12))
    norms = graph.node("Max", [graph.node("ReduceL2", [vectors, axis], "lengths", keepdims=1), smallest], "norms")
    graph.node("Div", [vectors, norms], "embeddings")


def _convolution(
    graph: _Graph,
    name: str,
    layer: torch.nn.Conv2d,
    x: str,
    input_step: float,
    before: tuple[str, str],
    after: tuple[str, str],
) -> str:
    """Add one channels-last ``QLinearConv``; ``before`` and ``after`` are (step, zero point) of input and output."""
    weight = _array(layer.weight)  # (out, in, 1, kernel)
    steps = np.maximum(np.abs(weight).max(axis=(1, 2, 3)) / _WEIGHT_MAX, 1e-12)
    kernel = weight.shape[3]
    inputs = [
        x,
        *before,
        graph.constant(f"{name}.weight", np.rint(weight / steps[:, None, None, None]).astype(np.int8)),
        graph.constant(f"{name}.step", steps.astype(np.float32)),
        graph.constant(f"{name}.zero", np.zeros(len(steps), dtype=np.int8)),
        *after,
        graph.constant(f"{name}.bias", np.rint(_array(layer.bias) / (steps * input_step)).astype(np.int32)),
    ]
    return graph.node(
        "QLinearConv",
        inputs,
        name,
        domain="com.microsoft",
        channels_last=1,
        kernel_shape=[1, kernel],
        strides=list(layer.stride),
        pads=[0, kernel // 2, 0, kernel // 2],
    )


def _array(tensor: torch.Tensor | None) -> npt.NDArray[np.float32]:
    if tensor is None:
        raise TypeError("layer without the parameter that the export needs")
    return tensor.detach().float().cpu().contiguous().numpy()


def _unsigned(values: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values / step), 0, 255).astype(np.uint8)
