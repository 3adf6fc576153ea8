"""Profile files: every form that HMMER writes is read, everything else is refused with file, line and remedy."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyhmmer.plan7 import HMM
from tests.plugins.hmmer_cases import DATA, HMMS, HmmerDatabase, read_hmms

from photophore.errors import InputError
from photophore_hmmer.ec import ec_numbers
from photophore_hmmer.sources import read_profiles

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = (HMMS / "PF02826.hmm").read_bytes()
LINES = TEXT.decode().splitlines()
FORMATS = "give HMMER3 profiles: text (.hmm, also .gz, .xz, .zst) or pressed (.h3m)"


def names(path: Path) -> list[str]:
    return [str(profile.hmm.name) for profile in read_profiles(path)]


def fault(path: Path) -> str:
    """Return the message of what is wrong with ``path``, without its folder."""
    with pytest.raises(InputError) as error:
        list(read_profiles(path))
    return str(error.value).replace(f"{path.parent}/", "")


def broken(tmp_path: Path, change: Callable[[list[str]], object]) -> str:
    """Return the message about the profile PF02826 with its lines changed."""
    lines = list(LINES)
    change(lines)
    path = tmp_path / "broken.hmm"
    path.write_text("\n".join([*lines, ""]))
    return fault(path)


def replaced(lines: list[str], number: int, old: str, new: str) -> None:
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_text_plain_and_compressed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "profiles"
    path.write_bytes(pack(TEXT + (HMMS / "KR.hmm").read_bytes()))
    profiles = list(read_profiles(path))
    assert [profile.hmm for profile in profiles] == read_hmms([HMMS / "PF02826.hmm", HMMS / "KR.hmm"])
    assert [profile.place for profile in profiles] == [f"{path}:1", f"{path}:559"]


def test_pressed_by_any_of_its_names(tmp_path: Path) -> None:
    expected = names(HMMS / "RREFam.hmm")
    assert len(expected) == 10
    assert names(DATA / "hmms" / "bin" / "RREFam.h3m") == expected
    for part in ("h3m", "h3f", "h3i", "h3p"):
        assert names(DATA / "hmms" / "db" / f"RREFam.hmm.{part}") == expected
    (tmp_path / "alone.h3m").write_bytes((DATA / "hmms" / "bin" / "RREFam.h3m").read_bytes())
    assert names(tmp_path / "alone") == expected
    profile = next(read_profiles(tmp_path / "alone.h3m"))
    assert profile.place == f"{tmp_path}/alone.h3m: record 1"


def test_comments_carriage_returns_and_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "old.hmm"
    text = TEXT.replace(b"DESC  D-isomer", b"DESC  caf\xe9").replace(b"\n", b"\r\n")
    path.write_bytes(b"# from an old disk\r\n\r\n" + text)
    (profile,) = read_profiles(path)
    hmm: HMM = profile.hmm
    assert (hmm.name, hmm.M) == ("2-Hacid_dh_C", 178)
    assert hmm.description == "caf\xe9 specific 2-hydroxyacid dehydrogenase, NAD binding domain"
    assert profile.place == f"{path}:3"


def test_cut_short(tmp_path: Path) -> None:
    for kept in (100, 557):
        assert broken(tmp_path, lambda lines, kept=kept: lines.__delitem__(slice(kept, None))) == (  # type: ignore[misc]
            f"broken.hmm:{kept}: the file ends within profile '2-Hacid_dh_C', which begins at line 1, before its "
            "closing //; the file is cut short, copy or download it again"
        )


AGAIN = "; the file is damaged, copy it or build it again with hmmbuild"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: replaced(lines, 42, "2.", "2z"), "42: position 7, matches: '2z07387' is not a number"),
        (lambda lines: replaced(lines, 24, "2.82670", "nan"), "24: position 1, matches: 'nan' is not a number"),
        (
            lambda lines: replaced(lines, 42, "2.", "0."),
            "42: position 7, matches: the probabilities sum to 1.803, not to 1",
        ),
        (
            lambda lines: replaced(lines, 26, "0.01025", "1.01025"),
            "26: position 1, transitions: those of the match state sum to",
        ),
        (lambda lines: lines.__delitem__(60), "61: position 13, inserts: 7 numbers instead of 20"),
        (lambda lines: lines.__delitem__(slice(59, 62)), "60: expected position 13, found '14'"),
        (
            lambda lines: replaced(lines, 5, "178", "177"),
            "555: the model goes on after position 177, its last one by LENG",
        ),
        (lambda lines: replaced(lines, 5, "178", "1"), "27: the model goes on after position 1, its last one by LENG"),
        (lambda lines: replaced(lines, 5, "178", "179"), "558: the model ends in position 178 of 179"),
        (lambda lines: replaced(lines, 5, "178", "0"), "5: LENG is '0', not a number of positions"),
        (lambda lines: replaced(lines, 5, "178", "many"), "5: LENG is 'many', not a number of positions"),
        (lambda lines: lines.__delitem__(1), "1: the profile has no NAME line"),
        (
            lambda lines: replaced(lines, 14, " 25.10 25.10", " 25.10"),
            "14: 'GA    25.10' has not the two numbers that it needs",
        ),
        (
            lambda lines: replaced(lines, 17, "-10.2529  0.70685", "-10.2529"),
            "17: 'STATS LOCAL MSV      -10.2529' has not the two",
        ),
        (lambda lines: lines.__delitem__(slice(19, 557)), "20: the profile ends before its HMM line"),
    ],
)
def test_broken_text_names_the_line(tmp_path: Path, change: Callable[[list[str]], None], said: str) -> None:
    message = broken(tmp_path, change)
    assert message.startswith(f"broken.hmm:{said}")
    assert message.endswith(AGAIN)


def test_the_second_profile_is_the_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "two.hmm"
    path.write_bytes((HMMS / "KR.hmm").read_bytes() + TEXT.replace(b"    178   ", b"    1x8   "))
    offset = len((HMMS / "KR.hmm").read_text().splitlines())
    assert fault(path).startswith(f"two.hmm:{offset + 555}: expected position 178, found '1x8'")


def test_not_calibrated(tmp_path: Path) -> None:
    assert broken(tmp_path, lambda lines: lines.__delitem__(slice(16, 19))) == (
        "broken.hmm:1: profile '2-Hacid_dh_C' has no STATS lines, so no E-values; build it again with hmmbuild of HMMER3"
    )


def test_nucleotides() -> None:
    assert fault(HMMS / "RF00001.hmm") == (
        "RF00001.hmm:7: the profile has alphabet 'RNA', not 'amino'; remove DNA and RNA profiles"
    )
    assert fault(HMMS / "bmyD.hmm").startswith("bmyD.hmm:5: the profile has alphabet 'DNA', not 'amino'")
    assert fault(DATA / "hmms" / "bin" / "RF00001.h3m") == (
        "RF00001.h3m: record 1: this is not a protein profile; remove DNA and RNA profiles"
    )


def test_hmmer2() -> None:
    path = DATA / "hmms" / "txt2" / "Thioesterase.hmm2"
    assert "Thioesterase.hmm2:1: this is a profile of HMMER2; convert it: hmmconvert " in fault(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", f"given: the file is empty; {FORMATS}"),
        (b"# nothing\n\n", f"given:1: there is no profile in this file; {FORMATS}"),
        (b">p1\nMKV\n", f"given:1: expected a profile, which begins with HMMER3/, found '>p1'; {FORMATS}"),
        (TEXT + b"hello\n", f"given:559: expected a profile, which begins with HMMER3/, found 'hello'; {FORMATS}"),
        (
            TEXT + b"HMMER4/x\n//\n",
            f"given:559: expected a profile, which begins with HMMER3/, found 'HMMER4/x'; {FORMATS}",
        ),
        (gzip.compress(TEXT)[:-900], "given: cannot be read to its end: Compressed file ended before"),
        (b"\xba\xed\xed", f"given:1: expected a profile, which begins with HMMER3/, found '\xba\xed\xed'; {FORMATS}"),
    ],
)
def test_not_a_profile_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    assert fault(path).startswith(said)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    assert fault(tmp_path / "none.hmm") == (
        "none.hmm: cannot be opened: No such file or directory; check the path and its permissions"
    )
    assert "cannot be opened: Is a directory" in fault(tmp_path)


def test_damaged_pressed_file_names_the_record(tmp_path: Path) -> None:
    whole = (DATA / "hmms" / "bin" / "RREFam.h3m").read_bytes()
    path = tmp_path / "cut.h3m"
    path.write_bytes(whole[:50_000])
    assert fault(path) == (
        "cut.h3m: record 3 (after 'Thiopeptide_F_RRE'): HMMER cannot read it (failed to read t[44]); "
        "the file is damaged, press the profiles again with hmmpress"
    )
    path.write_bytes(whole[:40_000] + bytes(500) + whole[40_500:])
    assert fault(path).startswith("cut.h3m: record 3: profile 'PqqD_RRE' does not hold together (")


def test_part_of_a_pressed_database_alone(tmp_path: Path) -> None:
    part = (DATA / "hmms" / "db" / "RREFam.hmm.h3f").read_bytes()
    path = tmp_path / "alone.h3f"
    path.write_bytes(part)
    assert fault(path) == (
        f"alone.h3f: this part of a pressed database holds no whole profiles, and alone.h3m is not beside it; {FORMATS}"
    )
    path = tmp_path / "renamed.hmm"
    path.write_bytes(part)
    assert fault(path) == f"renamed.hmm: this part of a pressed database holds no whole profiles; {FORMATS}"


def test_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "twice.hmm"
    path.write_bytes(TEXT + TEXT)
    with pytest.raises(InputError) as error:
        HmmerDatabase([path], tmp_path)
    assert str(error.value) == (
        f"{path}:559: profile '2-Hacid_dh_C' is there twice, first at {path}:1; remove or rename one of the two"
    )
    pressed = DATA / "hmms" / "db" / "PF02826.hmm.h3m"
    with pytest.raises(InputError) as error:
        HmmerDatabase([HMMS / "KR.hmm", pressed, HMMS / "PF02826.hmm"], tmp_path)
    assert f"{HMMS}/PF02826.hmm:1: profile '2-Hacid_dh_C' is there twice, first at {pressed}: record 1" in str(
        error.value
    )


def test_no_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no profiles were given; name at least one file"):
        HmmerDatabase([], tmp_path)


@pytest.mark.parametrize(
    ("description", "numbers"),
    [
        ("Alcohol dehydrogenase (EC 1.1.1.1)", ("1.1.1.1",)),
        ("kinase [EC:2.7.1.1 2.7.1.2]", ("2.7.1.1", "2.7.1.2")),
        ("two (EC 1.2.3.4, EC 2.3.4.-) and EC=3.1.-.-", ("1.2.3.4", "2.3.4.-", "3.1.-.-")),
        ("preliminary EC:1.1.1.n2; again EC 1.1.1.n2", ("1.1.1.n2",)),
        ("version 1.2.3.4 of a spec, SEC 1.2.3.4", ()),
        ("EC 9.1.1.1 does not exist", ()),
        ("", ()),
    ],
)
def test_ec_numbers(description: str, numbers: tuple[str, ...]) -> None:
    assert ec_numbers(description) == numbers


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 4096])
def test_records_do_not_depend_on_the_chunks_they_are_read_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """Comments, empty lines, carriage returns and a last line without end, cut anywhere."""
    monkeypatch.setattr("photophore_hmmer.text._CHUNK_BYTES", chunk_bytes)
    small = "".join(tiny_profile(name) for name in ("a", "b")).replace("\n", "\r\n")
    path = tmp_path / "tiny.hmm"
    path.write_bytes(f"# first\r\n\r\n{small}\r\n# between\r\n{tiny_profile('c').rstrip()}".encode())
    assert [(profile.hmm.name, profile.place.rpartition(":")[2]) for profile in read_profiles(path)] == [
        ("a", "3"),
        ("b", "18"),
        ("c", "35"),
    ]


def tiny_profile(name: str) -> str:
    """Return a profile of one position."""
    flat = "  2.99573" * 20
    return (
        f"HMMER3/f [3.4]\nNAME  {name}\nLENG  1\nALPH  amino\n"
        "STATS LOCAL MSV  -5.0  0.7\nSTATS LOCAL VITERBI  -5.0  0.7\nSTATS LOCAL FORWARD  -4.0  0.7\n"
        f"HMM  {'  '.join('ACDEFGHIKLMNPQRSTVWY')}\n  m->m  m->i  m->d  i->m  i->i  d->m  d->d\n"
        f"{flat}\n  0.02041  4.60517  4.60517  0.69315  0.69315  0.00000  *\n"
        f"  1{flat} 1 x - - -\n{flat}\n  0.01005  4.60517  *  0.69315  0.69315  0.00000  *\n//\n"
    )
