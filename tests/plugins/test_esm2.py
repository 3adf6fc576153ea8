"""ESM-2: the numbers of fair-esm's own network, windows, mixed batches, and damaged checkpoints."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("esm")

from tests.plugins.plm_cases import DIM, LAYERS, esm2_network, save_esm2  # noqa: E402

from photophore.errors import ModelError, PluginError, UsageError  # noqa: E402
from photophore.hookspecs import Runtime  # noqa: E402
from photophore.models import add_model  # noqa: E402
from photophore.testing.samples import proteins, random_proteins  # noqa: E402
from photophore.types import ProfileBatch  # noqa: E402
from photophore_plm.config import Esm2Config  # noqa: E402
from photophore_plm.esm2 import create_esm2  # noqa: E402
from photophore_plm.windows import windows  # noqa: E402


@pytest.fixture(scope="module")
def network():
    return esm2_network()


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    return save_esm2(network, tmp_path_factory.mktemp("esm2") / "esm2_small.pt")


def open_esm2(path, **options):
    return create_esm2(Esm2Config(weights=str(path), **options), Runtime())


def reference(network, sequence, layer):
    """fair-esm's own converter and network on one protein; rows of residues alone."""
    _, _, tokens = network.alphabet.get_batch_converter()([("p", sequence)])
    with torch.inference_mode():
        return network(tokens, repr_layers=[layer])["representations"][layer][0, 1:-1].numpy()


def rewritten(path, folder, change=None, **entries):
    """Return a copy of a checkpoint whose tensors went through ``change`` (None drops one), with other entries."""
    from photophore_plm.checkpoints import read_checkpoint

    stored = read_checkpoint(path)
    stored["cfg"].pop("criterion")
    if change:
        changed = {name: change(name, value) for name, value in stored["model"].items()}
        stored["model"] = {name: value for name, value in changed.items() if value is not None}
    torch.save({**stored, **entries}, folder / "changed.pt")
    return folder / "changed.pt"


@pytest.mark.parametrize("layer", [1, 2, 3, None])
def test_equals_fair_esm(network, checkpoint, layer):
    batch = random_proteins(40, 1, 133)
    found = open_esm2(checkpoint, layer=layer).encode(batch)
    for item, sequence in enumerate(batch.sequences):
        rows = found.values[found.offsets[item] : found.offsets[item + 1]]
        assert np.abs(rows - reference(network, sequence, layer or LAYERS - 1)).max() < 1e-5
    assert found.values.shape == (174, DIM)


def test_every_letter_has_the_token_of_fair_esm(network, checkpoint):
    letters = "ACDEFGHIKLMNPQRSTVWYBZXUO"
    found = open_esm2(checkpoint).encode(proteins(letters)).values
    assert np.abs(found - reference(network, letters, 2)).max() < 1e-5


def test_a_letter_that_esm2_does_not_know_is_x(checkpoint):
    encoder = open_esm2(checkpoint)
    assert np.array_equal(encoder.encode(proteins("MKJV")).values, encoder.encode(proteins("MKXV")).values)


@pytest.mark.parametrize("residues_per_call", [0, 700])
def test_a_mixed_batch_is_the_proteins_one_by_one(checkpoint, residues_per_call):
    batch = random_proteins(70, 1, 333, 2, 31, 128)
    encoder = open_esm2(checkpoint, residues_per_call=residues_per_call, max_residues=100, overlap=20)
    together = encoder.encode(batch)
    for item in range(len(batch)):
        alone = encoder.encode(batch.select([item])).values
        difference = np.abs(together.values[together.offsets[item] : together.offsets[item + 1]] - alone).max()
        assert difference == 0 if residues_per_call == 0 else difference < 1e-5


def test_long_proteins_go_in_windows(network, checkpoint):
    sequence = random_proteins(2500, seed=3).sequences[0]
    found = open_esm2(checkpoint).encode(proteins(sequence)).values
    parts = windows(2500, 1022, 256)
    assert [(part.start, part.stop) for part in parts] == [(0, 1022), (739, 1761), (1478, 2500)]
    for part in parts:
        rows = reference(network, sequence[part.start : part.stop], 2)
        kept = slice(part.keep_start - part.start, part.keep_stop - part.start)
        assert np.abs(found[part.keep_start : part.keep_stop] - rows[kept]).max() < 1e-5


def test_a_protein_that_fits_is_not_cut(network, checkpoint):
    sequence = random_proteins(1022, seed=4).sequences[0]
    found = open_esm2(checkpoint).encode(proteins(sequence)).values
    assert np.abs(found - reference(network, sequence, 2)).max() < 1e-5


@pytest.mark.parametrize(("longest", "overlap"), [(2, 0), (2, 1), (7, 0), (7, 3), (10, 9), (11, 4)])
def test_each_residue_takes_the_window_that_it_is_deepest_in(longest, overlap):
    for residues in range(1, 60):
        parts = windows(residues, longest, overlap)
        assert parts[0].keep_start == 0
        assert parts[-1].keep_stop == residues
        owner = [part for part in parts for _ in range(part.keep_start, part.keep_stop)]
        assert len(owner) == residues, "each residue is kept once"
        for residue, part in enumerate(owner):
            depths = [
                min(residue - other.start, other.stop - 1 - residue)
                for other in parts
                if other.start <= residue < other.stop
            ]
            assert min(residue - part.start, part.stop - 1 - residue) == max(depths)
        for left, right in pairwise(parts):
            assert left.stop - right.start >= overlap


def test_layers_differ_and_so_do_their_digests(checkpoint):
    two, three = (open_esm2(checkpoint, layer=layer) for layer in (2, 3))
    assert two.digest != three.digest
    assert two.digest == open_esm2(checkpoint).digest


def test_half_precision_weights_and_missing_frequencies_are_read(network, checkpoint, tmp_path):
    tensors = {name: value.half() for name, value in network.state_dict().items() if not name.endswith("inv_freq")}
    half = esm2_network()
    half.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    sequence = random_proteins(50).sequences[0]
    path = rewritten(
        checkpoint,
        tmp_path,
        lambda name, value: None if name.endswith("inv_freq") else value.half(),
    )
    assert np.abs(open_esm2(path).encode(proteins(sequence)).values - reference(half, sequence, 2)).max() < 1e-5


def test_a_name_that_models_add_gave_is_found(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("PHOTOPHORE_MODELS", str(tmp_path / "models"))
    add_model(str(checkpoint), name="tiny-esm2")
    assert open_esm2("tiny-esm2").digest == open_esm2(checkpoint).digest


def test_profiles_are_refused(checkpoint):
    none = ProfileBatch((), np.zeros((0, 20), np.float32), np.zeros(1, np.int64))
    with pytest.raises(PluginError, match="encoder esm2 reads proteins, and was given 0 profiles"):
        open_esm2(checkpoint).encode_profiles(none)


def test_without_weights():
    with pytest.raises(
        UsageError, match="encoder esm2 brings no weights; name a checkpoint of fair-esm, such as --set"
    ):
        open_esm2("")


def test_a_layer_that_is_not_there(checkpoint):
    with pytest.raises(UsageError, match=r"layer=4: .*esm2_small.pt has 3 layers; give 1 to 3"):
        open_esm2(checkpoint, layer=4)


def test_a_file_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "page.pt"
    path.write_text("<html>not found</html>")
    with pytest.raises(
        ModelError, match=r"page.pt: not a checkpoint that can be read safely \(.+\); check the download"
    ):
        open_esm2(path)


def test_a_cut_checkpoint(checkpoint, tmp_path):
    path = tmp_path / "cut.pt"
    path.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cut.pt: not a checkpoint that can be read safely"):
        open_esm2(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    path = tmp_path / "harmful.pt"
    torch.save({"model": {}, "cfg": Harmful()}, path)
    with pytest.raises(ModelError, match="harmful.pt: its settings do not say encoder_layers"):
        open_esm2(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ([1], "holds list, not a dictionary"),
        ({"state_dict": {}}, r"has no 'model' \(it holds state_dict\); fair-esm's own checkpoints of ESM-2"),
        ({"model": {}, "args": None}, "its settings do not say encoder_layers, encoder_embed_dim"),
    ],
)
def test_another_kind_of_file(tmp_path, stored, text):
    torch.save(stored, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=f"other.pt: {text}"):
        open_esm2(tmp_path / "other.pt")


def test_odd_sizes(network, tmp_path):
    path = save_esm2(network, tmp_path / "odd.pt", encoder_attention_heads=5)
    with pytest.raises(ModelError, match="odd.pt: says 3 layers of width 32 with 5 heads; fair-esm's own"):
        open_esm2(path)


def test_a_missing_tensor(checkpoint, tmp_path):
    path = rewritten(checkpoint, tmp_path, lambda name, value: None if name.endswith("layers.1.fc1.weight") else value)
    with pytest.raises(ModelError, match=r"changed.pt: has no tensor 'layers.1.fc1.weight' \(1 of 35 are missing\)"):
        open_esm2(path)


def test_a_tensor_too_many(checkpoint, tmp_path):
    tensors = {"encoder.sentence_encoder.embed_positions.weight": torch.zeros(3)}
    path = rewritten(checkpoint, tmp_path)
    from photophore_plm.checkpoints import read_checkpoint

    stored = read_checkpoint(path)
    stored["model"].update(tensors)
    torch.save(stored, path)
    with pytest.raises(ModelError, match="changed.pt: holds 'embed_positions.weight', which ESM-2 does not have"):
        open_esm2(path)


def test_a_tensor_of_another_shape(checkpoint, tmp_path):
    path = rewritten(checkpoint, tmp_path, lambda name, value: value[:5] if name.endswith("0.fc1.bias") else value)
    with pytest.raises(ModelError, match=r"layers.0.fc1.bias has shape \(5,\), and its settings ask for \(128,\)"):
        open_esm2(path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"layer": 0}, "layer is 0; give a number from 1 on, or leave it out for the last but one"),
        ({"precision": "int8"}, "precision is 'int8'; choose one of fp16, fp32"),
        ({"max_residues": 1}, "max_residues is 1; give a whole number of at least 2"),
        ({"overlap": 1022}, r"overlap is 1022; give 0 to 1021 \(max_residues - 1\)"),
        ({"residues_per_call": -1}, "residues_per_call is -1; give a whole number, or 0 for the default"),
    ],
)
def test_options(options, text):
    with pytest.raises(ValueError, match=text):
        Esm2Config(**options)
