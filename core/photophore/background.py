"""Background proteins: real proteins read backwards, which have no homologs but all the composition of life.

Repeats, coiled coils and stretches of few letters, which call up chance neighbours in real proteins, do so backwards, too;
random sequences would call up none and make a database believe too readily.
"""

from __future__ import annotations

from collections.abc import Iterator

from photophore.examples import example_path
from photophore.fasta import Record, read_fasta
from photophore.types import SequenceBatch

_SHORTEST, _LONGEST = 30, 3_000


def background_batches(proteins: int = 1_000, *, batch: int = 500) -> Iterator[SequenceBatch]:
    """Yield the first ``proteins`` proteins of the bundled proteome, reversed, in batches; the same on every machine."""
    chosen: list[Record] = []
    for record in read_fasta([example_path("corynebacterium")]):
        if isinstance(record, Record) and _SHORTEST <= len(record.sequence) <= _LONGEST:
            chosen.append(record)
        if len(chosen) == proteins:
            break
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        yield SequenceBatch(
            ids=tuple(f"reversed_{record.id}" for record in part),
            sequences=tuple(record.sequence[::-1] for record in part),
            descriptions=("",) * len(part),
            sources=tuple(record.source for record in part),
        )
