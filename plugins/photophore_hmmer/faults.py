"""Finds the line at which a profile in HMMER3's text format breaks, once HMMER has refused the profile as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_RESIDUES = 20
_TRANSITIONS = 7
#: Header lines that end in two numbers, and the words before those.
_NUMBERED = {"STATS": 3, "GA": 1, "TC": 1, "NC": 1}
#: Negative logarithms with five digits sum to 1 within about 1e-4.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Fault:
    """A line (0 is the first of the record) and what is wrong with it."""

    line: int
    reason: str


def find_fault(record: Sequence[str]) -> Fault | None:
    """Return the first fault of ``record``, the lines of one profile; None where nothing is found."""
    return next(_faults(record), None)


def _faults(record: Sequence[str]) -> Iterator[Fault]:
    body = next((number for number, line in enumerate(record) if line.split()[:1] == ["HMM"]), None)
    if body is None:
        yield from _header_faults(record)
        yield Fault(len(record) - 1, "the profile ends before its HMM line")
        return
    yield from _header_faults(record[:body])
    yield from _model_faults(record, body + 2, _declared_length(record[:body]))


def _header_faults(header: Sequence[str]) -> Iterator[Fault]:
    """Yield what is wrong with the lines before the model."""
    tags: dict[str, int] = {}
    for number, line in enumerate(header):
        words = line.split()
        if not words:
            continue
        tag = "STATS " + " ".join(words[1:3]) if words[0] == "STATS" else words[0]
        if tag in ("NAME", "LENG", "ALPH") and len(words) < 2:
            yield Fault(number, f"{tag} has no value")
        elif tag == "LENG" and not (words[1].isdecimal() and int(words[1]) > 0):
            yield Fault(number, f"LENG is {words[1]!r}, not a number of positions")
        elif words[0] in _NUMBERED and not _has_two_numbers(words[_NUMBERED[words[0]] :]):
            yield Fault(number, f"{line.strip()!r} has not the two numbers that it needs")
        tags.setdefault(tag, number)
    for tag in ("NAME", "LENG", "ALPH"):
        if tag not in tags:
            yield Fault(0, f"the profile has no {tag} line")


def _declared_length(header: Sequence[str]) -> int:
    """Return the value of LENG, or 0."""
    words = next((line.split() for line in header if line.startswith("LENG")), [])
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0


def _model_faults(record: Sequence[str], start: int, positions: int) -> Iterator[Fault]:
    """Yield what is wrong with the lines of numbers: ``start`` is the first of them."""
    lines = record[start:-1] if record[-1].strip() == "//" else record[start:]
    if lines and lines[0].split()[:1] == ["COMPO"]:
        yield from _number_faults(start, lines[0].split()[1:], _RESIDUES, "COMPO")
        start, lines = start + 1, lines[1:]
    for index, line in enumerate(lines):
        node, kind = divmod(index + 1, 3)  # inserts and transitions of 0, then three lines a position
        words = line.split()
        if node > positions:
            yield Fault(start + index, f"the model goes on after position {positions}, its last one by LENG")
            return
        if kind == 0:
            if words[:1] != [str(node)]:
                yield Fault(
                    start + index, f"expected position {node}, found {' '.join(words[:1]) or 'an empty line'!r}"
                )
                return
            yield from _number_faults(start + index, words[1 : 1 + _RESIDUES], _RESIDUES, f"position {node}, matches")
        elif kind == 1:
            yield from _number_faults(start + index, words, _RESIDUES, f"position {node}, inserts")
        else:
            yield from _number_faults(start + index, words, _TRANSITIONS, f"position {node}, transitions")
    if len(lines) < 3 * positions + 2:
        node = len(lines) // 3
        yield Fault(len(record) - 1, f"the model ends in position {node} of {positions}")


def _number_faults(line: int, words: Sequence[str], wanted: int, what: str) -> Iterator[Fault]:
    """Yield what is wrong with ``wanted`` negative logarithms of probabilities."""
    bad = next((word for word in words if word != "*" and not _is_number(word)), None)
    if bad is not None:
        yield Fault(line, f"{what}: {bad!r} is not a number")
    elif len(words) != wanted:
        yield Fault(line, f"{what}: {len(words)} numbers instead of {wanted}")
    elif wanted == _RESIDUES and abs(_total(words) - 1) > _TOLERANCE:
        yield Fault(line, f"{what}: the probabilities sum to {_total(words):.4g}, not to 1")
    elif wanted == _TRANSITIONS:
        for first, last, state in ((0, 3, "match"), (3, 5, "insert"), (5, 7, "delete")):
            if abs(_total(words[first:last]) - 1) > _TOLERANCE:
                yield Fault(
                    line, f"{what}: those of the {state} state sum to {_total(words[first:last]):.4g}, not to 1"
                )


def _has_two_numbers(words: Sequence[str]) -> bool:
    return len(words) == 2 and all(_is_number(word.rstrip(";")) for word in words)


def _total(words: Sequence[str]) -> float:
    return sum(math.exp(-float(word)) for word in words if word != "*")


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
