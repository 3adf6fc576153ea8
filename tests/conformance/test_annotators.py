"""Every built-in annotator under the public suite."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from photophore.hookspecs import AnnotatorSpec
from photophore.testing import AnnotatorConformance
from photophore.testing.samples import random_proteins
from photophore.types import SequenceBatch
from photophore_hifinn import plugin as hifinn
from photophore_hmmer.plugin import photophore_annotators
from photophore_siamese import plugin as siamese

SPECS: dict[str, AnnotatorSpec] = {spec.name: spec for spec in photophore_annotators()}


class TestHmmer(AnnotatorConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return SPECS["hmmer"]

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls):
        return [_pyhmmer_data() / "hmms" / "txt" / name for name in ("PF02826.hmm", "Thioesterase.hmm", "LuxC.hmm")]

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls, metagenome_faa, sources):
        """Forty real proteins: half of them the hits of one profile, found by pyhmmer alone."""
        import pyhmmer

        with pyhmmer.easel.SequenceFile(metagenome_faa, digital=True) as file:
            block = file.read_block()
        hits: list[str] = []
        for source in sources:
            with pyhmmer.plan7.HMMFile(source) as file:
                found = next(iter(pyhmmer.hmmsearch(file, block, cpus=1, E=1e-3)))
            hits += [hit.name.decode() if isinstance(hit.name, bytes) else hit.name for hit in found]
        return _proteins(metagenome_faa, set(hits[:20]))


def _pyhmmer_data() -> Path:
    spec = importlib.util.find_spec("pyhmmer")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tests" / "data"


def _proteins(path: Path, hits: set[str]) -> SequenceBatch:
    entries = [entry.partition("\n") for entry in path.read_text().split(">")[1:]]
    records = [(head.split()[0], body.replace("\n", "").replace("*", "")) for head, _, body in entries]
    chosen = [record for number, record in enumerate(records) if number < 20 or record[0] in hits]
    return SequenceBatch(
        ids=tuple(name for name, _ in chosen),
        sequences=tuple(sequence for _, sequence in chosen),
        descriptions=("",) * len(chosen),
        sources=tuple(f"{path.name}:{number}" for number in range(len(chosen))),
    )


class TestHifinn(AnnotatorConformance):
    names_targets = False

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return hifinn.photophore_annotators()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("lookup") / "lookup.tsv"
        path.write_text("id\tec\tsequence\nt1\t2.7.1.1;1.1.1.-\tMKVL\nt2\t\tMAAA\nt3\t2.7.1.1\tMCCC\n")
        return [path]

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls):
        return random_proteins(12, 1, 40)


class TestHifinnReranked(AnnotatorConformance):
    names_targets = False

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls, metagenome_faa):
        pytest.importorskip("Bio")
        pytest.importorskip("pyfamsa")
        pytest.importorskip("parasail")
        from tests.plugins.hifinn_table import make_table

        return make_table(metagenome_faa)

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return hifinn.photophore_annotators()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, table, tmp_path_factory):
        assert table.rows  # without what the table needs the suite is skipped
        from tests.plugins.hifinn_table import plain_ranker

        folder = tmp_path_factory.mktemp("ranker")
        plain_ranker().save(folder)
        return {"profiles": "build", "rerank": "profiles", "fdr": 0.5, "ranker": str(folder / "ranker.json")}

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls, table, tmp_path_factory):
        path = tmp_path_factory.mktemp("lookup") / "lookup.tsv"
        path.write_text(table.text())
        return [path]

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls, table):
        sequences = (*list(table.enzymes.values())[:5], *table.others[:3], *table.strangers[:2], "MKV")
        names = tuple(f"p{number}" for number in range(len(sequences)))
        return SequenceBatch(names, sequences, ("",) * len(names), tuple(f"new.faa:{name}" for name in names))


class TestSiamese(AnnotatorConformance):
    names_targets = False  # a protein for which nothing may be told is `unassigned`

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls):
        return siamese.photophore_annotators()[0]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"min_tm": 0.9, "shown": 3}

    @pytest.fixture(scope="class")
    @classmethod
    def sources(cls, tmp_path_factory):
        domains = random_proteins(60, 90, 45, 120, seed=5)
        codes = ("1.10.530.40", "1.10.490", "3.40.50.300", "3.40.50.720")
        rows = zip(domains.ids, codes, domains.sequences, strict=True)
        path = tmp_path_factory.mktemp("domains") / "domains.tsv"
        path.write_text("id\tcath\tsequence\n" + "".join("\t".join(row) + "\n" for row in rows))
        return [path]

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tmp_path_factory):
        for module in ("torch", "transformers", "sentencepiece"):
            pytest.importorskip(module)
        from tests.plugins.siamese_cases import small_encoder

        return small_encoder(tmp_path_factory.mktemp("weights"))

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls):
        one, two, *_ = random_proteins(60, 90, 45, 120, seed=5).sequences
        sequences = (one, f"{one}{two}", *random_proteins(150, 30, seed=6).sequences, "M", "X" * 50)
        names = tuple(f"p{number}" for number in range(len(sequences)))
        return SequenceBatch(names, sequences, ("",) * len(names), tuple(f"new.faa:{name}" for name in names))


class TestSiameseOwn(TestSiamese):
    @pytest.fixture(scope="class")
    @classmethod
    def options(cls):
        return {"min_tm": 0.0, "shown": 3}  # random weights predict low

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tmp_path_factory):
        pytest.importorskip("torch")
        pytest.importorskip("onnx")
        from tests.plugins.siamese_network import save, small_network

        from photophore.hookspecs import Runtime
        from photophore_siamese.config import SiameseConfig
        from photophore_siamese.encoder import create_siamese

        path = save(small_network(), tmp_path_factory.mktemp("weights"), random_proteins(64, 64, 64).sequences)
        return create_siamese(SiameseConfig(weights=str(path)), Runtime())
