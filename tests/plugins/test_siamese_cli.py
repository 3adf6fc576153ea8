"""From a table of domains and the published formats of weights to annotations and comparisons, by the commands that a user types."""

from __future__ import annotations

import json

import pytest

for module in ("torch", "transformers", "sentencepiece"):
    pytest.importorskip(module)

from tests.plugins.siamese_cases import head_tensors, save_head, save_t5, t5_network  # noqa: E402

from photophore.cli import main  # noqa: E402
from photophore.testing.samples import random_proteins  # noqa: E402
from photophore_siamese.calibration import Calibration  # noqa: E402

CODES = ("1.10.490.10", "3.40.50.300", "3.30.70", "3.40.50.720", "3.20.20.70")
DOMAINS = random_proteins(70, 120, 150, 90, 210, seed=1)  # the last is long enough for windows
LINKED = DOMAINS.sequences[0] + "GS" * 12 + DOMAINS.sequences[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with weights, domains, proteins (a chain of two domains and a single residue among them), and a database."""
    folder = tmp_path_factory.mktemp("siamese")
    save_t5(t5_network(), folder / "prott5")
    save_head(head_tensors(), folder / "glass.pth")
    rows = zip(DOMAINS.ids, CODES, DOMAINS.sequences, strict=True)
    (folder / "domains.tsv").write_text("id\tcath\tsequence\n" + "".join("\t".join(row) + "\n" for row in rows))
    proteins = {"same": DOMAINS.sequences[1], "linked": LINKED, "one": "M", "unknown": "X" * 60}
    (folder / "proteins.faa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in proteins.items()))
    assert main([*build(folder, folder / "db")]) == 0
    return folder


def weights(folder):
    return ["--set", f"encoder.weights={folder / 'glass.pth'}", "--set", f"encoder.prott5={folder / 'prott5'}"]


def build(folder, out, *options):
    """Build as the paper searches: by one vector a protein."""
    source = str(folder / "domains.tsv")
    links = ["--encoder", "siamese", "--index", "flat", "--aggregator", "top", "--set", "aggregator.min_score=-1"]
    given = ["-o", str(out), "-q", "--device", "cpu", *links, *weights(folder), *options]
    return ["db", "build", "--method", "siamese", source, *given]


def annotate(folder, out, database="db", *options):
    arguments = ["annotate", str(folder / "proteins.faa"), "-d", str(folder / database), "-o", str(out), "-q"]
    return main([*arguments, "--device", "cpu", *options])


def table(path):
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_database_says_what_it_holds(folder):
    manifest = json.loads((folder / "db" / "manifest.json").read_text())
    assert (manifest["method"], manifest["targets"], manifest["vectors"]) == ("siamese+flat+top+siamese", 5, 5)
    assert manifest["metadata"] == {"domains": 5, "topologies": 4, "superfamilies": 4}
    assert {kind: link["name"] for kind, link in manifest["links"].items()} == {
        "encoder": "siamese",
        "index": "flat",
        "aggregator": "top",
        "annotator": "siamese",
    }
    assert main(["db", "verify", str(folder / "db")]) == 0


def test_annotate(folder, tmp_path):
    assert annotate(folder, tmp_path, "db", "--set", "annotator.min_tm=0.999") == 0
    rows = [row for row in table(tmp_path / "annotations.tsv") if row["target"] != "unassigned"]
    places = {(row["protein"], row["target"], row["start"], row["end"]) for row in rows}
    assert ("same", DOMAINS.ids[1], "1", "120") in places
    assert {row["method"] for row in rows} == {"siamese+flat+top+siamese"}
    (row,) = [row for row in rows if row["protein"] == "same" and row["target"] == DOMAINS.ids[1]]
    assert (row["accession"], row["assigned"], row["alignment"]) == ("3.40.50", "topology", "120M")
    assert (row["target_start"], row["target_end"], row["lddt_along"]) == ("1", "120", "9" * 120)
    gff3 = (tmp_path / "annotations.gff3").read_text()
    assert f";Target={DOMAINS.ids[1]} 1 120;Dbxref=CATH:3.40.50;accession=3.40.50;" in gff3
    fates = {row["protein"]: row["status"] for row in table(tmp_path / "proteins.tsv")}
    assert fates == dict.fromkeys(("same", "linked", "one", "unknown"), "annotated")
    reasons = {row["protein"]: row["reason"] for row in table(tmp_path / "annotations.tsv") if row["target"] == "unassigned"}
    assert reasons["one"] == "not compared: 1 known residues of 1, at least 20 wanted"
    assert reasons["unknown"] == "not compared: 0 known residues of 60, at least 20 wanted"


def test_one_protein_at_a_time_is_the_same(folder, tmp_path):
    assert annotate(folder, tmp_path / "all") == 0
    assert annotate(folder, tmp_path / "single", "db", "--batch-records", "1") == 0
    assert (tmp_path / "all" / "annotations.tsv").read_bytes() == (tmp_path / "single" / "annotations.tsv").read_bytes()


def test_other_weights_are_refused(folder, tmp_path, capfd):
    other = save_head(head_tensors(seed=7), tmp_path / "other.pth")
    assert annotate(folder, tmp_path / "out", "db", "--set", f"encoder.weights={other}") == 4
    assert "was made with other weights of encoder 'siamese'" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["compare", "db build"])
def test_weights_that_are_not_there(folder, tmp_path, capfd, command):
    source = str(folder / "domains.tsv")
    inputs = {"compare": [str(folder / "proteins.faa")] * 2, "db build": ["--method", "siamese", source, "-o", str(tmp_path / "db")]}
    assert main([*command.split(), *inputs[command], "--set", "encoder.weights=nosuch"]) == 5
    assert capfd.readouterr().err == (
        "photophore: error: encoder siamese: no model and no file is called 'nosuch'; give --set encoder.weights=FILE, a "
        ".safetensors that `photophore train siamese` wrote or a GLASS-PRIMES checkpoint (.pth), or bring one under a name: "
        "photophore models add FILE_OR_URL (photophore models list tells those that are here)\n"
    )


def test_an_encoder_without_residues_to_align(folder, tmp_path, capfd):
    source = ["db", "build", "--method", "siamese", str(folder / "domains.tsv"), "--encoder", "hifinn", "--device", "cpu"]
    assert main([*source, "-o", str(tmp_path / "db"), "-q"]) == 0
    assert main(["annotate", str(folder / "proteins.faa"), "-d", str(tmp_path / "db"), "-o", str(tmp_path / "out")]) == 6
    assert "annotator siamese aligns the residue vectors of encoder siamese" in capfd.readouterr().err


def test_a_calibration_is_fitted_and_used(folder, tmp_path):
    """The domains of a larger table, each without itself, find relatives of their own folds and of others."""
    pytest.importorskip("sklearn")
    import numpy as np

    from photophore_siamese.training.calibrate import main as calibrate

    random = np.random.default_rng(3)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    lines = ["id\tcath\tsequence"]
    for family in range(6):
        ancestor = random.integers(0, 20, 100)
        for copy in range(4):
            residues = np.where(random.random(100) < 0.15, random.integers(0, 20, 100), ancestor)
            lines.append(f"f{family}_{copy}\t1.10.{10 + family // 2}.{family}\t{''.join(letters[residues])}")
    (tmp_path / "domains.tsv").write_text("\n".join([*lines, ""]))
    assert main([*build(tmp_path, tmp_path / "plain")[:5], *build(folder, tmp_path / "plain")[5:]]) == 0
    path = tmp_path / "calibration.json"
    calibrate([str(tmp_path / "plain"), "--domains", str(tmp_path / "domains.tsv"), "--max-identity", "1", "-o", str(path)])
    fitted = Calibration.load(path)
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
    assert fitted.digest == manifest["links"]["encoder"]["digest"]
    command = build(folder, tmp_path / "db", "--set", f"annotator.calibration={path}")
    command[4] = str(tmp_path / "domains.tsv")
    assert main(command) == 0
    (tmp_path / "proteins.faa").write_text(f">p\n{lines[1].split()[2]}\n")
    assert annotate(tmp_path, tmp_path / "out", "db", "--set", "annotator.min_confidence=0.2") == 0
    (row,) = table(tmp_path / "out" / "annotations.tsv")
    assert row["target"] == "f0_0"
    assert 0.2 <= float(row["confidence"]) <= 1.0
    assert row["reason"] == ""


def test_a_calibration_needs_right_and_wrong_neighbours(folder, tmp_path):
    pytest.importorskip("sklearn")
    from photophore.errors import InputError
    from photophore_siamese.training.calibrate import main as calibrate

    with pytest.raises(InputError, match="no calibration of the superfamily: the neighbours of the domains are all wrong"):
        calibrate([str(folder / "db"), "--domains", str(folder / "domains.tsv"), "-o", str(tmp_path / "calibration.json")])


def compare(folder, *arguments):
    return main(["compare", *map(str, arguments), "--device", "cpu", *weights(folder)])


@pytest.fixture
def wild_and_mutant(tmp_path):
    wild = DOMAINS.sequences[1]
    changed = ("W" if wild[60] != "W" else "A").join((wild[:60], wild[61:]))
    (tmp_path / "wild.faa").write_text(f">wild\n{wild}\n")
    (tmp_path / "mutants.faa").write_text(f">same\n{wild}\n>changed\n{changed}\n>shorter\n{wild[:40]}{wild[45:]}\n")
    return tmp_path, f"{wild[60]}61{changed[60]}"


def test_compare_prints_an_alignment(folder, wild_and_mutant, capfd):
    place, _ = wild_and_mutant
    assert compare(folder, place / "wild.faa", place / "mutants.faa") == 0
    text = capfd.readouterr().out
    assert "predicted TM-score 1.0000 by the length of wild, 1.0000 by that of same" in text
    assert "predicted lDDT 1.0000 along 120 aligned residues, 120 of them identical" in text
    assert f"wild   1 {DOMAINS.sequences[1][:60]} 60" in text


def test_compare_says_where_mutants_differ(folder, wild_and_mutant):
    pytest.importorskip("matplotlib")
    place, mutation = wild_and_mutant
    out = place / "out"
    assert compare(folder, place / "wild.faa", place / "mutants.faa", "--mutant", "-o", out, "-q", "--plot", "svg") == 0
    same, changed, shorter = table(out / "mutants.tsv")
    assert (same["mutations"], same["changed"], float(same["least_lddt"])) == ("", "", pytest.approx(1.0, abs=1e-5))
    assert (changed["mutations"], changed["least_position"]) == (mutation, "61")
    assert any(part.split(":")[0] == "61-61" or "61" in part for part in changed["changed"].split(";"))
    assert shorter["mutations"].startswith("del")
    assert len(table(out / "residues.tsv")) == 360
    assert [row["aligned"] for row in table(out / "comparisons.tsv")][:2] == ["120", "120"]
    assert mutation in (out / "plot-0002-wild-changed.svg").read_text()


def test_compare_a_residue_and_nothing_but_x(folder, tmp_path):
    (tmp_path / "odd.faa").write_text(f">one\nM\n>unknown\n{'X' * 50}\n")
    (tmp_path / "whole.faa").write_text(f">whole\n{DOMAINS.sequences[0]}\n")
    assert compare(folder, tmp_path / "odd.faa", tmp_path / "whole.faa", "-o", tmp_path / "out", "--plot", "none", "-q") == 0
    assert [row["protein_1"] for row in table(tmp_path / "out" / "comparisons.tsv")] == ["one", "unknown"]


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--encoder", "near"], 6, "encoder 'near' cannot compare proteins; these can: siamese"),
        (["--set", "index.k=3"], 2, "--set index...: a comparison has no index; set options of the encoder alone"),
        (["--pairs", "rows"], 2, "--pairs rows: the first file has 1 proteins and the second 3; give as many"),
    ],
)
def test_compare_refuses(wild_and_mutant, capfd, options, code, text):
    place, _ = wild_and_mutant
    assert main(["compare", str(place / "wild.faa"), str(place / "mutants.faa"), *options]) == code
    assert text in capfd.readouterr().err
