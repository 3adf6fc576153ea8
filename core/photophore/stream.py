"""Records become batches, read ahead in a thread; a record that breaks its batch is found by halving and set aside."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from photophore.errors import OutOfMemoryError, RecordError
from photophore.fasta import Record
from photophore.types import Annotation, Failure, SequenceBatch

_POLL_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """One batch as it was read.

    Parameters
    ----------
    sequences
        The readable records, in input order; possibly none.
    failures
        The unreadable ones.
    stops
        Stop codons inside sequences that became X.
    bytes_read
        Bytes on disk read when the batch was cut.
    """

    sequences: SequenceBatch
    failures: tuple[Failure, ...]
    stops: int = 0
    bytes_read: int = 0

    @property
    def records(self) -> int:
        """Number of input records, readable or not."""
        return len(self.sequences) + len(self.failures)


class StageError(RecordError):
    """A plugin could not work on (a record of) this batch."""

    def __init__(self, stage: str, error: RecordError) -> None:
        super().__init__(str(error))
        self.stage = stage
        self.out_of_memory = isinstance(error, OutOfMemoryError)


def batches(
    items: Iterable[Record | Failure],
    *,
    max_residues: int,
    max_records: int,
    position: Callable[[], int] = lambda: 0,
) -> Iterator[ReadBatch]:
    """Cut records into batches of at most ``max_records`` records and ``max_residues`` residues (but at least one record).

    No name stands twice in a batch, so that what belongs to which record does not depend on where batches are cut.
    """
    records: list[Record] = []
    failures: list[Failure] = []
    names: set[str] = set()
    residues = 0
    for item in items:
        size = len(item.sequence) if isinstance(item, Record) else 0
        full = len(records) + len(failures) >= max_records or residues + size > max_residues
        if (full and (records or failures)) or (isinstance(item, Record) and item.id in names):
            yield _read_batch(records, failures, position())
            records, failures, residues = [], [], 0
            names.clear()
        if isinstance(item, Record):
            records.append(item)
            names.add(item.id)
            residues += size
        else:
            failures.append(item)
    if records or failures:
        yield _read_batch(records, failures, position())


def _read_batch(records: Sequence[Record], failures: Sequence[Failure], bytes_read: int) -> ReadBatch:
    sequences = SequenceBatch(
        ids=tuple([record.id for record in records]),
        sequences=tuple([record.sequence for record in records]),
        descriptions=tuple([record.description for record in records]),
        sources=tuple([record.source for record in records]),
    )
    return ReadBatch(sequences, tuple(failures), sum(record.stops for record in records), bytes_read)


class _End:
    """Last thing in the queue, with the error that ended the reading, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch(Iterator[T]):
    """The ``items`` in order, while a thread makes the next ones, at most ``depth`` ahead; its error is raised here.

    `close` may be called while another thread waits for the next item: it gets none.
    """

    def __init__(self, items: Iterable[T], *, depth: int = 2) -> None:
        self._items = items
        self._ready: queue.Queue[T | _End] = queue.Queue(depth)
        self._stopped = threading.Event()
        threading.Thread(target=self._produce, name="photophore-ahead", daemon=True).start()

    def __next__(self) -> T:
        while not self._stopped.is_set():
            try:
                item = self._ready.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not isinstance(item, _End):
                return item
            self.close()
            if item.error is not None:
                raise item.error
        raise StopIteration

    def close(self) -> None:
        """Make no more items."""
        self._stopped.set()

    def _produce(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            self._put(_End(error))
        else:
            self._put(_End())

    def _put(self, item: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


class Isolation:
    """Works through batches and halves one that fails until the failing record stands alone.

    A batch that is too large for the memory of the device is halved too, and later batches are cut to what passed.

    Parameters
    ----------
    work
        What is done with a batch; it raises `StageError` where a record of it cannot be worked on.
    """

    def __init__(self, work: Callable[[SequenceBatch], Sequence[Annotation]]) -> None:
        self._work = work
        #: Residues that fit the memory of the device, as far as it is known.
        self.max_residues: int | None = None

    def run(
        self, batch: SequenceBatch, whole: Callable[[], Sequence[Annotation]] | None = None
    ) -> tuple[tuple[Annotation, ...], tuple[Failure, ...]]:
        """Return the annotations of ``batch`` in its order, and the records that failed.

        ``whole`` is what is done with a batch that need not be cut, where part of the work has been done already.

        Raises
        ------
        OutOfMemoryError
            Where not one record of the batch fits the memory of the device.
        """
        annotations: list[Annotation] = []
        failures: list[Failure] = []
        out_of_memory = 0
        waiting = self._pieces(batch)[::-1]
        while waiting:
            rows = waiting.pop()
            part = batch if len(rows) == len(batch) else batch.select(rows)
            try:
                annotations += whole() if whole and part is batch else self._work(part)
            except StageError as fault:
                if fault.out_of_memory:
                    self.max_residues = max(1, part.residues // 2)
                if len(rows) > 1:
                    half = len(rows) // 2
                    waiting += [rows[half:], rows[:half]]
                    continue
                out_of_memory += fault.out_of_memory
                failures.append(Failure(part.ids[0], part.sources[0], fault.stage, str(fault)))
                last = fault
        if len(batch) and out_of_memory == len(batch):
            raise OutOfMemoryError(
                f"{last.stage}: {last}; not one protein fits: use a device with more memory"
            ) from None
        return tuple(annotations), tuple(failures)

    def fits(self, batch: SequenceBatch) -> bool:
        """Return whether ``batch`` fits the memory of the device, as far as it is known."""
        return self.max_residues is None or batch.residues <= self.max_residues

    def _pieces(self, batch: SequenceBatch) -> list[range]:
        """Cut a batch into consecutive rows that fit `max_residues`."""
        if self.max_residues is None or self.fits(batch):
            return [range(len(batch))] if len(batch) else []
        pieces, start, residues = [], 0, 0
        for row, sequence in enumerate(batch.sequences):
            if row > start and residues + len(sequence) > self.max_residues:
                pieces.append(range(start, row))
                start, residues = row, 0
            residues += len(sequence)
        return [*pieces, range(start, len(batch))]
