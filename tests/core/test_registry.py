"""A broken plugin never takes the rest down: what is kept, what is left out, and what the user is told."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from photophore.entrypoints import locate
from photophore.errors import PluginError, Problems
from photophore.hookspecs import Requirement
from photophore.registry import Registry, load_registry, missing_requirements, require_modules


def problem_of(registry: Registry, distribution: str) -> str:
    """Return the text of the only problem of ``distribution``, whose specs must all be gone."""
    (problem,) = [item for item in registry.problems if item.origin.distribution == distribution]
    left = [spec for spec in registry.specs() if registry.origin(spec).distribution == distribution]
    assert not left
    assert not [name for name, _ in registry.manager.list_name_plugin() if distribution in name]
    return str(problem)


def test_builtin_plugins_come_through_entry_points() -> None:
    registry = load_registry(only=("photophore",))
    for kind, name in (("index", "flat"), ("annotator", "hmmer"), ("encoder", "near"), ("aggregator", "diagonal")):
        origin = registry.origin(registry.spec(kind, name))
        assert origin.distribution == "photophore"
        assert origin.builtin
    assert registry.problems == ()


def test_a_stranger_is_loaded_like_a_builtin(site, good) -> None:
    site.install("acme-sum", good.format(name="acme"), version="2.5", entry="sums")
    registry = load_registry()
    spec = registry.spec("aggregator", "acme")
    assert str(registry.origin(spec)) == "acme-sum 2.5 (entry point 'sums')"
    assert not registry.origin(spec).builtin
    assert spec in registry.specs("aggregator")
    assert registry.spec("index", "flat").name == "flat"


AGGREGATOR = 'AggregatorSpec(name="acme", summary="A stranger.", config=Config, create=create)'
BREAKAGES = {
    "absent module": (None, "importing 'acme_plugin' failed: ModuleNotFoundError: No module named 'acme_plugin'"),
    "absent dependency": ("import nothing_like_it\n", "No module named 'nothing_like_it' .*acme_plugin.py:1"),
    "error at import": (
        "x = 1\nraise RuntimeError('no GPU')\n",
        r"failed: RuntimeError: no GPU \(.*acme_plugin.py:2\)",
    ),
    "exit at import": ("import sys\nsys.exit('goodbye')\n", "failed: SystemExit: goodbye"),
    "syntax error": ("def f(:\n", "failed: SyntaxError: .*acme_plugin.py, line 1"),
    "no hook": ("x = 1\n", "implements no hook; mark at least one of photophore_encoders"),
    "unknown hook": (
        "from photophore.hookspecs import hookimpl\n@hookimpl\ndef photophore_aggregator():\n    return []\n",
        "'photophore_aggregator', which is not a hook; did you mean 'photophore_aggregators'",
    ),
    "hook with arguments": (
        "from photophore.hookspecs import hookimpl\n@hookimpl\ndef photophore_encoders(batch):\n    return []\n",
        "registering its hooks failed: PluginValidationError: .*batch",
    ),
    "wrapper": (
        (
            "from photophore.hookspecs import hookimpl\nimport pluggy\n@pluggy.HookimplMarker('photophore')(wrapper=True)\n"
            "def photophore_encoders():\n    yield\n    return []\n"
        ),
        "photophore_encoders is a hook wrapper",
    ),
}
REPLACEMENTS = {
    "hook raises": (
        f"[{AGGREGATOR}]",
        "1 / 0",
        "calling photophore_aggregators failed: ZeroDivisionError: .*acme_plugin.py:14",
    ),
    "hook exits": (f"[{AGGREGATOR}]", "exit(3)", "calling photophore_aggregators failed: SystemExit: 3"),
    "returns None": (f"[{AGGREGATOR}]", "None", "must return a list of AggregatorSpec, got None"),
    "returns a spec": (f"[{AGGREGATOR}]", AGGREGATOR, "must return a list of AggregatorSpec, got AggregatorSpec"),
    "returns text": (f"[{AGGREGATOR}]", "'acme'", "must return a list of AggregatorSpec, got 'acme'"),
    "returns nothing": (f"[{AGGREGATOR}]", "[]", "its hooks return no spec at all"),
    "another kind": ("[AggregatorSpec", "[IndexSpec", "must return a list of AggregatorSpec, got one with IndexSpec"),
    "one of two bad": (f"[{AGGREGATOR}]", f"[{AGGREGATOR}, 7]", "got one with 7"),
    "twice": (f"[{AGGREGATOR}]", f"[{AGGREGATOR}, {AGGREGATOR}]", "aggregator 'acme' is declared twice"),
    "bad name": ('name="acme"', 'name="Acme Sum"', "bad name 'Acme Sum'; use lower-case letters"),
    "summary": ('"A stranger."', '""', "summary must be one line of text, got ''"),
    "not frozen": ("frozen=True", "frozen=False", "config Config is not frozen"),
    "not a dataclass": ("config=Config", "config=dict", "config must be a dataclass, got <class 'dict'>"),
    "no help": ('metadata={"help": "smallest score that counts"}', "repr=True", "Config.gate has no help"),
    "no default": ("default=0.5, ", "", "Config.gate has no default"),
    "bad default": (
        "default=0.5",
        'default="much"',
        "Config.gate has a default that it would not accept: expected a number",
    ),
    "bad type": ("gate: float", "gate: dict", "Config.gate has type <class 'dict'>; options may be"),
    "unresolved type": ("gate: float", 'gate: "Nowhere"', "annotations of config Config cannot be resolved: .*Nowhere"),
    "create": ("create=create", "create=None", "create must be callable, got None"),
    "requires": ("create=create", "create=create, requires=('torch',)", "requires must be a tuple of Requirement"),
    "models": ("create=create", "create=create, models='near-small'", "models must be a tuple of names"),
    "missing argument": (", create=create", "", "TypeError: .*create"),
}


@pytest.mark.parametrize(("code", "reason"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_plugin_is_left_out(site, code, reason) -> None:
    site.install("acme", code)
    registry = load_registry()
    assert re.search("plugin acme 1.0 .entry point 'acme'.: .*" + reason, problem_of(registry, "acme"), re.DOTALL)
    assert registry.spec("index", "flat").name == "flat"


@pytest.mark.parametrize(("old", "new", "reason"), REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_a_plugin_that_breaks_the_contract_is_left_out(site, good, old, new, reason) -> None:
    code = good.format(name="acme")
    assert old in code
    site.install("acme", code.replace(old, new))
    assert re.search(reason, problem_of(load_registry(), "acme"))


COLUMNS = {
    "bad name": ('Column("E-value", float, "x")', "bad column name 'E-value'"),
    "bad type": ('Column("e", list, "x")', "column 'e' has type <class 'list'>"),
    "no help": ('Column("e", float, " ")', "column 'e' has no help"),
    "twice": ('Column("e", float, "x"), Column("e", float, "x")', "column 'e' is declared twice"),
    "no column": ("'e'", r"columns must be a tuple of Column, got \('e',\)"),
}


@pytest.mark.parametrize(("columns", "reason"), COLUMNS.values(), ids=COLUMNS)
def test_columns_of_an_annotator_are_checked(site, good, columns, reason) -> None:
    code = good.format(name="acme").replace("photophore_aggregators", "photophore_annotators")
    spec = f'AnnotatorSpec(name="acme", summary="S.", config=Config, create=create, read_targets=create, columns=({columns},))'
    site.install("acme", code.replace(AGGREGATOR, spec))
    assert re.search(reason, problem_of(load_registry(), "acme"))


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("indexes", "there is no aggregator 'acme'.*\n  left out, and may have brought it: plugin acme"),
        ("annotators", "aggregator 'acme' cannot be used: plugin acme"),
    ],
)
def test_rollback_takes_the_good_specs_of_a_broken_plugin_too(site, good, hook, answer) -> None:
    late = f"\n@hookimpl\ndef photophore_{hook}():\n    raise KeyError('late')\n"
    site.install("acme", good.format(name="acme") + late)
    registry = load_registry()
    assert f"calling photophore_{hook} failed: KeyError: 'late'" in problem_of(registry, "acme")
    with pytest.raises(PluginError, match=answer):
        registry.spec("aggregator", "acme")


def test_a_plugin_may_be_an_object(site, good) -> None:
    code = good.format(name="acme").replace(
        "@hookimpl\ndef photophore_aggregators():", "class Acme:\n  @hookimpl\n  def photophore_aggregators(self):"
    )
    module = site.install("acme", code + "\nacme = Acme()\n", entry_points="[photophore.v1]\nacme = acme_plugin:acme\n")
    assert module == "acme_plugin"
    assert load_registry().spec("aggregator", "acme").name == "acme"


def test_one_module_named_twice_is_loaded_once(site, good) -> None:
    site.install("acme", good.format(name="acme"), entry_points="[photophore.v1]\na = acme_plugin\nb = acme_plugin\n")
    registry = load_registry()
    assert registry.origin(registry.spec("aggregator", "acme")).entry_point == "a"
    assert [str(item) for item in registry.problems if item.origin.entry_point == "b"] == [
        "plugin acme 1.0 (entry point 'b'): 'acme_plugin' is already loaded by another entry point; name it once"
    ]


def test_what_a_plugin_prints_does_not_reach_standard_output(site, good, capsys) -> None:
    site.install("acme", "print('hello from acme')\n" + good.format(name="acme"))
    load_registry().specs()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello from acme\n"


def test_ctrl_c_is_not_taken_for_a_broken_plugin(site) -> None:
    site.install("acme", "raise KeyboardInterrupt\n")
    registry = load_registry()
    with pytest.raises(KeyboardInterrupt):
        registry.specs()


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ("photophore.v0", "is written for plugin interface v0, and this Photophore speaks v1; upgrade acme"),
        ("photophore.v2", "is written for plugin interface v2, and this Photophore speaks v1; upgrade Photophore"),
        (
            "photophore.plugins",
            "entry-point group 'photophore.plugins', which nothing reads; it belongs into 'photophore.v1'",
        ),
    ],
)
def test_other_groups_are_reported(site, good, group, reason) -> None:
    site.install("acme", good.format(name="acme"), group=group)
    assert reason in problem_of(load_registry(), "acme")


def test_a_plugin_for_two_interfaces_is_no_problem(site, good) -> None:
    points = "[photophore.v1]\nacme = acme_plugin\n[photophore.v2]\nacme = acme_v2\n"
    site.install("acme", good.format(name="acme"), entry_points=points)
    registry = load_registry()
    assert registry.spec("aggregator", "acme").name == "acme"
    assert not [item for item in registry.problems if item.origin.distribution == "acme"]


@pytest.mark.parametrize("points", ["[photophore.v1]\nnonsense\n", "[photophore.v1]\nacme = not a module!\n"])
def test_metadata_that_cannot_be_read_is_reported(site, points) -> None:
    site.install("acme", None, entry_points=points)
    assert problem_of(load_registry(), "acme").startswith("plugin acme 1.0")


def test_metadata_without_a_name_is_reported(site) -> None:
    site.install("acme", "x = 1\n")
    (site.folder / "acme-1.0.dist-info" / "METADATA").unlink()
    assert "unnamed distribution of unknown version" in problem_of(load_registry(), "unnamed distribution")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("METADATA", b"Name: acme\nVersion: 1.0\nAuthor: \xff\n"),
        ("direct_url.json", b'{"url": "file://[", "dir_info": {"editable": true}}'),
        ("direct_url.json", b'{"url": "file:///a", "dir_info": null}'),
        ("direct_url.json", b"[1]"),
        ("direct_url.json", b"\xff"),
    ],
)
def test_other_damaged_metadata_takes_nothing_down(site, good, name, content) -> None:
    site.install("acme", good.format(name="acme"))
    (site.folder / "acme-1.0.dist-info" / name).write_bytes(content)
    registry = load_registry()
    assert registry.spec("index", "flat").name == "flat"
    assert registry.origin(registry.spec("aggregator", "acme")).location == str(site.folder)
    assert site.photophore("plugins", "doctor").returncode == 0


@pytest.mark.parametrize(("points", "names"), [(None, ["new"]), ("[console_scripts]\nacme = acme_plugin\n", [])])
def test_the_distribution_that_import_would_take_is_the_one_that_counts(
    site, good, tmp_path, monkeypatch, points, names
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    monkeypatch.setattr("sys.path", [*sys.path, str(hidden)])
    replace(site, folder=hidden).install("acme", good.format(name="old"), version="1.0")
    site.install("acme", good.format(name="new"), version="2.0", entry_points=points)
    registry = load_registry()
    found = [spec for spec in registry.specs() if registry.origin(spec).distribution == "acme"]
    assert [spec.name for spec in found] == names
    assert all(registry.origin(spec).version == "2.0" for spec in found)
    assert not [item for item in registry.problems if item.origin.distribution == "acme"]


def test_a_stranger_may_not_take_the_name_of_a_builtin(site, good) -> None:
    code = (
        good.format(name="acme")
        .replace("photophore_aggregators", "photophore_indexes")
        .replace("AggregatorSpec(", "IndexSpec(")
    )
    both = 'IndexSpec(name="flat", summary="Mine.", config=Config, create=create), IndexSpec(name="acme"'
    site.install("acme", code.replace('IndexSpec(name="acme"', both), version="3.0")
    registry = load_registry()
    text = problem_of(registry, "acme")
    assert "plugin acme 3.0 (entry point 'acme'): index 'flat' is already photophore" in text
    assert "(entry point 'faiss')'s; the built-in stays, all of this plugin is left out" in text
    assert registry.origin(registry.spec("index", "flat")).builtin
    with pytest.raises(PluginError, match="index 'acme' cannot be used: plugin acme 3.0 .* pip uninstall acme"):
        registry.spec("index", "acme")


def test_a_name_that_two_strangers_want_goes_to_neither(site, good) -> None:
    extra = good.format(name="sums").replace(
        "create=create)]", 'create=create), AggregatorSpec(name="{}", summary="S.", config=Config, create=create)]'
    )
    site.install("acme", extra.replace('"{}"', '"acme"'), version="1.1")
    site.install("bolt", extra.replace('"{}"', '"bolt"'), version="2.2")
    registry = load_registry()
    assert {spec.name for spec in registry.specs("aggregator")} >= {"acme", "bolt"}
    assert "sums" not in {spec.name for spec in registry.specs("aggregator")}
    with pytest.raises(PluginError) as caught:
        registry.spec("aggregator", "sums")
    assert "declared by acme 1.1 (entry point 'acme') and by bolt 2.2 (entry point 'bolt'); neither is used" in str(
        caught.value
    )


def test_strict_makes_a_broken_plugin_fatal(site, monkeypatch) -> None:
    site.install("acme", "import nothing_like_it\n")
    with pytest.raises(
        PluginError, match="plugin acme 1.0 .* failed: .*; update or remove it: pip install --upgrade acme"
    ):
        load_registry(strict=True, only=("acme",))
    monkeypatch.setenv("PHOTOPHORE_STRICT", "1")
    with pytest.raises(PluginError, match="nothing_like_it"):
        load_registry(only=("acme",))
    assert load_registry(only=("acme",), strict=False).problems
    monkeypatch.setenv("PHOTOPHORE_STRICT", "0")
    assert load_registry(only=("acme",)).problems


def test_strict_reports_all_problems_together(site) -> None:
    site.install("acme", "import nothing_like_it\n")
    site.install("bolt", "x = 1\n")
    with pytest.raises(Problems) as caught:
        load_registry(strict=True, only=("acme", "bolt"))
    assert caught.value.exit_code == PluginError.exit_code
    assert [line[:13] for line in str(caught.value).splitlines()] == ["- plugin acme", "- plugin bolt"]


def test_only_loads_what_is_named(site, good, monkeypatch) -> None:
    site.install("acme", good.format(name="acme"))
    site.install("bolt", "raise RuntimeError\n")
    registry = load_registry(only=("acme", "faiss"))
    assert {spec.name for spec in registry.specs("aggregator")} == {"acme"}
    assert registry.spec("index", "flat").name == "flat"
    assert registry.problems == ()
    with pytest.raises(PluginError, match="PHOTOPHORE_PLUGINS: no entry point, distribution or file of plugins is called 'acmee'; did you mean 'acme'"):
        load_registry(only=("acmee",))


def test_an_absent_plugin_is_answered_with_near_misses() -> None:
    registry = load_registry(only=("faiss",))
    with pytest.raises(PluginError, match="no index 'ivpq'; did you mean 'ivfpq'. installed are: flat, hnsw"):
        registry.spec("index", "ivpq")
    with pytest.raises(PluginError, match=r"no encoder 'flat'; no encoder is installed \('flat' is an index\)"):
        registry.spec("encoder", "flat")
    with pytest.raises(
        PluginError, match="no kind of plugin 'indices'; kinds are: encoder, index, aggregator, annotator"
    ):
        registry.specs("indices")


def test_missing_requirements_are_found_without_importing(site, good) -> None:
    (site.folder / "acme_runtime").mkdir()
    (site.folder / "acme_runtime" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (site.folder / "acme_runtime" / "part.py").write_text("")
    needs = ", ".join(
        f"Requirement({module!r}, 'pip install {module}')"
        for module in ("acme_runtime.part", "acme_runtime.gone", "no_torch.nn")
    )
    site.install("acme", good.format(name="acme").replace("create=create)", f"create=create, requires=({needs}))"))
    registry = load_registry()
    spec = registry.spec("aggregator", "acme")
    assert missing_requirements(spec) == (
        Requirement("acme_runtime.gone", "pip install acme_runtime.gone"),
        Requirement("no_torch.nn", "pip install no_torch.nn"),
    )
    assert "acme_runtime" not in sys.modules
    assert not [item for item in registry.problems if item.origin.distribution == "acme"]
    with pytest.raises(
        PluginError,
        match="'acme' needs acme_runtime.gone, no_torch.nn, which is not installed; run: pip install acme_runtime.gone; pip",
    ):
        require_modules(spec)


def test_locate_finds_what_import_would() -> None:
    for module in ("json", "json.decoder", "photophore.types", "sys"):
        found = locate(module)
        assert found is not None
        assert found.name == module
    assert locate("json.nothing") is None
    assert locate("sys.nothing") is None
