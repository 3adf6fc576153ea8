"""Profiles of groups: stored small, and found by the near network."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from tests.plugins.hifinn_groups import (
    batch_of,
    column,
    columns_of,
    family_columns,
    metagenome_proteins,
    profiles_of,
    random_protein,
    relative,
)

from photophore.background import background_batches
from photophore.errors import DatabaseError
from photophore.hookspecs import Runtime
from photophore_hifinn import compact
from photophore_hifinn.compact import CODEBOOK, PROFILES_FILE, GroupProfiles, compress
from photophore_hifinn.finding import GroupFinder, every_residue
from photophore_near.config import NearConfig
from photophore_near.encoder import create_near

GROUPS = 40


# Stored.


def test_profiles_come_back_as_they_were_saved(tmp_path):
    scores = [columns_of("MKVLAW"), columns_of("G"), columns_of("MCCHHY")]
    ecs = ["1.1.1.1;2.7.1.-", "", "3.5.1.n3"]
    profiles = profiles_of(scores, ecs)
    profiles.save(tmp_path)
    loaded = GroupProfiles.load(tmp_path)
    assert (loaded.names, loaded.clusters) == (("g0", "g1", "g2"), ("cg0", "cg1", "cg2"))
    assert [";".join(map(str, each)) for each in loaded.ecs] == ecs
    assert len(loaded) == 3
    for name in ("codebook", "codes", "offsets"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(profiles, name))
        assert getattr(loaded, name).dtype == getattr(profiles, name).dtype
    for group, wanted in enumerate(scores):
        np.testing.assert_array_equal(loaded.scores(group), wanted)


def test_many_columns_come_back_as_they_were_saved(tmp_path):
    profiles = profiles_of([family_columns(3000)])
    assert profiles.codes.max() > 255
    profiles.save(tmp_path)
    np.testing.assert_array_equal(GroupProfiles.load(tmp_path).codes, profiles.codes)


def test_consensus_and_information_by_eye():
    profiles = profiles_of([np.concatenate([column(M=12), column(K=6, R=5), column(W=3)]), column(G=9)])
    assert [profiles.consensus(group) for group in range(2)] == ["MKW", "G"]
    np.testing.assert_allclose(profiles.information(), [4, 2, 1, 3], rtol=1e-6)


@pytest.mark.parametrize("distinct", [20, CODEBOOK])
def test_few_different_columns_are_kept_as_they_are(distinct):
    given = np.unique(family_columns(6000), axis=0)[:distinct]
    given = given[np.random.default_rng(1).integers(0, distinct, 9000)]
    codebook, codes = compress(given, seed=1, threads=1)
    assert len(codebook) <= distinct
    assert (codebook.dtype, codes.dtype) == (np.int8, np.uint16)
    np.testing.assert_array_equal(codebook[codes], given)


@pytest.fixture(scope="module")
def many():
    """Return columns of which more differ than the codebook holds, the last 3,000 of a single protein; and both parts of them."""
    single = columns_of(random_protein(np.random.default_rng(0), 3000))
    given = np.concatenate([family_columns(12_000), single])
    return given, *compress(given, seed=1, threads=1)


def test_many_different_columns_come_close(many):
    """Each takes its nearest of the codebook: the error is less than half a step, where the scores are of three steps."""
    given, codebook, codes = many
    assert codebook.shape == (CODEBOOK, 20)
    chosen = given[:12_000:240].astype(int)  # (50, 20)
    distances = ((codebook.astype(int) - chosen[:, None]) ** 2).sum(axis=2)  # (50, columns)
    np.testing.assert_array_equal(distances[np.arange(50), codes[:12_000:240]], distances.min(axis=1))
    off = codebook[codes[:12_000]].astype(int) - given[:12_000]
    assert np.sqrt((off**2).mean()) < 0.5
    assert np.sqrt((given[:12_000].astype(int) ** 2).mean()) > 3.0


def test_columns_of_single_proteins_stay_exact_among_many(many):
    given, codebook, codes = many
    np.testing.assert_array_equal(codebook[codes[-3000:]], given[-3000:])


def test_threads_do_not_change_the_codebook(many):
    given, codebook, codes = many
    again = compress(given, seed=1, threads=2)
    np.testing.assert_array_equal(again[0], codebook)
    np.testing.assert_array_equal(again[1], codes)


@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "changed", "text"])
def test_a_damaged_file_is_refused(tmp_path, harm):
    profiles_of([columns_of(random_protein(np.random.default_rng(0), 400))]).save(tmp_path)
    path = tmp_path / PROFILES_FILE
    content = path.read_bytes()
    middle = content.index(b"codebook.npy") + 60
    path.write_bytes(
        {
            "gone": b"",
            "empty": b"",
            "cut": content[: len(content) // 2],
            "changed": content[:middle]
            + bytes(byte ^ 0xFF for byte in content[middle : middle + 40])
            + content[middle + 40 :],
            "text": b"these are no profiles",
        }[harm]
    )
    if harm == "gone":
        path.unlink()
    with pytest.raises(DatabaseError) as error:
        GroupProfiles.load(tmp_path)
    assert str(error.value).startswith(f"{path}: cannot be read (")
    assert str(error.value).endswith("); copy or build the database again (photophore db verify)")


def test_a_file_without_an_array_is_refused(tmp_path):
    np.savez_compressed(tmp_path / PROFILES_FILE, schema=np.array(1))
    with pytest.raises(DatabaseError, match="cannot be read .*names.*; copy or build the database again"):
        GroupProfiles.load(tmp_path)


def test_offsets_that_do_not_fit_are_refused(tmp_path):
    whole = profiles_of([columns_of("MKVL"), columns_of("GG")])
    for offsets in ([0, 4], [0, 4, 7]):
        broken = GroupProfiles(
            whole.names,
            whole.clusters,
            whole.ecs,
            whole.codebook,
            whole.codes,
            np.array(offsets, dtype=np.int64),
        )
        broken.save(tmp_path)
        with pytest.raises(DatabaseError) as error:
            GroupProfiles.load(tmp_path)
        assert str(error.value) == (
            f"{tmp_path / PROFILES_FILE}: its offsets do not fit its positions; copy or build the database again"
        )


def test_another_schema_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "SCHEMA", 2)
    profiles_of([columns_of("MKVL")]).save(tmp_path)
    monkeypatch.undo()
    with pytest.raises(DatabaseError) as error:
        GroupProfiles.load(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / PROFILES_FILE}: the profiles are stored in schema 2, this version reads 1; build the database "
        "again, or use the version of photophore that built it"
    )


# Found.


@pytest.fixture(scope="module")
def families(metagenome_faa):
    """Proteins of which each is a group."""
    return metagenome_proteins(metagenome_faa, GROUPS)


@pytest.fixture(scope="module")
def group_profiles(families):
    return profiles_of([columns_of(each) for each in families])


@pytest.fixture(scope="module", autouse=True)
def short_background():
    """Measure on the first 200 of the background proteins: the same code in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photophore_hifinn.finding.background_batches", partial(background_batches, 200, batch=120))
        yield


@pytest.fixture(scope="module")
def measured(group_profiles, short_background):
    """Return a finder that measured, and what it measured."""
    finder = GroupFinder(group_profiles, Runtime(), groups=GROUPS)
    return finder, finder.measure()


def test_what_is_measured_is_finite_and_complete(measured):
    _, statistics = measured
    assert {"mean", "spread", "pass_0.03"} <= set(statistics)
    for values in statistics.values():
        assert (values.shape, values.dtype) == ((GROUPS,), np.float32)
        assert np.isfinite(values).all()
    assert (statistics["spread"] > 0).all()


def test_measuring_again_gives_the_same(group_profiles, measured):
    _, statistics = measured
    again = GroupFinder(group_profiles, Runtime(threads=2), groups=GROUPS, statistics=statistics).measure()
    assert set(again) == set(statistics)
    for name, values in statistics.items():
        np.testing.assert_array_equal(again[name], values)


def test_a_relative_is_proposed_its_group(families, measured):
    random = np.random.default_rng(7)
    batch = batch_of([relative(random, each) for each in families])
    rows, groups, _, scores = measured[0].find(batch)
    assert (rows.dtype, groups.dtype, scores.dtype) == (np.int64, np.int64, np.float32)
    assert len(rows) == len(groups) == len(scores)
    found = set(zip(rows.tolist(), groups.tolist(), strict=True))
    assert found >= {(number, number) for number in range(GROUPS)}
    assert len(found) == len(rows) < GROUPS * GROUPS / 4
    assert (np.diff(rows) >= 0).all()
    assert (np.diff(scores)[np.diff(rows) == 0] <= 0).all()


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_residues_that_shift_hide_nothing(families, measured, shift):
    """Groups have vectors for even positions only; a protein that lacks its first residue has those on odd residues."""
    rows, groups, _, _ = measured[0].find(batch_of([each[shift:] for each in families]))
    assert set(zip(rows.tolist(), groups.tolist(), strict=True)) >= {(number, number) for number in range(GROUPS)}


def test_a_vector_for_each_residue_is_that_of_the_protein_cut_there():
    encoder = create_near(NearConfig(), Runtime())
    batch = batch_of(["MKTAYIAKQRQISFVKSHFSRQ", "M", "MK", "MKTAYIAKQ"])
    each = every_residue(encoder, batch)
    assert (each.step, each.offsets.tolist()) == (1, [0, 22, 23, 25, 34])
    for number, sequence in enumerate(batch.sequences):
        for shift in range(min(2, len(sequence))):
            alone = encoder.encode(batch_of([sequence[shift:]])).values
            mine = each.values[each.offsets[number] : each.offsets[number + 1]]
            np.testing.assert_array_equal(mine[shift::2], alone)


def test_an_index_laid_out_before_is_the_same(families, group_profiles, measured):
    finder, statistics = measured
    opened = GroupFinder(group_profiles, Runtime(), groups=GROUPS, statistics=statistics, layout=finder.layout)
    batch = batch_of(families)
    for mine, theirs in zip(opened.find(batch), finder.find(batch), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_strangers_are_proposed_little(measured):
    random = np.random.default_rng(8)
    batch = batch_of([random_protein(random, 250) for _ in range(20)])
    rows = measured[0].find(batch).rows
    assert len(rows) < 0.1 * len(batch) * GROUPS


def test_statistics_of_the_build_serve_when_opened(families, group_profiles, measured):
    finder, statistics = measured
    opened = GroupFinder(group_profiles, Runtime(), groups=GROUPS, statistics=statistics)
    batch = batch_of(families[:5])
    for mine, theirs in zip(opened.find(batch), finder.find(batch), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_no_more_groups_than_asked_for(families, group_profiles, measured):
    opened = GroupFinder(group_profiles, Runtime(), groups=1, statistics=measured[1])
    rows, groups, _, _ = opened.find(batch_of(families))
    assert np.bincount(rows).max() == 1
    assert np.mean(rows == groups) > 0.9


def test_groups_beyond_one_batch_of_consensus(families, group_profiles, measured, monkeypatch):
    finder, statistics = measured
    monkeypatch.setattr("photophore_hifinn.finding._TOGETHER", 7)
    opened = GroupFinder(group_profiles, Runtime(), groups=GROUPS, statistics=statistics)
    batch = batch_of(families[:5])
    for mine, theirs in zip(opened.find(batch), finder.find(batch), strict=True):
        np.testing.assert_array_equal(mine, theirs)
