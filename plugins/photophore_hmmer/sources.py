"""Reads profile HMMs from HMMER's own files and says exactly where one is broken.

Text files (``.hmm``, also compressed) are cut into records first and each record is given to HMMER alone: HMMER itself
ends without a word at a record that is cut short, and reads ``2.z7`` as 2.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyhmmer.errors import AlphabetMismatch, EaselError, InvalidHMM
from pyhmmer.plan7 import HMM, HMMFile

from photophore.errors import InputError
from photophore.inputs import open_input
from photophore_hmmer.faults import find_fault
from photophore_hmmer.store import AMINO

if TYPE_CHECKING:
    from typing import BinaryIO

_FORMATS = "give HMMER3 profiles: text (.hmm, also .gz, .xz, .zst) or pressed (.h3m)"
#: The parts of a pressed database that hold no whole profile; the .h3m beside them does.
_PRESSED_PARTS = (".h3f", ".h3i", ".h3p")
_BINARY_MAGIC = tuple(
    bytes.fromhex(word) for word in ("b0edede8", "b6edede8", "b7edede8", "b8edede8", "b9edede8", "baedede8")
)
_TEXT_MAGIC = b"HMMER3/"
_PART_MAGIC = tuple(bytes.fromhex(word) for word in ("f3e6e6b3", "f3f0e6b3", "d3d3c9b3"))
_TOLERANCE = 1e-3
#: What HMMER stores where a profile was never calibrated.
_NOT_CALIBRATED = -99999.0


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """A profile and the place it came from, ``file:line`` or ``file: record n``."""

    hmm: HMM
    place: str


def read_profiles(path: Path) -> Iterator[SourceProfile]:
    """Yield the profiles of one file, each checked."""
    path = _whole_profiles(path)
    with open_input(path) as (_, stream):
        buffered = io.BufferedReader(stream)  # type: ignore[type-var]
        head = buffered.peek(len(_TEXT_MAGIC))[: len(_TEXT_MAGIC)]
        if head[:4] in _BINARY_MAGIC:
            found = _read_binary(str(path), buffered)
        elif head[:4] in _PART_MAGIC:
            raise InputError(f"{path}: this part of a pressed database holds no whole profiles; {_FORMATS}")
        elif head:
            found = _read_text(str(path), buffered)
        else:
            raise InputError(f"{path}: the file is empty; {_FORMATS}")
        empty = True
        for profile in found:
            empty = False
            yield profile
    if empty:
        raise InputError(f"{path}:1: there is no profile in this file; {_FORMATS}")


def _whole_profiles(path: Path) -> Path:
    """Return the file that holds the whole profiles: the .h3m of a pressed database, for whichever of its files was named."""
    if path.suffix in _PRESSED_PARTS:
        whole = path.with_suffix(".h3m")
        if not whole.exists():
            raise InputError(
                f"{path}: this part of a pressed database holds no whole profiles, and {whole.name} is not beside it; {_FORMATS}"
            )
        return whole
    pressed = path.with_name(path.name + ".h3m")
    return pressed if pressed.exists() and not path.exists() else path


def _read_binary(path: str, stream: io.BufferedReader) -> Iterator[SourceProfile]:
    """Yield the profiles of a .h3m."""
    number, previous = 1, ""
    with HMMFile(io.BytesIO(stream.read()), alphabet=AMINO) as records:
        while True:
            place = f"{path}: record {number}{previous}"
            try:
                hmm = records.read()
            except AlphabetMismatch as error:
                raise InputError(f"{place}: this is not a protein profile; remove DNA and RNA profiles") from error
            except (ValueError, OSError, EaselError) as error:
                raise InputError(
                    f"{place}: HMMER cannot read it ({_reason(error)}); the file is damaged, press the profiles again with hmmpress"
                ) from error
            if hmm is None:
                return
            place = f"{path}: record {number}"
            if problem := _problem(hmm):
                raise InputError(f"{place}: {problem}")
            yield SourceProfile(hmm, place)
            number, previous = number + 1, f" (after {hmm.name!r})"


def _read_text(path: str, stream: BinaryIO) -> Iterator[SourceProfile]:
    """Yield the profiles of a text file."""
    for first, lines in _records(path, stream):
        if lines[0].startswith(b"HMMER2"):
            raise InputError(
                f"{path}:{first}: this is a profile of HMMER2; convert it: hmmconvert {path} > converted.hmm"
            )
        if not lines[0].startswith(_TEXT_MAGIC):
            raise InputError(
                f"{path}:{first}: expected a profile, which begins with HMMER3/, found {lines[0][:40].decode('latin-1')!r}; {_FORMATS}"
            )
        yield SourceProfile(_parse(path, first, [_as_text(line) for line in lines]), f"{path}:{first}")


def _records(path: str, stream: BinaryIO) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the first line number and the lines, without their ends, of each record."""
    first, lines = 1, []
    for number, line in enumerate(stream, start=1):
        content = line.rstrip()
        if not lines:
            if not content or content.startswith(b"#"):
                continue
            first = number
            if not content.startswith(b"HMMER"):
                yield first, [content]
        lines.append(content)
        if content == b"//":
            yield first, lines
            lines = []
    if lines:
        name = next((line.split(None, 1)[1].decode("ascii", "replace") for line in lines if line[:5] == b"NAME "), "?")
        raise InputError(
            f"{path}:{first + len(lines) - 1}: the file ends within profile {name!r}, which begins at line {first}, "
            "before its closing //; the file is cut short, copy or download it again"
        )


def _parse(path: str, first: int, lines: list[str]) -> HMM:
    """Return the profile written in ``lines``, or say at which line it is broken."""
    for offset, line in enumerate(lines):
        if line.startswith("ALPH") and line.split()[1:] != ["amino"]:
            alphabet = " ".join(line.split()[1:])
            raise InputError(
                f"{path}:{first + offset}: the profile has alphabet {alphabet!r}, not 'amino'; remove DNA and RNA profiles"
            )
        if line.startswith("HMM "):
            break
    try:
        with HMMFile(io.BytesIO("\n".join([*lines, ""]).encode()), alphabet=AMINO) as records:
            hmm = records.read()
        problem = _problem(hmm) if hmm is not None else "HMMER finds no profile here; build it again with hmmbuild"
        if hmm is not None and problem is None and _model_lines(lines) != 3 * hmm.M + 2:
            problem = f"the model has not the {hmm.M} positions that LENG says; build it again with hmmbuild"
    except (ValueError, OSError, EOFError, EaselError, AlphabetMismatch) as error:
        hmm, problem = None, f"HMMER cannot read this profile ({_reason(error)}); build it again with hmmbuild"
    if hmm is None or problem is not None:
        fault = find_fault(lines)
        if fault is not None:
            raise InputError(
                f"{path}:{first + fault.line}: {fault.reason}; the file is damaged, copy it or build it again with hmmbuild"
            )
        raise InputError(f"{path}:{first}: {problem}")
    return hmm


def _model_lines(lines: list[str]) -> int:
    """Return the number of lines of the model proper: three a position, two before the first one."""
    start = next((number for number, line in enumerate(lines) if line.startswith("HMM ")), len(lines)) + 2
    composition = start < len(lines) and lines[start].split()[:1] == ["COMPO"]
    return len(lines) - 1 - start - composition


def _problem(hmm: HMM) -> str | None:
    """Return what keeps a profile that HMMER has read from being searched with."""
    name = str(hmm.name)
    if not all(
        np.isfinite(values).all()
        for values in (hmm.match_emissions, hmm.insert_emissions, hmm.transition_probabilities)
    ):
        return f"profile {name!r} holds probabilities that are not numbers; build it again with hmmbuild"
    try:
        hmm.validate(tolerance=_TOLERANCE)
    except InvalidHMM as error:
        return f"profile {name!r} does not hold together ({_reason(error)}); build it again with hmmbuild"
    if _NOT_CALIBRATED in hmm.evalue_parameters.as_vector():
        return f"profile {name!r} has no STATS lines, so no E-values; build it again with hmmbuild of HMMER3"
    return None


def _as_text(line: bytes) -> str:
    """Return a line as text: UTF-8, or Latin-1 as old descriptions have it."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _reason(error: Exception) -> str:
    """Return the message of HMMER's error as part of a sentence."""
    if isinstance(error, InvalidHMM):
        return error.message  # its str() fails in pyhmmer 0.12.3, which takes the name of the profile for bytes
    return " ".join(str(error).split()).removeprefix("Invalid format in file: ").rstrip(".") or type(error).__name__
