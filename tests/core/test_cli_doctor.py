"""The doctor's page: what is installed, from where, what is broken, in conflict, slow, or of another version."""

from __future__ import annotations

import json

import pytest

from photophore.diagnosis import fatal_plugins, misfits


def test_the_page_names_what_is_broken_missing_in_conflict_and_well(site, good) -> None:
    needs = "create=create, requires=(Requirement('no_such', 'pip install no-such'),), models=('acme-big',))"
    site.install("acme", good.format(name="acme").replace("create=create)", needs))
    site.install("bolt", "1 / 0\n")
    for name in ("one", "two"):
        site.install(name, good.format(name="twins"))
    site.install("spare", good.format(name="spare"))
    result = site.photophore("plugins", "doctor", PHOTOPHORE_PLUGINS="acme,bolt,one,two")
    assert result.returncode == 6
    page = result.stdout
    assert page.startswith("Photophore ")
    assert "\nonly PHOTOPHORE_PLUGINS: acme,bolt,one,two\n" in page
    assert "\nok       index flat\n" in page
    assert f"\nacme 1.0 (entry point 'acme') in {site.folder}, 0." in page
    assert "missing  aggregator acme\n         needs: pip install no-such\n         has no model acme-big; photo" in page
    assert "\nBroken\nbroken   plugin bolt 1.0 (entry point 'bolt'): importing 'bolt_plugin' failed: ZeroDiv" in page
    assert "\n         update or remove it: pip install --upgrade bolt, or pip uninstall bolt\n" in page
    assert (
        "\nIn conflict\nclash    plugin one 1.0 (entry point 'one'): aggregator 'twins' is declared by "
        "one 1.0 (entry point 'one') and by two 1.0 (entry point 'two'); neither is used until one of them is removed\n"
    ) in page
    assert "\nNot loaded\nleft     spare 1.0 (entry point 'spare')\n" in page
    assert "broken: 1, in conflict: 1, misfits: 0, slow: 0\n" in page
    assert result.stderr == "photophore: error: broken: bolt 1.0 (entry point 'bolt'); one 1.0 (entry point 'one')\n"
    debug = site.photophore("--debug", "plugins", "doctor", PHOTOPHORE_PLUGINS="bolt")
    assert 'bolt_plugin.py", line 1' in debug.stderr


def test_as_json_it_is_the_list_and_more(site, good) -> None:
    site.install("acme", good.format(name="acme"))
    result = site.photophore("plugins", "doctor", "--json")
    assert result.returncode == 0
    facts = json.loads(result.stdout)
    listed = json.loads(site.photophore("plugins", "list", "--json").stdout)
    assert {key: facts[key] for key in listed} == listed
    assert facts["group"] == "photophore.v1"
    assert list(facts["seconds"]) == ["acme 1.0 (entry point 'acme')"]
    assert facts["slow"] == facts["misfits"] == facts["not_loaded"] == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nos._exit(3)\n", "importing it ends the process with code 3; nothing can be caught there"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
            "importing it kills the process with SIGKILL; nothing can be caught there",
        ),
    ],
)
def test_a_plugin_that_ends_the_process_is_found_from_outside(site, good, code, reason) -> None:
    site.install("acme", good.format(name="acme"))
    site.install("bolt", code)
    result = site.photophore("plugins", "doctor")
    assert result.returncode == 6
    assert "\nok       aggregator acme\n" in result.stdout
    assert f"broken   plugin bolt 1.0 (entry point 'bolt'): {reason}\n" in result.stdout


def test_of_two_files_of_one_name_the_one_that_ends_the_process_is_blamed(site, good, tmp_path) -> None:
    for name, code in (("well", good.format(name="acme")), ("ill", "import os\nos._exit(3)\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.py").write_text(code)
    folders = ("--plugins-dir", str(tmp_path / "well"), "--plugins-dir", str(tmp_path / "ill"))
    result = site.photophore(*folders, "plugins", "doctor")
    assert "\nok       aggregator acme\n" in result.stdout
    assert f"broken   plugin {tmp_path / 'ill' / 'same.py'} (one file, " in result.stdout
    assert "broken: 1, " in result.stdout


def test_modules_in_the_folder_of_the_user_are_not_ours(site, good, tmp_path, monkeypatch) -> None:
    site.install("acme", good.format(name="acme"))
    (tmp_path / "email.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    assert fatal_plugins() == {}


def test_a_slow_import_is_told(site, good) -> None:
    site.install("acme", "import time\ntime.sleep(0.3)\n" + good.format(name="acme"))
    page = site.photophore("plugins", "doctor").stdout
    assert "\nSlow\nslow     acme 1.0 (entry point 'acme'): 0." in page
    assert "import runtimes in create(), not at the top of the module\n" in page


def test_versions_that_do_not_fit_are_told(site, good) -> None:
    site.install("acme", good.format(name="acme"))
    metadata = site.folder / "acme-1.0.dist-info" / "METADATA"
    asks = (
        "photophore>=99", "numpy>=2", "pluggy<0.1", "no-such-thing>=2", "nonsense!", "torch>99; extra == 'gpu'",
        "click<1; python_version < '3'", "unversioned>=1",
    )  # fmt: skip
    (site.folder / "unversioned-1.dist-info").mkdir()
    (site.folder / "unversioned-1.dist-info" / "METADATA").write_text("Name: unversioned\n")
    with metadata.open("a") as file:
        file.writelines(f"Requires-Dist: {ask}\n" for ask in asks)
        file.write("Requires-Python: >=4\n")
    found = misfits("acme")
    assert [line.partition(", installed is")[0].partition(", this is")[0] for line in found] == [
        "acme 1.0 asks for Python >=4",
        "acme 1.0 asks for photophore>=99",
        "acme 1.0 asks for pluggy<0.1",
        "acme 1.0 asks for no-such-thing>=2, which is not installed; run: pip install 'no-such-thing>=2'",
        "acme 1.0 asks for 'nonsense!', which is no requirement; report it to its authors",
        "acme 1.0 asks for unversioned>=1, whose installed version cannot be told; run: pip install --force-reinstall 'unversioned>=1'",
    ]
    assert found[1].endswith("; upgrade acme")
    assert found[2].endswith("; run: pip install 'pluggy<0.1'")
    result = site.photophore("plugins", "doctor")
    assert result.returncode == 0
    assert "\nVersions that do not fit\nmisfit   acme 1.0 asks for Python >=4" in result.stdout
    assert misfits("not-installed-at-all") == []
    metadata.write_text("Name: acme\nVersion: 1.0\nRequires-Python: three\n")
    assert misfits("acme") == ["acme 1.0 asks for Python 'three', which is no range of versions; report it to its authors"]


def test_what_we_ask_for_ourselves_fits() -> None:
    assert misfits("photophore") == []
