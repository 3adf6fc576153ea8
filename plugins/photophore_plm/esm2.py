"""ESM-2 (Lin et al. 2023): fair-esm's network, run up to one layer, on its own checkpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from photophore.errors import OutOfMemoryError, PluginError, UsageError
from photophore.hookspecs import Runtime
from photophore.models import find_model
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_plm.config import Esm2Config
from photophore_plm.loading import LoadedEsm2, load_esm2
from photophore_plm.windows import Window, windows

#: Residues computed at once on a GPU.
GPU_RESIDUES = 16_384


class Esm2:
    """ESM-2 up to one layer: proteins in, ``(residues, dim)`` out, on the device.

    Parameters
    ----------
    loaded
        Network and alphabet.
    config
        Its ``precision``, windows and ``residues_per_call``.
    runtime
        Device and threads.
    """

    def __init__(self, loaded: LoadedEsm2, config: Esm2Config, runtime: Runtime) -> None:
        torch.set_num_threads(runtime.threads)
        self.dim = loaded.dim
        self.layer = loaded.layer
        self.digest = loaded.digest
        self.device = torch.device(runtime.device)
        self._network = loaded.network.to(self.device).eval()
        self._config = config
        alphabet = loaded.alphabet
        self._begin, self._end, self._pad = alphabet.cls_idx, alphabet.eos_idx, alphabet.padding_idx
        self._tokens = torch.full((128,), alphabet.get_idx("X"), dtype=torch.int64)
        for symbol, token in alphabet.tok_to_idx.items():
            if len(symbol) == 1 and symbol.isalpha():
                self._tokens[ord(symbol)] = token  # J, which ESM-2 does not know, stays X

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield ``(place, rows)`` of each protein, shortest first: ``rows`` has ``shape=(residues, dim), dtype=float32``.

        Raises
        ------
        OutOfMemoryError
            If the device is full.
        """
        plan = [windows(len(sequence), self._config.max_residues, self._config.overlap) for sequence in sequences]
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

    def _groups(self, pieces: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
        """Yield windows, which come shortest first, in groups of at most ``residues_per_call`` with their padding."""
        most = self._config.residues_per_call or (GPU_RESIDUES if self.device.type == "cuda" else 0)
        group: list[tuple[int, Window]] = []
        for piece in pieces:
            if group and (len(group) + 1) * len(piece[1]) > most:
                yield group
                group = []
            group.append(piece)
        if group:
            yield group

    def _run(self, stretches: Sequence[str]) -> list[torch.Tensor]:
        """Return the layer's output for each stretch, without the marks of beginning and end."""
        longest = max(map(len, stretches))
        tokens = torch.full((len(stretches), longest + 2), self._pad, dtype=torch.int64)  # (stretches, longest + 2)
        for row, stretch in enumerate(stretches):
            letters = torch.frombuffer(bytearray(stretch, "ascii"), dtype=torch.uint8)
            tokens[row, 0] = self._begin
            tokens[row, 1 : len(stretch) + 1] = self._tokens[letters.long()]
            tokens[row, len(stretch) + 1] = self._end
        with self._computing():
            found = self._network(tokens.to(self.device), repr_layers=[self.layer])["representations"][self.layer]
            return [found[row, 1 : len(stretch) + 1].float() for row, stretch in enumerate(stretches)]

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute without gradients, in half precision where it is asked for; a full device becomes `OutOfMemoryError`.

        Autocast keeps residual stream, layer norms, softmax and the angles of the rotary embeddings in single precision.
        """
        half = self.device.type == "cuda" and self._config.precision == "fp16"
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, torch.float16, enabled=half):
                yield
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemoryError(
                "encoder esm2: the device ran out of memory; lower encoder.residues_per_call"
            ) from error


class Esm2Encoder:
    """A vector for each residue."""

    name = "esm2"

    def __init__(self, model: Esm2) -> None:
        self._model = model

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self._model.dim

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights up to the layer."""
        return self._model.digest

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return the layer's output for each residue."""
        offsets = np.cumsum([0, *map(len, batch.sequences)], dtype=np.int64)
        values = np.empty((int(offsets[-1]), self.dim), dtype=np.float32)
        for place, rows in self._model.represent(batch.sequences):
            values[offsets[place] : offsets[place + 1]] = rows.cpu().numpy()
        return Embeddings(batch.ids, values, offsets, self.name, self.digest)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Refuse: a language model reads residues."""
        raise PluginError(
            f"encoder esm2 reads proteins, and was given {len(profiles)} profiles; choose encoder near for profiles"
        )


def create_esm2(config: Esm2Config, runtime: Runtime) -> Esm2Encoder:
    """Open the checkpoint that ``config`` names.

    Raises
    ------
    UsageError
        If it names none.
    ModelError
        If the checkpoint is missing, damaged, or not one of ESM-2.
    """
    if not config.weights:
        raise UsageError(
            "encoder esm2 brings no weights; name a checkpoint of fair-esm, such as "
            "--set encoder.weights=esm2_t33_650M_UR50D.pt"
        )
    return Esm2Encoder(open_esm2(find_model(config.weights), config, runtime))


def open_esm2(path: Path, config: Esm2Config, runtime: Runtime) -> Esm2:
    """Load a checkpoint."""
    return Esm2(load_esm2(path, config.layer), config, runtime)
