"""What a user of HMMER expects of a FASTA file, and what every refusal says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from photophore.errors import InputError, UsageError
from photophore.fasta import FastaReader, Record, read_fasta
from photophore.inputs import check_inputs, total_bytes
from photophore.types import Failure

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TWO = b">p1 first protein\nMKVLA\nTREE\n>p2\nMW\n"
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}


@pytest.fixture
def fasta(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a function that writes bytes into ``queries.faa``."""

    def write(content: bytes) -> Path:
        path = tmp_path / "queries.faa"
        path.write_bytes(content)
        return path

    return write


def read_one(path: Path, **options: bool | str) -> Record | Failure:
    """Return the only record of ``path``."""
    (record,) = read_fasta([path], **options)  # type: ignore[arg-type]
    return record


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_reads_plain_and_compressed(fasta: Callable[[bytes], Path], kind: str) -> None:
    path = fasta(COMPRESSORS[kind](TWO))
    assert list(read_fasta([path])) == [
        Record("p1", "first protein", "MKVLATREE", f"{path}:1"),
        Record("p2", "", "MW", f"{path}:4"),
    ]


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_standard_input_is_sniffed_even_byte_by_byte(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Slow(COMPRESSORS[kind](TWO))))
    assert [record.source for record in read_fasta(["-"]) if isinstance(record, Record)] == ["<stdin>:1", "<stdin>:4"]
    assert not sys.stdin.buffer.closed


def test_several_files_in_order_and_bytes_counted(tmp_path: Path) -> None:
    paths = [tmp_path / "a.faa", tmp_path / "b.faa.gz"]
    paths[0].write_bytes(TWO)
    paths[1].write_bytes(gzip.compress(b">p1\nMKV\n"))
    reader = FastaReader(paths)
    records = [record for record in reader if isinstance(record, Record)]
    assert [record.id for record in records] == ["p1", "p2", "p1"]
    assert reader.bytes_read == total_bytes(paths) == sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize(
    ("content", "sequence"),
    [
        (b">p\nmkvla\n", "MKVLA"),
        (b">p\nMK VL\tA\n\n  MM\n", "MKVLAMM"),
        (b">p\nXBZJUO\n", "XBZJUO"),
        (b">p\nxbzjuo\n", "XBZJUO"),
        (b">p\r\nMKV\r\nLA\r\n", "MKVLA"),
        (b">p\nMKV\nLA", "MKVLA"),
        (b">p\nMKVLA*\n", "MKVLA"),
        (b">p\nMKVLA*\r\n*\r\n", "MKVLA"),
        (b"\n\n  \n>p\nM\n", "M"),
        (b"\xef\xbb\xbf>p\nMKV\n", "MKV"),
        (b"> p\nMKV\n", "MKV"),
    ],
)
def test_forms_of_a_sequence(fasta: Callable[[bytes], Path], content: bytes, sequence: str) -> None:
    record = read_one(fasta(content))
    assert isinstance(record, Record)
    assert (record.id, record.sequence, record.stops) == ("p", sequence, 0)


def test_stop_inside_becomes_x_and_is_counted(fasta: Callable[[bytes], Path]) -> None:
    path = fasta(b">p\nMK*v*LA*\n")
    assert read_one(path) == Record("p", "", "MKXVXLA", f"{path}:1", stops=2)


def test_stop_inside_fails_when_asked(fasta: Callable[[bytes], Path]) -> None:
    path = fasta(b">p\nMKV\nL*A*\n")
    reason = f"{path}:3: 'p' has '*' at residue 5; remove stop codons or pass --stops mask"
    assert read_one(path, stops="fail") == Failure("p", f"{path}:1", "read", reason)


def test_unknown_treatment_of_stops() -> None:
    with pytest.raises(UsageError, match="--stops is 'keep'; choose one of mask, fail"):
        read_fasta([], stops="keep")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b">p\nMK\nV-LA\n", ":3: 'p' has '-' at residue 4; remove gaps, this reader takes unaligned sequences"),
        (b">p\nMK.VLA\n", ":2: 'p' has '.' at residue 3; remove gaps"),
        (b">p\n1 MKVLA\n", ":2: 'p' has '1' at residue 1; remove the numbers"),
        (b">p\nMK#LA\n", ":2: 'p' has '#' at residue 3; only the letters ACDEFGHIKLMNPQRSTVWYBJZXUO are residues"),
        (b">p\nMK\xc3\xa9LA\n", ":2: 'p' has 'é' at residue 3; only the letters"),
        (b">p\nMK\x00LA\n", ":2: 'p' has '\\x00' at residue 3; only the letters"),
        (b">p\nMKV >q\nMK\n", ":2: 'p' has '>' at residue 4; put each '>' at the beginning of its own line"),
        (b">p\n", ":1: 'p' has no residues; remove the record"),
        (b">p", ":1: 'p' has no residues; remove the record"),
        (b">p\n**\n", ":1: 'p' has no residues; remove the record"),
        (b">\nMKV\n", ":1: the record has no name; write one after '>'"),
        (b">  \r\nMKV\n", ":1: the record has no name; write one after '>'"),
    ],
)
def test_faulty_record_is_a_failure_with_place_and_remedy(
    fasta: Callable[[bytes], Path], content: bytes, reason: str
) -> None:
    path = fasta(b">ok1\nMKVLA\n" + content.replace(b">ok", b"") + b"\n>ok2\nMW\n")
    before, failure, after = read_fasta([path])
    assert isinstance(failure, Failure)
    assert failure.stage == "read"
    assert failure.source == f"{path}:3"
    place, _, rest = reason.partition(": ")
    assert failure.reason.startswith(f"{path}:{int(place[1:]) + 2}: {rest}")
    assert isinstance(before, Record)
    assert after == Record("ok2", "", "MW", after.source)


def test_header_bytes_that_are_not_utf8(fasta: Callable[[bytes], Path]) -> None:
    record = read_one(fasta(b">p\xe9\xa0q prot\xe9ine\nMKV\n"))
    assert isinstance(record, Record)
    assert (record.id, record.description) == ("pé\xa0q", "protéine")


def test_first_name_of_an_nr_record(fasta: Callable[[bytes], Path]) -> None:
    record = read_one(fasta(b">WP_1.1 kinase [E. coli]\x01WP_2.1 other\nMKV\n"))
    assert isinstance(record, Record)
    assert (record.id, record.description) == ("WP_1.1", "kinase [E. coli]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MKVLA\n>p\nMKV\n", r":1: text before the first '>': 'MKVLA'; expected FASTA, records that begin with '>'"),
        (b"\n\n;comment\n>p\nMKV\n", r":3: text before the first '>': ';comment'"),
        (b"@read1\nACGT\n+\nIIII\n", r":1: text before the first '>': '@read1' \(this looks like FASTQ reads\)"),
        (b"HMMER3/f [3.1b2]\nNAME x\n", r"this looks like a profile HMM file"),
        (b"", r"queries.faa: there is no sequence in this file; expected FASTA"),
        (b"\n \n", r"queries.faa: there is no sequence in this file"),
        (b">p\rMKV\r>q\rMKV\r", r":1: lines end with carriage returns only; convert them: tr '\\r' '\\n'"),
        (b"PK\x03\x04....", r"queries.faa: this is a zip archive; unpack it first"),
        (">p\nMKV\n".encode("utf-16"), r"queries.faa: this is UTF-16 text; convert it: iconv"),
    ],
)
def test_file_that_is_not_fasta(fasta: Callable[[bytes], Path], content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_fasta([fasta(content)]))


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_truncated_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(COMPRESSORS[kind](TWO * 500)[:-12])
    with pytest.raises(
        InputError, match=rf"cut\.{kind}: cannot be read to its end: .*; the file is cut short or damaged"
    ):
        list(read_fasta([path]))


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_damaged_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"bad.{kind}"
    data = bytearray(COMPRESSORS[kind](TWO * 500))
    middle = len(data) // 2
    data[middle : middle + 16] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"bad\.{kind}: cannot be read to its end"):
        list(read_fasta([path]))


def test_nucleotides_are_refused_unless_allowed(fasta: Callable[[bytes], Path]) -> None:
    path = fasta(b">g1\nATGACCGATTACGGANNATGA\n>g2\nacgtacgtac\n")
    message = (
        r"queries.faa: 100 % of the first 31 letters are A, C, G, T, U or N: this looks like DNA or RNA, not protein; "
        r"translate it first, or pass --allow-nucleotide-like"
    )
    with pytest.raises(InputError, match=message):
        list(read_fasta([path]))
    assert len(list(read_fasta([path], allow_nucleotide_like=True))) == 2


def test_a_short_peptide_is_not_taken_for_dna(fasta: Callable[[bytes], Path]) -> None:
    record = read_one(fasta(b">p\nGATTACA\n"))
    assert isinstance(record, Record)
    assert record.sequence == "GATTACA"


def test_records_of_1_and_of_very_many_residues(fasta: Callable[[bytes], Path]) -> None:
    titin = b"MKVLATREEW" * 250_000  # longer than a block
    wrapped = b"\n".join(titin[i : i + 60] for i in range(0, len(titin), 60))
    path = fasta(b">a\nM\n>b\n" + titin + b"\n>c\n" + wrapped + b"\n>d\nW")
    a, b, c, d = read_fasta([path])
    assert isinstance(a, Record)
    assert isinstance(b, Record)
    assert isinstance(c, Record)
    assert isinstance(d, Record)
    assert (a.sequence, d.sequence) == ("M", "W")
    assert b.sequence == c.sequence == titin.decode()
    lines = wrapped.count(b"\n") + 1
    assert d.source == f"{path}:{6 + lines}"


def test_real_proteins_equal_a_slow_reader_over_several_blocks(fasta: Callable[[bytes], Path]) -> None:
    import pyhmmer

    metagenome = Path(pyhmmer.__file__).parent / "tests" / "data" / "seqs" / "938293.PRJEB85.HG003687.faa"
    content = metagenome.read_bytes() * 4
    big = fasta(content)
    expected: list[tuple[str, str, str]] = []
    for number, raw in enumerate(content.decode().splitlines(), 1):
        if raw.startswith(">"):
            expected.append((raw[1:].split()[0], "", f"{big}:{number}"))
        else:
            name, sequence, source = expected[-1]
            expected[-1] = (name, sequence + raw.strip().rstrip("*").upper(), source)
    records = [record for record in read_fasta([big]) if isinstance(record, Record)]
    assert [(record.id, record.sequence, record.source) for record in records] == expected


def test_inputs_checked_without_reading(tmp_path: Path) -> None:
    texts = [str(problem) for problem in check_inputs([tmp_path / "absent.faa", tmp_path, "-", "-"])]
    assert texts == [
        f"{tmp_path / 'absent.faa'}: there is no such file; check the path (- reads standard input)",
        f"{tmp_path}: this is a folder; name the FASTA files in it",
        "standard input (-) is named more than once; it can be read only once",
    ]
    assert "no input: name at least one FASTA file" in str(check_inputs([])[0])
