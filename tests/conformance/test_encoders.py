"""Every built-in encoder under the public suite, with each kind of weights that it loads."""

from __future__ import annotations

import numpy as np
import pytest

from photophore.testing import EncoderConformance
from photophore.testing.samples import random_proteins
from photophore_hifinn import plugin as hifinn
from photophore_near.encoder import WEIGHTS_FOLDER
from photophore_near.plugin import photophore_encoders
from photophore_plm import plugin as plm
from photophore_siamese import plugin as siamese

SPECS = {spec.name: spec for spec in photophore_encoders()}


class NearConformance(EncoderConformance):
    encodes_profiles = True

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["near"]


@pytest.mark.skipif(not (WEIGHTS_FOLDER / "near-small.safetensors").is_file(), reason="near-small is not trained yet")
class TestNearSmall(NearConformance):
    tolerance = 1e-6  # profiles are computed in fp32


@pytest.mark.skipif(not (WEIGHTS_FOLDER / "near-small.safetensors").is_file(), reason="near-small is not trained yet")
class TestNearSmallInFp32(NearConformance):
    tolerance = 1e-5
    gpu_tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"precision": "fp32"}


class TestNearUntrained(NearConformance):
    tolerance = 1e-6

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnx")
        from photophore_near.export import export_float, export_int8
        from photophore_near.model import NearNetwork, save_network
        from photophore_near.shape import NearShape

        folder = tmp_path_factory.mktemp("weights")
        torch.manual_seed(1)
        network = NearNetwork(NearShape(stem=8, width=16, blocks=2, kernel=3, dim=16)).eval()
        calibration = np.random.default_rng(0).integers(0, 20, (4, 256)).astype(np.uint8)
        save_network(network, folder / "tiny.safetensors", {})
        export_float(network, folder / "tiny.fp32.onnx")
        export_int8(network, calibration, folder / "tiny.int8.onnx")
        return {"weights": str(folder / "tiny.safetensors"), "row_length": 256, "positions_per_call": 700}


class TestNearUpstream(NearConformance):
    tolerance = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        random = np.random.default_rng(0)
        tensors = {"embedding_layer.weight": random.normal(size=(16, 25))}
        for layer in range(8):
            for part in ("conv1", "conv2"):
                tensors[f"conv_layers.{layer}.{part}.weight"] = random.normal(size=(16, 16, 7)) * 0.1
                tensors[f"conv_layers.{layer}.{part}.bias"] = random.normal(size=16) * 0.1
        path = tmp_path_factory.mktemp("weights") / "upstream.npz"
        np.savez(path, **tensors)
        return {"weights": str(path), "row_length": 256, "positions_per_call": 700}


class TestEsm2(EncoderConformance):
    longest = 1500

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return plm.photophore_encoders()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        return {"weights": str(_small_esm2(tmp_path_factory.mktemp("weights")))}


class TestEsm2InPaddedGroups(TestEsm2):
    tolerance = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        return {"weights": str(_small_esm2(tmp_path_factory.mktemp("weights"))), "residues_per_call": 700}


class TestProtT5(EncoderConformance):
    longest = 1500

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return plm.photophore_encoders()[1]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        return {"weights": str(_small_t5(tmp_path_factory.mktemp("weights")))}


class TestProtT5InPaddedGroups(TestProtT5):
    tolerance = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        return {"weights": str(_small_t5(tmp_path_factory.mktemp("weights"))), "residues_per_call": 700}


class TestSiameseUpstream(EncoderConformance):
    tolerance = 1e-6  # the attention of the head is shared out among the threads
    longest = 1500

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return siamese.photophore_encoders()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("weights")
        prott5 = _small_t5(folder / "prott5")
        from tests.plugins.siamese_cases import head_tensors, save_head

        return {"weights": str(save_head(head_tensors(), folder / "glass.pth")), "prott5": str(prott5)}


class TestSiameseOwn(EncoderConformance):
    precision = "int8"
    tolerance = 1e-5  # products of matrices round by their size

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return siamese.photophore_encoders()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        pytest.importorskip("torch")
        pytest.importorskip("onnx")
        from tests.plugins.siamese_network import save, small_network

        calibration = random_proteins(64, 64, 64, 64).sequences
        path = save(small_network(), tmp_path_factory.mktemp("weights"), calibration)
        return {"weights": str(path), "precision": cls.precision}


class TestSiameseOwnInFp32(TestSiameseOwn):
    precision = "fp32"


class TestHifinnUpstream(EncoderConformance):
    tolerance = 1e-6  # the attention of the head is shared out among the threads
    longest = 1500

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return hifinn.photophore_encoders()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("weights")
        esm2 = _small_esm2(folder)
        from tests.plugins.plm_cases import head_tensors, save_head

        return {"weights": str(save_head(head_tensors(), folder / "hifinn.ckpt")), "esm2": str(esm2)}


class TestHifinnOwn(EncoderConformance):
    precision = "int8"

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return hifinn.photophore_encoders()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        pytest.importorskip("torch")
        pytest.importorskip("onnx")
        from tests.plugins.hifinn_cases import save, small_network

        path = save(small_network(), tmp_path_factory.mktemp("weights"))
        return {"weights": str(path), "precision": cls.precision}


class TestHifinnOwnInFp32(TestHifinnOwn):
    precision = "fp32"
    tolerance = 1e-6


def _small_esm2(folder):
    pytest.importorskip("torch")
    pytest.importorskip("esm")
    from tests.plugins.plm_cases import esm2_network, save_esm2

    return save_esm2(esm2_network(), folder / "esm2_small.pt")


def _small_t5(folder):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("sentencepiece")
    from tests.plugins.siamese_cases import save_t5, t5_network

    return save_t5(t5_network(), folder)
