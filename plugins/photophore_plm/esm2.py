"""ESM-2 (Lin et al. 2023): fair-esm's network, run up to one layer, on its own checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from photophore.errors import UsageError
from photophore.hookspecs import Runtime
from photophore.models import find_model
from photophore_plm.config import Esm2Config
from photophore_plm.loading import LoadedEsm2, load_esm2
from photophore_plm.representing import LanguageModel, ResidueEncoder


class Esm2(LanguageModel):
    """ESM-2 up to one layer.

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
        super().__init__("esm2", config, runtime)
        self.dim = loaded.dim
        self.layer = loaded.layer
        self.digest = loaded.digest
        self._network = loaded.network.to(self.device).eval()
        alphabet = loaded.alphabet
        self._begin, self._end, self._pad = alphabet.cls_idx, alphabet.eos_idx, alphabet.padding_idx
        self._tokens = torch.full((128,), alphabet.get_idx("X"), dtype=torch.int64)
        for symbol, token in alphabet.tok_to_idx.items():
            if len(symbol) == 1 and symbol.isalpha():
                self._tokens[ord(symbol)] = token  # J, which ESM-2 does not know, stays X

    def _run(self, stretches: Sequence[str]) -> list[torch.Tensor]:
        """Return the layer's output for each stretch, without the marks of beginning and end."""
        longest = max(map(len, stretches))
        tokens = torch.full((len(stretches), longest + 2), self._pad, dtype=torch.int64)  # (stretches, longest + 2)
        for row, stretch in enumerate(stretches):
            letters = torch.frombuffer(bytearray(stretch, "ascii"), dtype=torch.uint8)
            tokens[row, 0] = self._begin
            tokens[row, 1 : len(stretch) + 1] = self._tokens[letters.long()]
            tokens[row, len(stretch) + 1] = self._end
        # Autocast keeps residual stream, layer norms, softmax and the angles of the rotary embeddings in single precision.
        with self.computing(), torch.autocast(self.device.type, torch.float16, enabled=self.half):
            found = self._network(tokens.to(self.device), repr_layers=[self.layer])["representations"][self.layer]
            return [found[row, 1 : len(stretch) + 1].float() for row, stretch in enumerate(stretches)]


def create_esm2(config: Esm2Config, runtime: Runtime) -> ResidueEncoder:
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
    return ResidueEncoder(open_esm2(find_model(config.weights), config, runtime))


def open_esm2(path: Path, config: Esm2Config, runtime: Runtime) -> Esm2:
    """Load a checkpoint."""
    return Esm2(load_esm2(path, config.layer), config, runtime)
