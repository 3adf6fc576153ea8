"""The convolutions of the near network as ONNX operators, for every network that stands on them.

The 8-bit form is written operator by operator (``QLinearConv`` in channels-last order, ``QLinearAdd``), because this is
the form that ONNX Runtime runs without a single conversion in between. Activations are unsigned 8-bit with zero point 0
after a ReLU, which the saturation at 0 then does for free; weights are symmetric, one scale an output channel, and kept
within 7 bits so that processors without VNNI, which add pairs of products in 16 bits, give the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper

from photophore_near.model import NearNetwork
from photophore_near.residues import distributions

_OPSETS = (("", 21), ("com.microsoft", 1))
_IR_VERSION = 10
#: Largest magnitude of an int8 weight: 7 bits.
_WEIGHT_MAX = 63.0
#: Share of calibration activations that fits the 8 bits; the rest saturates.
_CLIP = 0.9999


class Graph:
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

    def save(self, path: Path, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Check the graph and write it; ``inputs`` and ``outputs`` are what `value` returns."""
        graph = helper.make_graph(self.nodes, "photophore", list(inputs), list(outputs), self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(*pair) for pair in _OPSETS], ir_version=_IR_VERSION
        )
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def float_trunk(graph: Graph, network: NearNetwork, values: str) -> str:
    """Add the convolutions from ``values (rows, length, 20)`` to the last stream ``(rows, width, 1, length / step)``."""
    kernel = network.shape.kernel
    padding: dict[str, Any] = {"kernel_shape": [1, kernel], "pads": [0, kernel // 2, 0, kernel // 2]}
    height = graph.constant("height", np.array([2], dtype=np.int64))
    x = graph.node("Transpose", [values], "channels", perm=[0, 2, 1])
    x = graph.node("Unsqueeze", [x, height], "planes")
    x = graph.node("Conv", [x, graph.constant("embedding", array_of(network.embedding.weight))], "embedded")
    x = graph.node("Relu", [x], "shortened0")
    for number, layer in enumerate(network.shorten):
        name = f"shorten{number}"
        weights = [
            graph.constant(f"{name}.weight", array_of(layer.weight)),
            graph.constant(f"{name}.bias", array_of(layer.bias)),
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
                graph.constant(f"{name}.weight", array_of(layer.weight)),
                graph.constant(f"{name}.bias", array_of(layer.bias)),
            ]
            inner = graph.node("Conv", [inner, *weights], name, **padding)
            if conv == "conv1":
                inner = graph.node("Relu", [inner], f"{name}.relu")
        x = graph.node("Relu", [graph.node("Add", [x, inner], f"block{number}.sum")], f"stream{number}")
    return x


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


@dataclass(frozen=True, slots=True)
class Int8Features:
    """The last stream in 8 bits: ``name (rows, length / step, width) uint8`` is ``(feature * shrink) / step``.

    ``step`` and ``zero`` are names of constants; ``shrink``, ``shape=(width,)``, how far each channel is scaled down.
    """

    name: str
    step: str
    zero: str
    shrink: npt.NDArray[np.float32]

    def linear(self, graph: Graph, name: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
        """Add ``features @ weight + bias`` in floats; ``weight (width, channels)`` is stored in 8 bits."""
        weight = weight / self.shrink[:, None]
        steps = np.abs(weight).max(axis=0) / 127.0
        parameters = [
            graph.constant(f"{name}.weight", np.rint(weight / steps).astype(np.int8)),
            self.step,
            graph.constant(f"{name}.step", steps.astype(np.float32)),
            self.zero,
            graph.constant(f"{name}.zero", np.zeros(len(steps), dtype=np.int8)),
            graph.constant(f"{name}.bias", bias),
        ]
        return graph.node("MatMulIntegerToFloat", [self.name, *parameters], name, domain="com.microsoft")


def int8_trunk(graph: Graph, network: NearNetwork, calibration: npt.NDArray[np.uint8], tokens: str) -> Int8Features:
    """Add the convolutions from ``tokens (rows, length) int32`` on, in 8 bits.

    Parameters
    ----------
    calibration
        ``shape=(rows, length), dtype=uint8``: tokens of real proteins, to measure the range of the activations.
    """
    table = torch.from_numpy(distributions())
    values = table[torch.from_numpy(calibration.astype(np.int64))]
    network = _equalised(network, values)
    scales = _calibrate(network, values)
    shrunk = torch.from_numpy(scales.shrink)
    network.blocks[-1].conv2.weight.data *= shrunk[:, None, None, None]
    network.blocks[-1].conv2.bias.data *= shrunk
    zero, middle = graph.constant("zero", np.uint8(0)), graph.constant("middle", np.uint8(128))
    embedded = np.maximum(distributions() @ array_of(network.embedding.weight)[:, :, 0, 0].T, 0)  # (tokens, channels)
    lookup = graph.constant("embedding", _unsigned(embedded, scales.shortened[0]))
    height = graph.constant("height", np.array([1], dtype=np.int64))
    x = graph.node("Unsqueeze", [graph.node("Gather", [lookup, tokens], "embedded"), height], "shortened0")
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
    return Int8Features(x, stream, zero, scales.shrink)


def _convolution(
    graph: Graph,
    name: str,
    layer: torch.nn.Conv2d,
    x: str,
    input_step: float,
    before: tuple[str, str],
    after: tuple[str, str],
) -> str:
    """Add one channels-last ``QLinearConv``; ``before`` and ``after`` are (step, zero point) of input and output."""
    weight = array_of(layer.weight)  # (out, in, 1, kernel)
    steps = np.maximum(np.abs(weight).max(axis=(1, 2, 3)) / _WEIGHT_MAX, 1e-12)
    kernel = weight.shape[3]
    inputs = [
        x,
        *before,
        graph.constant(f"{name}.weight", np.rint(weight / steps[:, None, None, None]).astype(np.int8)),
        graph.constant(f"{name}.step", steps.astype(np.float32)),
        graph.constant(f"{name}.zero", np.zeros(len(steps), dtype=np.int8)),
        *after,
        graph.constant(f"{name}.bias", np.rint(array_of(layer.bias) / (steps * input_step)).astype(np.int32)),
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


def array_of(tensor: torch.Tensor | None) -> npt.NDArray[np.float32]:
    """Return a parameter as an array in full precision."""
    if tensor is None:
        raise TypeError("layer without the parameter that the export needs")
    return tensor.detach().float().cpu().contiguous().numpy()


def _unsigned(values: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values / step), 0, 255).astype(np.uint8)
