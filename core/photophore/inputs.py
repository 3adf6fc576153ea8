"""Input files as streams of bytes: plain, gzip, bzip2, xz or zstd, told apart by their first bytes, also on standard input."""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from photophore.errors import InputError
from photophore.examples import resolve_input
from photophore.shards import SHARD_FILE, Piece, is_shard, read_shard

#: Name that stands for standard input.
STDIN = "-"

_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES = 6
_REFUSED = {
    b"PK\x03\x04": ("a zip archive", "unpack it first"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"\xff\xfe": ("UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
}


class CountedBytes(io.RawIOBase):
    """Bytes of one file as they lie on disk, counted as they are read, with the first ones given back after sniffing."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.head = b""
        while len(self.head) < _MAGIC_BYTES and (piece := raw.read(_MAGIC_BYTES - len(self.head))):
            self.head += piece  # a slow pipe may give one byte at a time
        self._given_back = self.head
        #: Bytes handed on so far.
        self.count = 0

    def readable(self) -> bool:
        """Return True: `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as one read goes."""
        piece = self._given_back[: len(buffer)]
        self._given_back = self._given_back[len(piece) :]
        if not piece:
            piece = self._raw.read(len(buffer)) or b""
        buffer[: len(piece)] = piece
        self.count += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file, but leave standard input open."""
        if not self.closed and self._raw is not _standard_input():
            self._raw.close()
        super().close()


def _standard_input() -> BinaryIO:
    """Return standard input without its buffer.

    A thread that waits for a pipe would hold the lock of the buffer, and Python, which closes the buffer when it ends,
    would abort instead of ending.
    """
    buffer = sys.stdin.buffer
    return cast("BinaryIO", getattr(buffer, "raw", buffer))


def source_name(path: str | Path) -> str:
    """Return what messages call the input ``path``."""
    return "<stdin>" if str(path) == STDIN else str(path)


def pieces_of(path: str | Path) -> tuple[Piece, ...]:
    """Return what is to be read where the user named ``path``: the file itself, or the pieces of a shard."""
    return read_shard(Path(path)).pieces if is_shard(path) else (Piece(path, source_name(path)),)


def source_names(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """Return what messages call the files behind ``paths``, in the order in which they are read."""
    return tuple(piece.source for path in paths for piece in pieces_of(path))


def check_inputs(paths: Sequence[str | Path]) -> list[InputError]:
    """Return what is wrong with the input files as far as it shows without reading them (a pipe can be read only once)."""
    problems: list[InputError] = []
    if not paths:
        problems.append(InputError("no input: name at least one FASTA file, or - for standard input"))
    for path in paths:
        if str(path) == STDIN:
            continue
        try:
            file = Path(resolve_input(str(path)))
        except InputError as error:
            problems.append(error)
            continue
        if not file.exists():
            problems.append(InputError(f"{path}: there is no such file; check the path (- reads standard input)"))
        elif file.is_dir():
            problems += (
                _shard_problems(file)
                if is_shard(file)
                else [InputError(f"{path}: this is a folder; name the FASTA files in it")]
            )
        elif not os.access(file, os.R_OK):
            problems.append(InputError(f"{path}: this file may not be read; check its permissions"))
    if [str(path) for path in paths].count(STDIN) > 1:
        problems.append(InputError("standard input (-) is named more than once; it can be read only once"))
    return problems


def _shard_problems(folder: Path) -> list[InputError]:
    """Return what is wrong with a shard as far as it shows without reading its records."""
    try:
        pieces = read_shard(folder).pieces
    except InputError as error:
        return [error]
    return [
        InputError(f"{piece.path}: there is no such file, but {folder / SHARD_FILE} names it; split the input again")
        for piece in pieces
        if not Path(piece.path).is_file()
    ]


def total_bytes(paths: Sequence[str | Path]) -> int | None:
    """Return the size of all inputs on disk, or None where one is a pipe."""
    total = 0
    for piece in (piece for path in paths for piece in pieces_of(path)):
        file = Path(resolve_input(str(piece.path)))
        if str(piece.path) == STDIN or not file.is_file():
            return None
        total += file.stat().st_size
    return total


@contextmanager
def open_input(path: str | Path) -> Iterator[tuple[CountedBytes, BinaryIO]]:
    """Open ``path`` (``-`` is standard input, ``example:NAME`` a file that the package brings) and yield its bytes on disk and the decompressed stream.

    Faults of the compressed data that show while the stream is read are raised as `InputError`.
    """
    name = source_name(path)
    file = Path(resolve_input(str(path)))
    try:
        raw = _standard_input() if str(path) == STDIN else file.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"{name}: cannot be opened: {error.strerror}; check the path and its permissions") from error
    counted = CountedBytes(raw)
    try:
        yield counted, _decompressed(counted, name)
    except _decoder_errors() as error:
        detail = str(error).rstrip(".")
        raise InputError(
            f"{name}: cannot be read to its end: {detail}; the file is cut short or damaged, copy or download it again"
        ) from error
    finally:
        counted.close()


def _decoder_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the decoders; of xz and zstd only where this process has loaded them."""
    errors: list[type[Exception]] = [EOFError, OSError, zlib.error]
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError"), ("backports.zstd", "ZstdError")):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)


def _decompressed(counted: CountedBytes, name: str) -> BinaryIO:
    """Return the reader that the first bytes of the file ask for."""
    head = counted.head
    for magic, (what, remedy) in _REFUSED.items():
        if head.startswith(magic):
            raise InputError(f"{name}: this is {what}; {remedy}")
    buffered = io.BufferedReader(counted, buffer_size=1 << 18)
    if head.startswith(_GZIP):
        import gzip

        return cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
    if head.startswith(_BZIP2):
        import bz2

        return cast("BinaryIO", bz2.BZ2File(buffered))
    if head.startswith(_XZ):
        import lzma

        return cast("BinaryIO", lzma.LZMAFile(buffered))
    if head.startswith(_ZSTD):
        return _zstd(buffered)
    return cast("BinaryIO", buffered)


def _zstd(buffered: io.BufferedReader[CountedBytes]) -> BinaryIO:
    """Return a zstd reader: of the standard library from Python 3.14 on, of its backport before."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile
    else:
        from backports.zstd import ZstdFile

    return cast("BinaryIO", ZstdFile(buffered))
