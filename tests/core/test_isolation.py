"""Broken distributions, really installed: a run that does not use one is not changed by it, and one that does is told why it ends."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.core.broken_plugins import FAILING, GOOD, SLOW, TWINS, UNLOADABLE, Distribution

from photophore.examples import example_path

pytest.importorskip("setuptools", minversion="77", reason="the build backend, setuptools >= 77, is not installed")

#: Everything that is broken, by what it is.
BROKEN: dict[str, tuple[Distribution, ...]] = {
    **{what: (broken,) for what, (broken, *_) in UNLOADABLE.items()},
    **{what: (broken,) for what, (broken, *_) in FAILING.items()},
    "slow import": (SLOW,),
    "two of one name": TWINS,
}


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Return a function that gives the folder of an installed distribution."""

    @cache
    def install(distribution: Distribution) -> Path:
        return distribution.install(tmp_path_factory.mktemp(distribution.name))

    return install


@pytest.fixture(scope="session")
def proteins(tmp_path_factory) -> Path:
    """Eight proteins of the bundled proteome."""
    entries = gzip.decompress(example_path("corynebacterium").read_bytes()).decode().split(">")[1:9]
    path = tmp_path_factory.mktemp("input") / "proteins.faa"
    path.write_text("".join(f">{entry}" for entry in entries))
    return path


def photophore(*arguments: object, sites: tuple[Path, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = {name for name in os.environ if name.startswith("PHOTOPHORE_")}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-m", "photophore", *map(str, arguments)],
        env={**kept, "PYTHONPATH": os.pathsep.join(map(str, sites)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def results(folder: Path) -> dict[str, bytes]:
    """Return what a run wrote, but for the times and places in run.json."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, proteins) -> dict[str, bytes]:
    """Results without any stranger."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = photophore("annotate", proteins, "-o", out, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(results(out)) > 5
    return results(out)


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_that_does_not_use_it_is_not_changed(tmp_path, installed, proteins, undisturbed, what) -> None:
    sites = tuple(map(installed, BROKEN[what]))
    done = photophore(
        "annotate", proteins, "-o", tmp_path / "out", "-q", sites=sites, IMPORTED=str(tmp_path / "imported")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert results(tmp_path / "out") == undisturbed
    assert not (tmp_path / "imported").exists(), "a run of built-in links imports no stranger"
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {plugin["distribution"] for plugin in run["plugins"]} == {"photophore"}


@pytest.mark.parametrize("what", UNLOADABLE)
def test_the_doctor_says_why_and_the_rest_works(installed, what) -> None:
    broken, reason = UNLOADABLE[what]
    sites = (installed(broken), installed(GOOD))
    done = photophore("plugins", "doctor", "--json", sites=sites)
    assert done.returncode == 6
    facts = json.loads(done.stdout)
    (problem,) = facts["problems"]
    assert (problem["distribution"], problem["version"], problem["location"]) == (broken.name, "1.0", str(sites[0]))
    assert re.search(reason, problem["reason"])
    assert f"pip uninstall {broken.name}" in problem["remedy"]
    assert not problem["conflict"]
    assert "worker" in {plugin["name"] for plugin in facts["plugins"]}
    misfits = ["lonely 1.0 asks for no-such-library>=2, which is not installed; run: pip install 'no-such-library>=2'"]
    assert facts["misfits"] == (misfits if broken.requires else [])


@pytest.mark.parametrize("what", UNLOADABLE)
def test_a_run_that_asks_for_it_is_told_why(tmp_path, installed, proteins, what) -> None:
    broken, reason = UNLOADABLE[what]
    out = tmp_path / "out"
    done = photophore("annotate", proteins, "-o", out, "-q", "--aggregator", broken.name, sites=(installed(broken),))
    assert done.returncode == 6
    assert f"there is no aggregator {broken.name!r}" in done.stderr
    assert re.search(rf"plugin {broken.name} 1.0 \(entry point '{broken.name}'\): .*{reason}", done.stderr)
    assert not out.exists()


@pytest.mark.parametrize("what", FAILING)
def test_a_run_that_it_fails_ends_with_its_name(tmp_path, installed, proteins, what) -> None:
    broken, code, reason = FAILING[what]
    out = tmp_path / "out"
    done = photophore("annotate", proteins, "-o", out, "-q", "--aggregator", broken.name, sites=(installed(broken),))
    assert re.search(reason, done.stderr), done.stderr
    assert done.returncode == code
    assert not out.exists()


def test_a_good_one_beside_them_all_works_and_is_imported_alone(tmp_path, installed, proteins) -> None:
    everything = [each for group in BROKEN.values() for each in group]
    out = tmp_path / "out"
    done = photophore(
        "--trace-plugins", "annotate", proteins, "-o", out, "-q", "--aggregator", "worker",
        sites=tuple(map(installed, [*everything, GOOD])),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"ms  ([\w-]+) \S+ \(entry point '.*'\): importing", done.stderr)) == {"photophore", "worker"}
    run = json.loads((out / "run.json").read_text())
    assert [plugin["distribution"] for plugin in run["plugins"] if plugin["kind"] == "aggregator"] == ["worker"]


def test_two_of_one_name_are_both_named(tmp_path, installed, proteins) -> None:
    sites = tuple(map(installed, TWINS))
    done = photophore("annotate", proteins, "-o", tmp_path / "out", "-q", "--aggregator", "twins", sites=sites)
    assert done.returncode == 6
    assert (
        "aggregator 'twins' is declared by twin-one 1.0 (entry point 'twin-one') and by twin-two 1.0 (entry point "
        "'twin-two'); neither is used until one of them is removed"
    ) in done.stderr
    one = photophore("plugins", "list", sites=sites, PHOTOPHORE_PLUGINS="twin-two")
    assert "[twin-two 1.0]" in one.stdout
    assert one.stderr == ""


def test_a_slow_one_is_imported_where_plugins_are_listed_alone(installed, tmp_path) -> None:
    sites, mark = (installed(SLOW),), tmp_path / "imported"
    for arguments in (["--version"], ["--help"], ["--no-plugins", "plugins", "list"], ["db", "list"]):
        assert photophore(*arguments, sites=sites, IMPORTED=str(mark)).returncode == 0
        assert not mark.exists(), arguments
    facts = json.loads(photophore("plugins", "doctor", "--json", sites=sites, IMPORTED=str(mark)).stdout)
    assert mark.exists()
    assert facts["slow"] == ["sleeper 1.0 (entry point 'sleeper')"]
    assert facts["seconds"]["sleeper 1.0 (entry point 'sleeper')"] >= 1.5
