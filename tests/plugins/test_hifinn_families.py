"""Groups of a look-up table and their profiles: who is in which, what a profile says, the files, and what is refused."""

from __future__ import annotations

import random
import shutil
import sys
import zipfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("pyfamsa")
pytest.importorskip("Bio")

from tests.plugins.hifinn_groups import FREQUENCIES, blosum62, random_protein
from tests.plugins.hifinn_table import HEADER, plain_ranker

from photophore.ec import split_ecs
from photophore.errors import DatabaseError, InputError, PluginError
from photophore_hifinn.compact import PROFILES_FILE, GroupProfiles
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.families import BUNDLED_RANKER, FAMILIES_FILE, Families, write_families
from photophore_hifinn.grouping import LONGEST, LONGEST_ALIGNED, MOST_ALIGNED, _choose, build_profiles, group_names
from photophore_hifinn.lookup import Labelled, read_labelled
from photophore_hifinn.ranking import RANKER_FILE, Ranker
from photophore_near.residues import AMINO_ACIDS


def protein(name, sequence="MKVLAW", ec="1.1.1.1", cluster="c", subcluster=""):
    return Labelled(name, split_ecs(ec), sequence, f"{name}:1", cluster, subcluster)


def mutated(chance, sequence, share):
    letters = np.array(list(sequence))
    fresh = chance.random(len(letters)) < share
    letters[fresh] = chance.choice(list(AMINO_ACIDS), fresh.sum(), p=FREQUENCIES)
    return "".join(letters)


def built(proteins, threads=1):
    return build_profiles(proteins, seed=1, threads=threads)


@pytest.fixture(scope="module")
def ancestor():
    return random_protein(np.random.default_rng(3), 200)


@pytest.fixture(scope="module")
def table(ancestor):
    """Return a cluster of twelve members, two of them of another enzyme and three of none, and two proteins alone."""
    chance = np.random.default_rng(4)
    labels = ["1.1.1.1"] * 7 + ["1.1.1.2"] * 2 + [""] * 3
    members = [
        protein(f"m{number}", mutated(chance, ancestor, 0.4), ec, "c", f"s{number}") for number, ec in enumerate(labels)
    ]
    alone = [protein(name, random_protein(chance, 90), "2.7.1.1;1.1.1.1", "") for name in ("a", "b")]
    return [*members, *alone]


# ------------------------------------------------------------------------------------------------- columns of the look-up


def write(path, *rows):
    path.write_text("\n".join(rows) + "\n")
    return path


def clusters(path):
    return [(found.id, found.cluster, found.subcluster) for found in read_labelled(path)]


def test_clusters_are_read(tmp_path):
    path = write(tmp_path / "t.tsv", HEADER, "p\t\tMK\tc1\ts1", "q\t\tMK\t\t", "r\t\tMK\t c1 \t")
    assert clusters(path) == [("p", "c1", "s1"), ("q", "q", "q"), ("r", "c1", "r")]


def test_clusters_may_be_left_out(tmp_path):
    assert clusters(write(tmp_path / "t.tsv", "id\tec\tsequence", "p\t\tMK")) == [("p", "", "")]
    assert clusters(write(tmp_path / "t.faa", ">p EC=1.1.1.1", "MK")) == [("p", "", "")]
    assert clusters(write(tmp_path / "u.tsv", "cluster50\tid\tec\tsequence", "s\tp\t\tMK")) == [("p", "", "s")]


@pytest.mark.parametrize("header", ["id\tec\tsequence\tcluster\tcluster30", "id\tec\tsequence\tCLUSTER30\tCluster"])
def test_the_column_cluster_goes_before_that_of_a_threshold(tmp_path, header):
    cells = ["mine", "theirs"] if header.endswith("30") else ["theirs", "mine"]
    assert clusters(write(tmp_path / "t.tsv", header, "\t".join(["p", "", "MK", *cells]))) == [("p", "mine", "")]


def test_a_row_without_its_clusters_is_refused(tmp_path):
    path = write(tmp_path / "t.tsv", HEADER, "p\t\tMK\tc1")
    with pytest.raises(InputError, match=r"t\.tsv:2: has 4 cells, the header has 5; write every cell, also an empty"):
        clusters(path)


# ----------------------------------------------------------------------------------------------------------------- groups


def test_groups_by_eye():
    proteins = [
        protein("p", ec="1.1.1.1"),
        protein("q", ec="2.7.1.1;1.1.1.1"),
        protein("r", ec="1.1.1.1;2.7.1.1"),
        protein("s", ec=""),
        protein("t", ec="3.5.1.n3", cluster=""),
    ]
    assert group_names(proteins) == ["c/1.1.1.1", "c/1.1.1.1;2.7.1.1", "c/1.1.1.1;2.7.1.1", "c/", "t/3.5.1.n3"]


def test_groups_of_a_table(table):
    profiles = built(table)
    assert profiles.names == ("a/1.1.1.1;2.7.1.1", "b/1.1.1.1;2.7.1.1", "c/", "c/1.1.1.1", "c/1.1.1.2")
    assert profiles.clusters == ("a", "b", "c", "c", "c")
    assert [";".join(map(str, ecs)) for ecs in profiles.ecs[2:]] == ["", "1.1.1.1", "1.1.1.2"]


def test_the_profile_of_one_protein_is_blosum62(table):
    profiles = built(table)
    assert profiles.consensus(0) == table[-2].sequence
    places = [AMINO_ACIDS.index(letter) for letter in table[-2].sequence]
    # The builder knows the background a little otherwise, so that a score may be a step or two off.
    assert np.abs(profiles.scores(0).astype(int) - blosum62()[places]).mean() < 1


def test_a_profile_tells_the_ancestor_better_than_its_members_do(table, ancestor):
    def alike(sequence):
        return np.mean([a == b for a, b in zip(sequence, ancestor, strict=True)])

    consensus = built(table).consensus(3)
    assert len(consensus) == len(ancestor)
    assert alike(consensus) > max(alike(member.sequence) for member in table[:7]) + 0.1


def test_the_threads_change_nothing_and_the_order_no_group(table):
    one, two = built(table), built(table, threads=2)
    assert np.array_equal(one.codebook[one.codes], two.codebook[two.codes])
    turned = built(table[::-1])
    assert turned.names == one.names


def test_up_to_24_members_are_aligned_and_each_sub_cluster_comes_first():
    members = [protein(f"m{n}", subcluster="big") for n in range(60)]
    members += [protein(f"o{n}", subcluster=f"s{n}") for n in range(10)]
    chosen = _choose(members, random.Random("draw"))
    assert len(chosen) == MOST_ALIGNED
    assert {member.subcluster for member in chosen[:11]} == {"big", *(f"s{n}" for n in range(10))}
    assert len({member.id for member in chosen}) == MOST_ALIGNED
    assert chosen == _choose(members, random.Random("draw"))


def test_long_members_are_left_out_of_an_alignment():
    chance = np.random.default_rng(6)
    long = [protein(f"l{n}", random_protein(chance, LONGEST_ALIGNED + 1)) for n in range(2)]
    short = protein("s", random_protein(chance, 40))
    assert built([long[0], short]).consensus(0) == short.sequence
    assert built(long).consensus(0) == long[0].sequence
    huge = protein("h", random_protein(chance, LONGEST + 5))
    assert built([huge]).consensus(0) == huge.sequence[:LONGEST]


@pytest.mark.parametrize("copies", [1, 3])
def test_every_letter_of_a_residue_is_taken(copies):
    profiles = built([protein(f"p{n}", "MKVBZJUOXMKV") for n in range(copies)])
    assert len(profiles.consensus(0)) == 12
    assert (profiles.consensus(0)[:3], profiles.consensus(0)[-3:]) == ("MKV", "MKV")


@pytest.mark.parametrize("lengths", [(1,), (1, 1), (1, 1, 900), (3, 100, 4, 300)])
def test_groups_of_any_lengths(lengths):
    chance = np.random.default_rng(7)
    profiles = built([protein(f"p{n}", random_protein(chance, length)) for n, length in enumerate(lengths)])
    assert 1 <= len(profiles.consensus(0)) <= max(lengths)


# -------------------------------------------------------------------------------------------------------------- the files


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Return the options of a build with a ranker of our own."""
    folder = tmp_path_factory.mktemp("ranker")
    plain_ranker().save(folder)
    return {"profiles": "build", "ranker": str(folder / RANKER_FILE)}


@pytest.fixture(scope="module")
def folder(table, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    assert write_families(table, folder, HifinnAnnotatorConfig(**settings)) == [
        PROFILES_FILE,
        FAMILIES_FILE,
        RANKER_FILE,
    ]
    return folder


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_families_come_back_as_they_were_saved(folder, tmp_path):
    families = Families.load(folder)
    families.save(tmp_path)
    for name in (PROFILES_FILE, FAMILIES_FILE):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert families.of_protein.tolist() == [3] * 7 + [4] * 2 + [2] * 3 + [0, 1]
    assert all(len(values) == 5 and np.isfinite(values).all() for values in families.statistics.values())
    assert families.statistics


def test_profiles_of_another_database_give_the_same_bytes(table, folder, settings, tmp_path, monkeypatch):
    """What is taken over needs no program to align with."""
    monkeypatch.setitem(sys.modules, "pyfamsa", None)
    write_families(table, tmp_path, HifinnAnnotatorConfig(**{**settings, "profiles": str(folder)}))
    for name in (PROFILES_FILE, FAMILIES_FILE, RANKER_FILE):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_profiles_serve_a_part_of_their_table(table, folder, settings, tmp_path):
    write_families(table[5:8], tmp_path, HifinnAnnotatorConfig(**{**settings, "profiles": str(folder)}))
    assert Families.load(tmp_path).of_protein.tolist() == [3, 3, 4]


def test_the_ranker_of_the_package_is_taken_unless_another_is_named(table, folder, tmp_path):
    write_families(table, tmp_path, HifinnAnnotatorConfig(profiles=str(folder)))
    assert (tmp_path / RANKER_FILE).read_bytes() == (BUNDLED_RANKER / RANKER_FILE).read_bytes()
    assert Ranker.load(tmp_path).rates


def test_profiles_of_another_table_are_refused(table, folder, settings, tmp_path):
    other = [*table, protein("x", ec="6.1.1.1")]
    with pytest.raises(
        InputError,
        match=r"annotator\.profiles=.*: has no profile of 'c/6\.1\.1\.1'; the profiles are of another look-up "
        r"table, make new ones with annotator\.profiles=build",
    ):
        write_families(other, tmp_path, HifinnAnnotatorConfig(**{**settings, "profiles": str(folder)}))
    with pytest.raises(DatabaseError, match=r"none/profiles\.npz: cannot be read \(.*No such file"):
        write_families(table, tmp_path, HifinnAnnotatorConfig(**{**settings, "profiles": "none/"}))


def test_without_a_program_to_align_with_nothing_is_built(table, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyfamsa", None)
    with pytest.raises(
        PluginError,
        match=r"annotator\.profiles=build aligns proteins with pyfamsa, which is not installed; run: pip install "
        r"'photophore\[build\]'",
    ):
        write_families(table, tmp_path, HifinnAnnotatorConfig(**settings))


def test_a_wrong_ranker_is_refused_before_the_work(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyfamsa", None)  # the work would ask for it
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(DatabaseError, match=r"mine\.json: cannot be read \('schema'\)"):
        write_families(table, tmp_path, HifinnAnnotatorConfig(profiles="build", ranker=str(tmp_path / "mine.json")))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def short(path):
    path.write_bytes(path.read_bytes()[:200])


def flipped(path):
    """Turn one byte of what is compressed: of an archive, in the middle of its largest part."""
    content = bytearray(path.read_bytes())
    place = len(content) // 3
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda part: part.compress_size)
        place = largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [short, flipped, lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", [PROFILES_FILE, FAMILIES_FILE])
def test_damaged_files_are_refused(folder, tmp_path, name, harm):
    copy = copy_of(folder, tmp_path)
    harm(copy / name)
    with pytest.raises(
        DatabaseError,
        match=rf"{name}: cannot be read \(.*\); copy or build the database again \(photophore db verify\)",
    ):
        Families.load(copy)


def test_every_flipped_byte_is_noticed_or_harmless(folder, tmp_path):
    """Nothing but our own error comes out, wherever the damage is."""
    copy = copy_of(folder, tmp_path)
    whole = (copy / FAMILIES_FILE).read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        content = bytearray(whole)
        content[place] ^= 0xFF
        (copy / FAMILIES_FILE).write_bytes(bytes(content))
        try:
            Families.load(copy)
        except DatabaseError:
            refused += 1
    assert refused > len(whole) / 7 / 2


def test_groups_beyond_the_profiles_are_refused(folder, tmp_path):
    families = Families.load(folder)
    replace(families, of_protein=families.of_protein + 1).save(tmp_path)
    with pytest.raises(
        DatabaseError, match=r"families\.npz: names groups beyond the 5 of the profiles; build the database again"
    ):
        Families.load(tmp_path)


def test_letters_of_other_profiles_are_refused(folder, tmp_path):
    families = Families.load(folder)
    short = replace(families.spelling, kinds=families.spelling.kinds[:-1])
    replace(families, spelling=short).save(tmp_path)
    positions = len(families.spelling.kinds)
    with pytest.raises(
        DatabaseError,
        match=rf"families\.npz: spells {positions - 1} positions, the profiles have {positions}; build the database again",
    ):
        Families.load(tmp_path)


def test_offsets_of_the_profiles_rise(folder):
    profiles = GroupProfiles.load(folder)
    assert all(after > before for before, after in pairwise(profiles.offsets.tolist()))
