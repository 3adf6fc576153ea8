"""Families: the whole command on a small world of mutated proteins, and equal families from real ones."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pyhmmer.easel import Alphabet
from pyhmmer.plan7 import HMM, HMMFile

from photophore_hmmer.families.__main__ import main
from photophore_hmmer.families.building import align, build_from_alignment, build_profile
from photophore_hmmer.families.cutoffs import Cutoff
from photophore_hmmer.families.grouping import Choice, choose_members, group_enzymes
from photophore_hmmer.families.shipping import finish
from photophore_hmmer.families.tables import Member, read_members

SHARED = Path(os.environ.get("PHOTOPHORE_SHARED", Path(__file__).parents[2].parent / "shared"))
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"

SETTINGS = """
least_selectable: 5
sources: {genomes: [one.faa, two.faa], tests: [test.tsv], enzymes: enzymes.tsv, non_enzymes: others.tsv, collection: many.fa}
prevalence: {sample: 10}
budget: {positions: 300}
relatives: {sample: 60}
"""


def mutated(chance: random.Random, sequence: str, share: float) -> str:
    return "".join(chance.choice(RESIDUES) if chance.random() < share else residue for residue in sequence)


def read(path: Path) -> list[HMM]:
    with HMMFile(path, alphabet=Alphabet.amino()) as stream:
        return list(stream)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three enzymes and one other protein of 80 residues, with members, relatives, two genomes and test proteins."""
    chance = random.Random(3)
    folder = tmp_path_factory.mktemp("world")
    kinds = {"1.1.1.1": "A", "2.7.7.6": "B", "6.1.1.4;6.1.1.5": "C", "": "N"}
    parents = {ec: "M" + "".join(chance.choices(RESIDUES, k=79)) for ec in kinds}

    def child(ec: str) -> str:
        return mutated(chance, parents[ec], 0.25)

    enzymes, others = ["id\tec\tcluster50\tcluster30\tsequence"], ["id\tec\tsequence"]
    for ec, letter in kinds.items():
        names = [f"{letter}{number}" for number in range(7)]
        enzymes += [f"{name}\t{ec}\t{name}\t{letter}0\t{child(ec)}" for name in names if ec]
        others += [f"{name}\t\t{child(ec)}" for name in names if not ec]
    (folder / "enzymes.tsv").write_text("\n".join([*enzymes, ""]))
    (folder / "others.tsv").write_text("\n".join([*others, ""]))
    (folder / "test.tsv").write_text(f"{enzymes[0]}\nT1\t2.7.7.6\tT1\tT1\t{child('2.7.7.6')}\n")
    for genome, held in (("one", ("1.1.1.1", "2.7.7.6", "")), ("two", ("2.7.7.6", "6.1.1.4;6.1.1.5", ""))):
        (folder / f"{genome}.faa").write_text("".join(f">g{i}\n{child(ec)}\n" for i, ec in enumerate(held)))
    (folder / "many.fa").write_text("".join(f">u{i}\n{child(chance.choice(list(parents)))}\n" for i in range(60)))
    (folder / "settings.yaml").write_text(SETTINGS)
    return folder


def run(world: Path, work: Path, *arguments: str) -> str:
    options = ["--config", str(world / "settings.yaml"), "--data", str(world), "--work", str(work)]
    result = CliRunner().invoke(main, [*options, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_default_chooses_deepens_and_calibrates(world: Path, tmp_path: Path) -> None:
    output = tmp_path / "default.hmm"
    run(world, tmp_path / "work", "default", "--output", str(output))
    profiles = read(output.with_suffix(".h3m"))
    # both genomes hold B and N; A and C are in one each, and the budget takes three families of 80 positions
    names = [str(hmm.name) for hmm in profiles]
    assert len(names) == 3
    assert names[-1].startswith("NE_N")
    assert "EC2.7.7.6_B0" in names
    assert [str(hmm.accession) for hmm in profiles] == ["PPF00001", "PPF00002", "PPF00003"]
    for hmm in profiles:
        sequence, domain = hmm.cutoffs.gathering
        assert 25 <= sequence < 150
        assert 15 <= domain <= sequence
        assert "7 reviewed proteins and" in hmm.description
        assert np.asarray(hmm.match_emissions)[1:].astype(float).sum(axis=1).tolist() == [1.0] * hmm.M
    facts = json.loads(output.with_suffix(".json").read_text())
    assert (facts["families"], facts["enzyme_families"], facts["recall"], facts["precision"]) == (3, 2, 1.0, 1.0)
    assert facts["tests"]["test"]["found"] == 1
    assert facts["genomes"]["two"] >= 0.66


def test_a_second_run_gives_the_same_bytes_from_what_the_first_kept(world: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(world, tmp_path / "work", "default", "--output", str(tmp_path / f"{name}.hmm"))
    for suffix in (".hmm", ".h3m", ".json"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_all_builds_every_family(world: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.hmm"
    assert run(world, tmp_path, "all", "--output", str(output), "--least", "2") == f"3 profiles in {output}\n"
    assert [str(hmm.name) for hmm in read(output)] == ["EC1.1.1.1_A0", "EC2.7.7.6_B0", "EC6.1.1.4+6.1.1.5_C0"]
    assert not any(tmp_path.glob("*.part"))


def test_a_missing_table_is_named(world: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data", str(tmp_path), "all", "--output", str(tmp_path / "x.hmm")])
    assert result.exit_code == 1
    assert "ec/train.tsv.xz: " in result.output
    assert not list(tmp_path.iterdir())


def test_rare_residues_do_not_stop_the_aligner() -> None:
    parent = "MKVLAAGIVGLCWERTYHPQNDSFUKLMAAGGOEERTT"
    members = [Member(f"m{i}", (), f"m{i}", "m", parent[: len(parent) - i]) for i in range(3)]
    assert build_profile("x", members, 42).M >= 36
    assert len(build_profile("one", members[:1], 42).consensus) == len(parent)


def test_shipped_profile_is_the_same_profile_but_for_rounding() -> None:
    chance = random.Random(5)
    parent = "".join(chance.choices(RESIDUES, k=120))
    members = [Member(f"m{i}", (), f"m{i}", "m", mutated(chance, parent, 0.3)) for i in range(8)]
    hmm = build_profile("x", members, 42)
    shipped = finish(hmm, number=7, description="what, EC 1.2.3.4", cutoff=Cutoff(40.5, 30.0, 1, 1, 0), bits=8)
    assert (str(shipped.accession), shipped.cutoffs.gathering) == ("PPF00007", (40.5, 30.0))
    assert shipped.consensus == hmm.consensus
    old, new = (np.asarray(each.match_emissions)[1:].astype(float) for each in (hmm, shipped))
    assert np.abs((old * np.log2(new / old)).sum(axis=1)).max() < 0.002
    shipped.validate(tolerance=1e-6)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_real_families_come_out_as_in_the_bundled_ones() -> None:
    wanted = {"EC1.5.1.3_P05794": (78, 3), "EC4.2.1.8_Q2RLC8": (354, 56)}
    families = [f for f in group_enzymes(read_members(SHARED / "data/ec/train.tsv.xz")) if f.name in wanted]
    assert {family.name: len(family.members) for family in families} == {name: n for name, (_, n) in wanted.items()}
    for family in families:
        # not its bytes: pyfamsa aligns some families in more than one way, with a position more or less
        alignment = align(family.name, choose_members(family.members, Choice()))
        first, second = (build_from_alignment(alignment.copy(), 42) for _ in range(2))
        assert abs(first.M - wanted[family.name][0]) <= 2
        assert np.array_equal(np.asarray(first.match_emissions), np.asarray(second.match_emissions))
        assert list(first.evalue_parameters.as_vector()) == list(second.evalue_parameters.as_vector())
