"""The distributions under docs/examples are whole; stage 60 of CI installs and runs each."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import DOCS, ROOT

EXAMPLES = sorted(path for path in (DOCS / "examples").iterdir() if path.is_dir())


def test_there_is_one_around_a_program_one_in_numpy_and_one_around_a_library():
    assert [path.name for path in EXAMPLES] == ["photophore-diamond", "photophore-usearch", "photophore-windows"]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_a_distribution_is_whole(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = folder.name.replace("-", "_")
    assert project["name"] == folder.name
    assert (folder / "src" / module / "py.typed").is_file()
    assert (folder / "LICENSE").read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    (target,) = project["entry-points"]["photophore.v1"].values()
    assert (folder / "src" / f"{target.replace('.', '/')}.py").is_file()
    assert "Conformance)" in (folder / "tests" / "test_contract.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_the_entry_point_has_the_name_of_the_plugin(folder):
    """So that a run that asks for it by name imports no other plugin."""
    (name,) = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]["photophore.v1"]
    assert f'name="{name}",' in (folder / "src" / folder.name.replace("-", "_") / "plugin.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_its_readme_has_what_ci_runs(folder):
    """Two blocks: install and test, build a database and annotate into ``out``."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    install, use = re.findall(r"^```bash\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert install == "pip install '.[test]' && pytest\n"
    build, annotate = use.splitlines()
    assert build.startswith("photophore db build ")
    assert re.match(r"photophore annotate proteins\.faa -d \w+ -o out\b", annotate)
