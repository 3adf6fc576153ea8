"""The encoder `windows`: each vector is the residues around one position, as numbers whose products are like BLOSUM62."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_windows.config import WindowsConfig

LETTERS_FILE = Path(__file__).parent / "letters.tsv"

#: Letters for which several amino acids, or a near relative, stand in.
STAND_INS = {"B": "DN", "Z": "EQ", "J": "IL", "X": "ACDEFGHIKLMNPQRSTVWY", "U": "C", "O": "K"}

FloatRows = npt.NDArray[np.float32]


class WindowEncoder:
    """Unit vectors of windows around every ``step``-th residue or profile position.

    A profile's window holds the mean of the letters' numbers under its distribution; beyond the ends stands 0.
    Nothing but the window decides on a vector, so it is the same to the bit in every batch.
    """

    name = "windows"

    def __init__(self, config: WindowsConfig) -> None:
        self._config = config
        content = LETTERS_FILE.read_bytes()
        self._amino_acids, self._letters = _read_letters(content.decode("ascii"))
        self._by_byte = _by_byte(self._amino_acids, self._letters)
        self._digest = hashlib.sha256(content + f"width={config.width} step={config.step}".encode()).hexdigest()

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return int(self._config.width * self._letters.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256 of the letters' numbers and of the options that shape the vectors."""
        return self._digest

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return a vector for every ``step``-th residue."""
        items = [self._by_byte[np.frombuffer(text.encode("ascii"), np.uint8)] for text in batch.sequences]
        return self._embeddings(batch.ids, items)

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Return a vector for every ``step``-th position."""
        order = ["ACDEFGHIKLMNPQRSTVWY".index(letter) for letter in self._amino_acids]
        means = np.einsum("pa,ad->pd", profiles.values[:, order], self._letters)  # (positions, letter_dim)
        return self._embeddings(profiles.ids, np.split(means, profiles.offsets[1:-1]) if len(profiles) else [])

    def _embeddings(self, ids: tuple[str, ...], items: Sequence[FloatRows]) -> Embeddings:
        """Cut windows out of the items, each ``shape=(length, letter_dim)``."""
        width, step = self._config.width, self._config.step
        margin = np.zeros((width // 2, self._letters.shape[1]), dtype=np.float32)
        padded = np.concatenate([margin, *(part for item in items for part in (item, margin))])
        lengths = np.array([len(item) for item in items], dtype=np.int64)
        begins = np.cumsum(lengths + len(margin)) - lengths - len(margin)  # the leftmost window of each item
        offsets = np.concatenate([[0], np.cumsum(-(-lengths // step))]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
        rows = np.repeat(begins, np.diff(offsets)) + within * step
        values = padded[rows[:, np.newaxis] + np.arange(width)].reshape(len(rows), self.dim)  # (rows, dim)
        lengths_of_vectors = np.sqrt(np.einsum("rd,rd->r", values, values))
        values /= np.maximum(lengths_of_vectors, np.float32(1e-6))[:, np.newaxis]
        return Embeddings(ids, values, offsets, self.name, self.digest, lengths_of_vectors, step)


def _read_letters(text: str) -> tuple[str, FloatRows]:
    """Return the amino acids and their numbers, ``shape=(20, letter_dim)``."""
    cells = [line.split("\t") for line in text.splitlines()]
    return "".join(row[0] for row in cells), np.array([row[1:] for row in cells], dtype=np.float32)


def _by_byte(amino_acids: str, letters: FloatRows) -> FloatRows:
    """Return the numbers of every residue letter at its ASCII code, ``shape=(128, letter_dim)``."""
    table = np.zeros((128, letters.shape[1]), dtype=np.float32)
    for letter, numbers in zip(amino_acids, letters, strict=True):
        table[ord(letter)] = numbers
    for letter, meant in STAND_INS.items():
        table[ord(letter)] = np.mean([letters[amino_acids.index(each)] for each in meant], axis=0)
    return table
