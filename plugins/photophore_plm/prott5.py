"""ProtT5 (Elnaggar et al. 2021): the encoder half of a T5 on single residues, by transformers, from a local folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from photophore.errors import ModelError, PluginError, UsageError
from photophore.hookspecs import Runtime
from photophore.models import find_model
from photophore_plm.checkpoints import tensor_digest
from photophore_plm.config import Prott5Config
from photophore_plm.representing import LanguageModel, ResidueEncoder

#: Residues that ProtT5 has a piece for and was trained on; all others are read as X, as its authors do.
_KNOWN = "ACDEFGHIKLMNPQRSTVWY"
#: What sentencepiece puts before the beginning of a word: every residue is a word.
_WORD = "\u2581"
_VOCABULARIES = ("spiece.model", "tokenizer.json")
_WHAT = "give the folder of a ProtT5 as Hugging Face stores it: config.json, the weights, and spiece.model"


class ProtT5(LanguageModel):
    """The encoder of a ProtT5; sizes are those of its folder.

    Parameters
    ----------
    folder
        ``config.json``, the weights (``model.safetensors`` or ``pytorch_model.bin``, whole or in parts; a decoder in them
        is left out), and ``spiece.model`` or ``tokenizer.json``.
    config
        Precision, windows and ``residues_per_call``.
    runtime
        Device and threads.
    """

    def __init__(self, folder: Path, config: Prott5Config, runtime: Runtime) -> None:
        super().__init__("prott5", config, runtime)
        self._tokens, self._end = _tokens(folder)
        network = _network(folder, torch.float16 if self.half else torch.float32)
        if max(int(self._tokens.max()), self._end) >= network.config.vocab_size:
            raise ModelError(
                f"{folder}: its vocabulary has pieces up to {int(self._tokens.max())}, and its weights know "
                f"{network.config.vocab_size}; {_WHAT}"
            )
        self.dim = int(network.config.d_model)
        self.digest = tensor_digest(dict(network.named_parameters()))
        self._network = network.to(self.device).eval()

    def _run(self, stretches: Sequence[str]) -> list[torch.Tensor]:
        """Return the last layer's rows of each stretch, without that of the end mark."""
        longest = max(map(len, stretches))
        tokens = torch.zeros((len(stretches), longest + 1), dtype=torch.int64)  # 0: padding, which is masked anyway
        mask = torch.zeros_like(tokens)
        for row, stretch in enumerate(stretches):
            letters = torch.frombuffer(bytearray(stretch, "ascii"), dtype=torch.uint8)
            tokens[row, : len(stretch)] = self._tokens[letters.long()]
            tokens[row, len(stretch)] = self._end
            mask[row, : len(stretch) + 1] = 1
        with self.computing():
            found = self._network(input_ids=tokens.to(self.device), attention_mask=mask.to(self.device))
            rows = found.last_hidden_state  # (stretches, longest + 1, dim)
            return [rows[row, : len(stretch)].float() for row, stretch in enumerate(stretches)]


def create_prott5(config: Prott5Config, runtime: Runtime) -> ResidueEncoder:
    """Open the folder that ``config`` names.

    Raises
    ------
    UsageError
        If it names none.
    ModelError
        If the folder is missing, damaged, or not one of a T5.
    """
    if not config.weights:
        raise UsageError(
            "encoder prott5 brings no weights; name a local folder of Hugging Face, such as "
            "--set encoder.weights=prot_t5_xl_uniref50"
        )
    return ResidueEncoder(open_prott5(config, runtime))


def open_prott5(config: Prott5Config, runtime: Runtime) -> ProtT5:
    """Load the folder that ``config`` names."""
    folder = find_model(config.weights)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: has no config.json; {_WHAT}")
    return ProtT5(folder, config, runtime)


def _tokens(folder: Path) -> tuple[torch.Tensor, int]:
    """Return the piece of each letter by its ASCII code, and that of the end mark."""
    places = _pieces(folder)
    missing = [letter for letter in (*_KNOWN, "X") if f"{_WORD}{letter}" not in places]
    if missing or "</s>" not in places:
        raise ModelError(f"{folder}: its vocabulary has no piece for {(missing or ['</s>'])[0]!r}; {_WHAT}")
    tokens = torch.full((128,), places[f"{_WORD}X"], dtype=torch.int64)
    for letter in _KNOWN:
        tokens[ord(letter)] = places[f"{_WORD}{letter}"]
    return tokens, places["</s>"]


def _pieces(folder: Path) -> dict[str, int]:
    """Return the number of each piece of the vocabulary."""
    path = next((folder / name for name in _VOCABULARIES if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder}: has none of {', '.join(_VOCABULARIES)}; {_WHAT}")
    try:
        if path.suffix == ".json":
            from tokenizers import Tokenizer

            return dict(Tokenizer.from_file(str(path)).get_vocab())
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(path.read_bytes())
        return {processor.IdToPiece(number): number for number in range(processor.GetPieceSize())}
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    except Exception as error:  # what these raise is not documented: RuntimeError, OSError, Exception itself
        raise ModelError(f"{path}: not a vocabulary that can be read ({error}); {_WHAT}") from error


def _network(folder: Path, dtype: torch.dtype) -> Any:
    """Return transformers' T5 encoder with the weights of ``folder``; no code of the folder is run, and no network asked."""
    try:
        from transformers import T5Config, T5EncoderModel
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    _check_type(folder / "config.json")
    try:
        with _quiet():
            settings = T5Config.from_pretrained(folder, local_files_only=True)
            network, facts = T5EncoderModel.from_pretrained(
                folder, config=settings, local_files_only=True, dtype=dtype, output_loading_info=True
            )
    except Exception as error:  # a damaged file fails in any way
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder}: cannot be read as a T5 ({reason}); {_WHAT}") from error
    if facts["missing_keys"]:
        missing = sorted(map(str, facts["missing_keys"]))
        raise ModelError(f"{folder}: its weights lack {missing[0]!r} ({len(missing)} tensors are missing); {_WHAT}")
    return network


def _check_type(path: Path) -> None:
    """Raise `ModelError` unless a ``config.json`` is that of a T5: transformers would take any other for one."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); {_WHAT}") from error
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind != "t5":
        raise ModelError(f"{path}: says model_type {kind!r}, not 't5'; {_WHAT}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from telling the terminal what it loads: what matters is checked here."""
    import transformers.utils

    messages: Any = transformers.utils.logging
    before, bars = messages.get_verbosity(), messages.is_progress_bar_enabled()
    messages.set_verbosity(logging.CRITICAL)
    messages.disable_progress_bar()
    try:
        yield
    finally:
        messages.set_verbosity(before)
        if bars:
            messages.enable_progress_bar()


def _missing(error: ModuleNotFoundError) -> PluginError:
    return PluginError(f"encoder prott5 needs {error.name}, which is missing; run: pip install 'photophore[torch]'")
