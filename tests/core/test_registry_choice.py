"""Which plugins are imported at all: strangers when they are asked for, and no others than the user chose."""

from __future__ import annotations

import sys

import pytest

from photophore.errors import PluginError
from photophore.registry import load_registry


def test_the_variable_chooses_among_strangers_alone(site, good, monkeypatch) -> None:
    site.install("acme", good.format(name="acme"))
    site.install("bolt", good.format(name="bolt"))
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "acme")
    registry = load_registry()
    assert [spec.name for spec in registry.specs() if not registry.origin(spec).builtin] == ["acme"]
    assert registry.spec("index", "flat").name == "flat"
    assert [str(origin) for origin in registry.left_out if not origin.builtin] == ["bolt 1.0 (entry point 'bolt')"]
    with pytest.raises(PluginError, match="left out by --no-plugins or PHOTOPHORE_PLUGINS: bolt 1.0 "):
        registry.spec("aggregator", "bolt")


def test_a_stranger_who_calls_itself_photophore_is_none_of_the_builtin_ones(site, good, monkeypatch) -> None:
    site.install("acme", good.format(name="acme"), entry="photophore")
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "photophore")
    registry = load_registry()
    assert all(registry.origin(spec).builtin for spec in registry.specs())
    assert [str(origin) for origin in registry.left_out] == ["acme 1.0 (entry point 'photophore')"]


def test_a_chosen_one_of_another_interface_is_told_to_be_one(site, good, monkeypatch) -> None:
    site.install("acme", good.format(name="acme"), group="photophore.v0")
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "acme")
    (problem,) = load_registry().problems
    assert "is written for plugin interface v0, and this Photophore speaks v1; upgrade acme" in problem.reason


def test_a_run_of_builtin_links_imports_no_stranger(site, good) -> None:
    site.install("acme", "raise RuntimeError('imported')\n")
    registry = load_registry()
    for kind, name in (("encoder", "near"), ("index", "flat"), ("aggregator", "diagonal"), ("annotator", "hmmer")):
        assert registry.origin(registry.spec(kind, name)).builtin
    assert "acme_plugin" not in sys.modules
    assert "RuntimeError: imported" in str(registry.problems[0])


def test_a_plugin_that_is_called_as_its_entry_point_is_imported_alone(site, good) -> None:
    site.install("acme", good.format(name="acme"))
    site.install("bolt", good.format(name="bolt"), entry="other")
    registry = load_registry()
    acme = registry.spec("aggregator", "acme")
    assert "bolt_plugin" not in sys.modules
    assert registry.origin(acme).distribution == "acme"
    assert registry.spec("aggregator", "bolt").name == "bolt"  # found by importing everything
    assert registry.spec("aggregator", "acme") is acme
    assert registry.origin(acme).distribution == "acme"
    assert registry.problems == ()


@pytest.mark.parametrize("everything_first", [False, True])
def test_of_two_strangers_the_one_whose_entry_point_is_called_so_owns_the_name(site, good, everything_first) -> None:
    site.install("acme", good.format(name="sums"), entry="other")
    site.install("bolt", good.format(name="sums"), entry="sums")
    registry = load_registry()
    if everything_first:
        assert registry.problems
    assert registry.origin(registry.spec("aggregator", "sums")).distribution == "bolt"
    (problem,) = registry.problems
    assert problem.conflict
    assert str(problem) == (
        "plugin acme 1.0 (entry point 'other'): aggregator 'sums' is declared by acme 1.0 (entry point 'other') and by "
        "bolt 1.0 (entry point 'sums'); that of bolt 1.0 (entry point 'sums') is used, whose entry point is called so"
    )


def test_where_a_plugin_was_installed_is_known(site, good) -> None:
    site.install("acme", good.format(name="acme"))
    assert load_registry().entries["aggregator", "acme"][1].location == str(site.folder)
    direct = site.folder / "acme-1.0.dist-info" / "direct_url.json"
    direct.write_text('{"url": "file:///home/my%20acme", "dir_info": {"editable": true}}')
    assert load_registry().entries["aggregator", "acme"][1].location == "/home/my acme"


def test_what_is_barred_is_not_imported(site) -> None:
    site.install("acme", "raise RuntimeError('imported')\n")
    origin = load_registry().problems[0].origin
    sys.modules.pop("acme_plugin", None)
    registry = load_registry(barred={origin: "it kills the process"})
    assert str(registry.problems[0]) == "plugin acme 1.0 (entry point 'acme'): it kills the process"
