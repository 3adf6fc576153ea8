"""Which record an annotation belongs to, and the order of records that could not be read."""

from __future__ import annotations

import pytest
from tests.core.writer_cases import annotation, batch

from photophore.errors import DataError
from photophore.types import BatchResult, Failure
from photophore.writers.fates import annotations_per_record, fates_of, in_input_order

TEN = "MKVLAGGHTR"


def failure(name, source):
    return Failure(name, source, "read", "empty")


def test_annotations_are_counted_by_record():
    records = batch(("a", TEN, "f:1"), ("b", TEN, "f:3"), ("c", TEN, "f:5"))
    rows = [annotation("a"), annotation("a", start=0), annotation("c")]
    assert annotations_per_record(records, rows) == [2, 0, 1]
    assert annotations_per_record(records, []) == [0, 0, 0]


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        # the length tells
        ([annotation("a"), annotation("a", protein_length=8)], [1, 1, 0]),
        # another protein stands between
        ([annotation("a"), annotation("b"), annotation("a")], None),
        # the same place twice
        ([annotation("a"), annotation("a")], [1, 0, 1]),
        # E-values rise within one record
        ([annotation("a", evalue=1e-3), annotation("a", evalue=1e-9, target="Other")], [1, 0, 1]),
        # no E-values: scores fall within one record
        ([annotation("a", evalue=None), annotation("a", evalue=None, score=30.0, target="Other")], [1, 0, 1]),
        # two targets of one record
        ([annotation("a"), annotation("a", target="Other")], [2, 0, 0]),
    ],
)
def test_records_of_one_name_are_told_apart(rows, counts):
    records = batch(("a", TEN, "f:1"), ("a", TEN[:8], "f:3"), ("a", TEN, "f:5"))
    if counts is None:
        records, counts = batch(("a", TEN, "f:1"), ("b", TEN, "f:3"), ("a", TEN, "f:5")), [1, 1, 1]
    assert annotations_per_record(records, rows) == counts


def test_annotation_of_a_stranger_is_refused():
    with pytest.raises(DataError, match="annotation of 'x' by 'Fam': the batch holds no such protein"):
        annotations_per_record(batch(("a", TEN, "f:1")), [annotation("x")])


def test_annotations_out_of_order_are_refused():
    records = batch(("a", TEN, "f:1"), ("b", TEN, "f:3"))
    with pytest.raises(DataError, match="annotation of 'a' by 'Fam': it does not come in the order of the batch"):
        annotations_per_record(records, [annotation("b"), annotation("a")])


def test_annotation_of_another_length_is_refused():
    with pytest.raises(DataError, match="or its protein has not 10 residues"):
        annotations_per_record(batch(("a", TEN[:9], "f:1")), [annotation("a")])


def test_unread_records_stand_where_they_were_in_the_input():
    records = batch(("a", "MK", "x:1"), ("b", "MK", "x:5"), ("c", "MK", "z:1"))
    failures = (failure("first", "w:1"), failure("a2", "x:3"), failure("y1", "y:9"), failure("c2", "z:10"))
    fates = fates_of(BatchResult(records, (), failures), [0, 0, 0], ("w", "x", "y", "z"))
    assert [fate.protein for fate in fates] == ["first", "a", "a2", "b", "y1", "c", "c2"]


def test_lines_are_compared_as_numbers():
    failures = [failure("late", "x:10"), failure("early", "x:9")]
    assert [item.protein for item in in_input_order(failures, ("x",))] == ["early", "late"]


def test_failed_record_of_the_batch_keeps_its_length():
    result = BatchResult(batch(("a", "MK", "x:1")), (), (Failure("a", "x:1", "encoder near", "no"),))
    (fate,) = fates_of(result, [0])
    assert (fate.length, fate.status) == (2, "failed")
