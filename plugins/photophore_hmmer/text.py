"""Reads HMMER3's text format record by record, and says at which line a record is broken.

Each record is given to HMMER alone and looked at afterwards, for HMMER itself ends without a word at a record that is
cut short, and reads ``2.z7`` as 2.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyhmmer.errors import AlphabetMismatch, EaselError
from pyhmmer.plan7 import HMM, HMMFile

from photophore.errors import InputError
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.faults import find_fault
from photophore_hmmer.soundness import hmm_problem, hmmer_reason

if TYPE_CHECKING:
    from typing import BinaryIO

MAGIC = b"HMMER3/"
_CHUNK_BYTES = 1 << 20
_END = re.compile(rb"^//[^\S\n]*(?:\n|\Z)", re.MULTILINE)
#: Empty lines and comments before a record.
_PREAMBLE = re.compile(rb"(?:[^\S\n]*(?:#[^\n]*)?\n)*")
_ALPHABET = re.compile(rb"^ALPH[^\S\n]*([^\n]*)", re.MULTILINE)
_NAME = re.compile(rb"^NAME[^\S\n]+(\S+)", re.MULTILINE)
_MODEL = re.compile(rb"^HMM[^\S\n][^\n]*\n[^\n]*\n(?:\s*COMPO\b[^\n]*\n)?", re.MULTILINE)


def read_text(path: str, stream: BinaryIO, formats: str) -> Iterator[tuple[HMM, int]]:
    """Yield the profiles of a text file, each with the number of its first line; ``formats`` is the remedy for other files."""
    for first, record in _records(path, stream, formats):
        yield _parse(path, first, record), first


def _records(path: str, stream: BinaryIO, formats: str) -> Iterator[tuple[int, bytes]]:
    """Yield first line number and bytes of each record, from its magic to its ``//``."""
    first, pending, whole = 1, b"", False
    while not whole:
        chunk = stream.read(_CHUNK_BYTES)
        whole, pending = not chunk, pending + chunk.replace(b"\r", b"")
        while True:
            preamble = _PREAMBLE.match(pending)
            if preamble is not None:
                first, pending = first + preamble[0].count(b"\n"), pending[preamble.end() :]
            _check_magic(path, first, pending, formats, whole=whole)
            end = _END.search(pending)
            if end is None or (not whole and end.end() == len(pending) and not end[0].endswith(b"\n")):
                break
            record, pending = pending[: end.end()], pending[end.end() :]
            yield first, record
            first += record.count(b"\n")
    if pending.strip():
        name = _NAME.search(pending)
        shown = _as_text(name[1]) if name else "?"
        last = first + pending.rstrip().count(b"\n")
        raise InputError(
            f"{path}:{last}: the file ends within profile {shown!r}, which begins at line {first}, before its closing //; "
            "the file is cut short, copy or download it again"
        )


def _check_magic(path: str, first: int, pending: bytes, formats: str, *, whole: bool) -> None:
    """Refuse what is no profile of HMMER3, as soon as its first line shows it."""
    line = pending.split(b"\n", 1)[0]
    if line.startswith(MAGIC) or not pending.strip() or (len(pending) < len(MAGIC) and not whole):
        return
    if line.startswith(b"#") and not whole and b"\n" not in pending:
        return  # a comment that goes on in the next chunk
    if line.startswith(b"HMMER2"):
        raise InputError(f"{path}:{first}: this is a profile of HMMER2; convert it: hmmconvert {path} > converted.hmm")
    shown = line[:40].decode("latin-1")
    raise InputError(f"{path}:{first}: expected a profile, which begins with HMMER3/, found {shown!r}; {formats}")


def _parse(path: str, first: int, record: bytes) -> HMM:
    """Return the profile written in ``record``, or say at which line it is broken."""
    alphabet = _ALPHABET.search(record)
    if alphabet is not None and alphabet[1].strip() != b"amino":
        line, shown = first + record.count(b"\n", 0, alphabet.start()), _as_text(alphabet[1].strip())
        raise InputError(f"{path}:{line}: the profile has alphabet {shown!r}, not 'amino'; remove DNA and RNA profiles")
    hmm: HMM | None
    try:
        with HMMFile(io.BytesIO(_as_utf8(record)), alphabet=AMINO) as records:
            hmm = records.read()
        problem = hmm_problem(hmm) if hmm else "HMMER finds no profile here; build it again with hmmbuild"
        if hmm and problem is None and _model_lines(record) != 3 * hmm.M + 2:
            problem = f"the model has not the {hmm.M} positions that LENG says; build it again with hmmbuild"
    except (ValueError, OSError, EOFError, EaselError, AlphabetMismatch) as error:
        hmm, problem = None, f"HMMER cannot read this profile ({hmmer_reason(error)}); build it again with hmmbuild"
    if hmm is not None and problem is None:
        return hmm
    fault = find_fault(_as_text(record).rstrip().split("\n"))
    if fault is None:
        raise InputError(f"{path}:{first}: {problem}")
    remedy = "the file is damaged, copy it or build it again with hmmbuild"
    raise InputError(f"{path}:{first + fault.line}: {fault.reason}; {remedy}")


def _model_lines(record: bytes) -> int:
    """Return the number of lines of the model proper: three a position, two before the first one."""
    start = _MODEL.search(record)
    return record.rstrip().count(b"\n", start.end()) if start else 0


def _as_utf8(record: bytes) -> bytes:
    """Return ``record`` in UTF-8, as pyhmmer wants it."""
    return record if record.isascii() else _as_text(record).encode()


def _as_text(content: bytes) -> str:
    """Return ``content`` as text: UTF-8, or Latin-1 as old descriptions have it."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
