"""What `photophore train hifinn` reads and draws: tables of proteins, what is held out, batches, configurations."""

from __future__ import annotations

import lzma
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from tests.plugins.hifinn_cases import (
    CONFIG,
    IN_CLUSTER,
    NO_ENZYMES,
    NUMBERS,
    OF_EACH,
    SHAPE,
    read_proteins,
    shape_yaml,
    write_config,
)

from photophore.errors import InputError, Problems, UsageError
from photophore_hifinn.shape import HifinnShape
from photophore_hifinn.training.config import read_config
from photophore_hifinn.training.proteins import BatchSampler, hold_out, pad, read_labelled
from photophore_near.residues import PAD_TOKEN


@pytest.fixture(scope="module")
def proteins(tmp_path_factory):
    return read_proteins(tmp_path_factory.mktemp("proteins"))


# ------------------------------------------------------------------------------------------------------------ the batches


def sampler(proteins, seed=1, **changes):
    settings = {"groups": 4, "serials": 2, "of_each": 2, "non_enzymes": 3, "max_residues": 50, **changes}
    return BatchSampler(proteins, seed=seed, **settings)


def test_batches_hold_hard_negatives(proteins):
    """Each group is of one a.b.c and of as many serials as asked for, each with proteins of different clusters."""
    drawn = sampler(proteins)
    for _ in range(20):
        batch = drawn.draw()
        assert len(batch.proteins) == 4 * 2 * 2 + 3
        assert [bool(protein.ecs) for protein in batch.proteins] == [True] * 16 + [False] * 3
        for group in range(4):
            members = batch.proteins[4 * group : 4 * group + 4]
            numbers = [protein.ecs[0] for protein in members]
            assert len({number.parts[:3] for number in numbers}) == 1
            alone = numbers[0].parts[0] == "3"  # 3.5.1 has one serial only
            assert [len(list(run)) for _, run in groupby(numbers)] == ([4] if alone else [2, 2])
            assert all(a.cluster != b.cluster for a, b in (members[:2], members[2:]))


def test_batches_respect_the_seed(proteins):
    def rows(seed, count=3):
        drawn = sampler(proteins, seed)
        return [drawn.draw().tokens.tobytes() for _ in range(count)]

    assert rows(1) == rows(1)
    assert rows((1, 0)) == rows((1, 0))
    assert rows(1) != rows(2)
    assert rows((1, 0)) != rows((1, 40))
    assert len(set(rows(1, 5))) == 5


def test_crops_are_stretches_of_their_proteins(proteins):
    drawn = sampler(proteins)
    starts = set()
    for _ in range(5):
        batch = drawn.draw()
        assert batch.tokens.shape == (19, 64)  # 50 residues, padded to a multiple of 16
        assert batch.lengths.tolist() == [50] * 19
        for row, protein in zip(batch.tokens, batch.proteins, strict=True):
            places = [
                start
                for start in range(len(protein.residues) - 49)
                if np.array_equal(protein.residues[start : start + 50], row[:50])
            ]
            assert places
            assert (row[50:] == PAD_TOKEN).all()
            starts.update(places)
    assert len(starts) > 10
    whole = sampler(proteins, max_residues=1000).draw()
    assert set(whole.lengths) == {70, 90}


def test_few_proteins_are_drawn_again(proteins):
    """One EC number with one cluster fills a batch, and there need be no other proteins."""
    batch = sampler(proteins[:2]).draw()
    assert len(batch.proteins) == 16
    assert {protein.name for protein in batch.proteins} <= {proteins[0].name, proteins[1].name}
    with pytest.raises(InputError, match=r"none of the proteins has an EC number; check the column ec of the training"):
        sampler([protein for protein in proteins if not protein.ecs])


def test_rows_are_padded_to_a_multiple_of_16():
    rows, lengths = pad([np.zeros(17, np.uint8), np.ones(1, np.uint8)])
    assert rows.shape == (2, 32)
    assert lengths.tolist() == [17, 1]
    assert (rows[1, 1:] == PAD_TOKEN).all()


# ----------------------------------------------------------------------------------------------------------- the proteins


def test_whole_clusters_are_held_out(proteins):
    kept, held = hold_out(proteins, share=0.4, largest=3, seed=7)
    assert len(kept) + len(held) == len(proteins)
    assert {protein.cluster for protein in held}.isdisjoint(protein.cluster for protein in kept)
    enzymes = [protein for protein in held if protein.ecs]
    assert len(enzymes) == IN_CLUSTER * len({protein.cluster for protein in enzymes}) > 0
    assert hold_out(proteins, share=0.4, largest=3, seed=7) == (kept, held)
    assert hold_out(proteins, share=0.4, largest=3, seed=8) != (kept, held)
    assert hold_out(proteins, share=0.0, largest=3, seed=7) == (proteins, [])
    _, small = hold_out(proteins, share=0.99, largest=1, seed=7)
    assert small
    assert not any(protein.ecs for protein in small)  # clusters of two are too large


def test_tables_are_read_as_they_stand(proteins, tmp_path):
    assert len(proteins) == len(NUMBERS) * OF_EACH + NO_ENZYMES  # the short one is left out
    assert [str(ec) for ec in proteins[-NO_ENZYMES - 1].ecs] == ["3.5.1.n3"]
    assert (proteins[0].name, proteins[0].cluster) == ("e1.1.1.1/0", "1.1.1.1/0")
    assert (proteins[-1].name, proteins[-1].cluster, proteins[-1].ecs) == ("n4", "n4", ())
    text = "\ufeffec\tmore\tid\tsequence\r\n1.1.1.1; EC 2.7.1\tx\ta\tmkvX*\r\n\r\n"
    with lzma.open(tmp_path / "t.tsv.xz", "wt", encoding="utf-8", newline="") as stream:
        stream.write(text)
    (found,) = read_labelled(tmp_path / "t.tsv.xz", cluster="more")
    assert (found.name, found.cluster, [str(ec) for ec in found.ecs]) == ("a", "x", ["1.1.1.1", "2.7.1.-"])
    assert found.residues.tolist() == [10, 8, 17, 23]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.tsv:1: has no column 'ec'; a look-up table has id, ec and sequence"),
        ("id\tEC\tsequence\n", r"t\.tsv:1: has no column 'ec'; a look-up table has id, ec and sequence"),
        ("id\tec\tsequence\na\t1.1.1.1\n", r"t\.tsv:2: has 2 cells, the header has 3; write every cell, also an empty"),
        ("id\tec\tsequence\na\t\tMK\nb\t8.1\tMK\n", r"t\.tsv:3: '8\.1' is no EC number: class '8' is none of 1 to 7"),
        ("id\tec\tsequence\na\t\tMK4\n", r"t\.tsv:2: 'a' has '4' at residue 3; only the letters ACDEF.* are residues"),
        ("id\tec\tsequence\n\xe9\t\tMK\n", r"t\.tsv:2: is no text in UTF-8 \(.*\); convert the file"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "t.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path / "t.tsv", cluster="cluster30")


# ------------------------------------------------------------------------------------------------------ the configuration


def test_relative_paths_and_defaults(tmp_path):
    config = read_config(write_config(tmp_path), {"loop.steps": "100", "out": "mine", "shape.trunk.width": "24"})
    assert (config.out, config.loop.steps, config.loop.learning_rate, config.loop.proxy) == ("mine", 100, 1e-3, 0.2)
    assert config.shape == replace(SHAPE, trunk=replace(SHAPE.trunk, width=24))
    assert config.hold_out.column == "cluster30"
    assert config.proteins == ("enzymes.tsv", "others.tsv")
    (tmp_path / "least.yaml").write_text("out: run\nproteins: [enzymes.tsv]\nshape:\n")
    assert read_config(tmp_path / "least.yaml", {}).shape == HifinnShape()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("out: run", ""), r"hifinn\.yaml: 'out' is missing; see docs/training\.md"),
        (("out: run", "outs: run"), r"hifinn\.yaml: unknown key 'outs'; did you mean 'out'\?; known are out, proteins"),
        (("[enzymes.tsv, others.tsv]", "[]"), r"hifinn\.yaml: proteins is empty; name at least one file"),
        (("[enzymes.tsv, others.tsv]", "enzymes.tsv"), r"proteins: found 'enzymes\.tsv'; give a list of files"),
        (("enzymes.tsv, others.tsv", "4"), r"proteins: found \[4\]; give a list of files"),
        (("others.tsv", "none.tsv"), r"proteins: .*none\.tsv is no file; relative paths start at "),
        (("out: run", "out: run\nstart_from: no.safetensors"), r"start_from: .*no\.safetensors is no file; relative"),
        (("min_residues: 20", "min_residues: 0"), r"hifinn\.yaml: min_residues is 0; give at least 1"),
        (("share: 0.2", "share: 1"), r"hold_out: share is 1\.0; give a share from 0 to below 1"),
        (("largest: 3", "largest: 0"), r"hold_out: largest is 0; give at least 1"),
        (("seed: 7", "seed: -1"), r"hold_out: seed is -1; give at least 0"),
        (("seed: 7", "column: 3"), r"hold_out: column is 3; give text"),
        ((f"shape: {shape_yaml()}", "shape: 3"), r"shape: found 3; give keys and values, known are trunk, hidden"),
        (('"hidden": 32', '"hidden": 30'), r"shape: hidden is 30; give a multiple of heads \(4\)"),
        (('"heads": 4', '"head": 4'), r"shape: unknown key 'head'; did you mean 'heads'\?"),
        (('"kernel": 5', '"kernel": 4'), r"shape: trunk: kernel is 4; give an odd number"),
        (("steps: 6", "step: 6"), r"loop: unknown key 'step'; did you mean 'steps'\?"),
        (("steps: 6", "steps: many"), r"loop: steps is 'many'; give a whole number"),
        (("steps: 6", "steps: 0"), r"loop: steps is 0; give at least 1"),
        (("max_residues: 64", "max_residues: 8"), r"loop: max_residues is 8; give at least 16"),
        (("steps: 6", "average: 1"), r"loop: average is 1\.0; give a number from 0 to below 1"),
        (("steps: 6", "blur: -1"), r"loop: blur is -1\.0; give a number from 0 to below 1"),
        (("steps: 6", "trunk_rate: -1"), r"loop: trunk_rate is -1\.0; give at least 0"),
        (("steps: 6", "scale: 0"), r"loop: scale is 0\.0; give a number above 0"),
        (("rate: 1e-3", "rate: 0"), r"loop: learning_rate is 0\.0; give a number above 0"),
        (("steps: 6", "overlap: 0, proxy: 0"), r"loop: overlap and proxy are both 0; give one of the losses a weight"),
        (
            ("groups: 3, serials: 2, of_each: 2", "groups: 1, serials: 1, of_each: 1"),
            r"loop: groups, serials and of_each",
        ),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, change, message):
    assert change[0] in CONFIG
    with pytest.raises(UsageError, match=message):
        read_config(write_config(tmp_path, CONFIG.replace(*change)), {})


def test_all_missing_files_are_named_together(tmp_path):
    text = CONFIG.replace("enzymes.tsv, others.tsv", "a.tsv, b.tsv")
    with pytest.raises(Problems, match=r"(?s)proteins: .*a\.tsv is no file.*proteins: .*b\.tsv is no file"):
        read_config(write_config(tmp_path, text), {})


def test_the_shipped_configuration(shared_data):
    """Every key is right, and the files are there."""
    assert (shared_data / "ec" / "train.tsv.xz").is_file()
    path = Path(__file__).parents[2] / "plugins" / "photophore_hifinn" / "training" / "hifinn-small.yaml"
    try:
        config = read_config(path, {})
    except (UsageError, Problems) as error:
        assert all("is no file" in line and "/shared/" in line for line in str(error).splitlines())  # noqa: PT017
    else:
        assert config.shape == HifinnShape()
        assert (config.hold_out.share, config.loop.proxy) == (0.08, 0.2)
