"""What became of each input record: annotated, unannotated or failed, in input order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from photophore.errors import DataError
from photophore.types import Annotation, BatchResult, Failure, SequenceBatch

ANNOTATED, UNANNOTATED, FAILED = "annotated", "unannotated", "failed"


@dataclass(frozen=True, slots=True)
class Fate:
    """One input record and what became of it; ``length`` is None where the record could not be read."""

    protein: str
    length: int | None
    status: str
    annotations: int


def annotations_per_record(batch: SequenceBatch, annotations: Sequence[Annotation]) -> list[int]:
    """Count the annotations of each record; `DataError` unless they come in the order of the batch.

    Names may repeat. Among records of one name, annotations begin a new record where the length differs, where the
    E-value falls (score rises), or where the same place is hit by the same target again.
    """
    counts = [0] * len(batch)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(batch.ids):
        rows.setdefault(name, []).append(row)
    for annotation, found in zip(annotations, _rows_of(annotations, batch, rows), strict=True):
        if found is None:
            raise _misplaced(annotation, rows)
        counts[found] += 1
    return counts


def fates_of(result: BatchResult, counts: Sequence[int], inputs: Sequence[str] = ()) -> list[Fate]:
    """Return the fate of each record of the batch and of each record that never made it into one, in input order.

    Parameters
    ----------
    counts
        Annotations of each record of the batch.
    inputs
        Input files in order, which tells where records that could not be read stood.
    """
    batch = result.batch
    failed = {(failure.protein, failure.source) for failure in result.failures}
    fates = []
    for name, sequence, source, count in zip(batch.ids, batch.sequences, batch.sources, counts, strict=True):
        status = FAILED if (name, source) in failed else ANNOTATED if count else UNANNOTATED
        fates.append((source, Fate(name, len(sequence), status, count)))
    known = set(zip(batch.ids, batch.sources, strict=True))
    unread = [
        (failure.source, Fate(failure.protein, None, FAILED, 0))
        for failure in result.failures
        if (failure.protein, failure.source) not in known
    ]
    return list(_merged(fates, unread, _ranks(inputs, fates))) if unread else [fate for _, fate in fates]


def in_input_order(failures: Sequence[Failure], inputs: Sequence[str]) -> list[Failure]:
    """Sort failures by file and line."""
    ranks = _ranks(inputs, [(failure.source, None) for failure in failures])
    return sorted(failures, key=lambda failure: _position(failure.source, ranks))


def _rows_of(
    annotations: Sequence[Annotation], batch: SequenceBatch, rows: dict[str, list[int]]
) -> Iterator[int | None]:
    """Yield the row of each annotation, None where there is none at or after that of the one before."""
    lengths = list(map(len, batch.sequences))
    row, last, places = -1, None, set[tuple[str, int, int]]()
    for annotation in annotations:
        length = annotation.protein_length
        same_name = rows.get(annotation.protein, [])
        here = row >= 0 and batch.ids[row] == annotation.protein and lengths[row] == length
        again = False
        if len(same_name) > 1:
            place = (annotation.target, annotation.start, annotation.end)
            again = here and (place in places or (last is not None and _better(annotation, last)))
            if again or not here:
                places = set()
            places.add(place)
        if again or not here:
            rest = islice(same_name, bisect_right(same_name, row), None)
            later = next((other for other in rest if lengths[other] == length), None)
            if later is None and not here:
                yield None
                return
            row = row if later is None else later
        last = annotation
        yield row


def _better(annotation: Annotation, last: Annotation) -> bool:
    if annotation.evalue is not None and last.evalue is not None:
        return annotation.evalue < last.evalue
    return annotation.score > last.score


def _misplaced(annotation: Annotation, rows: dict[str, list[int]]) -> DataError:
    where = f"annotation of {annotation.protein!r} by {annotation.target!r}"
    if annotation.protein not in rows:
        return DataError(f"{where}: the batch holds no such protein; the annotator must keep the names it was given")
    return DataError(
        f"{where}: it does not come in the order of the batch, or its protein has not {annotation.protein_length} "
        "residues; the annotator must return annotations protein by protein"
    )


def _ranks(inputs: Sequence[str], fates: Sequence[tuple[str, object]]) -> dict[str, int]:
    """Rank the input files; files that the run does not list come after, as they appear."""
    ranks: dict[str, int] = {}
    for name in (*inputs, *(source.rpartition(":")[0] for source, _ in fates)):
        ranks.setdefault(name, len(ranks))
    return ranks


def _position(source: str, ranks: dict[str, int]) -> tuple[int, int]:
    """File and line of ``file:line``."""
    name, _, line = source.rpartition(":")
    return ranks.get(name, len(ranks)), int(line) if line.isdigit() else 0


def _merged(first: list[tuple[str, Fate]], second: list[tuple[str, Fate]], ranks: dict[str, int]) -> Iterator[Fate]:
    """Merge two lists that each are in input order, without reordering either."""
    waiting = iter(second)
    unread = next(waiting, None)
    for source, fate in first:
        while unread is not None and _position(unread[0], ranks) < _position(source, ranks):
            yield unread[1]
            unread = next(waiting, None)
        yield fate
    while unread is not None:
        yield unread[1]
        unread = next(waiting, None)
