"""Cut an input into shards of about as many residues each: consecutive, whole records, nothing changed, nothing lost.

Annotating the shards and merging the results in their order gives the bytes of one run over the input.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from photophore.errors import InputError, OutputError, PhotophoreError, Problems, UsageError
from photophore.fasta import FastaReader, Record
from photophore.inputs import STDIN, check_inputs, source_names
from photophore.shards import SHARD_FILE, Piece, Shard, ShardFact
from photophore.types import Failure
from photophore.writers.atomic import output_error
from photophore.writers.signals import SignalGuard

_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class SplitOptions:
    """How to cut; either ``shards`` or ``residues`` is given.

    Parameters
    ----------
    shards
        Into how many shards; fewer come out where there are fewer records.
    residues
        About how many residues a shard may hold: the input is cut into as many equal parts as that takes.
    allow_nucleotide_like
        Cut also what looks like DNA or RNA.
    """

    shards: int | None = None
    residues: int | None = None
    allow_nucleotide_like: bool = False


def split(paths: Sequence[str], folder: Path, options: SplitOptions) -> list[Shard]:
    """Cut the records of ``paths`` into shards, folders ``shard-1``, ``shard-2`` ... in ``folder``, and return them.

    The input is read twice. Faulty records travel with the others: they become rows of ``failures.tsv`` when their shard is annotated.

    Raises
    ------
    InputError
        A file cannot be read as FASTA: what would end `photophore annotate` ends this.
    OutputError
        ``folder`` is not empty or cannot be written.
    """
    _check(paths, folder, options)
    total, records, digest = _measure(paths, options)
    count = options.shards or max(1, -(-total // (options.residues or total)))
    count = min(count, records)
    with _partial(folder) as partial, closing(_ShardWriter(partial, total, count)) as writer:
        for text, item in _records(paths, options):
            writer.write(text, item)
        return writer.finish(digest)


def _check(paths: Sequence[str], folder: Path, options: SplitOptions) -> None:
    """Raise everything that keeps the input from being cut."""
    problems: list[PhotophoreError] = [*check_inputs(paths)]
    if (options.shards is None) == (options.residues is None):
        problems.append(UsageError("give either --shards or --residues: into how many shards, or how large ones"))
    if STDIN in paths:
        problems.append(InputError("standard input cannot be split, since the input is read twice; name a file"))
    if not problems:
        names = source_names(paths)
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [UsageError(f"{name}: is named twice; name each file once") for name in twice]
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        problems.append(OutputError(f"{folder}: exists and is no empty folder; give another one with -o"))
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)


def _records(paths: Sequence[str], options: SplitOptions) -> Iterator[tuple[bytes, Record | Failure]]:
    return FastaReader(paths, allow_nucleotide_like=options.allow_nucleotide_like).with_text()


def _weight(item: Record | Failure) -> int:
    """Residues of a record; a faulty one counts as one."""
    return len(item.sequence) if isinstance(item, Record) else 1


def _measure(paths: Sequence[str], options: SplitOptions) -> tuple[int, int, str]:
    """Return residues and records of the whole input, and a digest of both and of every record."""
    digest = hashlib.sha256()
    total = records = 0
    for text, item in _records(paths, options):
        digest.update(text)
        total += _weight(item)
        records += 1
    return total, records, digest.hexdigest()


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """Give a hidden folder that becomes ``folder`` where the block ends well, and is removed where it does not."""
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    with SignalGuard() as signals:
        try:
            partial.mkdir(parents=True)
            yield partial
            with signals.held():
                partial.rename(folder)
        except OSError as error:
            raise output_error(folder, error) from error
        finally:
            with signals.held():
                shutil.rmtree(partial, ignore_errors=True)


@dataclass
class _Open:
    """The shard that is being written."""

    folder: Path
    residues: int = 0
    records: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


class _ShardWriter:
    """Puts each record into the shard in which the middle of it falls."""

    def __init__(self, folder: Path, total: int, count: int) -> None:
        self._folder, self._total, self._count = folder, total, count
        self._width = len(str(count))
        self._before = 0  # residues of the records so far
        self._at = -1
        self._shards: list[_Open] = []
        self._stream: BinaryIO | None = None

    def write(self, text: bytes, item: Record | Failure) -> None:
        """Append one record."""
        weight = _weight(item)
        at = min(self._count - 1, (2 * self._before + weight) * self._count // (2 * self._total))
        self._before += weight
        source, _, line = item.source.rpartition(":")
        if at != self._at:
            self._at = at
            self._begin_shard()
            self._begin_piece(source, int(line))
        elif source != self._shards[-1].pieces[-1].source:
            self._begin_piece(source, int(line))
        shard = self._shards[-1]
        shard.residues += len(item.sequence) if isinstance(item, Record) else 0
        shard.records[-1] += 1
        if self._stream is not None:
            self._stream.write(b">%b\n" % text)

    def close(self) -> None:
        """Close the file that is open."""
        if self._stream is not None:
            self._stream.close()

    def finish(self, digest: str) -> list[Shard]:
        """Write ``shard.json`` into each folder and return the shards."""
        self.close()
        shards = []
        for number, done in enumerate(self._shards, start=1):
            pieces = tuple(
                Piece(piece.path, piece.source, piece.line, records)
                for piece, records in zip(done.pieces, done.records, strict=True)
            )
            shard = Shard(ShardFact(digest, number, len(self._shards)), done.residues, pieces)
            (done.folder / SHARD_FILE).write_text(shard.render(), encoding="utf-8")
            shards.append(shard)
        return shards

    def _begin_shard(self) -> None:
        folder = self._folder / f"shard-{len(self._shards) + 1:0{self._width}d}"
        folder.mkdir()
        self._shards.append(_Open(folder))

    def _begin_piece(self, source: str, line: int) -> None:
        self.close()
        shard = self._shards[-1]
        path = shard.folder / f"{len(shard.pieces) + 1}.faa"
        shard.pieces.append(Piece(path, source, line))
        shard.records.append(0)
        self._stream = path.open("wb", buffering=_BUFFER_BYTES)
