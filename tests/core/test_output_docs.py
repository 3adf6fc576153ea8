"""docs/output.md knows every file and every column."""

from __future__ import annotations

import json
import re
from pathlib import Path

from photophore.runfacts import Counts, RunFacts, render_run
from photophore.writers import ALL_FILES, FIXED_COLUMNS
from photophore.writers.domtblout import REQUIRED
from photophore.writers.tsv import FAILURE_COLUMNS, PROTEIN_COLUMNS
from photophore_hifinn.plugin import COLUMNS as HIFINN_COLUMNS
from photophore_siamese.plugin import COLUMNS as SIAMESE_COLUMNS

TEXT = (Path(__file__).parents[2] / "docs" / "output.md").read_text(encoding="utf-8")


def types_by_column():
    return dict(re.findall(r"^\| `(\w+)` \| ([\w ]+?) \|", TEXT, re.MULTILINE))


def test_columns_and_types_are_documented():
    types = types_by_column()
    kinds = {str: "string", int: "int", float: "float"}
    for column in (*FIXED_COLUMNS, *HIFINN_COLUMNS, *SIAMESE_COLUMNS):
        assert types[column.name] == ("list of strings" if column.name == "ecs" else kinds[column.type])
    assert set(REQUIRED) <= types.keys()


def test_files_and_tables_are_documented():
    for name in (*ALL_FILES, *FAILURE_COLUMNS, *PROTEIN_COLUMNS):
        assert f"`{name}`" in TEXT


def test_keys_of_the_run_file_are_documented():
    for key in json.loads(render_run(RunFacts(), Counts(), ())):
        assert f"`{key}`" in TEXT, key
