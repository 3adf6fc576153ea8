"""The annotator `hifinn`: EC numbers of a protein's nearest labelled relatives, each with its confidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from photophore.ec import EC, UNASSIGNED
from photophore.errors import DatabaseError, DataError
from photophore.types import Annotation, Candidates, Scalar, SequenceBatch, TargetTable
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.labels import LabelTable, digest_of


@dataclass(frozen=True, slots=True)
class Relative:
    """A labelled protein near the one that is annotated.

    Parameters
    ----------
    id
        Its name in the database.
    ecs
        Its EC numbers; none: it is known to be no enzyme.
    share
        Its part in equation 6, 0 to 1.
    distance
        1 - cosine, or None where the aggregator does not tell.
    """

    id: str
    ecs: tuple[EC, ...]
    share: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class LabelShare:
    """What the relatives say of one label: an EC number, or None for "no enzyme".

    Parameters
    ----------
    ec
        The label.
    confidence
        Sum of the shares of the relatives that carry it: p(l) of equation 6.
    distance
        Least distance of these, or None where it is not known.
    """

    ec: EC | None
    confidence: float
    distance: float | None


class HifinnAnnotator:
    """Sums the shares of the neighbours by EC number, as HiFi-NN does (equation 6)."""

    def __init__(self, table: LabelTable, targets: TargetTable, config: HifinnAnnotatorConfig) -> None:
        check_table(table, targets)
        self._table = table
        self._targets = targets
        self._config = config

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> tuple[Annotation, ...]:
        """Return a row for each EC number, proteins in the order of the batch, the most confident first.

        A protein whose relatives agree on no EC number gets one row that says why; one without any relative gets none.
        """
        if candidates.ids != batch.ids:
            raise DataError("annotator hifinn: the candidates are not those of the batch: their protein names differ")
        return tuple(
            annotation
            for row in range(len(batch))
            if (relatives := relatives_of(candidates, row, self._table, self._targets))
            for annotation in _rows(
                batch.ids[row], len(batch.sequences[row]), relatives, label_shares(relatives), self._config
            )
        )


def check_table(table: LabelTable, targets: TargetTable) -> None:
    """Raise `DatabaseError` unless the labels are those of the proteins in the index."""
    if len(table) != len(targets) or table.ids_digest != digest_of(targets.ids):
        raise DatabaseError(
            f"the index has {len(targets)} targets and the annotator EC numbers of {len(table)} proteins, or their names "
            "or order differ; build the database again"
        )


def relatives_of(candidates: Candidates, row: int, table: LabelTable, targets: TargetTable) -> tuple[Relative, ...]:
    """Return the candidates of one protein with their labels, nearest first, else by falling share."""
    part = slice(int(candidates.offsets[row]), int(candidates.offsets[row + 1]))
    found = candidates.targets[part].tolist()
    shares = candidates.scores[part].tolist()
    distances = (
        candidates.evidence["distance"][part].tolist() if "distance" in candidates.evidence else [None] * len(found)
    )
    relatives = [
        Relative(targets.ids[target], table.of(target), max(0.0, share), distance)
        for target, share, distance in zip(found, shares, distances, strict=True)
    ]
    return tuple(sorted(relatives, key=lambda relative: 0.0 if relative.distance is None else relative.distance))


def label_shares(relatives: Sequence[Relative]) -> tuple[LabelShare, ...]:
    """Return p(l) of equation 6 for each label, the greatest first, ties by nearness and then by the label's text.

    Shares of relatives beyond the distance cut-off are left out of the numerator alone, so that p may add up to less than
    1. Scores of an aggregator that gives no shares are scaled down to add up to 1.
    """
    total = max(1.0, sum(relative.share for relative in relatives))
    sums: dict[EC | None, float] = {}
    nearest: dict[EC | None, float | None] = {}
    for relative in relatives:  # nearest first
        for ec in relative.ecs or (None,):
            sums[ec] = sums.get(ec, 0.0) + relative.share / total
            nearest.setdefault(ec, relative.distance)
    found = [LabelShare(ec, min(1.0, share), nearest[ec]) for ec, share in sums.items()]
    return tuple(sorted(found, key=lambda label: (-label.confidence, label.distance or 0.0, str(label.ec or ""))))


def _rows(
    protein: str,
    length: int,
    relatives: Sequence[Relative],
    labels: Sequence[LabelShare],
    config: HifinnAnnotatorConfig,
) -> Iterator[Annotation]:
    """Yield a row for each EC number that is confident enough, or the one row that says why there is none."""
    shown = ",".join(map(relative_text, relatives[: config.shown]))
    known = [label for label in labels if label.ec is not None and label.confidence >= config.min_confidence]
    for label in known:
        yield _row(protein, length, label, shown, reason="")
    if not known:
        yield _row(protein, length, None, shown, reason=_reason(labels, config.min_confidence))


def _row(protein: str, length: int, label: LabelShare | None, shown: str, *, reason: str) -> Annotation:
    """Return one row; without a label the one of a protein that gets no EC number."""
    evidence: dict[str, Scalar] = {
        "distance": label.distance if label else None,
        "bits": None,
        "rivals": "",
        "neighbours": shown,
        "reason": reason,
    }
    return ec_row(protein, length, label.ec if label else None, label.confidence if label else 0.0, evidence)


def ec_row(protein: str, length: int, ec: EC | None, confidence: float, evidence: Mapping[str, Scalar]) -> Annotation:
    """Return the row of one EC number of a protein, or of none, with the ``evidence`` and the level."""
    return Annotation(
        protein=protein,
        protein_length=length,
        method="hifinn",
        target=str(ec) if ec else UNASSIGNED,
        accession="",
        description="",
        start=0,
        end=length,
        score=confidence,
        ecs=(str(ec),) if ec else (),
        confidence=confidence if ec else None,
        evidence={**evidence, "level": ec.level if ec else None},
    )


def _reason(labels: Sequence[LabelShare], least: float) -> str:
    """Say why no EC number was given."""
    best = labels[0]
    if best.ec is None:
        return f"no enzyme found: the neighbours are no enzymes (confidence {best.confidence:.2f})"
    return f"no EC number reaches confidence {least:g}: the best is {best.ec} with {best.confidence:.2g}"


def relative_text(relative: Relative) -> str:
    """Return ``id:distance:EC;EC``, - where it is no enzyme."""
    distance = "" if relative.distance is None else f"{relative.distance:.4f}"
    return f"{relative.id}:{distance}:{';'.join(map(str, relative.ecs)) or '-'}"
