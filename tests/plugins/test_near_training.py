"""Training material of near: alignments, pairs, windows, loss, families held out; all on cases one can check by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyhmmer
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import Background, Builder, HMMFile

from photophore.errors import InputError
from photophore_near.residues import AMINO_ACIDS, BACKGROUND, PAD_TOKEN, distributions, tokens
from photophore_near.training.contrast import contrastive_loss
from photophore_near.training.holdout import HoldOut, choose_held_out, consensus_block, found_by
from photophore_near.training.pairs import Hit, PairSet, aligned_positions, assemble, find_hits, offsets_of
from photophore_near.training.sampling import PairSampler, draw_batch

AMINO = Alphabet.amino()
HMMS = Path(pyhmmer.__file__).parent / "tests" / "data" / "hmms" / "txt"


def block(sequences):
    return DigitalSequenceBlock(
        AMINO, [TextSequence(name=str(i), sequence=s).digitize(AMINO) for i, s in enumerate(sequences)]
    )


def profile_of(name, sequence):
    hmm, _, _ = Builder(AMINO, seed=1).build(
        TextSequence(name=name, sequence=sequence).digitize(AMINO), Background(AMINO)
    )
    return hmm


def random_protein(seed, length):
    return "".join(np.random.default_rng(seed).choice(list(AMINO_ACIDS), length, p=BACKGROUND / BACKGROUND.sum()))


def mutated(sequence, seed, share=0.3):
    rng = np.random.default_rng(seed)
    return "".join(rng.choice(list(AMINO_ACIDS)) if rng.random() < share else letter for letter in sequence)


def toy_pairs(lengths=(100,), *, insert=0.0, delete=0.0):
    """Sharp profiles, each position one residue; every protein holds its profile after five residues W."""
    rng = np.random.default_rng(8)
    consensus = [rng.integers(0, 18, length).astype(np.uint8) for length in lengths]  # no W, no Y
    proteins = [np.concatenate([np.full(5, 18, dtype=np.uint8), c]) for c in consensus]
    moves = np.array([1 - insert - delete, insert, delete, 0.5, 0.5, 0.5, 0.5], dtype=np.float32)
    total = sum(lengths)
    return PairSet(
        names=np.array([f"f{number}" for number in range(len(lengths))]),
        emissions=np.eye(20, dtype=np.float32)[np.concatenate(consensus)],
        transitions=np.tile(moves, (total, 1)),
        profile_offsets=offsets_of(lengths),
        tokens=np.concatenate(proteins),
        protein_offsets=offsets_of(map(len, proteins)),
        hit_profile=np.arange(len(lengths), dtype=np.int32),
        hit_protein=np.arange(len(lengths), dtype=np.int32),
        hit_evalue=np.full(len(lengths), 1e-20),
        profile_position=np.concatenate([np.arange(length) for length in lengths]).astype(np.int32),
        residue=np.concatenate([np.arange(length) + 5 for length in lengths]).astype(np.int32),
        hit_offsets=offsets_of(lengths),
    )


def sampler(pairs, *, window=64, step=1, emitted=0.0, blur=0.0, seed=0):
    return PairSampler(pairs, window=window, step=step, emitted=emitted, blur=blur, weak_weight=3.0, seed=seed)


# ------------------------------------------------------------------------------------------------ alignments


def test_aligned_positions_by_eye():
    """Profile 10-15, protein 4-9: two residues inserted after position 11, position 13 deleted."""
    positions, residues = aligned_positions(10, 4, "ac..efgh", "ACkkE-GH")
    assert positions.tolist() == [10, 11, 12, 14, 15]
    assert residues.tolist() == [4, 5, 8, 9, 10]
    assert positions.dtype == residues.dtype == np.int32


def test_found_alignments_join_what_is_the_same():
    domain = random_protein(1, 80)
    proteins = [random_protein(2, 200), random_protein(3, 30) + domain + random_protein(4, 50)]
    (hit,) = find_hits([profile_of("f", domain)], block(proteins), threads=1)
    assert (hit.profile, hit.protein) == (0, 1)
    assert hit.evalue < 1e-20
    assert [proteins[1][r] for r in hit.residue] == [domain[p] for p in hit.profile_position]
    assert set((hit.residue - hit.profile_position).tolist()) == {30}
    assert len(hit.residue) > 75


def test_profiles_that_find_nothing_are_refused():
    with pytest.raises(
        InputError, match=r"no profile finds any protein at E <= 0.01; check that profiles and proteins"
    ):
        find_hits([profile_of("f", random_protein(1, 80))], block([random_protein(2, 90)]), threads=1)


def test_pairs_come_back_as_saved(tmp_path):
    domains = [random_protein(1, 50), random_protein(2, 70)]
    profiles = [profile_of(f"f{number}", domain) for number, domain in enumerate(domains)]
    proteins = ["MM" + domains[1], domains[0] + "K"]
    pairs = assemble(profiles, proteins, find_hits(profiles, block(proteins), threads=1))
    pairs.save(tmp_path / "pairs.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.npz"]
    again = PairSet.load(tmp_path / "pairs.npz")
    for name in PairSet.__dataclass_fields__:
        assert np.array_equal(getattr(again, name), getattr(pairs, name))
    assert again.names.tolist() == ["f0", "f1"]
    assert again.profile_offsets.tolist() == [0, 50, 120]
    assert again.protein_offsets.tolist() == [0, 72, 123]
    assert np.allclose(again.emissions.sum(axis=1), 1, atol=1e-4)
    assert again.transitions.shape == (120, 7)
    assert "".join(AMINO_ACIDS[i] for i in again.emissions[:50].argmax(axis=1)) == domains[0]
    assert again.tokens[:72].tolist() == tokens(proteins[0]).tolist()
    assert sorted(zip(again.hit_profile.tolist(), again.hit_protein.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_an_interrupted_save_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        toy_pairs().save(tmp_path / "pairs.npz")
    assert not (tmp_path / "pairs.npz").exists()


# ------------------------------------------------------------------------------------------------ windows


def check(pair, window):
    """Anchors lie within the windows and join a profile position with the very residue that it emits."""
    assert pair.profile.shape == pair.protein.shape == (window, 20)
    assert pair.profile.dtype == pair.protein.dtype == np.float32
    assert len(pair.profile_anchor) == len(pair.protein_anchor) > 0
    assert np.array_equal(pair.profile[pair.profile_anchor], pair.protein[pair.protein_anchor])
    assert np.all(pair.profile[pair.profile_anchor].sum(axis=1) == 1)
    assert np.all(np.diff(pair.profile_anchor) > 0)
    assert np.all(np.diff(pair.protein_anchor) > 0)


@pytest.mark.parametrize("emitted", [0.0, 1.0])
@pytest.mark.parametrize(("lengths", "window"), [((100,), 64), ((20, 300), 64), ((45, 60), 200), ((41,), 41)])
def test_anchors_join_identical_residues(lengths, window, emitted):
    drawing = sampler(toy_pairs(lengths), window=window, emitted=emitted)
    for _ in range(200):
        check(drawing.draw(), window)


def test_insertions_and_deletions_keep_the_rest_aligned():
    pairs = toy_pairs((400,), insert=0.1, delete=0.1)
    drawing = sampler(pairs, window=128, emitted=1.0)
    shifts = set()
    for _ in range(100):
        pair = drawing.draw()
        check(pair, 128)
        shifts.add(len(set((pair.profile_anchor - pair.protein_anchor).tolist())))
    assert max(shifts) > 5  # there were several indels


def test_emission_without_indels_is_the_consensus():
    pairs = toy_pairs((100,))
    drawn, positions, residues = sampler(pairs)._emit(pairs.emissions, pairs.transitions, 10, 60)
    assert drawn.tolist() == pairs.emissions[10:60].argmax(axis=1).tolist()
    assert positions.tolist() == list(range(10, 60))
    assert residues.tolist() == list(range(50))


def test_emission_follows_the_distribution():
    pairs = toy_pairs((3000,))
    emissions = np.tile(BACKGROUND / BACKGROUND.sum(), (3000, 1))
    drawn, _, _ = sampler(pairs)._emit(emissions, pairs.transitions, 0, 3000)
    assert np.abs(np.bincount(drawn, minlength=20) / 3000 - emissions[0]).max() < 0.02


def test_blur_lets_a_profile_emit_what_it_does_not_hold():
    pairs = toy_pairs((3000,))
    drawing = sampler(pairs, blur=0.5)
    shares = []
    for _ in range(30):
        drawn, positions, _ = drawing._emit(pairs.emissions, pairs.transitions, 0, 3000)
        shares.append((drawn != pairs.emissions[positions].argmax(axis=1)).mean())
    assert min(shares) < 0.1
    assert 0.35 < max(shares) < 0.5  # at most half is background, which now and then hits the right residue


def test_short_items_lie_somewhere_in_the_window_with_nothing_around():
    pairs = toy_pairs((20,))
    drawing = sampler(pairs, window=64)
    places = set()
    for _ in range(100):
        pair = drawing.draw()
        there = np.flatnonzero(pair.profile.sum(axis=1))
        assert there.tolist() == list(range(there[0], there[0] + 20))
        places.add(int(there[0]))
        assert pair.protein.sum() == 25
    assert len(places) > 10


def test_weak_hits_and_small_families_are_drawn_more():
    lengths = (60,) * 9
    pairs = toy_pairs(lengths)
    pairs.hit_profile[:] = [0, 0, 0, 0, 0, 0, 0, 0, 1]
    pairs.hit_evalue[0] = 1e-4
    chances = np.diff(np.concatenate([[0.0], sampler(pairs)._hit_cdf]))
    assert chances[0] / chances[1] == pytest.approx(3)
    assert chances[8] / chances[1] == pytest.approx(np.sqrt(8))
    assert chances.sum() == pytest.approx(1)


def test_batches_number_the_anchors_of_all_windows():
    batch = draw_batch(sampler(toy_pairs((100, 80)), window=64, emitted=0.5), pairs=6, anchors_per_pair=5)
    assert batch.profile.shape == batch.protein.shape == (6, 64, 20)
    assert len(batch.profile_rows) == len(batch.protein_rows) <= 30
    assert np.array_equal(batch.profile_rows // 64, batch.protein_rows // 64)
    assert set(batch.profile_rows // 64) == set(range(6))
    profile, protein = batch.profile.reshape(-1, 20), batch.protein.reshape(-1, 20)
    assert np.array_equal(profile[batch.profile_rows], protein[batch.protein_rows])


@pytest.mark.parametrize("emitted", [0.0, 1.0])
def test_both_windows_lie_on_one_grid(emitted):
    """With a vector every 4 positions, anchors join vectors centred on a residue and on the position it aligns with."""
    drawing = sampler(toy_pairs((100, 80, 300), insert=0.02), window=64, step=4, emitted=emitted)
    batch = draw_batch(drawing, pairs=40, anchors_per_pair=20)
    assert len(batch.profile_rows) > 150
    assert set(batch.profile_rows // 16) == set(range(40))
    profile, protein = batch.profile[:, ::4].reshape(-1, 20), batch.protein[:, ::4].reshape(-1, 20)
    assert np.array_equal(profile[batch.profile_rows], protein[batch.protein_rows])
    assert np.all(profile[batch.profile_rows].sum(axis=1) == 1)


def test_the_same_seed_draws_the_same():
    first, second, other = (
        draw_batch(sampler(toy_pairs((90,)), emitted=0.5, seed=seed), pairs=4, anchors_per_pair=3) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.protein, second.protein)
    assert np.array_equal(first.profile_rows, second.profile_rows)
    assert not np.array_equal(first.protein, other.protein)


# ------------------------------------------------------------------------------------------------ loss


def slow_loss(profile, protein, profile_rows, protein_rows, scale):
    """The definition, in torch's own operations."""

    def one_way(here, there, rows, right):
        logits = scale * here[rows] @ there.T
        for anchor, row in enumerate(right.tolist()):
            logits[anchor, [(row - 1) % len(there), (row + 1) % len(there)]] = -torch.inf
        return torch.nn.functional.cross_entropy(logits, right)

    return (
        one_way(profile, protein, profile_rows, protein_rows) + one_way(protein, profile, protein_rows, profile_rows)
    ) / 2


def test_the_loss_and_its_gradient_are_those_of_the_definition():
    """More anchors than go through at a time, some of them at the ends of the vectors, some twice."""
    torch.manual_seed(0)
    profile, protein = (
        torch.nn.functional.normalize(torch.randn(70, 6, dtype=torch.float64), dim=1).requires_grad_() for _ in range(2)
    )
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    rows = torch.cat([torch.arange(70), torch.randint(0, 70, (200,))])
    found = contrastive_loss(profile, protein, rows, rows.flip(0), scale)
    expected = slow_loss(profile, protein, rows, rows.flip(0), scale)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = (torch.autograd.grad(loss, (profile, protein, scale)) for loss in (found, expected))
    for fast, slow in zip(*gradients, strict=True):
        assert torch.allclose(fast.double(), slow, atol=1e-6)


# ------------------------------------------------------------------------------------------------ held out


@pytest.fixture(scope="module")
def families():
    """Eight families of random ancestors: of three profiles each, whose members differ in 30 % of the residues."""
    ancestors = [random_protein(100 + number, 90) for number in range(8)]
    return [
        profile_of(f"fam{number}_{copy}", mutated(ancestor, 10 * number + copy))
        for number, ancestor in enumerate(ancestors)
        for copy in range(3)
    ]


@pytest.mark.parametrize("wanted", [1, 3, 7])
def test_linked_families_stay_together(families, wanted):
    held = choose_held_out(families, HoldOut(profiles=wanted), threads=1)
    by_family = {name.split("_")[0] for name in held}
    assert held == {hmm.name for hmm in families if hmm.name.split("_")[0] in by_family}
    assert wanted <= len(held) < wanted + 3


def test_the_seed_decides_and_large_families_stay(families):
    drawn = [choose_held_out(families, HoldOut(profiles=6, seed=seed), threads=1) for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({frozenset(names) for names in drawn}) > 1
    assert choose_held_out(families, HoldOut(profiles=6, largest=2), threads=1) == set()
    assert choose_held_out(families, HoldOut(profiles=0), threads=1) == set()


def test_found_proteins_are_named_by_number(families):
    proteins = [random_protein(1, 100), "MK" + families[4].consensus.upper(), families[0].consensus.upper()]
    found = found_by([families[3], families[0]], block(proteins), evalue=1e-3, threads=1)
    assert found == [{1}, {2}]
    consensus = consensus_block(families[:2])
    assert [sequence.name for sequence in consensus] == ["0", "1"]


def test_hits_of_one_protein_twice():
    domain = random_protein(1, 60)
    protein = domain + random_protein(5, 40) + domain
    hits = find_hits([profile_of("f", domain)], block([protein]), threads=1)
    assert [int(hit.residue[0] - hit.profile_position[0]) for hit in hits] == [0, 100]
    assert len(find_hits([profile_of("f", domain)], block([protein]), threads=1, most=1)) == 1


def test_residues_beyond_the_alphabet_reach_the_table():
    pairs = assemble([profile_of("f", random_protein(1, 50))], ["MXBZU"], [Hit(0, 0, 1e-9, np.arange(5), np.arange(5))])
    assert pairs.tokens.tolist() == tokens("MXBZU").tolist()
    assert distributions()[PAD_TOKEN].sum() == 0
    assert np.allclose(distributions()[pairs.tokens].sum(axis=1), 1)


def test_real_profiles_have_seven_transitions_in_the_order_that_emission_reads():
    with HMMFile(HMMS / "PF02826.hmm") as stream:
        hmm = stream.read()
    pairs = assemble([hmm], ["MKV"], [Hit(0, 0, 1e-9, np.arange(3), np.arange(3))])
    inner = pairs.transitions[:-1]
    assert np.allclose(inner[:, :3].sum(axis=1), 1, atol=1e-4)  # MM + MI + MD
    assert np.allclose(inner[:, 3:5].sum(axis=1), 1, atol=1e-4)  # IM + II
    assert np.allclose(inner[:, 5:].sum(axis=1), 1, atol=1e-4)  # DM + DD
    assert np.median(inner[:, 0]) > 0.9
