"""What is read of weights that `photophore train` wrote, and computed from them without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from photophore.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: Rows that `product_by_block` multiplies together.
BLOCK_ROWS = 64
Shape = TypeVar("Shape")


def read_trained(
    path: Path, wanted: str, shape_of: Callable[[str], Shape], instead: str
) -> tuple[Shape, dict[str, npt.NDArray[Any]]]:
    """Return the shape and the tensors of a safetensors file whose metadata say that its format is ``wanted``.

    ``shape_of`` reads the shape in the metadata; ``instead`` names what may be passed where the format is another.

    Raises
    ------
    ModelError
        If the file is unreadable, of another format, or has no usable shape.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            names = [name for name in file.keys() if not name.endswith("num_batches_tracked")]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}); check the download") from error
    if metadata.get("format") != wanted:
        raise ModelError(f"{path}: format is {metadata.get('format')!r}, not {wanted!r}; pass {instead}")
    try:
        return shape_of(metadata["shape"]), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata has no usable shape ({error!r}); train or export it again") from error


def product_by_block(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Return ``x @ weight.T`` as `product_by_row` does, for many rows: those of a block are multiplied together."""
    blocks = -(-len(x) // BLOCK_ROWS)
    padded = np.zeros((blocks * BLOCK_ROWS, x.shape[1]), dtype=np.float32)
    padded[: len(x)] = x
    result: FloatArray = np.matmul(padded.reshape(blocks, BLOCK_ROWS, -1), weight.T)
    return result.reshape(len(padded), -1)[: len(x)]


def product_by_row(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Return ``x @ weight.T``, row by row: a product of all rows at once rounds by how many there are."""
    result: FloatArray = np.matmul(x[:, None, :], weight.T)[:, 0, :]
    return result
