"""The truth that the structural network learns from: lDDT, TM-align and its cache, samples, letters, held-out folds."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from tests.plugins.siamese_network import domains, hairpin, helix, strand, write_domains

from photophore.errors import InputError
from photophore_siamese.truth import cache
from photophore_siamese.truth.aligning import PairTruth, paired
from photophore_siamese.truth.domains import read_domains
from photophore_siamese.truth.geometry import UNKNOWN, burial, contact_descriptors, find_alphabets, shape_descriptors
from photophore_siamese.truth.holdout import Split, read_split
from photophore_siamese.truth.lddt import aligned_lddt, slow_aligned_lddt
from photophore_siamese.truth.sampling import sample_pairs


def test_lddt_by_eye():
    line = np.array([[0.0, 0, 0], [3, 0, 0], [6, 0, 0]])
    bent = np.array([[0.0, 0, 0], [3, 0, 0], [6.7, 0, 0]])  # the last one 0.7 further: kept at 1, 2 and 4 angstrom
    near, far = 1 / 3**3, 1 / 6**3
    expected = [(near + 0.75 * far) / (near + far), (1 + 0.75) / 2, 0.75]
    assert aligned_lddt(line, bent) == pytest.approx(expected, abs=1e-6)
    assert aligned_lddt(line, line + 5.0).tolist() == pytest.approx([1, 1, 1])


def test_lddt_of_residues_without_neighbours_is_0():
    apart = np.array([[0.0, 0, 0], [16, 0, 0], [16, 15, 0]])
    assert aligned_lddt(apart, apart).tolist() == pytest.approx([0, 1, 1])
    assert aligned_lddt(apart[:0], apart[:0]).shape == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_fast_lddt_equals_the_slow_one(seed):
    random = np.random.default_rng(seed)
    reference = np.cumsum(random.normal(size=(60, 3)) * 2.2, axis=0)
    model = reference + random.normal(size=(60, 3)) * random.uniform(0.2, 3)
    assert np.abs(aligned_lddt(reference, model) - slow_aligned_lddt(reference, model)).max() < 1e-12


def test_gapped_sequences_name_what_they_pair():
    first, second = paired("MK--V", "-KAAV")
    assert first.tolist() == [1, 2]
    assert second.tolist() == [0, 3]


def test_tm_align_pairs_a_helix_with_its_like():
    pytest.importorskip("tmtools")
    from photophore_siamese.truth.aligning import align_structures

    given = domains(6)
    alike, apart = align_structures(given, 0, 4), align_structures(given, 0, 1)
    assert min(alike.tm) > 0.9
    assert max(apart.tm) < 0.5
    shifts = alike.second.astype(int) - alike.first.astype(int)
    assert np.ptp(shifts) == 0
    assert alike.lddt.astype(float).mean() > 0.95


def test_domains_are_read_as_written(tmp_path):
    given = domains(5)
    found = read_domains(write_domains(tmp_path / "d.npz", given))
    assert found.ids == given.ids
    assert found.sequences == given.sequences
    assert np.abs(found.trace(3) - given.trace(3)).max() < 0.006
    assert found.level(3)[:2] == ["1.10.10", "2.10.10"]


def test_domains_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(
        path,
        id=np.array(["a"]),
        cath=np.array(["1.1.1.1"]),
        sequence=np.array(["MKV"]),
        offset=[0, 2],
        ca=np.zeros((2, 3), np.int16),
    )
    with pytest.raises(InputError, match="domain a has 3 residues but 2 C-alpha atoms; give one for each"):
        read_domains(path)
    np.savez(path, id=np.array(["a"]))
    with pytest.raises(InputError, match="not a file of domains"):
        read_domains(path)


def counted(monkeypatch):
    """Replace TM-align by something that can be told, and count how often it runs."""
    done = []

    def align(given, one, other):
        done.append((one, other))
        count = 1 + one % 3
        return PairTruth(
            (one / 100, other / 100),
            np.arange(count, dtype=np.uint16),
            np.arange(count, dtype=np.uint16) + 2,
            np.full(count, 0.5, dtype=np.float16),
        )

    monkeypatch.setattr(cache, "align_structures", align)
    monkeypatch.setattr(cache, "SHARD", 4)
    return done


def test_the_cache_goes_on_where_it_was_cut(tmp_path, monkeypatch):
    done = counted(monkeypatch)
    given = domains(8)
    pairs = np.array([[i, j] for i in range(5) for j in range(i + 1, 7)], dtype=np.int32)
    cache.compute(given, pairs[:10], tmp_path)
    assert len(done) == 10
    cache.compute(given, pairs, tmp_path)
    assert len(done) == 10 + len(pairs) - 8  # two whole shards stay, the third was not full
    table = cache.read_table(given, tmp_path)
    np.testing.assert_array_equal(table.pairs, pairs)
    assert len(table) == len(pairs)
    one, other = (int(number) for number in pairs[11])
    truth = table.truth(11)
    assert truth.tm == pytest.approx((one / 100, other / 100))
    assert truth.second.tolist() == list(range(2, 3 + one % 3))


def test_the_cache_refuses_other_domains(tmp_path, monkeypatch):
    counted(monkeypatch)
    cache.compute(domains(8), np.array([[0, 1]], dtype=np.int32), tmp_path)
    with pytest.raises(InputError, match="holds pairs of other domains; remove it"):
        cache.read_table(domains(9), tmp_path)
    with pytest.raises(InputError, match="has no pairs; compute them first"):
        cache.read_table(domains(8), tmp_path / "none")


def test_samples_hold_kin_and_strangers_and_no_pair_twice():
    given = domains(60)
    pairs = sample_pairs(given, range(40), 200, seed=3)
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs) == 200
    assert pairs.max() < 40
    assert (pairs[:, 0] != pairs[:, 1]).all()
    same = Counter(given.cath[i] == given.cath[j] for i, j in pairs)
    assert same[True] > 40
    assert same[False] > 80
    np.testing.assert_array_equal(sample_pairs(given, range(40), 50, seed=3), pairs[:50])


def test_a_sample_of_few_domains_is_what_there_is():
    assert len(sample_pairs(domains(3), range(3), 100, seed=0)) == 3


def test_letters_tell_helix_strand_and_contact():
    traces = [helix(60), strand(60), hairpin(60)]
    alphabets = find_alphabets(traces, shapes=4, contacts=4, burials=3, seed=0)
    spelled = [alphabets.letters(trace) for trace in traces]
    inside = slice(5, 25)
    assert set(spelled[0][inside, 0]).isdisjoint(spelled[1][inside, 0])
    assert spelled[2][12, 0] == spelled[0][12, 0]
    assert spelled[2][15, 2] > spelled[1][15, 2]  # two helices side by side are better buried than a strand alone
    assert spelled[0][0, 0] == UNKNOWN
    assert alphabets.letters(helix(4))[:, :2].tolist() == [[UNKNOWN] * 2] * 4


def test_descriptors_know_hands_and_breaks():
    left = helix(20) * [1, 1, -1]
    assert not np.allclose(shape_descriptors(helix(20))[10], shape_descriptors(left)[10])
    broken = helix(20) + np.where(np.arange(20) > 9, 8.0, 0.0)[:, None]
    assert np.isnan(shape_descriptors(broken)[9]).all()
    assert np.isfinite(shape_descriptors(broken)[4]).all()
    assert np.isfinite(contact_descriptors(helix(20))[1:-1]).all()
    assert burial(strand(3)).tolist() == [2, 2, 2]


def test_a_split_is_read_as_written(tmp_path):
    split = Split({"2.10.10": "test", "1.20.10": "valid"}, {"c.37": "test"}, frozenset({"d000A00"}))
    split.write(tmp_path / "held_out.txt", ["what this is"])
    found = read_split(tmp_path / "held_out.txt")
    assert found == split
    given = domains(8)
    assert found.members(given, "test") == [1, 5]
    assert found.members(given, "train") == [3, 4, 7]
    assert found.fold_side("c.37.1.8") == "test"
    assert found.fold_side("a.1.1.1") == "train"


def test_a_split_that_is_none_names_the_line(tmp_path):
    path = tmp_path / "held_out.txt"
    path.write_text("# folds\ntest\tpfam\tPF1\n")
    with pytest.raises(InputError, match=r"held_out\.txt:2: .* is no held-out fold"):
        read_split(path)
    with pytest.raises(InputError, match="cannot be read as a list of held-out folds"):
        read_split(tmp_path / "none.txt")


def test_the_folds_that_the_package_held_out_can_be_read():
    from importlib import resources
    from pathlib import Path

    split = read_split(Path(str(resources.files("photophore_siamese") / "weights" / "siamese-small.held_out.txt")))
    assert Counter(split.topologies.values())["test"] > 100
    assert Counter(split.folds.values())["test"] > 400


def test_computing_says_how_far_it_is(tmp_path, monkeypatch, caplog):
    counted(monkeypatch)
    with caplog.at_level(logging.INFO):
        cache.compute(domains(8), np.array([[0, 1], [0, 2]], dtype=np.int32), tmp_path / "valid")
    assert "valid: 2 of 2 pairs aligned" in caplog.text
