"""Plugins in one file: found, named and kept apart like installed ones."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys

import pytest

from photophore.entrypoints import Origin
from photophore.errors import PluginError
from photophore.registry import load_registry


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder of one-file plugins."""
    made = tmp_path / "mine"
    made.mkdir()
    monkeypatch.setenv("PHOTOPHORE_PLUGINS_DIR", str(made))
    yield made
    for name in [name for name in sys.modules if name.startswith("photophore_one_file_")]:
        del sys.modules[name]


def test_every_file_of_the_folder_is_a_plugin(site, good, folder) -> None:
    for name in ("acme", "bolt", "_private", ".hidden"):
        (folder / f"{name}.py").write_text(good.format(name=name.strip("_.")))
    (folder / "notes.txt").write_text("no plugin")
    registry = load_registry()
    mine = {spec.name: registry.origin(spec) for spec in registry.specs() if registry.origin(spec).one_file}
    digest = hashlib.sha256((folder / "acme.py").read_bytes()).hexdigest()[:12]
    path = str(folder / "acme.py")
    assert mine.keys() == {"acme", "bolt"}
    assert mine["acme"] == Origin("acme.py", f"sha256:{digest}", "acme", path, one_file=True)
    assert str(mine["acme"]) == f"{path} (one file, sha256:{digest})"
    assert not mine["acme"].builtin


def test_options_of_a_file_travel_between_processes(site, good, folder) -> None:
    (folder / "acme.py").write_text(good.format(name="acme"))
    config = load_registry().spec("aggregator", "acme").config(gate=0.25)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - made in this line


def test_a_broken_file_is_named_with_its_line(site, folder) -> None:
    (folder / "acme.py").write_text("x = 1\nraise RuntimeError('no GPU')\n")
    (problem,) = load_registry().problems
    assert str(problem).startswith(f"plugin {folder / 'acme.py'} (one file, sha256:")
    assert f"failed: RuntimeError: no GPU ({folder / 'acme.py'}:2)" in str(problem)
    assert problem.remedy == f"correct or remove the file {folder / 'acme.py'}"
    assert not [name for name in sys.modules if name.startswith("photophore_one_file_acme")]


def test_a_file_that_cannot_be_read_is_reported(site, folder) -> None:
    (folder / "acme.py").mkdir()
    (problem,) = load_registry().problems
    assert str(problem) == f"plugin {folder / 'acme.py'} (one file, unread): cannot be read: Is a directory"


def test_a_file_may_not_take_the_name_of_a_builtin(site, good, folder) -> None:
    (folder / "photophore.py").write_text(good.format(name="diagonal"))
    registry = load_registry()
    assert registry.origin(registry.spec("aggregator", "diagonal")).distribution == "photophore"
    (problem,) = registry.problems
    assert problem.conflict
    assert "aggregator 'diagonal' is already photophore" in problem.reason


def test_a_file_and_a_distribution_in_conflict_are_both_named(site, good, folder) -> None:
    site.install("acme", good.format(name="acme"))
    (folder / "acme.py").write_text(good.format(name="acme"))
    with pytest.raises(PluginError) as caught:
        load_registry().spec("aggregator", "acme")
    assert f"declared by acme 1.0 (entry point 'acme') and by {folder / 'acme.py'} (one file, sha256:" in str(caught.value)


def test_a_subset_may_name_a_file(site, good, folder, monkeypatch) -> None:
    for name in ("acme", "bolt"):
        (folder / f"{name}.py").write_text(good.format(name=name))
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "bolt")
    assert {"acme", "bolt"} & {spec.name for spec in load_registry().specs()} == {"bolt"}


def test_a_link_is_called_as_the_user_called_it(site, good, folder, tmp_path, monkeypatch) -> None:
    (tmp_path / "plugin.py").write_text(good.format(name="acme"))
    for name in ("acme", "again"):
        (folder / f"{name}.py").symlink_to(tmp_path / "plugin.py")
    (folder / "dangling.py").symlink_to(tmp_path / "gone.py")
    (folder / "loop.py").symlink_to("loop.py")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PHOTOPHORE_PLUGINS_DIR", f"../{folder.name}")
    registry = load_registry()
    origin = registry.origin(registry.spec("aggregator", "acme"))
    assert (origin.location, origin.entry_point) == (str(folder / "acme.py"), "acme")
    assert [(problem.origin.location, problem.reason) for problem in registry.problems] == [
        (str(folder / "dangling.py"), "cannot be read: No such file or directory"),
        (str(folder / "loop.py"), "cannot be read: Too many levels of symbolic links"),
    ]


def test_two_files_of_one_name_are_told_apart_by_their_folders(site, good, folder, tmp_path, monkeypatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (folder / "same.py").write_text(good.format(name="acme"))
    (other / "same.py").write_text(good.format(name="bolt"))
    monkeypatch.setenv("PHOTOPHORE_PLUGINS_DIR", f"{folder}{os.pathsep}{other}")
    registry = load_registry()
    assert {spec.name for spec in registry.specs() if registry.origin(spec).one_file} == {"acme", "bolt"}
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", str(other / "same.py"))
    registry = load_registry()
    assert {spec.name for spec in registry.specs() if registry.origin(spec).one_file} == {"bolt"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_that_cannot_be_read_is_an_error(site, folder) -> None:
    folder.chmod(0)
    try:
        with pytest.raises(PluginError, match="mine: this folder of plugins cannot be read; change its permissions"):
            load_registry()
    finally:
        folder.chmod(0o755)


def test_no_plugins_are_none_whatever_they_are_called_and_wherever_they_are_looked_for(site, good, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photophore.py").write_text(good.format(name="acme"))
    for folder in ("mine", "gone"):
        listing = site.photophore("--no-plugins", "plugins", "list", PHOTOPHORE_PLUGINS_DIR=str(tmp_path / folder))
        assert listing.returncode == 0, listing.stderr
        assert "acme" not in listing.stdout


def test_a_folder_that_the_variable_cannot_hold_is_refused(site, tmp_path) -> None:
    (tmp_path / "a:b").mkdir()
    done = site.photophore("--plugins-dir", str(tmp_path / "a:b"), "plugins", "list")
    assert done.returncode == 2
    assert "a:b: a ':' parts folders; rename it, or give a link to it\n" in done.stderr


def test_a_folder_that_is_not_there_is_an_error(site, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PHOTOPHORE_PLUGINS_DIR", str(tmp_path / "gone"))
    with pytest.raises(PluginError, match="gone: there is no such folder of plugins; check --plugins-dir or PHOTOPHORE_P"):
        load_registry()


def test_the_file_beside_a_configuration_is_a_plugin(site, good, tmp_path) -> None:
    config = tmp_path / "run.yaml"
    assert "acme" not in {spec.name for spec in load_registry(beside=config).specs()}
    (tmp_path / "photophore_plugin.py").write_text(good.format(name="acme"))
    registry = load_registry(beside=config)
    assert registry.origin(registry.spec("aggregator", "acme")).location == str(tmp_path / "photophore_plugin.py")


def test_the_command_line_takes_folders(site, good, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "acme.py").write_text(good.format(name="acme"))
    result = site.photophore("--plugins-dir", str(tmp_path / "mine"), "plugins", "list", "--json")
    (acme,) = [item for item in json.loads(result.stdout)["plugins"] if item["name"] == "acme"]
    assert (acme["one_file"], acme["location"]) == (True, str(tmp_path / "mine" / "acme.py"))
    absent = site.photophore("--plugins-dir", str(tmp_path / "gone"), "plugins", "list")
    assert absent.returncode == 2
    assert "gone" in absent.stderr
    late = site.photophore("plugins", "list", "--plugins-dir", str(tmp_path / "mine"))
    assert late.returncode == 2
    assert "--plugins-dir" in late.stderr
    assert "\nIt stands before the command: photophore --plugins-dir ...\n" in late.stderr
    both = site.photophore("--no-plugins", "--plugins-dir", str(tmp_path / "mine"), "plugins", "list")
    assert both.returncode == 2
    assert both.stderr == "photophore: error: --no-plugins and --plugins-dir exclude each other; give one of them\n"


def test_a_run_uses_the_file_beside_its_configuration(site, good, tmp_path) -> None:
    code = good.format(name="acme") + "def create(config, runtime):\n    raise SystemError('mine was opened')\n"
    (tmp_path / "photophore_plugin.py").write_text(code.replace("def create(config, runtime):\n    return config\n", "", 1))
    (tmp_path / "run.yaml").write_text("aggregator: acme\n")
    (tmp_path / "a.faa").write_text(">p\nMKVLAWYDEGHIRSTNPQCF\n")
    config = ("--config", str(tmp_path / "run.yaml"), "--dry-run")
    result = site.photophore("annotate", str(tmp_path / "a.faa"), *config)
    assert "SystemError: mine was opened" in result.stderr
    without = site.photophore("--no-plugins", "annotate", str(tmp_path / "a.faa"), *config)
    assert without.returncode == 6
    assert "there is no aggregator 'acme'" in without.stderr
    assert f"left out by --no-plugins or PHOTOPHORE_PLUGINS: {tmp_path / 'photophore_plugin.py'} (one file" in without.stderr
