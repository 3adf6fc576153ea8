"""What the data manager runs: a database unpacked or built, checked, and a row for Galaxy's table; no Galaxy is needed for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.workflows.galaxy.servers import TEST_DATA, TOOLS

from photophore.manifest import SCHEMA_VERSION

SCRIPT = TOOLS / "data_manager" / "data_manager" / "photophore_install_database.py"
PACKED = TEST_DATA / "database_families.tar.gz"


def install(folder: Path, source: object, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--source", source, "--value", "mine", "--folder", folder / "out", "--output", folder / "out.json", *options]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        list(map(str, command)), cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def row(folder: Path) -> dict[str, str]:
    (only,) = json.loads((folder / "out.json").read_text())["data_tables"]["photophore_databases"]
    return only


def test_packed_database_is_unpacked(tmp_path):
    done = install(tmp_path, PACKED, "--name", "Two")
    assert done.returncode == 0, done.stderr
    assert row(tmp_path) == {"value": "mine", "name": "Two", "method": "near-hmmer", "version": str(SCHEMA_VERSION), "path": "mine"}
    assert (tmp_path / "out" / "mine" / "manifest.json").read_bytes() == (TEST_DATA / "database_families" / "manifest.json").read_bytes()


def test_database_is_built(tmp_path):
    done = install(tmp_path, TEST_DATA / "families.hmm", "--build", "near-hmmer")
    assert done.returncode == 0, done.stderr
    assert row(tmp_path)["name"] == "mine (2 targets)"


def pack(archive: Path, **members: Path) -> Path:
    with tarfile.open(archive, "w:gz") as files:
        for name, path in members.items():
            files.add(path, name.replace("__", "/"))
    return archive


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "bad.tar.gz: holds 0 databases (folders with a manifest.json), not one"),
        ({"a": "database_families", "b": "database_families"}, "bad.tar.gz: holds 2 databases (folders with a manifest.json), not one"),
        ({"..__a": "database_families"}, "bad.tar.gz: is no tar archive of a database: "),
    ],
)
def test_archive_that_is_no_database_is_refused(tmp_path, members, message):
    archive = pack(tmp_path / "bad.tar.gz", **{name: TEST_DATA / folder for name, folder in members.items()})
    done = install(tmp_path, archive)
    assert done.returncode == 1
    assert done.stderr.startswith(f"photophore: error: {message}")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.json").exists()
    assert not (tmp_path.parent / "a").exists()


def test_damaged_database_is_refused(tmp_path):
    with tarfile.open(PACKED) as files:
        files.extractall(tmp_path, filter="data")
    damaged = tmp_path / "database_families" / "targets.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    done = install(tmp_path, pack(tmp_path / "damaged.tar.gz", mine=tmp_path / "database_families"))
    assert done.returncode > 0
    assert "photophore: error: " in done.stderr
    assert "targets.npz" in done.stderr
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (PACKED, ("--sha256", "0" * 64), f"{PACKED}: SHA-256 is "),
        ("http://127.0.0.1:9/db.tar.gz", (), "http://127.0.0.1:9/db.tar.gz: give the SHA-256 of what is there"),
        (TEST_DATA / "proteins.fasta", ("--build", "near-hmmer"), f"{TEST_DATA / 'proteins.fasta'}:1: "),
        ("missing.tar.gz", (), "missing.tar.gz: is no tar archive of a database: "),
    ],
)
def test_source_that_is_wrong_is_refused(tmp_path, source, options, message):
    done = install(tmp_path, source, *options)
    assert done.returncode > 0
    assert f"photophore: error: {message}" in done.stderr
    assert "Traceback" not in done.stderr
