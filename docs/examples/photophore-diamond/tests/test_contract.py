"""The annotator under Photophore's public suite, with real proteins and the real DIAMOND."""

from __future__ import annotations

from pathlib import Path

import pytest

from photophore.examples import example_path
from photophore.testing import AnnotatorConformance
from photophore.types import SequenceBatch
from photophore_diamond.plugin import photophore_annotators
from photophore_diamond.targets import read_proteins


def proteome() -> SequenceBatch:
    """The first proteins of the proteome that comes with Photophore."""
    return read_proteins([example_path("corynebacterium")]).select(range(60))


class TestDiamond(AnnotatorConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return photophore_annotators()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls, tmp_path_factory) -> list[Path]:
        """Forty proteins as the database."""
        path = tmp_path_factory.mktemp("sources") / "proteins.faa"
        chosen = proteome().select(range(40))
        path.write_text("".join(f">{name}\n{s}\n" for name, s in zip(chosen.ids, chosen.sequences, strict=True)))
        return [path]

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls) -> SequenceBatch:
        """Ten of them without their ends, and ten others."""
        chosen = proteome().select([*range(10), *range(45, 55)])
        return SequenceBatch(chosen.ids, tuple(s[9:-9] for s in chosen.sequences), chosen.descriptions, chosen.sources)


class TestDiamondReportsAll(TestDiamond):
    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"max_annotations": 0, "evalue": 100.0}
