"""A strict and fast FASTA reader: every record comes out as a `Record` or as a `Failure` that says what is wrong with it.

Blocks of whole records are cut with `bytes.split` and cleaned with `bytes.translate`; only a faulty record is looked at letter by letter.

Like HMMER: letters may be lower case, white space within a sequence is dropped, X, B, Z, J, U and O stay, names may repeat.
Unlike HMMER, which keeps ``*`` as a letter that nothing aligns to: a ``*`` at the end is dropped, one inside becomes ``X`` (or fails its record).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from photophore.errors import InputError, UsageError
from photophore.inputs import CountedBytes, open_input, pieces_of
from photophore.shards import Piece
from photophore.types import RESIDUE_LETTERS, Failure

#: What may happen to a ``*`` inside a sequence: become X, or fail its record.
STOPS = ("mask", "fail")

_BLOCK_BYTES = 1 << 20
_SPACE = b" \t\r\n\v\f"
_LEGAL = RESIDUE_LETTERS.encode() + RESIDUE_LETTERS.lower().encode()
_BAD = 0
_UPPER = bytes(byte - 32 * (byte > 90) if byte in _LEGAL else _BAD for byte in range(256))
_GAPS = b"-._~"
_NUCLEOTIDES = b"ACGTUN"
_SNIFFED_RECORDS = 100
_SNIFFED_RESIDUES = 20
_FOREIGN = {
    b"@": "FASTQ reads",
    b"HMMER": "a profile HMM file",
    b"LOCUS": "a GenBank file",
    b"ID  ": "an EMBL or UniProt file",
    b"##gff": "a GFF file",
    b"# STOCKHOLM": "a Stockholm alignment",
    b"CLUSTAL": "a Clustal alignment",
    b"%PDF": "a PDF",
    b"<": "a web page",
}


class Record(NamedTuple):
    """One protein: upper-case residues, its place as ``file:line`` of the header, and the inner stop codons that became X."""

    id: str
    description: str
    sequence: str
    source: str
    stops: int = 0


class FastaReader:
    """Iterates over the records of several files.

    Parameters
    ----------
    paths
        FASTA files, plain or compressed (gz, bz2, xz, zst), or shards; ``-`` is standard input.
    stops
        What to do with a ``*`` inside a sequence: ``mask`` makes it X, ``fail`` fails the record.
    allow_nucleotide_like
        Read on even where the first records of a file look like DNA or RNA.

    Raises
    ------
    InputError
        Where a file as a whole is not what it should be; a single faulty record is yielded as a `Failure`.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, stops: str = "mask", allow_nucleotide_like: bool = False
    ) -> None:
        if stops not in STOPS:
            raise UsageError(f"--stops is {stops!r}; choose one of {', '.join(STOPS)}")
        self._paths = tuple(paths)
        self._mask = stops == "mask"
        self._allow_nucleotide_like = allow_nucleotide_like
        self._finished_bytes = 0
        self._open: CountedBytes | None = None

    @property
    def bytes_read(self) -> int:
        """Bytes on disk read so far, over all files."""
        return self._finished_bytes + (self._open.count if self._open else 0)

    def __iter__(self) -> Iterator[Record | Failure]:
        for _, item in self.with_text():
            yield item

    def with_text(self) -> Iterator[tuple[bytes, Record | Failure]]:
        """Yield each record as it stands in the file, without its '>' and its last line end, and what it is."""
        for piece in (piece for path in self._paths for piece in pieces_of(path)):
            with closing(self._read_piece(piece)) as records:
                if piece.whole and not self._allow_nucleotide_like:
                    first = list(islice(records, _SNIFFED_RECORDS))
                    _refuse_nucleotides([item for _, item in first], piece.source)
                    yield from first
                yield from records

    def _read_piece(self, piece: Piece) -> Generator[tuple[bytes, Record | Failure]]:
        """Yield the records of one file."""
        name = piece.source
        found = 0
        with open_input(piece.path) as (counted, stream):
            self._open = counted
            try:
                line = piece.line
                for group in _groups(stream):
                    records = group
                    if not found:
                        line, records = _first_header(group, line, name)
                    for chunk in records[1:].split(b"\n>") if records else ():
                        found += 1
                        yield chunk, self._parse(chunk, name, line)
                        line += chunk.count(b"\n") + 1
            finally:
                self._finished_bytes += counted.count
                self._open = None
        if not found:
            raise InputError(f"{name}: there is no sequence in this file; expected FASTA, records that begin with '>'")
        if found != (piece.records or found):
            raise InputError(
                f"{piece.path}: holds {found:,} records of {name}, not the {piece.records:,} that it was made with; "
                "split the input again (photophore split)"
            )

    def _parse(self, chunk: bytes, name: str, line: int) -> Record | Failure:
        """Return the record in ``chunk``: everything after its '>', which stands on ``line``."""
        header, _, body = chunk.partition(b"\n")
        source = f"{name}:{line}"
        if b"\r" in header or b"\x01" in header:
            header = _header_line(header, source)
        words = header.split(None, 1)
        protein = _text(words[0]) if words else ""
        description = _text(words[1].rstrip()) if len(words) == 2 else ""
        if not words:
            return Failure("", source, "read", f"{source}: the record has no name; write one after '>'")

        residues = body.translate(_UPPER, _SPACE)
        stops = 0
        if _BAD in residues:
            residues, stops, reason = _clean(body, protein, source, line, mask=self._mask)
            if reason:
                return Failure(protein, source, "read", reason)
        if not residues:
            return Failure(protein, source, "read", f"{source}: {protein!r} has no residues; remove the record")
        return Record(protein, description, residues.decode("ascii"), source, stops)


def read_fasta(
    paths: Sequence[str | Path], *, stops: str = "mask", allow_nucleotide_like: bool = False
) -> Iterator[Record | Failure]:
    """Yield each record of ``paths`` in order, as a `Record` or, where it is faulty, as a `Failure`; see `FastaReader`."""
    return iter(FastaReader(paths, stops=stops, allow_nucleotide_like=allow_nucleotide_like))


def _groups(stream: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole records, each beginning with '>' (but for text before the first one) and without its last line end."""
    held: list[bytes] = []
    while block := stream.read(_BLOCK_BYTES):
        block += stream.readline()
        cut = block.rfind(b"\n>") + 1
        if cut or block.startswith(b">"):
            if group := b"".join([*held, block[:cut]]):
                yield group.removesuffix(b"\n")
            held = [block[cut:]]
        else:
            held.append(block)
    if group := b"".join(held):
        yield group.removesuffix(b"\n")


def _first_header(group: bytes, line: int, name: str) -> tuple[int, bytes]:
    """Return the line of the first '>' of a file and ``group`` from there on, empty where only blank lines were found."""
    text = group.removeprefix(b"\xef\xbb\xbf") if line == 1 else group
    stripped = text.lstrip(_SPACE)
    line += text[: len(text) - len(stripped)].count(b"\n")
    if not stripped:
        return line + 1, b""
    if stripped.startswith(b">"):
        return line, stripped
    shown = _text(stripped.split(b"\n", 1)[0][:40].rstrip())
    kind = next((f" (this looks like {what})" for head, what in _FOREIGN.items() if stripped.startswith(head)), "")
    raise InputError(
        f"{name}:{line}: text before the first '>': {shown!r}{kind}; expected FASTA, records that begin with '>'"
    )


def _header_line(header: bytes, source: str) -> bytes:
    """Return a header without its carriage return, and without the other names that follow a ^A (NCBI nr)."""
    header = header.rstrip()
    if b"\r" in header:
        raise InputError(f"{source}: lines end with carriage returns only; convert them: tr '\\r' '\\n'")
    return header.partition(b"\x01")[0]


def _clean(body: bytes, protein: str, source: str, line: int, *, mask: bool) -> tuple[bytes, int, str]:
    """Look at a sequence with letters that are no residues; return residues, inner stops made X, and what is wrong or ''."""
    residues = body.translate(None, _SPACE).rstrip(b"*")
    illegal = residues.translate(None, _LEGAL + (b"*" if mask else b""))
    if not illegal:
        return residues.replace(b"*", b"X").upper(), residues.count(b"*"), ""
    byte = illegal[:1]
    at = line + 1 + body[: body.index(byte)].count(b"\n")
    shown = _character(residues, residues.index(byte))
    if byte == b"*":
        remedy = "remove stop codons or pass --stops mask"
    elif byte in _GAPS:
        remedy = "remove gaps, this reader takes unaligned sequences (seqkit seq --remove-gaps)"
    elif byte.isdigit():
        remedy = "remove the numbers"
    elif byte == b">":
        remedy = "put each '>' at the beginning of its own line"
    else:
        remedy = f"only the letters {RESIDUE_LETTERS} are residues"
    file = source.rpartition(":")[0]
    return b"", 0, f"{file}:{at}: {protein!r} has {shown!r} at residue {residues.index(byte) + 1}; {remedy}"


def _character(residues: bytes, at: int) -> str:
    """Return the character that begins at byte ``at``, which may be several bytes long in UTF-8."""
    for width in range(1, 5):
        try:
            return residues[at : at + width].decode()
        except UnicodeDecodeError:
            continue
    return residues[at : at + 1].decode("latin-1")


def _text(raw: bytes) -> str:
    """Return header bytes as text: UTF-8, or Latin-1 where they are not."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def nucleotide_share(records: Sequence[Record | Failure]) -> tuple[float, int]:
    """Return which share of the letters of ``records`` are A, C, G, T, U or N, and how many letters there are."""
    letters = "".join(record.sequence for record in records if isinstance(record, Record)).encode()
    return 1 - len(letters.translate(None, _NUCLEOTIDES)) / max(1, len(letters)), len(letters)


def _refuse_nucleotides(first: list[Record | Failure], name: str) -> None:
    """Raise `InputError` where at least 95 % of the first letters of a file are A, C, G, T, U or N."""
    share, letters = nucleotide_share(first)
    if letters >= _SNIFFED_RESIDUES and share >= 0.95:
        raise InputError(
            f"{name}: {100 * share:.0f} % of the first {letters:,} letters are A, C, G, T, U or N: "
            "this looks like DNA or RNA, not protein; translate it first, or pass --allow-nucleotide-like"
        )
