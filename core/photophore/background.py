"""Background proteins: independent residues with the frequencies and lengths of Swiss-Prot, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from photophore.types import SequenceBatch

#: Residues and their frequencies in Swiss-Prot, in per mille.
_LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype=np.uint8)
_FREQUENCIES = np.array(
    [
        82.5,
        13.8,
        54.6,
        67.2,
        38.6,
        70.7,
        22.7,
        59.1,
        58.0,
        96.5,
        24.1,
        40.6,
        47.4,
        39.3,
        55.3,
        66.4,
        53.6,
        68.6,
        11.0,
        29.2,
    ]
)

#: Lengths: log-normal around the median of Swiss-Prot.
_MEDIAN_LENGTH, _LOG_SPREAD = 295.0, 0.65
_SHORTEST, _LONGEST = 30, 3_000


def background_batches(proteins: int = 1_000, *, seed: int = 20_240, batch: int = 500) -> Iterator[SequenceBatch]:
    """Yield ``proteins`` random proteins in batches; the same ``seed`` gives the same proteins."""
    random = np.random.default_rng(seed)
    lengths = np.exp(random.normal(np.log(_MEDIAN_LENGTH), _LOG_SPREAD, proteins))
    lengths = np.clip(lengths.astype(np.int64), _SHORTEST, _LONGEST)
    shares = _FREQUENCIES / _FREQUENCIES.sum()
    for start in range(0, proteins, batch):
        rows = range(start, min(start + batch, proteins))
        sequences = tuple(random.choice(_LETTERS, int(lengths[row]), p=shares).tobytes().decode() for row in rows)
        yield SequenceBatch(
            ids=tuple(f"random_{row + 1}" for row in rows),
            sequences=sequences,
            descriptions=("",) * len(rows),
            sources=tuple(f"<random>:{row + 1}" for row in rows),
        )
