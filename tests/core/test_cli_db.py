"""``photophore db`` as a user meets it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.core.conftest import Site
from tests.core.toy_runs import NAMES, TARGETS, install

from photophore.cli import main

LINKS = [argument for kind, name in NAMES.items() for argument in (f"--{kind}", name)]


@pytest.fixture
def work(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with ``words.faa`` where commands run and databases are found by name."""
    install(site)
    (tmp_path / "words.faa").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "toys")
    monkeypatch.setenv("PHOTOPHORE_DATABASES", str(tmp_path))
    return tmp_path


def test_build_list_describe_verify(site: Site, work: Path) -> None:
    built = site.photophore("db", "build", "words.faa", "-o", "toys", *LINKS, "--set", "index.k=9")
    assert built.returncode == 0, built.stderr
    assert built.stderr.endswith("toys: 3 targets, 10 positions\n")

    listed = site.photophore("db", "list")
    (line,) = [line.split() for line in listed.stdout.splitlines() if line.startswith("toys ")]
    assert line[1:5] == ["3", "targets", "10", "positions"]
    assert line[-2:] == ["letters+exact+sum+words", str(work / "toys")]
    facts = json.loads(site.photophore("db", "list", "--json").stdout)
    assert ("toys", 3) in [(entry["name"], entry.get("targets")) for entry in facts]

    described = site.photophore("db", "describe", "toys").stdout
    assert "sources     words.faa\n" in described
    assert "index       exact  k=9\n" in described
    assert "words       3\n" in described
    facts = json.loads(site.photophore("db", "describe", "toys", "--json").stdout)
    assert facts["links"]["index"] == {"name": "exact", "options": {"k": 9}, "digest": None}

    verified = site.photophore("db", "verify", "toys")
    assert (verified.returncode, verified.stdout) == (0, "toys: 3 files, all as they were built\n")


def test_verify_names_every_damaged_file(site: Site, work: Path) -> None:
    assert site.photophore("db", "build", "words.faa", "-o", "toys", "-q", *LINKS).stderr == ""
    words = work / "toys" / "annotator" / "words.txt"
    words.write_text(words.read_text().replace("CAT", "CUT"))
    result = site.photophore("db", "verify", "toys")
    assert result.returncode == 4
    assert result.stderr == (
        "photophore: error: toys/annotator/words.txt: its SHA-256 has changed; copy or build the database again\n"
    )
    words.unlink()
    assert re.search(r"toys +cannot be used: ", site.photophore("db", "list").stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.hmm", "-o", "new"], 3, "absent.hmm: there is no such file; check the path"),
        (["words.faa", "-o", "site"], 4, "site: exists and is no database; give another folder with -o"),
        (["-o", "new"], 3, "no sources: name at least one file, such as PROFILES.hmm"),
        (
            ["words.faa", "-o", "new", "--method", "far"],
            2,
            "--method far: there is no such method; choose one of near-hmmer",
        ),
        (["words.faa", "-o", "new", "--device", "cuda:99"], 2, "--device cuda:99: "),
    ],
)
def test_what_build_refuses(
    work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    returned = main(["db", "build", *arguments, *LINKS])
    said = capsys.readouterr().err
    assert (message in said, returned) == (True, code), said
    assert not (work / "new").exists()


def test_describe_what_is_not_there(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "describe", "toyz"]) == 4
    assert "there is no database 'toyz'" in capsys.readouterr().err
