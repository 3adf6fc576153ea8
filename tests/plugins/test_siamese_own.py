"""Our own structural network: fp32 export equals torch, int8 points the same way, a row depends on its protein alone."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from safetensors.numpy import save_file
from tests.plugins.siamese_network import SHAPE, random_heads, save, small_network

from photophore.errors import ModelError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import Runtime
from photophore_near.packing import MULTIPLE
from photophore_near.residues import AMINO_ACIDS, PAD_TOKEN, distributions, tokens
from photophore_siamese import own
from photophore_siamese.aligning import UNITS, LocalAlignment, best_score
from photophore_siamese.along import tm_features
from photophore_siamese.codes import KINDS
from photophore_siamese.comparing import compare, residues_of
from photophore_siamese.config import SiameseConfig
from photophore_siamese.model import SiameseNetwork, load_network, save_network
from photophore_siamese.shape import FORMAT, SiameseShape


@pytest.fixture(scope="module")
def proteins(metagenome_faa):
    """Thirty real proteins."""
    records = [record for record in read_fasta([metagenome_faa]) if isinstance(record, Record)]
    return [record.sequence for record in records[:30]]


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def path(network, proteins, tmp_path_factory):
    return save(network, tmp_path_factory.mktemp("weights"), proteins[:16])


@pytest.fixture(scope="module")
def model(path):
    return open_own(path)


def open_own(path, precision="fp32"):
    return own.create_own(path, SiameseConfig(weights=str(path), precision=precision), Runtime())


def rows_of(model, *sequences):
    found = dict(model.represent(sequences))
    return [found[place] for place in range(len(sequences))]


@torch.no_grad()
def whole(network, sequence):
    """Return rows and vector that torch gives a protein in one piece."""
    residues = tokens(sequence)
    padded = np.full((1, -(-len(residues) // MULTIPLE) * MULTIPLE), PAD_TOKEN, dtype=np.int64)
    padded[0, : len(residues)] = residues
    counted = torch.from_numpy((np.arange(padded.shape[1]) < len(residues)).astype(np.float32))[None]
    rows, vector = network(torch.from_numpy(distributions()[padded]), counted)
    return rows.numpy()[0, : len(residues)], vector.numpy()[0]


def test_fp32_equals_torch(model, network, proteins):
    for protein, rows in zip(proteins, rows_of(model, *proteins), strict=True):
        expected, vector = whole(network, protein)
        assert rows.shape == (len(protein), SHAPE.width + 2)
        assert rows[:, -1].tolist() == tokens(protein).tolist()
        assert rows.dtype == np.float32
        assert np.abs(rows[:, : SHAPE.width] - expected).max() < 1e-5
        assert np.abs(model.pool(rows, [(0, len(protein))])[0] - vector).max() < 1e-5


def test_int8_points_the_same_way(path, model, proteins):
    coarse = rows_of(open_own(path, "int8"), *proteins)
    cosines = [
        (one[:, : SHAPE.match] * other[:, : SHAPE.match]).sum(axis=1)
        for one, other in zip(rows_of(model, *proteins), coarse, strict=True)
    ]
    assert np.quantile(np.concatenate(cosines), 0.05) > 0.95


def test_rows_do_not_depend_on_the_batch(model, proteins):
    for protein, rows in zip(proteins[:8], rows_of(model, *proteins)[:8], strict=True):
        np.testing.assert_array_equal(rows, rows_of(model, protein)[0])


def test_a_long_protein_has_the_rows_that_it_has_whole(model, network, proteins, monkeypatch):
    monkeypatch.setattr(own, "ROW_LENGTH", 16)  # the least that borders allow is taken
    long = "".join(proteins)[:3001]
    rows = rows_of(model, long)[0]
    assert np.abs(rows[:, : SHAPE.width] - whole(network, long)[0]).max() < 1e-5


def test_pooling_a_stretch_sums_over_its_residues(model, network, proteins, monkeypatch):
    rows = rows_of(model, proteins[0])[0]
    vectors = model.pool(rows, [(0, len(rows)), (5, 30)])
    with torch.no_grad():
        held = torch.from_numpy(rows[None, 5:30, : SHAPE.width])
        expected = network.vectors(*network.pooled(held, torch.ones(1, 25)))[0].numpy()
    assert np.abs(vectors[1] - expected).max() < 1e-5
    monkeypatch.setattr(own, "_POOLED_AT_ONCE", 7)
    assert np.abs(model.pool(rows, [(0, len(rows)), (5, 30)]) - vectors).max() < 1e-5


@pytest.mark.parametrize("sequence", ["M", "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "MKBZJUOX"])
def test_odd_proteins_are_represented(model, proteins, sequence):
    odd, usual = residues_of(model, [sequence, proteins[0]])
    assert len(odd) == len(sequence)
    assert np.isfinite(odd).all()
    assert np.linalg.norm(model.pool(odd, [(0, len(odd))])[0]) == pytest.approx(1, abs=1e-5)
    match = compare(model, odd, usual)
    assert 0 <= match.tm_score <= 1


def test_similarity_is_what_rows_and_amino_acids_say(model, network, proteins):
    one, other = rows_of(model, proteins[0][:20], proteins[1][:30])
    tensors = random_heads(small_network())
    scale, share, shift = 8.0, 0.6, 0.2
    exchange = network.exchange.detach().numpy()

    def common(row):
        return 0.5 * np.log(np.mean(np.exp(scale * tensors["common.rows"] @ row[: SHAPE.match])))

    of_rows = scale * one[3, : SHAPE.match] @ other[7, : SHAPE.match] - common(one[3]) - common(other[7])
    letters = (AMINO_ACIDS.index(proteins[0][3]), AMINO_ACIDS.index(proteins[1][7]))
    assert model.similarity(one, other).shape == (20, 30)
    assert model.similarity(one, other)[3, 7] == pytest.approx(share * of_rows + exchange[letters] - shift, abs=1e-4)


def test_what_an_alignment_tells(model, proteins):
    one, other = residues_of(model, [proteins[0][:40], proteins[1][:50]])
    pairs = np.array([[2, 3], [3, 4], [6, 5], [7, 9], [20, 30]], dtype=np.int32)
    told = model._heads.along([(one, other, LocalAlignment(pairs, 0.0, 17.5))])
    similarity, gaps = model.similarity(one, other), model.gaps
    left_out = [2, 3, 12, 20]  # residues in gaps: 2 of the first, 3 of the second, then both
    cost = sum(gaps.open + (residues - 1) * gaps.extend for residues in left_out)
    assert told.score[0] == pytest.approx(similarity[pairs[:, 0], pairs[:, 1]].sum() - cost, abs=1e-3)
    assert told.chance[0] == pytest.approx(17.5 / 40, abs=1e-6)
    assert told.own[0, 0] == pytest.approx(np.trace(model.similarity(one, one)), abs=1e-2)
    assert told.same[0] == np.mean([proteins[0][i] == proteins[1][j] for i, j in pairs.tolist()])
    assert told.unbroken.tolist() == [1, 1, 0, 0, 0]
    letters = random_heads(small_network())
    weight, bias = letters["letters.1.weight"], letters["letters.1.bias"]
    chances = []
    for rows in (one[pairs[:, 0]], other[pairs[:, 1]]):
        spelled = np.exp(rows[:, : SHAPE.width] @ weight.T + bias)
        chances.append(spelled / spelled.sum(axis=1, keepdims=True))
    assert told.spelled[0, 1] == pytest.approx((chances[0] * chances[1]).sum(axis=1).mean(), abs=1e-5)


def test_residues_are_spelled_as_the_nearest_kind_of_their_amino_acid(model, proteins):
    (rows,) = rows_of(model, f"{proteins[0][:30]}XB")
    match = random_heads(small_network())["codes.match"].reshape(20, KINDS, -1)
    text = model.spell(rows)
    for row, letter, residue in zip(rows[:30], text[:30].tolist(), proteins[0][:30], strict=True):
        assert AMINO_ACIDS[letter // KINDS] == residue
        assert letter % KINDS == (match[AMINO_ACIDS.index(residue)] @ row[: SHAPE.match]).argmax()
    assert text[-2:].tolist() == [20 * KINDS] * 2


def test_texts_are_scored_by_what_their_kinds_say(model, proteins):
    one, other = rows_of(model, proteins[0][:40], proteins[1][:50])
    tensors = random_heads(small_network())
    text = model.spell(other)
    spelled = np.zeros_like(other)
    spelled[:, : SHAPE.match] = tensors["codes.match"][text]
    spelled[:, -2], spelled[:, -1] = tensors["codes.common"][text], other[:, -1]
    expected = UNITS * best_score(model.similarity(one, spelled), model.gaps)
    assert model.text_scores(one, [text, text[:1]]).tolist()[0] == pytest.approx(expected, abs=2)
    assert model.text_scores(one[:0], [text]).tolist() == [0]


def test_lddt_reads_the_rows_as_the_network_does(model, network, proteins):
    one, other = residues_of(model, [proteins[0][:20], proteins[1][:30]])
    pairs = np.array([[0, 2], [1, 3], [5, 9]], dtype=np.int32)
    with torch.no_grad():
        rows = [torch.from_numpy(r[pairs[:, c], : SHAPE.width]) for c, r in enumerate((one, other))]
        expected = torch.logit(network.pair_lddt(*rows)).numpy()
    assert np.abs(model._heads.along([(one, other, LocalAlignment(pairs, 0.0, 0.0))]).logits - expected).max() < 1e-4
    lddt = model.judge([(one, other, LocalAlignment(pairs, 0.0, 0.0))])[0].lddt
    assert lddt.shape == (3,)
    assert ((lddt > 0) & (lddt < 1)).all()


def test_tm_scores_are_normalised_by_either(model, proteins):
    one, other = residues_of(model, [proteins[0][:40], proteins[1]])
    pairs = np.stack([np.arange(30), np.arange(30)], axis=1).astype(np.int32)
    told = model._heads.along([(one, other, LocalAlignment(pairs, 0.0, 0.0))])
    features = tm_features(told, model._heads.lddt(told))
    shares = [30 / 40, 30 / len(proteins[1])]
    assert features[0, -8:-4] == pytest.approx([np.log(40), np.log(len(proteins[1])), *shares])
    assert features[1, -8:-4] == pytest.approx([np.log(len(proteins[1])), np.log(40), *shares[::-1]])
    (found,) = model.judge([(one, other, LocalAlignment(pairs, 0.0, 0.0))])
    assert 0 < found.tm_score < 1
    assert found.tm_score != found.tm_score_other
    (turned,) = model.judge([(other, one, LocalAlignment(np.ascontiguousarray(pairs[:, ::-1]), 0.0, 0.0))])
    assert (turned.tm_score, turned.tm_score_other) == pytest.approx((found.tm_score_other, found.tm_score))
    (nothing,) = model.judge([(one, other, LocalAlignment(pairs[:0], 0.0, 0.0))])
    assert (nothing.tm_score, nothing.tm_score_other, nothing.lddt.shape) == (0.0, 0.0, (0,))


def test_pairs_judged_together_are_judged_as_alone(model, proteins):
    sides = residues_of(model, [*(proteins[number][:length] for number, length in enumerate((40, 90, 25))), "ACD"])
    random = np.random.default_rng(5)
    aligned = []
    for first, one in enumerate(sides):
        for other in sides[first:]:
            size = int(random.integers(0, min(len(one), len(other)) + 1))
            chosen = [np.sort(random.choice(len(side), size, replace=False)) for side in (one, other)]
            pairs = np.stack(chosen, axis=1).astype(np.int32)
            aligned.append((one, other, LocalAlignment(pairs, 5.0, float(random.random()))))
    for given in (False, True):
        for alone, together in zip(aligned, model.judge(aligned, given=given), strict=True):
            (judged,) = model.judge([alone], given=given)
            assert judged[:2] == together[:2]
            assert judged.lddt.tolist() == together.lddt.tolist()


def test_heads_of_another_version_are_refused(model, proteins, monkeypatch):
    tensors = {**model._tensors, "tm.middle": model._tensors["tm.middle"][1:]}
    monkeypatch.setattr(model._heads, "_tensors", tensors)
    with pytest.raises(ModelError, match="tell the tm from .* features of an alignment, and this version computes"):
        model._heads.tm_scores(np.zeros((2, len(tensors["tm.middle"]) + 1), dtype=np.float32))


def test_nothing_to_represent(model):
    assert list(model.represent([])) == []
    assert residues_of(model, []) == []


def test_weights_without_heads_name_what_is_missing(network, tmp_path):
    path = tmp_path / "bare.safetensors"
    save_network(network, path, {})
    assert isinstance(load_network(path), SiameseNetwork)
    with pytest.raises(ModelError, match="has no tensor 'align.numbers'; check the download, or train it to the end"):
        open_own(path)


def test_errors_name_the_file(tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, str(other), metadata={"format": "photophore-near-2"})
    for load in (load_network, open_own):
        with pytest.raises(ModelError, match="format is 'photophore-near-2', not 'photophore-siamese-1'"):
            load(other)
    save_file({"x": np.zeros(1, np.float32)}, str(other), metadata={"format": FORMAT, "shape": "{}"})
    for load in (load_network, open_own):
        with pytest.raises(ModelError, match="its metadata has no usable shape"):
            load(other)
    other.write_bytes(b"nothing")
    for load in (load_network, open_own):
        with pytest.raises(ModelError, match="not a readable safetensors file"):
            load(other)


def test_export_that_is_missing_is_named(network, tmp_path):
    path = tmp_path / "own.safetensors"
    save_network(network, path, {}, random_heads(network))
    with pytest.raises(ModelError, match=r"own\.int8\.onnx: missing; export the weights again"):
        open_own(path, "int8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"match": 0}, "match is 0; give at least 1"),
        ({"hidden": 10, "heads": 4}, "hidden is 10; give a multiple of heads"),
        ({"dilations": (0,)}, "dilations are"),
        ({"fine_blocks": -1}, "fine_blocks is -1"),
    ],
)
def test_shapes_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        SiameseShape(**values)


def test_rows_see_as_far_as_the_shape_says(network):
    with torch.no_grad():
        values = torch.from_numpy(distributions()[tokens("A" * 128)])[None]
        changed = values.clone()
        changed[0, 64] = values[0, 64].roll(3)
        moved = (network.rows(values) - network.rows(changed)).abs().amax(dim=2)[0].numpy() > 0
    seen = np.flatnonzero(moved)
    assert 0 < 64 - seen[0] <= SHAPE.radius
    assert 0 < seen[-1] - 64 <= SHAPE.radius
    assert json.loads(json.dumps(asdict(SHAPE)))["match"] == SHAPE.match
