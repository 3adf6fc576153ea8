"""GLASS-PRIMES' published head on ProtT5: the numbers of its definition, and checkpoints that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")

from tests.plugins.siamese_cases import (  # noqa: E402
    DIM,
    WIDTH,
    cosine,
    head_tensors,
    save_head,
    save_t5,
    slow_head,
    t5_network,
)

from photophore.errors import ModelError, PluginError, UsageError  # noqa: E402
from photophore.hookspecs import Runtime  # noqa: E402
from photophore.testing.samples import random_proteins  # noqa: E402
from photophore.types import ProfileBatch  # noqa: E402
from photophore_plm.config import Prott5Config  # noqa: E402
from photophore_plm.prott5 import create_prott5  # noqa: E402
from photophore_plm.windows import windows  # noqa: E402
from photophore_siamese.comparing import compare, residues_of  # noqa: E402
from photophore_siamese.config import SiameseConfig  # noqa: E402
from photophore_siamese.encoder import create_comparer, create_siamese, stretches  # noqa: E402
from photophore_siamese.upstream import NEUTRAL_LDDT, Head, load_head  # noqa: E402


@pytest.fixture(scope="module")
def prott5(tmp_path_factory):
    return save_t5(t5_network(), tmp_path_factory.mktemp("prott5"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_head(head_tensors(), tmp_path_factory.mktemp("head") / "glass.pth")


@pytest.fixture(scope="module")
def encoder(checkpoint, prott5):
    return open_siamese(checkpoint, prott5)


def open_siamese(path, prott5, **options):
    return create_siamese(SiameseConfig(weights=str(path), prott5=str(prott5), **options), Runtime())


def rows_of(prott5, batch):
    """ProtT5's residue rows of each protein."""
    found = create_prott5(Prott5Config(weights=str(prott5)), Runtime()).encode(batch)
    return [found.values[found.offsets[item] : found.offsets[item + 1]] for item in range(len(batch))]


@pytest.mark.parametrize("residues", [1, 2, 57])
def test_the_head_equals_its_definition(checkpoint, residues):
    rows = np.random.default_rng(residues).normal(size=(residues, WIDTH)).astype(np.float32) * 3
    tensors, heads, _ = load_head(checkpoint)
    head = Head(tensors, heads, torch.device("cpu"))
    found = head(torch.from_numpy(rows))
    expected, pooled = slow_head(head_tensors(), rows)
    assert np.abs(found.numpy() - expected).max() < 1e-4
    assert np.abs((torch.softmax(head.weights(found), 0) @ found).numpy() - pooled).max() < 1e-4


def test_the_head_equals_torch_s_own_attention(checkpoint):
    """One layer of it, with the module whose tensors the checkpoint holds."""
    tensors, heads, _ = load_head(checkpoint)
    attention = torch.nn.MultiheadAttention(32, heads, batch_first=True).eval()
    prefix = "transformer_layers.1.self_attn."
    attention.load_state_dict(
        {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    )
    x = torch.randn(1, 40, 32)
    with torch.inference_mode():
        found = Head(tensors, heads, torch.device("cpu"))._attention(x[0], prefix[:-1])
        assert (found - attention(x, x, x, need_weights=False)[0][0]).abs().max() < 1e-5


def test_scores_equal_the_definition(encoder, prott5):
    """TM-score and lDDT of each pair of a mixed batch, to 1e-4 of FORMATS.md in double precision."""
    batch = random_proteins(33, 1, 60, 2, 121)
    slow = [slow_head(head_tensors(), rows) for rows in rows_of(prott5, batch)]
    seen = residues_of(encoder.model, batch.sequences)
    for one in range(len(batch)):
        assert np.abs(seen[one] - slow[one][0]).max() < 1e-4
        for other in range(len(batch)):
            match = compare(encoder.model, seen[one], seen[other])
            assert match.tm_score == pytest.approx(cosine(slow[one][1], slow[other][1]), abs=1e-4)
            assert match.tm_score_other == pytest.approx(match.tm_score, abs=1e-6)
            expected = [cosine(slow[one][0][i], slow[other][0][j]) for i, j in match.pairs.tolist()]
            assert match.lddt == pytest.approx(expected, abs=1e-4)


def test_the_alignment_sums_lddt_above_the_neutral(encoder):
    batch = random_proteins(40, 40)
    one, other = residues_of(encoder.model, batch.sequences)
    match = compare(encoder.model, one, other)
    similarity = encoder.model.similarity(one, other)
    assert similarity[match.pairs[:, 0], match.pairs[:, 1]] == pytest.approx(match.lddt - NEUTRAL_LDDT, abs=1e-5)
    assert len(match.pairs) > 0


def test_a_protein_is_itself(encoder):
    batch = random_proteins(50, 300, seed=4)
    for each in residues_of(encoder.model, batch.sequences):
        match = compare(encoder.model, each, each)
        assert match.pairs.tolist() == [[i, i] for i in range(len(each))]
        assert match.tm_score == pytest.approx(1.0, abs=1e-6)
        assert match.lddt == pytest.approx(np.ones(len(each)), abs=1e-6)


def test_vectors_of_a_batch_are_the_definition_one_by_one(encoder, prott5):
    batch = random_proteins(33, 1, 60, 2, 121)
    found = encoder.encode(batch)
    assert found.values.shape == (5, DIM)
    for item, rows in enumerate(rows_of(prott5, batch)):
        pooled = slow_head(head_tensors(), rows)[1]
        assert np.abs(found.values[item] - pooled / np.linalg.norm(pooled)).max() < 1e-4
        assert np.array_equal(encoder.encode(batch.select([item])).values[0], found.values[item])


def test_long_proteins_go_through_the_head_in_windows_of_what_it_was_trained_on(prott5, tmp_path):
    path = save_head(head_tensors(), tmp_path / "short.pth", max_seq_len=60)
    batch = random_proteins(140, seed=2)
    (rows,) = rows_of(prott5, batch)
    expected = np.empty((140, DIM))
    for part in windows(140, 60, 20):
        kept = slice(part.keep_start - part.start, part.keep_stop - part.start)
        expected[part.keep_start : part.keep_stop] = slow_head(head_tensors(), rows[part.start : part.stop])[0][kept]
    found = open_siamese(path, prott5).residues(batch.sequences)[batch.sequences[0]]
    assert np.abs(found - expected).max() < 1e-4


def test_windows_of_a_long_protein_have_vectors_of_their_own(encoder):
    batch = random_proteins(400, 100)
    found = encoder.encode(batch)
    short = [(start, start + 128) for start in (0, 54, 108, 163, 217, 272)]
    wide = [(start, start + 256) for start in (0, 72, 144)]
    assert [tuple(span) for span in found.spans.tolist()] == [(0, 400), *short, *wide, (0, 100)]
    assert found.offsets.tolist() == [0, 10, 11]
    residues = encoder.residues(batch.sequences)[batch.sequences[0]]
    assert np.array_equal(found.values[2], encoder.model.pool(residues, [(54, 182)])[0])


def test_without_windows(checkpoint, prott5):
    found = open_siamese(checkpoint, prott5, window=0).encode(random_proteins(400))
    assert found.spans.tolist() == [[0, 400]]


def test_windows_of_all_lengths():
    for residues in (1, 2, 159, 160, 161, 700, 35_000):
        found = stretches(residues, 128)
        assert found[0] == (0, residues)
        assert all(0 <= start < stop <= residues for start, stop in found)
        for length in (128, 256, 512):
            parts = [span for span in found[1:] if span[1] - span[0] == length]
            assert bool(parts) == (residues >= 1.25 * length)
            if parts:
                assert (parts[0][0], parts[-1][1]) == (0, residues)
                assert max(np.diff([start for start, _ in parts]), default=0) <= length // 2


def test_the_comparer_compares_the_pairs_it_is_asked_for(checkpoint, prott5, encoder):
    one, other = random_proteins(30, 50, seed=1), random_proteins(41, seed=2)
    comparer = create_comparer(SiameseConfig(weights=str(checkpoint), prott5=str(prott5)), Runtime())
    found = list(comparer.compare(one, other, [(1, 0), (0, 0)]))
    assert [(each.one, each.other) for each in found] == [(one.ids[1], other.ids[0]), (one.ids[0], other.ids[0])]
    match = compare(encoder.model, *residues_of(encoder.model, [one.sequences[1], other.sequences[0]]))
    assert np.array_equal(found[0].pairs, match.pairs)
    assert found[0].tm_score == match.tm_score
    assert comparer.digest == encoder.digest


def test_the_digest_is_that_of_both(checkpoint, prott5, tmp_path):
    one = open_siamese(checkpoint, prott5)
    other_head = open_siamese(save_head(head_tensors(seed=5), tmp_path / "other.pth"), prott5)
    other_prott5 = open_siamese(checkpoint, save_t5(t5_network(seed=5), tmp_path / "other"))
    assert len({one.digest, other_head.digest, other_prott5.digest}) == 3


def test_profiles_are_refused(encoder):
    none = ProfileBatch((), np.zeros((0, 20), np.float32), np.zeros(1, np.int64))
    with pytest.raises(PluginError, match=r"encoder siamese: encodes proteins, not profiles \(none given\)"):
        encoder.encode_profiles(none)


def test_without_prott5(checkpoint):
    with pytest.raises(UsageError, match="glass.pth: a GLASS-PRIMES checkpoint reads vectors of ProtT5; name its folder"):
        open_siamese(checkpoint, "")


def test_another_prott5(checkpoint, tmp_path):
    other = save_t5(t5_network(width=16), tmp_path / "narrow")
    with pytest.raises(ModelError, match=r"glass.pth: takes vectors of length 24, and .*narrow gives 16; name the ProtT5"):
        open_siamese(checkpoint, other)


def changed(**tensors):
    kept = {**head_tensors(), **tensors}
    return {name: value for name, value in kept.items() if value is not None}


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({"input_projection.weight": None}, r"bad.pth: has no tensor 'input_projection.weight' \(it holds .*GLASS"),
        ({"transformer_layers.1.norm2.bias": None}, "bad.pth: has no tensor 'transformer_layers.1.norm2.bias'"),
        (
            {"global_attention.2.weight": np.zeros((2, 16), np.float32)},
            r"global_attention.2.weight has shape \(2, 16\), not \(1, 16\) as the others ask for; GLASS-PRIMES'",
        ),
    ],
)
def test_a_head_that_is_not_the_published_one(tmp_path, tensors, text):
    with pytest.raises(ModelError, match=text):
        load_head(save_head(changed(**tensors), tmp_path / "bad.pth"))


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"nhead": 5}, "bad.pth: its config says nhead 5, which does not divide the width 32"),
        ({"nhead": None}, "bad.pth: its config says nhead None, not a whole number above 0"),
        ({"max_seq_len": 0}, "bad.pth: its config says max_seq_len 0, not a whole number above 0"),
    ],
)
def test_a_config_that_makes_no_sense(tmp_path, config, text):
    with pytest.raises(ModelError, match=text):
        load_head(save_head(head_tensors(), tmp_path / "bad.pth", **config))


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ({"state_dict": {}}, r"bad.pth: has no 'model_state_dict' \(it holds state_dict\); GLASS-PRIMES' checkpoints"),
        ({"model_state_dict": {}}, r"bad.pth: has no 'config' \(it holds model_state_dict\); GLASS-PRIMES'"),
    ],
)
def test_another_kind_of_checkpoint(tmp_path, stored, text):
    torch.save(stored, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=text):
        load_head(tmp_path / "bad.pth")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": "fp16"}, "precision is 'fp16'; choose one of int8, fp32"),
        ({"window": 1}, "window is 1; give a number of residues from 2 on, or 0 for none"),
    ],
)
def test_options(options, text):
    with pytest.raises(ValueError, match=text):
        SiameseConfig(**options)
