"""Aligns the members of a family and builds its profile."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import pyfamsa
from pyhmmer.easel import DigitalMSA, TextMSA, TextSequence
from pyhmmer.plan7 import HMM, Background, Builder

from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.grouping import Choice, Family, choose_members
from photophore_hmmer.families.tables import Member

Item = TypeVar("Item")
Made = TypeVar("Made")

log = logging.getLogger(__name__)

#: Selenocysteine and pyrrolysine: the aligner knows 20 residues.
_UNKNOWN_TO_ALIGNER = str.maketrans("UOJ", "XXX")
_PROGRESS_EVERY = 200


def build_family(family: Family, choice: Choice, seed: int) -> HMM | None:
    """Return the profile of ``family``, named and described; None where no member is short enough."""
    members = choose_members(family.members, choice)
    if not members:
        return None
    hmm = build_profile(family.name, members, seed)
    hmm.description = family.description()
    return hmm


def build_profile(name: str, members: list[Member], seed: int) -> HMM:
    """Return a profile of the aligned ``members``; of one member alone, a profile of its sequence."""
    if len(members) == 1:
        sequence = TextSequence(name=name, sequence=members[0].sequence).digitize(AMINO)
        hmm, _, _ = Builder(AMINO, seed=seed).build(sequence, Background(AMINO))
        return _timeless(hmm)
    return build_from_alignment(align(name, members), seed)


class Sequenced(Protocol):
    """Whatever has a name and residues."""

    @property
    def id(self) -> str: ...

    @property
    def sequence(self) -> str: ...


def align(name: str, members: Sequence[Sequenced]) -> DigitalMSA:
    """Return the alignment of at least two members."""
    sequences = [
        pyfamsa.Sequence(member.id.encode(), member.sequence.translate(_UNKNOWN_TO_ALIGNER).encode())
        for member in members
    ]
    aligned = pyfamsa.Aligner(threads=1).align(sequences)
    rows = [TextSequence(name=row.id, sequence=row.sequence.decode()) for row in aligned]
    return TextMSA(name=name, sequences=rows).digitize(AMINO)


def build_from_alignment(alignment: DigitalMSA, seed: int) -> HMM:
    """Return the profile of an alignment; the same alignment and seed give the same bytes."""
    hmm, _, _ = Builder(AMINO, seed=seed).build_msa(alignment, Background(AMINO))
    return _timeless(hmm)


def _timeless(hmm: HMM) -> HMM:
    """Leave out when and by what command the profile was built: two builds give the same bytes."""
    hmm.creation_time = dt.datetime(2000, 1, 1)  # noqa: DTZ001  # HMMER stores local time without zone
    hmm.command_line = None
    return hmm


def in_order(work: Callable[[Item], Made], items: Iterable[Item], threads: int, what: str) -> Iterator[Made]:
    """Yield ``work(item)`` of each item in order, several at a time, and log how many are done."""
    source = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(work, item) for item in islice(source, 4 * threads)]
        done = 0
        while waiting:
            made = waiting.pop(0).result()
            waiting += [pool.submit(work, item) for item in islice(source, 1)]
            done += 1
            if done % _PROGRESS_EVERY == 0:
                log.info("%s: %d", what, done)
            yield made


def write_profiles(hmms: Iterable[HMM], path: Path) -> int:
    """Write profiles, in HMMER's binary format if ``path`` ends in .h3m and as text if not, whole or not at all; return how many."""
    beside = path.with_name(path.name + ".part")
    written = 0
    with beside.open("wb") as stream:
        for hmm in hmms:
            hmm.write(stream, binary=path.suffix == ".h3m")
            written += 1
    beside.replace(path)
    return written
