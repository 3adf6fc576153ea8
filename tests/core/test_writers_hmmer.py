"""domtblout against HMMER's own printing, and against two parsers of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.core.writer_cases import EVIDENCE, HMMER_COLUMNS, RESULT, annotation, batch, real_hits, write_all

from photophore.errors import DataError, UsageError
from photophore.types import BatchResult
from photophore.writers import FORMATS, formats_for
from photophore.writers.domtblout import HEADER

#: Types of the 22 columns before the description.
FIELDS = (str, str, int, str, str, int, *(float,) * 3, int, int, *(float,) * 4, *(int,) * 6, float)


def parse(path: Path):
    """Split at white space, as HMMER's manual says; the rest of the line is the description."""
    rows = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            words = line.split(maxsplit=22)
            assert len(words) == 23, line
            rows.append([kind(word) for kind, word in zip(FIELDS, words[:22], strict=True)] + [words[22]])
    return rows


def test_every_line_of_real_hits_is_the_one_that_hmmer_prints(tmp_path):
    results, printed = real_hits()
    written = write_all(tmp_path / "out", results, formats=("domtblout",)) / "hits.domtblout"
    assert written.read_text() == HEADER + printed
    assert printed.count("\n") > 50


def test_header_is_the_one_that_hmmer_prints():
    import pyhmmer

    amino = pyhmmer.easel.Alphabet.amino()
    data = Path(pyhmmer.__file__).parent / "tests" / "data"
    with pyhmmer.plan7.HMMFile(data / "hmms" / "txt" / "KR.hmm") as file:
        profile = file.read()
    hits = pyhmmer.plan7.Pipeline(amino).scan_seq(
        pyhmmer.easel.TextSequence(name="p", sequence="MKVLAGGHTR").digitize(amino),
        pyhmmer.plan7.OptimizedProfileBlock(amino, [_optimized(profile)]),
    )
    printed = io.BytesIO()
    hits.write(printed, format="domains", header=True)
    assert printed.getvalue().decode() == HEADER


def _optimized(profile):
    import pyhmmer

    background = pyhmmer.plan7.Background(profile.alphabet)
    return profile.to_profile(background, L=100).to_optimized()


def test_strict_parser_reads_each_field(tmp_path):
    path = write_all(tmp_path / "out", [RESULT]) / "hits.domtblout"
    assert parse(path) == [
        [
            *("Fam", "PF00001.2", 9, "p1", "-", 10, 1.5e-9, 21.5, 0.0, 1, 1, 1e-8, 2e-7, 20.2, 0.5),
            *(1, 5, 3, 7, 3, 8, 0.99, "A family; of two, really"),
        ]
    ]


def test_biopython_reads_real_hits(tmp_path):
    search_io = pytest.importorskip("Bio.SearchIO", reason="needs biopython")
    results, _ = real_hits()
    path = write_all(tmp_path / "out", results) / "hits.domtblout"
    domains = [
        (query.id, hit.id, hsp.query_start, hsp.query_end, hsp.hit_start, hsp.hit_end, hsp.env_start, hsp.env_end)
        for query in search_io.parse(path, "hmmscan3-domtab")
        for hit in query
        for hsp in hit
    ]
    expected = [
        (
            *(row.protein, row.target, row.start, row.end),
            *(row.evidence[key] for key in ("family_start", "family_end", "envelope_start", "envelope_end")),
        )
        for result in results
        for row in result.annotations
    ]
    assert domains == expected


def test_names_with_spaces_stay_one_word_and_missing_texts_are_dashes(tmp_path):
    odd = annotation(target="Fam 1\tb", accession="", description="")
    result = BatchResult(batch(("p1", "M" * 10, "a:1")), (odd,), ())
    (row,) = parse(write_all(tmp_path / "out", [result]) / "hits.domtblout")
    assert (row[0], row[1], row[22]) == ("Fam_1_b", "-", "-")


def test_columns_are_as_wide_as_the_longest_name_of_the_protein(tmp_path):
    rows = (annotation(target="F" * 30), annotation(target="G", evalue=1e-3), annotation(protein="p2"))
    result = BatchResult(batch(("p1", "M" * 10, "a:1"), ("p2", "M" * 10, "a:3")), rows, ())
    lines = (write_all(tmp_path / "out", [result]) / "hits.domtblout").read_text().splitlines()[3:]
    assert [line.index("PF00001.2") for line in lines] == [31, 31, 21]


def test_annotator_without_hmmer_columns_cannot_fill_it(tmp_path):
    assert formats_for(HMMER_COLUMNS[:2]) == ("tsv", "gff3", "jsonl", "parquet")
    assert "domtblout" in formats_for(HMMER_COLUMNS)
    with pytest.raises(UsageError) as caught:
        write_all(tmp_path / "out", [], columns=HMMER_COLUMNS[:-2], formats=("domtblout",))
    assert str(caught.value) == (
        "--format domtblout: the annotator gives no envelope_end, accuracy; choose from tsv, gff3, jsonl, parquet"
    )


def test_missing_value_is_named(tmp_path):
    row = annotation(evidence={**EVIDENCE, "accuracy": None})
    result = BatchResult(batch(("p1", "M" * 10, "a:1")), (row,), ())
    with pytest.raises(DataError, match="annotation of 'p1' by 'Fam': column 'accuracy' is None, which domtblout"):
        write_all(tmp_path / "out", [result])
    assert not (tmp_path / "out").exists()


def test_annotator_hmmer_fills_every_format_and_its_columns_are_documented():
    from photophore_hmmer.plugin import COLUMNS

    assert formats_for(COLUMNS) == FORMATS
    page = (Path(__file__).parents[2] / "docs" / "output.md").read_text(encoding="utf-8")
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.type.__name__} |" in page
