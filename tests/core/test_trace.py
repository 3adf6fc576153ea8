"""What ``--trace-plugins`` shows, and that it ends with its command."""

from __future__ import annotations

import logging
import re

import pytest

from photophore.cli import main
from photophore.trace import traced, tracing


def test_every_call_has_its_time(capsys) -> None:
    with tracing():
        with traced("encoder acme: create"):
            pass
        with pytest.raises(ZeroDivisionError), traced("encoder acme: 3 proteins"):
            _ = 1 / 0
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"trace: +\d+\.\d ms  encoder acme: create", lines[0])
    assert re.fullmatch(r"trace: +\d+\.\d ms  encoder acme: 3 proteins: ZeroDivisionError: division by zero", lines[1])


def test_nothing_is_shown_before_and_after(capsys) -> None:
    with tracing():
        pass
    with traced("unheard"):
        pass
    assert capsys.readouterr().err == ""
    assert not logging.getLogger("photophore.plugins").handlers


def test_the_command_line_shows_imports_and_hooks(site, good, capsys) -> None:
    site.install("acme", good.format(name="acme"))
    assert main(["--trace-plugins", "plugins", "list"]) == 0
    err = capsys.readouterr().err
    for what in ("importing 'acme_plugin'", "registering its hooks", "calling photophore_aggregators"):
        assert re.search(rf"^trace: +\d+\.\d ms  acme 1.0 .entry point 'acme'.: {what}$", err, re.MULTILINE), what
    assert re.search(r"photophore \S+ .entry point 'near'.: calling photophore_encoders", err)
    assert main(["plugins", "list"]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_shows_what_its_links_did(tmp_path, capsys) -> None:
    (tmp_path / "a.faa").write_text(">p\nMKVLAWYDEGHIRSTNPQCF\n>q\nMKVLAWYDEGHIRSTNPQCFAA\n")
    command = ["--trace-plugins", "annotate", str(tmp_path / "a.faa"), "-o", str(tmp_path / "out"), "-q", "--threads", "1"]
    assert main(command) == 0
    shown = [line.partition(" ms  ")[2] for line in capsys.readouterr().err.splitlines()]
    links = ("encoder near", "index ivf-lists", "aggregator diagonal", "annotator hmmer")
    for link in links:
        assert f"{link}: create" in shown
        assert f"{link}: 2 proteins" in shown
    assert "index ivf-lists: load" in shown


def test_building_shows_what_its_links_did(tmp_path, capsys) -> None:
    (tmp_path / "lookup.tsv").write_text("id\tec\tsequence\nt1\t2.7.1.1\tMKVLAWYDE\nt2\t\tMAAA\nt3\t2.7.1.1\tMCCC\n")
    command = ["--trace-plugins", "db", "build", "--method", "hifinn", str(tmp_path / "lookup.tsv"), "-o", str(tmp_path / "db"), "-q"]
    assert main(command) == 0
    shown = [line.partition(" ms  ")[2] for line in capsys.readouterr().err.splitlines()]
    for call in ("annotator hifinn: read_targets", "encoder hifinn: create", "encoder hifinn: 3 proteins"):
        assert call in shown
    for call in ("index flat: build and save", "aggregator label-density: create", "aggregator label-density: calibrate"):
        assert call in shown
