"""The annotator `hifinn` with profiles: neighbours propose, alignments to the families' profiles decide.

The nearest neighbours of a global vector are often relatives with another EC number; which relative shares the conserved
positions of its own family is seen residue by residue. Each EC number is weighed by all evidence, its probability is
calibrated, and the deepest level that keeps the false discovery rate is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from photophore.ec import EC
from photophore.errors import DatabaseError, DataError
from photophore.hookspecs import Runtime
from photophore.types import Annotation, Candidates, Scalar, SequenceBatch, TargetTable
from photophore_hifinn.annotator import Relative, check_table, ec_row, relative_text, relatives_of
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.evidence import evidence_of
from photophore_hifinn.families import Families
from photophore_hifinn.gathering import Gatherer
from photophore_hifinn.hits import LEAST_BITS, Hit
from photophore_hifinn.labels import LabelTable
from photophore_hifinn.ranking import LEVELS, Ranker, Verdict, by_probability, decide

#: Other EC numbers that are shown, and the least probability of these.
_RIVALS, _LEAST_SHOWN = 4, 0.01


class RerankedAnnotator:
    """Weighs the EC numbers of families that are like a protein."""

    def __init__(
        self,
        table: LabelTable,
        targets: TargetTable,
        families: Families,
        gatherer: Gatherer,
        ranker: Ranker,
        config: HifinnAnnotatorConfig,
    ) -> None:
        check_table(table, targets)
        if len(families.of_protein) != len(table):
            raise DatabaseError(
                f"the profiles are of {len(families.of_protein)} proteins, the EC numbers of {len(table)}; "
                "build the database again"
            )
        self._table = table
        self._targets = targets
        self._families = families
        self._gatherer = gatherer
        self._ranker = ranker
        self._config = config

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> tuple[Annotation, ...]:
        """Return a row for each EC number, proteins in the order of the batch, the most probable first.

        A protein that cannot be given any gets one row that says why; one without any relative gets none.
        """
        if candidates.ids != batch.ids:
            raise DataError("annotator hifinn: the candidates are not those of the batch: their protein names differ")
        relatives = [relatives_of(candidates, row, self._table, self._targets) for row in range(len(batch))]
        hits = self._gatherer.hits(batch, [self._groups(candidates, row) for row in range(len(batch))])
        return tuple(
            annotation
            for row in range(len(batch))
            if relatives[row]
            for annotation in self._rows(batch.ids[row], len(batch.sequences[row]), hits[row], relatives[row])
        )

    def _groups(self, candidates: Candidates, row: int) -> list[int]:
        """Return the groups of a protein's neighbours."""
        return sorted(set(self._families.of_protein[candidates.of(row)].tolist()))

    def _rows(
        self, protein: str, residues: int, hits: Sequence[Hit], relatives: Sequence[Relative]
    ) -> Iterator[Annotation]:
        ranked = Ranked(hits, residues, self._ranker)
        verdict = decide(ranked, self._ranker, self._config.fdr)
        shown = ",".join(map(relative_text, relatives[: self._config.shown]))
        for ec, probability in verdict.given or ((None, 0.0),):
            evidence: dict[str, Scalar] = {
                "distance": _least_distance(relatives, ec),
                "bits": _best_bits(hits, ec),
                "rivals": _rivals(ranked, verdict),
                "neighbours": shown,
                "reason": verdict.reason,
            }
            yield ec_row(protein, residues, ec, probability, evidence)


def open_reranked(
    folder: Path, table: LabelTable, targets: TargetTable, config: HifinnAnnotatorConfig, runtime: Runtime
) -> RerankedAnnotator:
    """Open the profiles in ``folder``, and the finder on them."""
    families = Families.load(folder)
    return RerankedAnnotator(table, targets, families, families.gatherer(runtime), Ranker.load(folder), config)


class Ranked(dict[int, list[tuple[EC, float]]]):
    """The EC numbers of each level with their probabilities, the most probable first; a level is ranked when it is asked for."""

    def __init__(self, hits: Sequence[Hit], residues: int, ranker: Ranker) -> None:
        self._hits = hits
        self._residues = residues
        self._ranker = ranker

    def __missing__(self, level: int) -> list[tuple[EC, float]]:
        ecs, evidence = evidence_of(self._hits, self._residues, level)
        model = self._ranker.levels[LEVELS.index(level)]
        self[level] = by_probability(ecs, model.probability(evidence)) if ecs else []
        return self[level]


def _carries(ecs: Sequence[EC], ec: EC) -> bool:
    return any(each.at_level(ec.level) == ec for each in ecs)


def _least_distance(relatives: Sequence[Relative], ec: EC | None) -> float | None:
    """Return the distance to the nearest neighbour with ``ec``, or to the nearest of all where there is no EC number."""
    known = [
        relative.distance
        for relative in relatives
        if relative.distance is not None and (ec is None or _carries(relative.ecs, ec))
    ]
    return min(known, default=None)


def _best_bits(hits: Sequence[Hit], ec: EC | None) -> float | None:
    bits = [hit.bits for hit in hits if hit.bits >= LEAST_BITS and (ec is None or _carries(hit.ecs, ec))]
    return round(max(bits), 1) if bits else None


def _rivals(ranked: Ranked, verdict: Verdict) -> str:
    """Return the full EC numbers that were not given."""
    given = {ec for ec, _ in verdict.given}
    others = [(ec, value) for ec, value in ranked[LEVELS[0]] if ec not in given and value >= _LEAST_SHOWN]
    return ",".join(f"{ec}:{value:.2f}" for ec, value in others[:_RIVALS])
