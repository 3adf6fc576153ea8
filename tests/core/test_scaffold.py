"""``photophore plugins new``: what it makes works as it is, and names that cannot be are refused by text."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from photophore.cli import main
from photophore.contract import KINDS
from photophore.errors import OutputError, PluginError, UsageError
from photophore.registry import load_registry
from photophore.scaffold import TEMPLATES, NewPlugin, make_plugin


@pytest.fixture(scope="module")
def registry():
    return load_registry(only=("photophore",))


def made(tmp_path, registry, **given) -> Path:
    pytest.importorskip("cookiecutter", reason="the kit is not installed: pip install 'photophore[kit]'")
    return make_plugin(NewPlugin(**given), tmp_path, registry)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_a_whole_distribution(tmp_path, registry, kind) -> None:
    folder = made(tmp_path, registry, name=f"best-{kind}", kind=kind, author="Ada Lovelace")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == folder.name == f"photophore-best-{kind}"
    assert project["entry-points"]["photophore.v1"] == {f"best-{kind}": f"photophore_best_{kind}.plugin"}
    assert "Ada Lovelace" in (folder / "LICENSE").read_text()
    package = folder / "src" / f"photophore_best_{kind}"
    assert {"__init__.py", "config.py", "plugin.py", "py.typed", f"{kind}.py"} <= {path.name for path in package.iterdir()}
    assert "${{ matrix.python }}" in (folder / ".github" / "workflows" / "ci.yml").read_text()
    assert (folder / ".gitignore").is_file()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text()
        assert "cookiecutter" not in text + path.name
        if path.suffix == ".py":
            ast.parse(text)
            if "src" in path.parts:
                assert "from __future__ import annotations" in text or path.name == "__init__.py"


@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_pass_untouched(tmp_path, registry, kind) -> None:
    """Installed as pip does it, and tested by the commands of its README."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend, setuptools >= 77, is not installed")
    folder = made(tmp_path, registry, name="mine", kind=kind)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    installed = subprocess.run([*pip, "--target", site, folder], capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 15
    assert "failed" not in done.stdout


BAD_NAMES = {
    "Best": "'Best' is no name for a plugin; begin with a lower-case letter",
    "best_match": "'best_match' is no name for a plugin; .* single hyphens between them, such as 'best-match'",
    "best--match": "is no name for a plugin",
    "-best": "is no name for a plugin",
    "2best": "is no name for a plugin",
    "": "'' is no name for a plugin",
    "a/../b": "is no name for a plugin",
    "photophore-best": "the distribution is called photophore-NAME already; give the rest, 'best'",
    "photophore": "give the rest, 'best-match'",
    "lambda": "'lambda' is a word of Python; give another name",
    "x" * 31: "has 31 letters; give at most 30, it will be typed",
}


@pytest.mark.parametrize(("name", "text"), BAD_NAMES.items())
def test_names_that_cannot_be(name, text) -> None:
    with pytest.raises(UsageError, match=text):
        NewPlugin(name=name, kind="encoder")


def test_kinds_and_authors_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="--kind encodr: there is no such kind; choose one of encoder, index, aggregator, ann"):
        NewPlugin(name="best", kind="encodr")
    with pytest.raises(UsageError, match="has quotes, backslashes or line breaks; leave them out"):
        NewPlugin(name="best", kind="encoder", author='Ada "Countess" Lovelace')


def test_names_that_are_taken(tmp_path, registry) -> None:
    with pytest.raises(PluginError, match="aggregator 'diagonal' is already photophore .*'s; give another name"):
        made(tmp_path, registry, name="diagonal", kind="aggregator")
    with pytest.raises(PluginError, match="'faiss': a module 'photophore_faiss' is installed already .*; give another name"):
        made(tmp_path, registry, name="faiss", kind="index")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path, registry) -> None:
    folder = tmp_path / "photophore-best"
    folder.mkdir()
    with pytest.raises(OutputError, match="photophore-best: exists already; move it away, or give another folder with -o"):
        made(tmp_path, registry, name="best", kind="index")
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path, registry) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="photophore-best: cannot be written: .*; give another folder with -o"):
        made(tmp_path / "file", registry, name="best", kind="index")


def test_without_the_kit_it_says_what_to_install(tmp_path, registry, monkeypatch) -> None:
    monkeypatch.setattr("photophore.scaffold.locate", lambda _module: None)
    with pytest.raises(PluginError, match=r"needs cookiecutter, which is not installed; run: pip install 'photophore\[kit\]'"):
        make_plugin(NewPlugin(name="best", kind="index"), tmp_path, registry)


def test_the_command_says_what_comes_next(tmp_path, capsys) -> None:
    pytest.importorskip("cookiecutter", reason="the kit is not installed: pip install 'photophore[kit]'")
    assert main(["plugins", "new", "best", "--kind", "index", "-o", str(tmp_path / "deep" / "er")]) == 0
    folder = tmp_path / "deep" / "er" / "photophore-best"
    assert folder.is_dir()
    out = capsys.readouterr().out
    assert out == (
        f"made {folder}; next:\n  cd {folder}\n  pip install -e '.[test]' && pytest\n  photophore plugins show best\n"
    )
    assert main(["plugins", "new", "best", "--kind", "index", "-o", str(tmp_path / "deep" / "er")]) == 7
    assert "exists already" in capsys.readouterr().err


def test_no_file_of_the_template_is_taken_for_something_else() -> None:
    names = [path.name for path in TEMPLATES.rglob("*") if path.is_file()]
    assert names
    assert not [name for name in names if name.endswith((".py", ".toml")) or name.startswith(".")]
