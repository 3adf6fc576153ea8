"""Reads profile HMMs from HMMER's own files, text or pressed, plain or compressed, and says where one is broken."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pyhmmer.errors import AlphabetMismatch, EaselError
from pyhmmer.plan7 import HMM, HMMFile

from photophore.errors import InputError
from photophore.inputs import open_input
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.soundness import hmm_problem, hmmer_reason
from photophore_hmmer.text import read_text

if TYPE_CHECKING:
    from typing import BinaryIO

_FORMATS = "give HMMER3 profiles: text (.hmm, also .gz, .xz, .zst) or pressed (.h3m)"
#: The parts of a pressed database that hold no whole profile; the .h3m beside them does.
_PRESSED_PARTS = (".h3f", ".h3i", ".h3p")
_BINARY_MAGIC = tuple(
    bytes.fromhex(word) for word in ("b0edede8", "b6edede8", "b7edede8", "b8edede8", "b9edede8", "baedede8")
)
_PART_MAGIC = tuple(bytes.fromhex(word) for word in ("f3e6e6b3", "f3f0e6b3", "d3d3c9b3"))


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
        head = buffered.peek(4)[:4]
        if head in _BINARY_MAGIC:
            found = _read_binary(str(path), cast("BinaryIO", buffered))
        elif head in _PART_MAGIC:
            raise InputError(f"{path}: this part of a pressed database holds no whole profiles; {_FORMATS}")
        elif head:
            found = (
                SourceProfile(hmm, f"{path}:{line}")
                for hmm, line in read_text(str(path), cast("BinaryIO", buffered), _FORMATS)
            )
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


def _read_binary(path: str, stream: BinaryIO) -> Iterator[SourceProfile]:
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
                    f"{place}: HMMER cannot read it ({hmmer_reason(error)}); the file is damaged, press the profiles again with hmmpress"
                ) from error
            if hmm is None:
                return
            place = f"{path}: record {number}"
            if problem := hmm_problem(hmm):
                raise InputError(f"{place}: {problem}")
            yield SourceProfile(hmm, place)
            number, previous = number + 1, f" (after {hmm.name!r})"
