"""What every language model here shares: proteins cut into windows, windows grouped for the device, rows put together again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch

from photophore.errors import OutOfMemoryError, PluginError
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_plm.windows import Window, windows

#: Residues computed at once on a GPU.
GPU_RESIDUES = 16_384


class WindowOptions(Protocol):
    """The options of a language model that say how much it sees and computes at once."""

    @property
    def precision(self) -> str: ...

    @property
    def max_residues(self) -> int: ...

    @property
    def overlap(self) -> int: ...

    @property
    def residues_per_call(self) -> int: ...


class LanguageModel:
    """Proteins in, ``(residues, dim)`` out, on the device. A subclass says what its network makes of stretches.

    Parameters
    ----------
    name
        Of the encoder, for messages.
    options
        Windows, precision and residues at once.
    runtime
        Device and threads.
    """

    dim: int
    digest: str

    def __init__(self, name: str, options: WindowOptions, runtime: Runtime) -> None:
        torch.set_num_threads(runtime.threads)
        self.name = name
        self.device = torch.device(runtime.device)
        self._options = options

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield ``(place, rows)`` of each protein, shortest first: ``rows`` has ``shape=(residues, dim), dtype=float32``.

        Raises
        ------
        OutOfMemoryError
            If the device is full.
        """
        plan = [windows(len(sequence), self._options.max_residues, self._options.overlap) for sequence in sequences]
        pieces = sorted(
            ((place, window) for place, cut in enumerate(plan) for window in cut),
            key=lambda piece: (len(piece[1]), piece[0], piece[1].start),
        )
        done: dict[int, list[torch.Tensor]] = defaultdict(list)
        for group in self._groups(pieces):
            stretches = [sequences[place][window.start : window.stop] for place, window in group]
            for (place, window), rows in zip(group, self._run(stretches), strict=True):
                done[place].append(rows[window.keep_start - window.start : window.keep_stop - window.start])
                if len(done[place]) == len(plan[place]):
                    yield place, torch.cat(done.pop(place))

    def _run(self, stretches: Sequence[str]) -> list[torch.Tensor]:
        """Return the rows of each stretch, ``shape=(residues, dim), dtype=float32``."""
        raise NotImplementedError

    def _groups(self, pieces: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
        """Yield windows, which come shortest first, in groups of at most ``residues_per_call`` with their padding."""
        most = self._options.residues_per_call or (GPU_RESIDUES if self.device.type == "cuda" else 0)
        group: list[tuple[int, Window]] = []
        for piece in pieces:
            if group and (len(group) + 1) * len(piece[1]) > most:
                yield group
                group = []
            group.append(piece)
        if group:
            yield group

    @property
    def half(self) -> bool:
        """Whether to compute in half precision: on a GPU, unless single precision is asked for."""
        return self.device.type == "cuda" and self._options.precision == "fp16"

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute without gradients; a full device becomes `OutOfMemoryError`."""
        try:
            with torch.inference_mode():
                yield
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"encoder {self.name}: the device ran out of memory; lower encoder.residues_per_call"
            ) from error


class ResidueEncoder:
    """A vector for each residue, by a language model."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self._model.name

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self._model.dim

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights."""
        return self._model.digest

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return the model's rows for each residue."""
        offsets = np.cumsum([0, *map(len, batch.sequences)], dtype=np.int64)
        values = np.empty((int(offsets[-1]), self.dim), dtype=np.float32)
        for place, rows in self._model.represent(batch.sequences):
            values[offsets[place] : offsets[place + 1]] = rows.cpu().numpy()
        return Embeddings(batch.ids, values, offsets, self.name, self.digest)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Refuse: a language model reads residues."""
        raise PluginError(
            f"encoder {self.name} reads proteins, and was given {len(profiles)} profiles; "
            "choose encoder near for profiles"
        )
