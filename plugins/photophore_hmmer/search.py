"""One thread's searches: a profile against its candidate proteins, through HMMER's whole pipeline."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pyhmmer.easel import DigitalSequence, DigitalSequenceBlock
from pyhmmer.plan7 import Domain, Hit, OptimizedProfile, Pipeline

from photophore.types import SequenceBatch
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.band import Least, Proteins
from photophore_hmmer.bits import least_bits
from photophore_hmmer.config import BIT_CUTOFFS, HmmerConfig
from photophore_hmmer.store import Preparer, ProfileStore
from photophore_hmmer.subnormals import flushed
from photophore_hmmer.work import Work, good_pairs

#: `Domain` has no property for the expected accuracy. In what pickling gives, HMMER's own serialisation, it is a
#: big-endian float behind a length (4 bytes), six coordinates (8 each) and three scores (4 each).
_ACCURATE_RESIDUES = struct.Struct(">f")
_ACCURATE_RESIDUES_AT = 4 + 6 * 8 + 3 * 4


_DIGITS = bytes.maketrans(AMINO.symbols.encode(), bytes(range(len(AMINO.symbols))))


class Digits:
    """The proteins of a batch in HMMER's alphabet.

    Parameters
    ----------
    residues, offsets
        The letters of all proteins, and where each protein begins and the last ends.
    proteins
        The same for the scores on diagonals.
    """

    def __init__(self, batch: SequenceBatch) -> None:
        self.residues = np.frombuffer("".join(batch.sequences).encode("ascii").translate(_DIGITS), dtype=np.uint8)
        self.offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in batch.sequences])]).astype(
            np.int64
        )
        self.proteins = Proteins.of(self.residues, self.offsets)
        self._sequences: dict[int, DigitalSequence] = {}

    def sequence(self, row: int) -> DigitalSequence:
        """Return the protein at ``row``, named by it: ids may repeat."""
        sequence = self._sequences.get(row)
        if sequence is None:
            digits = self.residues[self.offsets[row] : self.offsets[row + 1]]
            sequence = self._sequences[row] = DigitalSequence(AMINO, name=str(row), sequence=digits.tobytes())
        return sequence


class DomainHit(NamedTuple):
    """A domain as HMMER found it: 1-based inclusive coordinates, bits, and the P-value that E-values are made from."""

    score: float
    bias: float
    pvalue: float
    i_evalue: float
    family_from: int
    family_to: int
    aligned_from: int
    aligned_to: int
    envelope_from: int
    envelope_to: int
    accuracy: float


class FamilyHit(NamedTuple):
    """A family reported for the protein at ``row`` of the batch, with all its domains but those that HMMER drops as doubles."""

    row: int
    target: int
    score: float
    bias: float
    evalue: float
    domains: tuple[DomainHit, ...]


class Searcher:
    """Compares profiles with proteins, in one thread.

    HMMER's filters stay at their defaults and its random numbers begin anew with every comparison, so that
    the numbers of a pair depend on the pair alone. Families are thresholded here; domains only by bit cut-offs, because
    the conditional E-value of a domain waits for the number of families of its protein.
    """

    def __init__(self, store: ProfileStore, config: HmmerConfig) -> None:
        self._store = store
        self._config = config
        self._preparer = Preparer()
        self._arguments = pipeline_arguments(config, len(store))
        self._pipeline = Pipeline(AMINO, **self._arguments)

    def search(self, works: Sequence[Work], digits: Digits) -> list[FamilyHit]:
        """Return the hits of some profiles among their candidates.

        Where it is known on which residues of each a profile may begin, HMMER is asked only about those that align well there.
        """
        if any(work.begins is not None for work in works):
            margins = self.margins(works, digits)
            good = [(margin >= -self._config.margin) & (margin > -np.inf) for margin in margins]
            works = [Work(work.target, work.rows[kept], None) for work, kept in zip(works, good, strict=True)]
        return [hit for work in works for hit in self._compare(work.target, work.rows, digits)]

    def margins(self, works: Sequence[Work], digits: Digits) -> list[npt.NDArray[np.float64]]:
        """Return for each profile by how many bits its candidates score more, on their diagonals, than `least_bits`.

        -inf for a candidate without a segment and an alignment that are good enough.
        """
        least = Least(self._config.segment or -np.inf, self._config.alignment or -np.inf)
        profiles, thresholds = zip(*(self._store.scores(work.target, self._preparer) for work in works), strict=True)
        good, numbers, bits = good_pairs(works, profiles, digits.proteins, least)
        needed = np.array([least_bits(known, self._config, self._arguments["Z"]) for known in thresholds])[numbers]
        ends = np.cumsum([len(work.rows) for work in works])
        margins = np.full(ends[-1], -np.inf)
        margins[good] = bits - needed
        return np.split(margins, ends[:-1])

    def _compare(self, target: int, rows: npt.NDArray[np.int64], digits: Digits) -> list[FamilyHit]:
        """Return the hits of profile ``target`` among the proteins at ``rows``, by HMMER."""
        if not len(rows):
            return []
        sequences = [digits.sequence(row) for row in rows.tolist()]
        profile: OptimizedProfile = self._store.optimized(target, self._preparer)
        try:
            with flushed():
                hits = self._pipeline.search_hmm(profile, DigitalSequenceBlock(AMINO, sequences))
        except Exception:
            self._pipeline = Pipeline(AMINO, **self._arguments)  # the old one stopped in the middle of a protein
            raise
        found = [_family_hit(target, hit) for hit in hits if hit.reported]
        self._pipeline.clear()
        return found


def pipeline_arguments(config: HmmerConfig, profiles: int) -> dict[str, Any]:
    """Return what the pipeline is made with: E-values count on ``profiles`` comparisons unless ``config.z`` says otherwise."""
    arguments: dict[str, Any] = {"Z": config.z or float(profiles)}
    if config.cut != "none":
        return arguments | {"bit_cutoffs": BIT_CUTOFFS[config.cut]}
    return arguments | {"E": config.evalue, "T": config.score, "domT": float("-inf")}


def _family_hit(target: int, hit: Hit) -> FamilyHit:
    return FamilyHit(
        row=int(hit.name),
        target=target,
        score=hit.score,
        bias=hit.bias,
        evalue=hit.evalue,
        domains=tuple([_domain_hit(domain) for domain in hit.domains if domain.reported]),
    )


def _domain_hit(domain: Domain) -> DomainHit:
    alignment = domain.alignment
    envelope_from, envelope_to = domain.env_from, domain.env_to
    (accurate,) = _ACCURATE_RESIDUES.unpack_from(domain.__getstate__(), _ACCURATE_RESIDUES_AT)
    return DomainHit(
        domain.score,
        domain.bias,
        domain.pvalue,
        domain.i_evalue,
        alignment.hmm_from,
        alignment.hmm_to,
        alignment.target_from,
        alignment.target_to,
        envelope_from,
        envelope_to,
        accurate / (1.0 + abs(envelope_to - envelope_from)),
    )
