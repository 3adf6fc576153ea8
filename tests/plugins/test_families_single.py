"""Profiles of single proteins: what phmmer would search with, and one for each family where asked."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from pyhmmer.plan7 import HMMFile

from photophore_hmmer.families.single import main

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def random_protein(seed, length=120):
    return "".join(np.random.default_rng(seed).choice(LETTERS, length))


def relative(sequence, seed):
    """The same protein with a fifth of its residues changed."""
    rng = np.random.default_rng(seed)
    return "".join(rng.choice(LETTERS) if rng.random() < 0.2 else letter for letter in sequence)


@pytest.fixture
def proteins(tmp_path):
    first, second = random_protein(1), random_protein(2, 200)
    records = {"a": first, "b": second, "a2": relative(first, 3), "short": "MKV", "b2": relative(second, 4)}
    path = tmp_path / "proteins.faa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in records.items()))
    return path


def run(proteins, *options):
    output = proteins.with_name("single.h3m")
    result = CliRunner().invoke(main, [str(proteins), "--output", str(output), *options])
    assert result.exit_code == 0, result.output
    with HMMFile(output) as stream:
        return [(profile.name, profile.M) for profile in stream], result.output


def test_every_protein_long_enough_gets_one(proteins):
    found, said = run(proteins)
    assert found == [("a", 120), ("b", 200), ("a2", 120), ("b2", 200)]
    assert said.startswith("4 profiles with 640 positions in ")
    assert run(proteins, "--positions", "130")[0] == [("a", 120), ("b", 200)]
    assert run(proteins, "--longest", "150")[0] == [("a", 120), ("a2", 120)]


def test_one_for_each_family(proteins):
    assert run(proteins, "--families")[0] == [("a", 120), ("b", 200)]


def test_nothing_that_finds_what_is_to_be_avoided(proteins, tmp_path):
    avoided = tmp_path / "avoided.faa"
    avoided.write_text(f">x\n{relative(random_protein(2, 200), 9)}\n>y\n{random_protein(7)}\n")
    assert run(proteins, "--unlike", str(avoided))[0] == [("a", 120), ("a2", 120)]
    assert run(proteins, "--unlike", str(avoided), "--families")[0] == [("a", 120)]


def test_a_seed_shuffles(proteins):
    orders = [[name for name, _ in run(proteins, "--shuffle", str(seed))[0]] for seed in (1, 1, 2, 3, 4)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == ["a", "a2", "b", "b2"] for order in orders)


def test_a_missing_file_is_named(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path / "no.faa"), "--output", str(tmp_path / "x.h3m")])
    assert result.exit_code != 0
    assert "no.faa" in result.output
    assert not (tmp_path / "x.h3m").exists()
