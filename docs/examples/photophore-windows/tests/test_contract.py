"""The encoder under Photophore's public suite: the same bits in every batch, with every letter, for proteins and profiles."""

from __future__ import annotations

import pytest

from photophore.testing import EncoderConformance
from photophore_windows.plugin import photophore_encoders


class TestWindows(EncoderConformance):
    encodes_profiles = True

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return photophore_encoders()[0]


class TestEveryResidue(TestWindows):
    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"width": 5, "step": 1}
