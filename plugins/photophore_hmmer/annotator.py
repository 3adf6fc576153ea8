"""The annotator `hmmer`: exact HMMER results for the pairs of proteins and profiles that a prefilter proposes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from photophore.errors import DatabaseError, DataError, RecordError
from photophore.hookspecs import Runtime
from photophore.types import Annotation, Candidates, SequenceBatch, TargetTable
from photophore_hmmer.config import HmmerConfig
from photophore_hmmer.ec import ec_numbers
from photophore_hmmer.search import Digits, DomainHit, FamilyHit, Searcher
from photophore_hmmer.store import SCORED_TOGETHER, ProfileStore
from photophore_hmmer.table import cutoff_problems
from photophore_hmmer.work import Work, work_of

#: HMMER compares no longer protein.
MAX_RESIDUES = 100_000


class HmmerAnnotator:
    """Runs HMMER's pipeline on every candidate pair; as hmmscan, one protein against many profiles, would report it.

    Scores, biases, coordinates, full-sequence and independent E-values of a pair equal those of an unfiltered hmmscan
    with Z = number of profiles in the database (or ``z``); they depend on nothing but the pair.

    Conditional E-values count, as in hmmscan, on the number of families reported for the protein (its domZ). That number
    is taken among its candidates: a family that the prefilter lost makes the c-Evalues of the others smaller than
    hmmscan's by one part in that number. Domains are reported when that c-Evalue is at most ``dom_evalue`` (or by
    ``dom_score``, or by the profile's cut-off). A family none of whose domains is reported counts, but gives no row.

    Proteins are searched profile by profile, in ``runtime.threads`` threads; nothing depends on which thread takes which.
    """

    def __init__(self, store: ProfileStore, targets: TargetTable, config: HmmerConfig, runtime: Runtime) -> None:
        if targets.ids != store.table.names:
            raise DatabaseError(
                f"the index has {len(targets)} targets and the annotator {len(store)} profiles, or their names or order "
                "differ; build the database again"
            )
        for problem in cutoff_problems(store.folder, {}, config):
            raise problem
        self._table = store.table
        self._config = config
        self._searchers = [Searcher(store, config) for _ in range(max(1, runtime.threads))]
        self._ecs = cache(lambda target: ec_numbers(store.table.descriptions[target]))

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> tuple[Annotation, ...]:
        """Return the reported domains: proteins in the order of the batch, families by E-value, domains from start to end.

        Raises
        ------
        RecordError
            A protein is too long for HMMER, or one could not be compared.
        """
        if candidates.ids != batch.ids:
            raise DataError("annotator hmmer: the candidates are not those of the batch: their protein names differ")
        _refuse_unknown_targets(candidates, len(self._table))
        _refuse_long(batch)
        hits = self._search(Digits(batch), work_of(batch, candidates, self._table.lengths))
        families = Counter(hit.row for hit in hits)  # domZ of each protein
        hits.sort(key=lambda hit: (hit.row, hit.evalue, -hit.score, self._table.names[hit.target]))
        return tuple(annotation for hit in hits for annotation in self._annotations(batch, hit, families[hit.row]))

    def _search(self, proteins: Digits, work: deque[Work]) -> list[FamilyHit]:
        """Take profiles off ``work``, heaviest first, in every thread until none is left."""

        def drain(searcher: Searcher) -> list[FamilyHit]:
            found: list[FamilyHit] = []
            try:
                while work:
                    found += searcher.search(_take(work, len(searchers)), proteins)
            except OverflowError as error:
                raise RecordError(
                    f"HMMER could not compare one of the proteins with a profile: {error}; leave it out"
                ) from error
            finally:
                work.clear()  # empty already, unless this thread failed or was interrupted: then the others stop, too
            return found

        searchers = self._searchers[: max(1, len(work))]
        if len(searchers) == 1:
            return drain(searchers[0])
        with ThreadPoolExecutor(len(searchers) - 1, thread_name_prefix="hmmer") as pool:
            others = [pool.submit(drain, searcher) for searcher in searchers[1:]]
            found = drain(searchers[0])
            for other in others:
                found += other.result()
        return found

    def _annotations(self, batch: SequenceBatch, hit: FamilyHit, families: int) -> Iterator[Annotation]:
        """Yield one row for each reported domain of ``hit``; ``families`` were reported for its protein."""
        domains = [domain for domain in hit.domains if self._is_reported(domain, families)]
        table, target = self._table, hit.target
        for number, domain in enumerate(domains, start=1):
            yield Annotation(
                protein=batch.ids[hit.row],
                protein_length=len(batch.sequences[hit.row]),
                method="hmmer",
                target=table.names[target],
                accession=table.accessions[target],
                description=table.descriptions[target],
                start=domain.aligned_from - 1,
                end=domain.aligned_to,
                score=hit.score,
                evalue=hit.evalue,
                ecs=self._ecs(target),
                evidence={
                    "family_length": table.lengths[target],
                    "domain": number,
                    "domains": len(domains),
                    "domain_score": domain.score,
                    "domain_bias": domain.bias,
                    "i_evalue": domain.i_evalue,
                    "c_evalue": domain.pvalue * families,
                    "bias": hit.bias,
                    "family_start": domain.family_from - 1,
                    "family_end": domain.family_to,
                    "envelope_start": domain.envelope_from - 1,
                    "envelope_end": domain.envelope_to,
                    "accuracy": domain.accuracy,
                },
            )

    def _is_reported(self, domain: DomainHit, families: int) -> bool:
        """Return whether hmmscan would report ``domain``; HMMER itself has applied bit cut-offs already."""
        config = self._config
        if config.cut != "none":
            return True
        if config.dom_score is not None:
            return domain.score >= config.dom_score
        return domain.pvalue * families <= config.dom_evalue


def _take(work: deque[Work], threads: int) -> list[Work]:
    """Take some off ``work``: less and less, so that all threads end together, and none where others took the last."""
    taken = []
    for _ in range(min(SCORED_TOGETHER, 1 + len(work) // (4 * threads))):
        try:
            taken.append(work.popleft())
        except IndexError:
            break
    return taken


def _refuse_unknown_targets(candidates: Candidates, targets: int) -> None:
    wrong = np.flatnonzero((candidates.targets < 0) | (candidates.targets >= targets))
    if len(wrong):
        protein = candidates.ids[int(np.searchsorted(candidates.offsets, wrong[0], side="right")) - 1]
        raise DataError(
            f"annotator hmmer: candidate {candidates.targets[wrong[0]]} of {protein!r} is not one of the {targets} profiles"
        )


def _refuse_long(batch: SequenceBatch) -> None:
    for name, sequence, source in zip(batch.ids, batch.sequences, batch.sources, strict=True):
        if len(sequence) > MAX_RESIDUES:
            raise RecordError(
                f"{source}: {name!r} has {len(sequence)} residues and HMMER compares at most {MAX_RESIDUES}; "
                "cut it into overlapping pieces"
            )
