"""Batches keep the order and their bounds, reading ahead ends when it should, and a bad record stands alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from photophore.errors import OutOfMemoryError, RecordError
from photophore.fasta import Record
from photophore.stream import Isolation, Prefetch, StageError, batches
from photophore.types import Annotation, Failure, SequenceBatch


def record(name: str, residues: int = 3, stops: int = 0) -> Record:
    return Record(name, "", "M" * residues, f"q.faa:{name}", stops)


def named(*names: str, residues: int = 3) -> SequenceBatch:
    (read,) = batches([record(name, residues) for name in names], max_residues=10**6, max_records=10**6)
    return read.sequences


def hit(name: str) -> Annotation:
    return Annotation(name, 3, "toy", "t", "", "", 0, 1, 1.0)


def test_batches_end_at_records_and_at_residues() -> None:
    records = [record("a"), record("b"), record("c"), record("d", 9), record("e", 50), record("f")]
    cut = [read.sequences.ids for read in batches(records, max_residues=10, max_records=2)]
    assert cut == [("a", "b"), ("c",), ("d",), ("e",), ("f",)]


def test_failures_travel_with_the_batch_they_stood_in() -> None:
    failure = Failure("x", "q.faa:9", "read", "no residues")
    items = [record("a", stops=2), failure, record("b"), failure, failure]
    first, second = batches(items, max_residues=100, max_records=3, position=lambda: 7)
    assert (first.sequences.ids, first.failures, first.stops, first.bytes_read) == (("a", "b"), (failure,), 2, 7)
    assert (second.sequences.ids, second.failures, second.records) == ((), (failure, failure), 2)
    assert list(batches([], max_residues=1, max_records=1)) == []


def test_prefetch_keeps_order_and_is_bounded() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    stream = Prefetch(numbers(), depth=2)
    assert next(stream) == 0
    assert len(made) <= 5
    assert list(stream) == list(range(1, 50))


def test_prefetch_raises_the_error_of_the_thread_after_what_came_before() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("cut short")

    stream = Prefetch(broken())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="cut short"):
        next(stream)


def test_prefetch_ends_its_thread_when_closed() -> None:
    stream = Prefetch(iter(range(10**9)))
    next(stream)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "photophore-ahead"]
    stream.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_prefetch_can_be_closed_while_a_thread_waits_for_it() -> None:
    never = threading.Event()

    def waiting() -> Iterator[int]:
        never.wait()
        yield 1

    inner = Prefetch(waiting())
    outer = Prefetch(iter(inner))
    for stream in (outer, inner):
        stream.close()
    assert list(outer) == []
    never.set()


def refusing(bad: set[str], calls: list[tuple[str, ...]]) -> Isolation:
    def work(batch: SequenceBatch) -> Sequence[Annotation]:
        calls.append(batch.ids)
        if bad & set(batch.ids):
            raise StageError("encoder toy", RecordError("cannot be encoded"))
        return [hit(name) for name in batch.ids]

    return Isolation(work)


def test_a_good_batch_is_worked_on_once() -> None:
    calls: list[tuple[str, ...]] = []
    annotations, failures = refusing(set(), calls).run(named("a", "b", "c"))
    assert ([annotation.protein for annotation in annotations], failures) == (["a", "b", "c"], ())
    assert calls == [("a", "b", "c")]


def test_bad_records_are_found_by_halving_and_the_order_stays() -> None:
    calls: list[tuple[str, ...]] = []
    annotations, failures = refusing({"c", "h"}, calls).run(named(*"abcdefgh"))
    assert [annotation.protein for annotation in annotations] == list("abdefg")
    assert failures == (
        Failure("c", "q.faa:c", "encoder toy", "cannot be encoded"),
        Failure("h", "q.faa:h", "encoder toy", "cannot be encoded"),
    )
    assert len(calls) < 16


def test_an_empty_batch_is_not_worked_on() -> None:
    assert refusing(set(), calls := []).run(SequenceBatch((), (), (), ())) == ((), ())
    assert calls == []


def fitting(limit: int, calls: list[int]) -> Isolation:
    def work(batch: SequenceBatch) -> Sequence[Annotation]:
        calls.append(batch.residues)
        if batch.residues > limit:
            raise StageError("encoder toy", OutOfMemoryError(f"{batch.residues} residues do not fit"))
        return [hit(name) for name in batch.ids]

    return Isolation(work)


def test_out_of_memory_halves_and_later_batches_are_cut_at_once() -> None:
    calls: list[int] = []
    isolation = fitting(9, calls)
    annotations, failures = isolation.run(named(*"abcdefgh"))
    assert ([annotation.protein for annotation in annotations], failures) == (list("abcdefgh"), ())
    calls.clear()
    isolation.run(named(*"abcdefgh"))
    assert max(calls) <= 9


def test_one_protein_too_large_is_a_failure() -> None:
    batch = named("a", "b")
    large = SequenceBatch(("c",), ("M" * 99,), ("",), ("q.faa:c",))
    both = SequenceBatch(
        *[getattr(batch, n) + getattr(large, n) for n in ("ids", "sequences", "descriptions", "sources")]
    )
    annotations, failures = fitting(9, []).run(both)
    assert [annotation.protein for annotation in annotations] == ["a", "b"]
    assert failures == (Failure("c", "q.faa:c", "encoder toy", "99 residues do not fit"),)


def test_no_protein_fits() -> None:
    message = "encoder toy: 3 residues do not fit; not one protein fits: use a device with more memory"
    with pytest.raises(OutOfMemoryError, match=message):
        fitting(2, []).run(named("a", "b"))


def test_unforeseen_errors_are_not_survived() -> None:
    def work(batch: SequenceBatch) -> Sequence[Annotation]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Isolation(work).run(named("a", "b"))
