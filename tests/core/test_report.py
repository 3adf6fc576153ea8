"""The report says what the files of the runs say, shows strangers' text as text, and needs nothing but itself."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from tests.core.writer_cases import RESULT, annotation, batch, facts, real_hits, write_all

from photophore.cli.report import report as report_command
from photophore.errors import InputError, UsageError
from photophore.figures import gather
from photophore.report import SAMPLE_COLUMNS, render_page, render_table, write_report
from photophore.types import BatchResult, Failure


class Page(HTMLParser):
    """The cells of the tables, the text, and every address that a browser would ask for."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.words, self.addresses, self.tags = [], [], [], []
        self.feed(text)
        assert self.tags == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in {"href", "src", "data", "action", "srcset"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in {"meta", "br"}:
            self.tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.tags.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.tags and self.tags[-1] in {"td", "th", "code"} and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def rows_of_two():
    """Return a result: p1 has two domains of A and one of B with an EC number, p2 has A, p3 has nothing, one record failed."""
    records = batch(("p1", "M" * 50, "q:1"), ("p2", "M" * 50, "q:3"), ("p3", "M" * 50, "q:5"))

    def hit(name, **changes):
        plain = {"accession": "", "description": "", "ecs": (), "protein_length": 50}
        return annotation(name, **{**plain, **changes})

    hits = (
        hit("p1", target="A", accession="PF1", description="an <b>A</b>", score=12.5, evalue=1e-4),
        hit("p1", target="A", accession="PF1", description="an <b>A</b>", score=12.5, evalue=1e-4, start=30, end=40),
        hit("p1", target="B", ecs=("1.1.1.1", "2.7.-.-"), score=80.0, evalue=0.0, confidence=1.0),
        hit("p2", target="A", accession="PF1", description="an <b>A</b>", score=3.0, evalue=0.5),
    )
    return BatchResult(records, hits, (Failure("x", "q:7", "read", "q:7: '<x>' has no residues"),))


@pytest.mark.parametrize("formats", [("tsv",), ("jsonl",), ("parquet",)])
def test_figures_are_those_of_the_rows_in_any_format(tmp_path, formats):
    figures = gather(write_all(tmp_path / "s", [rows_of_two()], formats=formats))
    assert figures.targets == {"A": 2, "B": 1}
    assert figures.names["A"] == ("PF1", "an <b>A</b>")
    assert (figures.ecs, figures.with_ec) == ({"1.1.1.1": 1, "2.7.-.-": 1}, 1)
    assert figures.bits == {12: 2, 80: 1, 3: 1}
    assert figures.exponents == {-4: 2, -100: 1, -1: 1}
    assert figures.confidences == {19: 1}
    assert figures.stages == {"read": 1}
    assert figures.failures == [
        {"protein": "x", "source": "q:7", "stage": "read", "reason": "q:7: '<x>' has no residues"}
    ]


def test_page_shows_them_and_escapes_what_strangers_wrote(tmp_path):
    run = gather(write_all(tmp_path / "s&1", [rows_of_two()]))
    text = render_page([run], title="A & B", top=20)
    page = Page(text)
    assert page.addresses == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert "<b>A</b>" not in text
    assert "<x>" not in text
    assert ["A", "PF1", "an <b>A</b>", "2", "100.0 %"] in page.rows
    assert ["B", "", "", "1", "50.0 %"] in page.rows
    assert ["1", "Oxidoreductases", "1"] in page.rows
    assert ["3", "Hydrolases", "0"] in page.rows
    assert ["s&1", "x", "q:7", "read", "q:7: '<x>' has no residues"] in page.rows
    (sample,) = [row for row in page.rows if row[0] == "s&1" and len(row) == 10]
    assert sample[3:] == ["4", "2 (50.0 %)", "1", "1", "4", "2", "1"]
    assert text.count("<svg") == 4, "one bar of fates and three histograms"
    heights = [float(height) for height in re.findall(r'height="([\d.]+)" class="bar"', text)]
    assert max(heights) == 120.0


def test_table_has_a_row_for_each_run(tmp_path):
    runs = [gather(write_all(tmp_path / name, [rows_of_two()])) for name in ("one", "two")]
    rows = list(csv.DictReader(render_table(runs).splitlines(), delimiter="\t"))
    assert tuple(rows[0]) == SAMPLE_COLUMNS
    assert [row["sample"] for row in rows] == ["one", "two"]
    assert [rows[0][name] for name in SAMPLE_COLUMNS[3:]] == ["4", "2", "1", "1", "4", "2", "1"]


def test_real_hits_are_counted_right(tmp_path):
    results, _ = real_hits()
    folder = write_all(tmp_path / "real", results)
    with (folder / "annotations.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    figures = gather(folder)
    assert sum(figures.targets.values()) == len({(row["protein"], row["target"]) for row in rows})
    assert sum(figures.bits.values()) == len(rows)
    page = Page(render_page([figures], title="t", top=5))
    best = figures.targets.most_common(1)[0]
    assert any(row[0] == best[0] and row[3] == f"{best[1]:,}" for row in page.rows if len(row) == 5)


def test_runs_without_readable_rows_or_without_hits_are_shown(tmp_path):
    silent = gather(write_all(tmp_path / "silent", [rows_of_two()], formats=("gff3",)))
    assert not silent.has_rows
    assert render_table([silent]).splitlines()[1].endswith("\t4\t\t")
    assert "only their numbers are known" in render_page([silent], title="t", top=1)
    empty = gather(write_all(tmp_path / "empty", []))
    text = render_page([empty], title="t", top=1)
    assert "There are no annotations." in text
    assert "None: every record was read and searched." in text


def test_order_of_the_runs_does_not_change_the_most_frequent(tmp_path):
    runs = [gather(write_all(tmp_path / name, [rows_of_two()])) for name in ("one", "two")]
    tables = [
        [row for row in Page(render_page(order, title="t", top=20)).rows if len(row) in {3, 5}]
        for order in (runs, runs[::-1])
    ]
    assert sorted(tables[0]) == sorted(tables[1])


def test_unassigned_is_no_target(tmp_path):
    records = batch(
        ("p1", "M" * 50, "q:1"),
    )
    row = annotation("p1", target="unassigned", score=0.2, evalue=None, confidence=None, ecs=(), protein_length=50)
    figures = gather(write_all(tmp_path / "s", [BatchResult(records, (row,), ())], formats=("tsv",)))
    assert (figures.targets, figures.unassigned) == ({}, 1)
    assert "1 proteins were looked at and given no EC number" in render_page([figures], title="t", top=1)


def test_misuse_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="nothing to report: name at least one folder"):
        write_report([], tmp_path / "r.html")
    with pytest.raises(InputError, match="run.json: there is no such folder"):
        write_report([tmp_path / "none"], tmp_path / "r.html")
    folder = write_all(tmp_path / "s", [RESULT])
    (folder / "failures.tsv").unlink()
    with pytest.raises(InputError, match=r"failures\.tsv: cannot be read: No such file or directory; repeat the run"):
        write_report([folder], tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_warnings_and_versions_are_shown(tmp_path):
    run = facts()
    run.warnings.append("mind the gap")
    figures = gather(write_all(tmp_path / "s", [RESULT], run=replace(run, version="9.8.7")))
    text = render_page([figures], title="t", top=1)
    assert "<li>s: mind the gap</li>" in text
    assert "9.8.7" in text
    assert json.dumps(figures.facts["database"]["digest"])[1:-1] in text


def test_command(tmp_path):
    folder = write_all(tmp_path / "s", [RESULT])
    done = CliRunner().invoke(
        report_command,
        [str(folder), "-o", str(tmp_path / "r.html"), "--tsv", str(tmp_path / "r.tsv"), "--title", "Mine"],
    )
    assert (done.exit_code, done.stderr) == (0, f"{tmp_path}/r.html: 1 runs, 4 proteins\n")
    assert "<h1>Mine</h1>" in (tmp_path / "r.html").read_text()
    assert (tmp_path / "r.tsv").read_text().startswith("sample\tdatabase\t")
