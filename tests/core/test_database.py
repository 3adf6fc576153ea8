"""A database is whole or not there, tells what made it, and is refused once a byte of it has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.toy_runs import TARGETS, build_toys, install, links

from photophore.background import background_batches
from photophore.database import Database, find, list_databases, search_folders
from photophore.errors import DatabaseError, DataError, InputError, PhotophoreError, PluginError, Problems, UsageError
from photophore.examples import example_path
from photophore.fasta import Record, read_fasta
from photophore.registry import Registry, load_registry
from photophore.runconfig import LinkChoice
from photophore.types import SequenceBatch


@pytest.fixture
def registry(site) -> Registry:
    install(site)
    return load_registry(only=("toys",), strict=True)


@pytest.fixture
def toys(tmp_path: Path, registry: Registry) -> Database:
    return build_toys(tmp_path / "toys", registry)


def refused(error: type[PhotophoreError], message: str) -> Any:
    return pytest.raises(error, match=message)


def test_build_writes_a_whole_database(toys: Database, tmp_path: Path) -> None:
    manifest = toys.manifest
    assert (manifest.method, manifest.targets, manifest.positions) == ("letters+exact+sum+words", 3, 10)
    assert manifest.sources == ("words.faa",)
    assert manifest.metadata == {"words": 3}
    assert sorted(manifest.checksums) == ["annotator/words.txt", "index/vectors.npy", "targets.npz"]
    assert len(str(manifest.links["encoder"].digest)) == 64
    assert manifest.links["index"].digest is None
    assert toys.targets.ids == ("cat", "hat", "wild")
    assert toys.targets.offsets.tolist() == [0, 3, 6, 10]
    assert toys.targets.statistics["background"].tolist() == [1000.0] * 3
    assert toys.verify() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "toys", "words.faa"]


def test_the_background_can_be_swapped(tmp_path: Path, registry: Registry) -> None:
    def background() -> Iterator[SequenceBatch]:
        yield SequenceBatch(("a", "b"), ("CAT", "MM"), ("", ""), ("", ""))

    toys = build_toys(tmp_path / "toys", registry, background=background)
    assert toys.targets.statistics["background"].tolist() == [2.0] * 3


def test_options_set_at_build_are_kept(tmp_path: Path, registry: Registry) -> None:
    chosen = links(index={"k": "7"}, aggregator={"threshold": 1.5})
    toys = build_toys(tmp_path / "toys", registry, links=chosen)
    assert toys.manifest.links["index"].options == {"k": 7}
    assert toys.describe()["links"]["aggregator"] == {"name": "sum", "options": {"threshold": 1.5}, "digest": None}


def test_the_same_sources_give_the_same_bytes(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = build_toys(tmp_path / "one", registry), build_toys(tmp_path / "two", registry)
    assert first.digest == second.digest
    assert first.manifest.created == "2023-11-14T22:13:20+00:00"


def test_every_problem_of_a_build_is_told_at_once(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    wrong = {**links(index={"kk": 1}), "encoder": LinkChoice("lettters")}
    with pytest.raises(Problems) as caught:
        build_toys(tmp_path / "full", registry, links=wrong)
    text = str(caught.value)
    assert "there is no encoder 'lettters'; did you mean 'letters'?" in text
    assert "index 'exact' has no option 'kk'; did you mean 'k'?" in text
    assert f"{tmp_path / 'full'}: exists and is no database; give another folder with -o" in text
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"


def test_an_existing_database_needs_force(toys: Database, registry: Registry) -> None:
    with refused(DatabaseError, "toys: holds a database; give another folder with -o, or --force to replace it"):
        build_toys(toys.path, registry)
    replaced = build_toys(toys.path, registry, ">dog\nDAG\n", force=True)
    assert replaced.targets.ids == ("dog",)
    assert replaced.verify() == []
    assert sorted(path.name for path in toys.path.parent.iterdir()) == ["site", "toys", "words.faa"]


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (">cat\nCAT\n>cat\nHAT\n", DataError, "'cat' stands twice in the sources; the names in a database must differ"),
        (">cat\nC-T\n", InputError, "words.faa:2: 'cat' has '-' at residue 2"),
        ("", InputError, "words.faa: there is no sequence in this file"),
    ],
)
def test_a_failed_build_leaves_nothing(
    tmp_path: Path, registry: Registry, targets: str, error: type[PhotophoreError], message: str
) -> None:
    with refused(error, message):
        build_toys(tmp_path / "toys", registry, targets)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "words.faa"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nan", "encoder letters: the vector of 'cat' at residue 2 is not finite; check the weights"),
        ("ids", "encoder letters: returned 'wild' where 'cat' was given; this is a fault of the plugin"),
    ],
)
def test_vectors_are_checked_before_they_are_indexed(
    tmp_path: Path, registry: Registry, fault: str, message: str
) -> None:
    with refused(PluginError, message):
        build_toys(tmp_path / "toys", registry, links=links(encoder={"fault": fault}))


def test_unknown_method(tmp_path: Path, registry: Registry) -> None:
    with refused(UsageError, "--method far: there is no such method; choose one of near-hmmer"):
        build_toys(tmp_path / "toys", registry, method="far")


def test_verify_finds_what_changed(toys: Database) -> None:
    words = toys.annotator_folder / "words.txt"
    words.write_text(words.read_text().replace("HAT", "HUT"))
    (toys.path / "extra").write_text("")
    assert [str(problem) for problem in toys.verify()] == [
        f"{words}: its SHA-256 has changed; copy or build the database again",
        f"{toys.path / 'extra'}: does not belong to this database; remove it",
    ]


def test_open_refuses_what_is_cut_or_missing(toys: Database) -> None:
    vectors = toys.index_folder / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-4])
    with refused(DatabaseError, r"vectors.npy: has [\d,]+ bytes, not [\d,]+; copy or build the database again"):
        Database.open(toys.path)
    vectors.unlink()
    with refused(DatabaseError, "vectors.npy: is missing; copy or build the database again"):
        Database.open(toys.path)


def test_open_refuses_other_layouts_and_damage(toys: Database, tmp_path: Path) -> None:
    manifest = toys.path / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "schema_version": 9, "photophore_version": "7.0"}))
    with refused(DatabaseError, "schema_version is 9, this Photophore reads 2; build .* or use Photophore 7.0"):
        Database.open(toys.path)
    manifest.write_text(json.dumps({**content, "surprise": 1}))
    with refused(DatabaseError, "manifest.json: is damaged .*surprise.*; copy or build the database again"):
        Database.open(toys.path)
    manifest.write_text("{")
    with refused(DatabaseError, "manifest.json: is damaged"):
        Database.open(toys.path)
    with refused(DatabaseError, "site: this is no Photophore database: manifest.json cannot be read"):
        Database.open(tmp_path / "site")


def test_find_by_folder_and_by_name(toys: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPHORE_DATABASES", f"/nowhere{os.pathsep}{toys.path.parent}")
    assert find(toys.path).digest == toys.digest
    assert find("toys").path == toys.path
    assert toys.path in list_databases()
    assert search_folders()[:2] == [Path("/nowhere"), toys.path.parent]
    with refused(
        DatabaseError, r"there is no database 'toy'; did you mean 'toys'\? known are: .*toys.*PHOTOPHORE_DATABASES"
    ):
        find("toy")
    source = toys.path.parent / "words.faa"
    with refused(DatabaseError, f"a database is a folder; make one of it: photophore db build {source} -o FOLDER"):
        find(source)


def test_no_default_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("photophore.database.bundled_folder", lambda: tmp_path)
    monkeypatch.delenv("PHOTOPHORE_DATABASES", raising=False)
    with refused(DatabaseError, "no default database is installed; name one with -d, or build one"):
        find(None)


def test_the_background_is_the_bundled_proteome_backwards() -> None:
    first, again = [*background_batches(300, batch=200)], [*background_batches(300, batch=200)]
    assert [len(batch) for batch in first] == [200, 100]
    assert first == again
    real = {
        f"reversed_{record.id}": record
        for record in read_fasta([example_path("corynebacterium")])
        if isinstance(record, Record)
    }
    for batch in first:
        for name, sequence, source in zip(batch.ids, batch.sequences, batch.sources, strict=True):
            assert 30 <= len(sequence) <= 3000
            assert sequence[::-1] == real[name].sequence
            assert source == real[name].source


def test_the_background_ends_with_the_proteome() -> None:
    batches = [*background_batches(10**6, batch=700)]
    assert 1000 < sum(map(len, batches)) < 10**4
    assert {len(batch) for batch in batches[:-1]} == {700}


def test_targets_with_long_names(tmp_path: Path, registry: Registry) -> None:
    name = "x" * 300 + "é"
    toys = build_toys(tmp_path / "toys", registry, f">{name}\nCAT\n{TARGETS}")
    assert Database.open(toys.path).targets.ids == (name, "cat", "hat", "wild")
