"""Our own near network on ONNX Runtime: int8 from tokens, fp32 from distributions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from safetensors import SafetensorError, safe_open

from photophore.errors import ModelError
from photophore.hookspecs import Runtime
from photophore_near.residues import PAD_TOKEN, distributions, tokens
from photophore_near.shape import FORMAT, NearShape
from photophore_near.upstream import tensor_digest


@dataclass(frozen=True, slots=True)
class OwnModel:
    """Weights that `photophore train near` wrote: where they lie, their shape, and their digest.

    A vector comes every ``step`` positions and sees ``radius`` positions to each side.
    """

    path: Path
    dim: int
    step: int
    radius: int
    digest: str

    def graph(self, precision: str) -> Path:
        """Return where the exported network of ``precision`` lies: beside the weights."""
        return self.path.with_name(f"{self.path.stem}.{precision}.onnx")


def is_own(path: Path) -> bool:
    """Say whether ``path`` holds our network rather than NEAR's; an unreadable file is nobody's."""
    if path.suffix != ".safetensors":
        return False
    return bool(_metadata(path).get("format") == FORMAT)


def describe(path: Path) -> OwnModel:
    """Read shape and digest of the weights at ``path``.

    Raises
    ------
    ModelError
        If the shape is missing or not one.
    """
    try:
        shape = NearShape(**json.loads(_metadata(path)["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata has no usable shape ({error!r}); train or export it again") from error
    with safe_open(str(path), framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    return OwnModel(path, shape.dim, shape.step, shape.radius, tensor_digest(tensors))


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(str(path), framework="numpy") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}); check the download") from error


class OnnxNetwork:
    """The exported network; sequences run in the chosen precision, profiles always in fp32."""

    empty = PAD_TOKEN

    def __init__(self, model: OwnModel, precision: str, runtime: Runtime) -> None:
        self.dim = model.dim
        self.step = model.step
        self.radius = model.radius
        self.digest = model.digest
        self._model = model
        self._precision = precision
        self.threads = runtime.threads
        self._distributions = distributions()  # (tokens, 20)
        self._opening = Lock()
        self._sessions: dict[str, Any] = {precision: open_session(model.graph(precision), threads=1)}

    def tokens(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Return the token of each residue of ``sequence``."""
        return tokens(sequence)

    def embed_tokens(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map tokens ``(rows, length)`` to unit vectors ``(rows, length / step, dim)``."""
        if self._precision == "fp32":
            return self.embed_values(self._distributions[rows])[0]
        (vectors,) = self._run("int8", ["embeddings"], "tokens", rows.astype(np.int32))
        return vectors

    def embed_values(self, rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Map distributions ``(rows, length, 20)`` to unit vectors ``(rows, length / step, dim)`` and the norms they had."""
        values = np.ascontiguousarray(rows, dtype=np.float32)
        vectors, norms = self._run("fp32", ["embeddings", "norms"], "values", values)
        return vectors, norms

    def _run(
        self, precision: str, outputs: list[str], name: str, rows: npt.NDArray[Any]
    ) -> list[npt.NDArray[np.float32]]:
        with self._opening:
            if precision not in self._sessions:
                self._sessions[precision] = open_session(self._model.graph(precision), threads=1)
        result: list[npt.NDArray[np.float32]] = self._sessions[precision].run(outputs, {name: rows})
        return result


def open_session(path: Path, threads: int) -> Any:
    """Open an exported network; `ModelError` where it is missing or cannot be read."""
    if not path.is_file():
        raise ModelError(f"{path}: missing; export the weights again")
    try:
        return session_of(str(path), threads)
    except ValueError as error:
        raise ModelError(f"{path}: {error}; check the download") from error


def session_of(graph: str | bytes, threads: int) -> Any:
    """Return a session for a graph, by its path or its bytes; `ValueError` where it cannot be read."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no public base class
        reason = str(error).splitlines()[0]
        raise ValueError(f"ONNX Runtime cannot read it ({reason})") from error
