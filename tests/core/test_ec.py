"""EC numbers: syntax, hierarchy, equation 1 of HiFi-NN, transferred and deleted entries."""

from __future__ import annotations

import doctest
import lzma
import re
from pathlib import Path

import pytest

from photophore import ec as ec_module
from photophore.ec import EC, EC_PATTERN, label_set, overlap, parse_ec, read_transfers, resolve, split_ecs
from photophore.errors import InputError

REMEDY = (
    "; write up to four levels such as 2.7.1.1, 2.7.1.- where the serial is open, or 3.5.1.n3 where it is preliminary"
)


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(ec_module).failed == 0


@pytest.mark.parametrize(
    ("text", "normal", "level"),
    [
        ("2.7.1.1", "2.7.1.1", 4),
        ("3.5.1.n3", "3.5.1.n3", 4),
        ("2.7.1.-", "2.7.1.-", 3),
        ("2.7.1", "2.7.1.-", 3),
        ("2.7.-.-", "2.7.-.-", 2),
        ("2.7.-", "2.7.-.-", 2),
        ("2.7", "2.7.-.-", 2),
        ("7", "7.-.-.-", 1),
        (" EC 1.14.14.154 ", "1.14.14.154", 4),
        ("EC:4.2.1.1", "4.2.1.1", 4),
        ("ec=4.2.1.1", "4.2.1.1", 4),
        ("EC4.2.1.1", "4.2.1.1", 4),
    ],
)
def test_normal_form(text: str, normal: str, level: int) -> None:
    ec = parse_ec(text)
    assert (str(ec), ec.level, ec.is_full) == (normal, level, level == 4)
    assert parse_ec(str(ec)) == ec
    assert bool(re.fullmatch(EC_PATTERN, str(ec)))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no level is given"),
        ("-.-.-.-", "no level is given"),
        ("8.1.1.1", "class '8' is none of 1 to 7"),
        ("0.1.1.1", "class '0' is none of 1 to 7"),
        ("kinase", "class 'kinase' is none of 1 to 7"),
        ("1.2.3.4.5", "it has 5 levels"),
        ("1.-.3.4", "level 2 is open, but a level after it is not"),
        ("1.2.n3.4", "level 3 is 'n3'"),
        ("1.2.3.", "level 4 is ''"),
        ("1.2.3.04", "level 4 is '04'"),
        ("1.2.3.\u0664", "level 4 is '\u0664'"),
        ("1.2.3.B4", "level 4 is 'B4'"),
        ("1.2.3.0", "level 4 is '0'"),
    ],
)
def test_what_is_no_ec_number(text: str, wrong: str) -> None:
    with pytest.raises(InputError) as error:
        parse_ec(text)
    assert str(error.value) == f"{text!r} is no EC number: {wrong}{REMEDY}"
    assert not re.fullmatch(EC_PATTERN, text)


def test_the_error_names_the_place() -> None:
    with pytest.raises(InputError, match=r"^look-up.tsv:7: '9' is no EC number: class '9' is none of 1 to 7; write"):
        parse_ec("9", place="look-up.tsv:7")


def test_an_ec_number_is_checked_when_made() -> None:
    with pytest.raises(InputError, match=r"^'2\.-' is no EC number: level 2 is open"):
        EC(("2", "-"))
    with pytest.raises(InputError, match="it has 5 levels"):
        EC(("2", "1", "1", "1", "1"))


def test_parents_are_the_label_set_of_the_paper() -> None:
    assert [".".join(parent.parts) for parent in parse_ec("2.3.2.27").parents()] == ["2", "2.3", "2.3.2", "2.3.2.27"]
    assert [str(parent) for parent in parse_ec("2.3").parents()] == ["2.-.-.-", "2.3.-.-"]
    assert str(parse_ec("2.3.2.27").at_level(3)) == "2.3.2.-"
    assert parse_ec("2.3").at_level(3) == parse_ec("2.3")


def test_preliminary_serials() -> None:
    assert parse_ec("3.5.1.n3").is_preliminary
    assert not parse_ec("3.5.1.3").is_preliminary
    assert parse_ec("3.5.1.n3") != parse_ec("3.5.1.3")


@pytest.mark.parametrize(
    "text", ["1.1.1.1;2.7.1;1.1.1.1", "1.1.1.1, 2.7.1.-", " 1.1.1.1  2.7.1.-;", "EC 1.1.1.1; EC:2.7.1.-"]
)
def test_lists(text: str) -> None:
    assert [str(ec) for ec in split_ecs(text)] == ["1.1.1.1", "2.7.1.-"]


def test_lists_that_are_empty_or_wrong() -> None:
    assert split_ecs("") == split_ecs(" ; ") == ()
    with pytest.raises(InputError, match="^t.tsv:2: 'no' is no EC number"):
        split_ecs("1.1.1.1;no", place="t.tsv:2")


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ("2.3.2.27", "2.3.2.31", 0.75),  # the paper's example
        ("2.3.2.27", "2.3.2.27", 1.0),
        ("2.3.2.27", "1.1.1.1", 0.0),
        ("2.3.2.-", "2.3.2.27", 1.0),  # the smaller set lies within the larger
        ("1.1.1.1;2.3.2.27", "2.3.2.31", 0.75),  # the union of eight labels against four
        ("1.1.1.1;2.3.2.27", "1.1.1.2;2.3.2.31", 6 / 8),
        ("1.1.1.1;1.1.1.2", "1.1.1.2;1.1.1.3", 4 / 5),  # parents count once
        ("", "", 1.0),
        ("", "1.1.1.1", 0.0),
    ],
)
def test_overlap_is_equation_1(a: str, b: str, value: float) -> None:
    assert overlap(split_ecs(a), split_ecs(b)) == overlap(split_ecs(b), split_ecs(a)) == value


def test_label_set_of_several_numbers() -> None:
    assert {".".join(ec.parts) for ec in label_set(split_ecs("1.1.1.1;1.2"))} == {"1", "1.1", "1.1.1", "1.1.1.1", "1.2"}


def transfers_of(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "transfers.tsv"
    path.write_text("\n".join(("old\tnew", *lines)) + "\n")
    return path


def test_transfers_are_followed_to_their_ends(tmp_path: Path) -> None:
    transfers = read_transfers(
        transfers_of(
            tmp_path,
            "3.6.3.1\t7.6.2.1",
            "1.1.1.5\t1.1.1.303;1.1.1.304",
            "1.1.1.303\t1.1.1.4",
            "",
            "1.1.1.74\t",
            "3.1.1.9",
        )
    )
    expected = {
        "3.6.3.1": "7.6.2.1",
        "1.1.1.5": "1.1.1.4;1.1.1.304",
        "1.1.1.74": "",
        "3.1.1.9": "",
        "2.7.1.1": "2.7.1.1",
    }
    for old, new in expected.items():
        assert resolve(parse_ec(old), transfers) == split_ecs(new)


def test_two_ways_to_one_entry_give_it_once(tmp_path: Path) -> None:
    transfers = read_transfers(
        transfers_of(tmp_path, "1.1.1.5\t1.1.1.6;1.1.1.7", "1.1.1.6\t1.1.1.8", "1.1.1.7\t1.1.1.8")
    )
    assert resolve(parse_ec("1.1.1.5"), transfers) == (parse_ec("1.1.1.8"),)


def test_transfers_in_a_circle(tmp_path: Path) -> None:
    transfers = read_transfers(
        transfers_of(tmp_path, "1.1.1.1\t1.1.1.2", "1.1.1.2\t1.1.1.3", "1.1.1.3\t1.1.1.2", "1.1.1.9\t1.1.1.9")
    )
    with pytest.raises(InputError) as error:
        resolve(parse_ec("1.1.1.1"), transfers)
    assert str(error.value) == (
        "transferred EC numbers lead in a circle: 1.1.1.2 -> 1.1.1.3 -> 1.1.1.2; "
        "take one of these out of the table of transfers"
    )
    with pytest.raises(InputError, match="circle: 1.1.1.9 -> 1.1.1.9;"):
        resolve(parse_ec("1.1.1.9"), transfers)


def test_tables_of_transfers_that_are_wrong(tmp_path: Path) -> None:
    path = transfers_of(tmp_path, "1.1.1.1\t1.1.1.2", "1.1.1.1\t1.1.1.3")
    with pytest.raises(InputError) as error:
        read_transfers(path)
    assert str(error.value) == f"{path}:3: 1.1.1.1 stands here a second time; join its new numbers by ';' in one line"
    with pytest.raises(InputError, match=r"transfers.tsv:2: 'x' is no EC number: class 'x' is none of 1 to 7"):
        read_transfers(transfers_of(tmp_path, "x\t1.1.1.2"))
    path.write_text("a,b\n")
    with pytest.raises(InputError) as error:
        read_transfers(path)
    assert (
        str(error.value) == f"{path}:1: the header is 'a,b'; the columns must be old and new, with a tab between them"
    )
    with pytest.raises(
        InputError, match=r"gone.tsv: cannot be read: .*; give a table with tabs and the header old, new"
    ):
        read_transfers(tmp_path / "gone.tsv")


def test_every_label_of_the_real_data_is_an_ec_number(shared_data: Path) -> None:
    for name, numbers in (("train", 4265), ("val30", None), ("val50", None), ("nonenzyme_val", 0)):
        with lzma.open(shared_data / "ec" / f"{name}.tsv.xz", "rt") as stream:
            next(stream)
            found = {ec for line in stream for ec in split_ecs(line.split("\t")[1])}
        assert all(ec.is_full for ec in found)
        assert numbers in {None, len(found)}
