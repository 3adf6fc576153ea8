"""What DIAMOND says comes out unchanged, and what is wrong with it is said in words."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import numpy as np
import pytest

from photophore.config import make_config
from photophore.errors import DatabaseError, InputError, PluginError, UsageError
from photophore.hookspecs import Runtime
from photophore.testing.annotators import every_candidate
from photophore.testing.samples import proteins
from photophore.types import TargetTable
from photophore_diamond.plugin import photophore_annotators
from photophore_diamond.program import program_problems, run
from photophore_diamond.targets import TARGETS_FILE

SPEC = photophore_annotators()[0]
KINASE = "MSTNPKPQRKTKRNTNRRPQDVKFPGGGQIVGGVYLLPRRGPRLGVRATRKTSERSQPRGRRQPIPKARRPEGRTWAQPGYPWPLYGNEGCGWAGWLLSPRGSRPSWG"


@pytest.fixture
def sources(tmp_path):
    path = tmp_path / "targets.faa"
    path.write_text(f">core capsid protein\n{KINASE}\n>repeat\n{'MKVLAWYDE' * 12}\n")
    return [path]


def opened(sources, folder, **options):
    folder.mkdir(exist_ok=True)
    config = make_config(SPEC, options)
    source = SPEC.read_targets(sources, folder, config)
    lengths = [len(sequence) for sequence in source.items.sequences]
    targets = TargetTable(source.items.ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return SPEC.create(folder, targets, config, Runtime()), targets


def test_a_protein_finds_itself(sources, tmp_path):
    annotator, targets = opened(sources, tmp_path / "db")
    batch = proteins(KINASE, "GGGGGHHHHHWWWWW")
    (found,) = annotator.annotate(batch, every_candidate(batch, targets))
    assert (found.protein, found.target, found.description) == ("p1", "core", "capsid protein")
    assert (found.start, found.end) == (0, len(KINASE))
    assert found.evidence == {
        "identity": 100.0,
        "aligned": len(KINASE),
        "target_length": len(KINASE),
        "target_start": 0,
        "target_end": len(KINASE),
    }
    assert found.evalue < 1e-50


def test_scores_are_those_of_diamond_alone(sources, tmp_path):
    """The same search, done by hand: bits and E-value are equal, as E-values count on the whole database."""
    annotator, targets = opened(sources, tmp_path / "db")
    batch = proteins(KINASE[20:90])
    (found,) = annotator.annotate(batch, every_candidate(batch, targets, [0]))
    query = tmp_path / "query.faa"
    query.write_text(f">query\n{KINASE[20:90]}\n")
    command = [
        "diamond",
        "blastp",
        "--swipe",
        "-q",
        query,
        "-d",
        tmp_path / "all.dmnd",
        "--outfmt",
        "6",
        "qstart",
        "qend",
    ]
    subprocess.run(["diamond", "makedb", "--in", sources[0], "-d", tmp_path / "all.dmnd", "--quiet"], check=True)
    done = subprocess.run([*command, "evalue", "bitscore", "--quiet"], capture_output=True, text=True, check=True)
    start, end, evalue, bits = map(float, done.stdout.split())
    assert (found.start + 1, found.end, found.evalue, found.score) == (start, end, evalue, bits)


@pytest.mark.parametrize(
    ("options", "targets"), [({}, ["core"]), ({"min_identity": 100}, ["core"]), ({"evalue": 1e-200}, [])]
)
def test_options_choose(sources, tmp_path, options, targets):
    annotator, table = opened(sources, tmp_path / "db", **options)
    batch = proteins(KINASE)
    assert [found.target for found in annotator.annotate(batch, every_candidate(batch, table))] == targets


def test_a_missing_program_is_told_before_any_work(tmp_path):
    config = make_config(SPEC, {"program": "diamnod"})
    (problem,) = SPEC.check(tmp_path, {}, config)
    assert isinstance(problem, UsageError)
    assert "there is no program 'diamnod'; install DIAMOND (Debian and Ubuntu: apt-get install diamond-aligner)" in str(
        problem
    )


def test_another_program_is_no_diamond():
    (problem,) = program_problems("true")
    assert "true is not DIAMOND: asked for its version it says ''" in str(problem)


def test_an_old_diamond_is_refused(tmp_path):
    program = tmp_path / "diamond"
    program.write_text("#!/bin/sh\necho diamond version 0.9.14\n")
    program.chmod(0o755)
    (problem,) = program_problems(str(program))
    assert (
        str(problem)
        == f"annotator diamond: {program} is diamond version 0.9.14, 2.1 or later is needed; install a newer one"
    )


def test_a_failing_run_shows_the_words_of_diamond(tmp_path):
    with pytest.raises(PluginError, match="ended with code 1: .*missing.faa"):
        run(["diamond", "makedb", "--in", tmp_path / "missing.faa", "--db", tmp_path / "db"])


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("evalue", "0", "evalue is 0.0; give a number above 0"),
        ("min_identity", "101", "min_identity is 101.0; give percent, 0 to 100"),
        ("max_annotations", "-1", "max_annotations is -1; give 0 for all, or a number above"),
        ("sensitivity", "swip", "did you mean 'swipe'?"),
    ],
)
def test_wrong_options_are_explained(option, value, reason):
    with pytest.raises(UsageError) as caught:
        make_config(SPEC, {option: value})
    assert reason in str(caught.value)


def test_a_faulty_target_stops_the_build_with_its_line(tmp_path):
    path = tmp_path / "bad.faa"
    path.write_text(">good\nMKVLAW\n>bad\nMK1VL\n")
    with pytest.raises(InputError, match=r"bad\.faa:4"):
        SPEC.read_targets([path], tmp_path, make_config(SPEC, {}))


def test_a_database_of_other_proteins_is_refused(sources, tmp_path):
    _, targets = opened(sources, tmp_path / "db")
    renamed = replace(targets, ids=("core", "other"))
    with pytest.raises(DatabaseError, match="their names or order differ; build the database again"):
        SPEC.create(tmp_path / "db", renamed, make_config(SPEC, {}), Runtime())
    (tmp_path / "db" / TARGETS_FILE).write_text("")
    with pytest.raises(DatabaseError, match="cannot be read"):
        SPEC.create(tmp_path / "db", targets, make_config(SPEC, {}), Runtime())
