"""EC numbers: their syntax, their hierarchy, and entries that were transferred or deleted.

An EC number names one to four levels: class, subclass, sub-subclass and serial. Levels that are left open are written
``-`` (``2.7.1.-``); a serial that is not official yet begins with ``n`` (``3.5.1.n3``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from photophore.errors import InputError

LEVELS = 4

#: Target of the row of a protein that is given no EC number.
UNASSIGNED = "unassigned"

_LEVEL = "[1-9][0-9]*"
#: An EC number with all four levels written out, as a regular expression without groups, to find some in running text.
EC_PATTERN = rf"[1-7]\.(?:-\.-\.-|{_LEVEL}\.(?:-\.-|{_LEVEL}\.(?:-|n?{_LEVEL})))"

_PREFIX = re.compile(r"\bEC(?:\s*[:=]\s*|\s+|(?=[1-7]\.))", re.IGNORECASE)
_SEPARATORS = re.compile(r"[;,\s]+")
_CLASS = re.compile("[1-7]")
_NUMBER = re.compile(_LEVEL)
_SERIAL = re.compile(f"n?{_LEVEL}")


@dataclass(frozen=True, slots=True)
class EC:
    """An EC number; `parse_ec` makes one of text.

    Parameters
    ----------
    parts
        Levels that are not open, one to four: ``("3", "5", "1", "n3")``.

    >>> str(EC(("2", "7")))
    '2.7.-.-'
    """

    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = _what_is_wrong(self.parts)
        if wrong:
            raise _refusal(".".join(self.parts), wrong, place="")

    def __str__(self) -> str:
        """Return all four levels, ``-`` for the open ones."""
        return ".".join((*self.parts, *("-",) * (LEVELS - self.level)))

    @property
    def level(self) -> int:
        """How many levels are given: 4 for ``2.7.1.1``, 3 for ``2.7.1.-``."""
        return len(self.parts)

    @property
    def is_full(self) -> bool:
        """Whether no level is open."""
        return self.level == LEVELS

    @property
    def is_preliminary(self) -> bool:
        """Whether the serial is not official yet."""
        return self.is_full and self.parts[-1].startswith("n")

    def parents(self) -> tuple[EC, ...]:
        """Return a, a.b, a.b.c and a.b.c.d, down to this number itself: the label set of HiFi-NN (figure 2)."""
        return tuple(EC(self.parts[:level]) for level in range(1, self.level + 1))

    def at_level(self, level: int) -> EC:
        """Return this number with every level after ``level`` open; itself where it is open from there on already."""
        return self if level >= self.level else _above(self.parts[:level])


@lru_cache(maxsize=4096)
def _above(parts: tuple[str, ...]) -> EC:
    """Return an EC number whose last levels are open: there are a few hundred."""
    return EC(parts)


def parse_ec(text: str, *, place: str = "") -> EC:
    """Return the EC number that ``text`` is, with or without ``EC`` before it.

    Trailing levels may be missing or ``-``: ``2.7`` is ``2.7.-.-``.

    Parameters
    ----------
    place
        Where the text came from, ``file:line``, for the error.

    Raises
    ------
    InputError
        Where it is none.

    >>> str(parse_ec("EC 2.7.1"))
    '2.7.1.-'
    """
    levels = _PREFIX.sub("", text.strip(), count=1).split(".")
    given = list(levels)
    while given and given[-1] == "-":
        given.pop()
    wrong = f"it has {len(levels)} levels" if len(levels) > LEVELS else _what_is_wrong(tuple(given))
    if wrong:
        raise _refusal(text, wrong, place=place)
    return EC(tuple(given))


def _refusal(text: str, wrong: str, *, place: str) -> InputError:
    """Return the error for a text that is no EC number."""
    return InputError(
        f"{place + ': ' if place else ''}{text!r} is no EC number: {wrong}; write up to four levels such as 2.7.1.1, "
        "2.7.1.- where the serial is open, or 3.5.1.n3 where it is preliminary"
    )


def _what_is_wrong(given: tuple[str, ...]) -> str:
    """Return what keeps the levels before the open ones from being an EC number; empty where nothing does."""
    if given in {(), ("",)}:
        return "no level is given"
    if len(given) > LEVELS:
        return f"it has {len(given)} levels"
    if not _CLASS.fullmatch(given[0]):
        return f"class {given[0]!r} is none of 1 to 7"
    for level, part in enumerate(given[1:], start=2):
        if part == "-":
            return f"level {level} is open, but a level after it is not"
        if not (_SERIAL if level == LEVELS else _NUMBER).fullmatch(part):
            return f"level {level} is {part!r}"
    return ""


def split_ecs(text: str, *, place: str = "") -> tuple[EC, ...]:
    """Return the EC numbers of a list joined by ``;``, ``,`` or spaces, each once, in its order; none of an empty text.

    >>> [str(ec) for ec in split_ecs("1.1.1.1; 2.7.1, 1.1.1.1")]
    ['1.1.1.1', '2.7.1.-']
    """
    words = _SEPARATORS.split(_PREFIX.sub(" ", text))
    return tuple(dict.fromkeys(parse_ec(word, place=place) for word in words if word))


def label_set(ecs: Iterable[EC]) -> frozenset[EC]:
    """Return every number of ``ecs`` and all above them; empty for a protein that is no enzyme."""
    return frozenset(parent for ec in ecs for parent in ec.parents())


def overlap(a: Iterable[EC], b: Iterable[EC]) -> float:
    """Return the overlap coefficient of two proteins' label sets: HiFi-NN, equation 1.

    A protein without an EC number has the one label "no enzyme": it overlaps 1 with its like and 0 with every enzyme.

    >>> overlap(split_ecs("2.3.2.27"), split_ecs("2.3.2.31"))
    0.75
    """
    mine, theirs = label_set(a), label_set(b)
    if not mine or not theirs:
        return float(mine == theirs)
    return len(mine & theirs) / min(len(mine), len(theirs))


def read_transfers(path: Path) -> Mapping[EC, tuple[EC, ...]]:
    """Return what became of old entries: the numbers that each was transferred to, none where it was deleted.

    The file is a table with tabs and the header ``old``, ``new``; several new numbers are joined by ``;``, and ``new`` is
    empty for a deleted entry.

    Raises
    ------
    InputError
        For a file that is not such a table, a text that is no EC number, or an old number that stands there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; give a table with tabs and the header old, new") from error
    if not lines or lines[0].split("\t") != ["old", "new"]:
        header = lines[0] if lines else ""
        raise InputError(
            f"{path}:1: the header is {header!r}; the columns must be old and new, with a tab between them"
        )
    transfers: dict[EC, tuple[EC, ...]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        old, _, new = line.partition("\t")
        ec = parse_ec(old, place=place)
        if ec in transfers:
            raise InputError(f"{place}: {ec} stands here a second time; join its new numbers by ';' in one line")
        transfers[ec] = split_ecs(new, place=place)
    return transfers


def resolve(ec: EC, transfers: Mapping[EC, tuple[EC, ...]]) -> tuple[EC, ...]:
    """Return the numbers that ``ec`` stands for today, each once: itself unless it was transferred, none if it was deleted.

    Raises
    ------
    InputError
        Where following the transfers leads back to a number on the way.
    """
    return tuple(dict.fromkeys(_follow(ec, transfers, ())))


def _follow(ec: EC, transfers: Mapping[EC, tuple[EC, ...]], way: tuple[EC, ...]) -> list[EC]:
    """Return what ``ec`` became, having come to it by ``way``."""
    if ec in way:
        circle = " -> ".join(map(str, (*way[way.index(ec) :], ec)))
        raise InputError(
            f"transferred EC numbers lead in a circle: {circle}; take one of these out of the table of transfers"
        )
    if ec not in transfers:
        return [ec]
    return [end for new in transfers[ec] for end in _follow(new, transfers, (*way, ec))]
