"""ProtT5: the numbers of transformers' own network, windows, mixed batches, and folders that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")

from sentencepiece import SentencePieceProcessor  # noqa: E402
from tests.plugins.siamese_cases import WIDTH, save_t5, t5_network  # noqa: E402

from photophore.errors import ModelError, PluginError, UsageError  # noqa: E402
from photophore.hookspecs import Runtime  # noqa: E402
from photophore.testing.samples import proteins, random_proteins  # noqa: E402
from photophore.types import ProfileBatch  # noqa: E402
from photophore_plm.config import Prott5Config  # noqa: E402
from photophore_plm.prott5 import create_prott5  # noqa: E402
from photophore_plm.windows import windows  # noqa: E402


@pytest.fixture(scope="module")
def network():
    return t5_network()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    return save_t5(network, tmp_path_factory.mktemp("prott5"))


def open_prott5(path, **options):
    return create_prott5(Prott5Config(weights=str(path), **options), Runtime())


def reference(network, folder, sequence):
    """As the authors of ProtT5 write it: spaces between the residues, rare ones to X, the tokenizer, the network."""
    spaced = " ".join("X" if letter in "UZOBJ" else letter for letter in sequence)
    tokens = SentencePieceProcessor(model_file=str(folder / "spiece.model")).encode(spaced, add_eos=True)
    with torch.inference_mode():
        return network(input_ids=torch.tensor([tokens])).last_hidden_state[0, :-1].numpy()


def test_equals_transformers(network, folder):
    batch = random_proteins(40, 1, 133)
    found = open_prott5(folder).encode(batch)
    for item, sequence in enumerate(batch.sequences):
        rows = found.values[found.offsets[item] : found.offsets[item + 1]]
        assert np.abs(rows - reference(network, folder, sequence)).max() < 1e-5
    assert found.values.shape == (174, WIDTH)
    assert np.abs(found.values).max() > 0.1


def test_rare_residues_are_x(network, folder):
    letters = "ACDEFGHIKLMNPQRSTVWYXBZUOJ"
    found = open_prott5(folder).encode(proteins(letters)).values
    assert np.abs(found - reference(network, folder, letters)).max() < 1e-5
    assert np.array_equal(
        open_prott5(folder).encode(proteins("MKBZUOJV")).values, open_prott5(folder).encode(proteins("MKXXXXXV")).values
    )


@pytest.mark.parametrize("residues_per_call", [0, 700])
def test_a_mixed_batch_is_the_proteins_one_by_one(folder, residues_per_call):
    batch = random_proteins(70, 1, 333, 2, 31, 128)
    encoder = open_prott5(folder, residues_per_call=residues_per_call, max_residues=100, overlap=20)
    together = encoder.encode(batch)
    for item in range(len(batch)):
        alone = encoder.encode(batch.select([item])).values
        difference = np.abs(together.values[together.offsets[item] : together.offsets[item + 1]] - alone).max()
        assert difference == 0 if residues_per_call == 0 else difference < 1e-5


def test_long_proteins_go_in_windows(network, folder):
    sequence = random_proteins(2500, seed=3).sequences[0]
    found = open_prott5(folder).encode(proteins(sequence)).values
    parts = windows(2500, 1024, 256)
    assert len(parts) == 3
    for part in parts:
        rows = reference(network, folder, sequence[part.start : part.stop])
        kept = slice(part.keep_start - part.start, part.keep_stop - part.start)
        assert np.abs(found[part.keep_start : part.keep_stop] - rows[kept]).max() < 1e-5


def test_weights_with_a_decoder_in_torch_s_own_format(folder, tmp_path):
    """As the published folder: pytorch_model.bin of the whole T5, in parts or not."""
    from safetensors.torch import load_file

    for name in ("config.json", "spiece.model"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    tensors = load_file(folder / "model.safetensors")
    tensors["decoder.final_layer_norm.weight"] = torch.ones(WIDTH)
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    other = open_prott5(tmp_path)
    assert other.digest == open_prott5(folder).digest
    batch = random_proteins(50)
    assert np.array_equal(other.encode(batch).values, open_prott5(folder).encode(batch).values)


def test_half_precision_weights_are_read(network, folder, tmp_path):
    save_t5(t5_network().half(), tmp_path)
    found = open_prott5(tmp_path).encode(random_proteins(50)).values
    assert found.dtype == np.float32
    assert np.abs(found - open_prott5(folder).encode(random_proteins(50)).values).max() < 0.1


def test_a_vocabulary_of_the_tokenizers_library(network, folder, tmp_path):
    from tokenizers import Tokenizer, models

    pieces = SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    vocabulary = [(pieces.id_to_piece(number), 0.0) for number in range(pieces.get_piece_size())]
    network.save_pretrained(tmp_path)
    Tokenizer(models.Unigram(vocabulary, unk_id=2)).save(str(tmp_path / "tokenizer.json"))
    batch = random_proteins(50)
    assert np.array_equal(open_prott5(tmp_path).encode(batch).values, open_prott5(folder).encode(batch).values)


def test_profiles_are_refused(folder):
    none = ProfileBatch((), np.zeros((0, 20), np.float32), np.zeros(1, np.int64))
    with pytest.raises(PluginError, match="encoder prott5 reads proteins, and was given 0 profiles"):
        open_prott5(folder).encode_profiles(none)


def test_without_weights():
    with pytest.raises(UsageError, match="encoder prott5 brings no weights; name a local folder of Hugging Face"):
        open_prott5("")


def test_a_folder_that_holds_something_else(tmp_path):
    with pytest.raises(ModelError, match="has no config.json; give the folder of a ProtT5 as Hugging Face stores it"):
        open_prott5(tmp_path)


def copied(folder, tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def test_a_folder_without_vocabulary(folder, tmp_path):
    copied(folder, tmp_path, "config.json", "model.safetensors")
    with pytest.raises(ModelError, match="has none of spiece.model, tokenizer.json; give the folder of a ProtT5"):
        open_prott5(tmp_path)


def test_a_damaged_vocabulary(folder, tmp_path):
    copied(folder, tmp_path, "config.json", "model.safetensors")
    (tmp_path / "spiece.model").write_bytes(b"not a vocabulary")
    with pytest.raises(ModelError, match=r"spiece.model: not a vocabulary that can be read \(.+\); give the folder"):
        open_prott5(tmp_path)


def test_a_vocabulary_of_another_language(folder, tmp_path):
    from tokenizers import Tokenizer, models

    copied(folder, tmp_path, "config.json", "model.safetensors")
    Tokenizer(models.Unigram([("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581the", -1.0)], unk_id=2)).save(
        str(tmp_path / "tokenizer.json")
    )
    with pytest.raises(ModelError, match="its vocabulary has no piece for 'A'"):
        open_prott5(tmp_path)


def test_another_kind_of_model(folder, tmp_path):
    copied(folder, tmp_path, "model.safetensors", "spiece.model")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="config.json: says model_type 'bert', not 't5'; give the folder"):
        open_prott5(tmp_path)


def test_damaged_weights(folder, tmp_path):
    copied(folder, tmp_path, "config.json", "spiece.model")
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:3000])
    with pytest.raises(ModelError, match=r"cannot be read as a T5 \(.+\); give the folder of a ProtT5"):
        open_prott5(tmp_path)


def test_missing_weights(folder, tmp_path):
    copied(folder, tmp_path, "config.json", "spiece.model")
    with pytest.raises(ModelError, match="cannot be read as a T5"):
        open_prott5(tmp_path)


def test_weights_that_lack_a_tensor(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    copied(folder, tmp_path, "config.json", "spiece.model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.final_layer_norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"its weights lack 'encoder.final_layer_norm.weight' \(1 tensors are missing\)"
    ):
        open_prott5(tmp_path)


def test_weights_of_fewer_pieces(tmp_path):
    network = t5_network()
    network.resize_token_embeddings(20)
    save_t5(network, tmp_path)
    with pytest.raises(ModelError, match="its vocabulary has pieces up to 2., and its weights know 20"):
        open_prott5(tmp_path)


def test_code_in_weights_is_not_run(folder, tmp_path):
    class Harmful:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    copied(folder, tmp_path, "config.json", "spiece.model")
    torch.save({"shared.weight": Harmful()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read as a T5"):
        open_prott5(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": "int8"}, "precision is 'int8'; choose one of fp16, fp32"),
        ({"max_residues": 1}, "max_residues is 1; give a whole number of at least 2"),
        ({"overlap": 1024}, r"overlap is 1024; give 0 to 1023 \(max_residues - 1\)"),
        ({"residues_per_call": -1}, "residues_per_call is -1; give a whole number, or 0 for the default"),
    ],
)
def test_options(options, text):
    with pytest.raises(ValueError, match=text):
        Prott5Config(**options)
