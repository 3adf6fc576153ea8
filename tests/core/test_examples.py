"""The bundled proteome is what its card says, and ``example:NAME`` finds it."""

from __future__ import annotations

import gzip
import hashlib
import runpy
from pathlib import Path

import pytest

from photophore.errors import InputError
from photophore.examples import example_names, example_path, resolve_input
from photophore.fasta import Record, read_fasta
from photophore.inputs import check_inputs, total_bytes


def fasta() -> str:
    return gzip.decompress(example_path("corynebacterium").read_bytes()).decode("ascii")


def test_every_example_exists() -> None:
    assert example_names() == ("corynebacterium",)
    assert all(example_path(name).is_file() for name in example_names())


def test_proteome_has_the_proteins_its_card_promises() -> None:
    text = fasta()
    card = example_path("corynebacterium").name.removesuffix(".faa.gz") + ".md"
    facts = example_path("corynebacterium").with_name(card).read_text(encoding="utf-8")
    assert text.count(">") == 2343
    assert sum(len(line) for line in text.splitlines() if not line.startswith(">")) == 727_261
    assert "2,343, 727,261 residues" in facts
    assert hashlib.sha256(text.encode()).hexdigest() in facts
    assert example_path("corynebacterium").stat().st_size <= 500_000


def test_proteome_is_remade_from_the_genome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyrodigal")
    script = runpy.run_path(str(example_path("corynebacterium").with_name("make_proteome.py")))
    script["main"](tmp_path / "again.faa.gz")
    assert gzip.decompress((tmp_path / "again.faa.gz").read_bytes()).decode("ascii") == fasta()
    assert "2,343 proteins" in capsys.readouterr().out


def test_inputs_other_than_examples_stay_as_they_are() -> None:
    assert resolve_input("-") == "-"
    assert resolve_input("queries.faa") == "queries.faa"
    assert resolve_input("example:corynebacterium") == str(example_path("corynebacterium"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("corynebacteria", "example:corynebacteria: there is no example of this name; did you mean example:corynebacterium?"),
        ("xyz", "example:xyz: there is no example of this name; known: example:corynebacterium"),
    ],
)
def test_unknown_example(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_input(f"example:{name}")
    assert str(error.value) == message


def test_examples_are_read_like_files() -> None:
    records = list(read_fasta(["example:corynebacterium"]))
    assert len(records) == 2343
    assert isinstance(records[0], Record)
    assert records[0].id == "NCTC11397_00001"
    assert records[0].source == "example:corynebacterium:1"
    assert total_bytes(["example:corynebacterium"]) == example_path("corynebacterium").stat().st_size
    assert check_inputs(["example:corynebacterium"]) == []


def test_unknown_example_is_a_problem_before_work() -> None:
    (problem,) = check_inputs(["example:xyz"])
    assert str(problem) == "example:xyz: there is no example of this name; known: example:corynebacterium"
