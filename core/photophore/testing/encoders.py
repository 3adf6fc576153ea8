"""What holds for every encoder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from photophore.errors import PluginError
from photophore.hookspecs import Encoder, EncoderSpec, Runtime
from photophore.testing.declarations import SpecConformance, elsewhere
from photophore.testing.samples import AMINO_ACIDS, UNUSUAL_LETTERS, offsets_of, proteins, random_proteins
from photophore.types import Embeddings, ProfileBatch, SequenceBatch


class EncoderConformance(SpecConformance):
    """One finite row a residue (or a protein), whatever else is in the batch."""

    #: Largest difference that batch mates, threads or a second encoder may make; 0 asks for the same bits.
    tolerance: ClassVar[float] = 0.0
    #: Whether profiles are encoded; an encoder that cannot must say so with `PluginError`.
    encodes_profiles: ClassVar[bool] = False
    #: Residues of the longest protein tried.
    longest: ClassVar[int] = 3000

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, spec: EncoderSpec, config: Any, runtime: Runtime) -> Encoder:
        """Return the encoder under test."""
        return spec.create(config, runtime)

    @pytest.fixture(scope="class")
    @classmethod
    def mixed(cls) -> SequenceBatch:
        """Return proteins of very different lengths."""
        return random_proteins(70, 1, 333, 2, 31, 128)

    def test_rows_names_and_marks(self, spec: EncoderSpec, encoder: Encoder, mixed: SequenceBatch) -> None:
        embeddings = encoder.encode(mixed)
        expected = _vectors(spec, embeddings, map(len, mixed.sequences))
        assert embeddings.ids == mixed.ids
        assert np.diff(embeddings.offsets).tolist() == expected
        assert embeddings.values.shape == (sum(expected), encoder.dim)
        assert np.isfinite(embeddings.values).all()
        assert (embeddings.encoder, embeddings.digest) == (spec.name, encoder.digest)
        assert re.fullmatch("[0-9a-f]{64}", encoder.digest)

    def test_spans_are_the_whole_and_stretches_of_it(
        self, spec: EncoderSpec, encoder: Encoder, mixed: SequenceBatch
    ) -> None:
        embeddings = encoder.encode(mixed)
        spans = embeddings.spans
        if spans is None:
            pytest.skip("has no spans")
        assert not spec.per_residue
        for item, sequence in enumerate(mixed.sequences):
            found = spans[embeddings.offsets[item] : embeddings.offsets[item + 1]]
            assert found[0].tolist() == [0, len(sequence)]
            assert (found[:, 0] >= 0).all()
            assert (found[:, 0] < found[:, 1]).all()
            assert (found[:, 1] <= len(sequence)).all()

    def test_batch_mates_do_not_matter(self, encoder: Encoder, mixed: SequenceBatch) -> None:
        together = encoder.encode(mixed)
        for item in range(len(mixed)):
            alone = encoder.encode(mixed.select([item]))
            self._check_close(alone.values, _rows(together, item))

    def test_order_does_not_matter(self, encoder: Encoder, mixed: SequenceBatch) -> None:
        order = list(reversed(range(len(mixed))))
        forwards, backwards = encoder.encode(mixed), encoder.encode(mixed.select(order))
        assert backwards.ids == forwards.ids[::-1]
        for place, item in enumerate(order):
            self._check_close(_rows(backwards, place), _rows(forwards, item))

    def test_repeated_names_keep_their_rows(self, encoder: Encoder) -> None:
        one, other = proteins("MKVLAWYDE"), proteins("GHIRSTNPQCF")
        names = ("twin", "twin")
        batch = SequenceBatch(names, one.sequences + other.sequences, ("", ""), ("sample.faa:1", "sample.faa:3"))
        embeddings = encoder.encode(batch)
        assert embeddings.ids == names
        self._check_close(_rows(embeddings, 0), encoder.encode(one).values)
        self._check_close(_rows(embeddings, 1), encoder.encode(other).values)

    def test_unusual_letters_are_encoded(self, spec: EncoderSpec, encoder: Encoder) -> None:
        for letter in UNUSUAL_LETTERS:
            embeddings = encoder.encode(proteins(f"MKVL{letter}AWYDE", letter, letter * 20))
            assert np.diff(embeddings.offsets).tolist() == _vectors(spec, embeddings, [10, 1, 20])
            assert np.isfinite(embeddings.values).all()
            assert (np.abs(embeddings.values).max(axis=1) > 0).all()

    def test_a_long_protein_is_not_cut(self, spec: EncoderSpec, encoder: Encoder) -> None:
        batch = random_proteins(self.longest)
        embeddings = encoder.encode(batch)
        assert [len(embeddings.values)] == _vectors(spec, embeddings, [self.longest])
        assert np.isfinite(embeddings.values).all()

    def test_no_proteins(self, encoder: Encoder) -> None:
        embeddings = encoder.encode(proteins())
        assert embeddings.ids == ()
        assert embeddings.values.shape == (0, encoder.dim)

    def test_a_second_encoder_and_more_threads(
        self, spec: EncoderSpec, config: Any, two_threads: Runtime, encoder: Encoder, mixed: SequenceBatch
    ) -> None:
        first = encoder.encode(mixed)
        second = spec.create(config, two_threads)
        assert second.digest == encoder.digest
        self._check_close(second.encode(mixed).values, first.values)

    def test_twice_the_same_and_in_another_thread(self, encoder: Encoder, mixed: SequenceBatch) -> None:
        first = encoder.encode(mixed)
        for again in (encoder.encode(mixed), elsewhere(encoder.encode, mixed)):
            assert again.ids == first.ids
            assert np.array_equal(again.offsets, first.offsets)
            self._check_close(again.values, first.values)

    def test_vectors_may_be_changed_by_who_got_them(self, encoder: Encoder, mixed: SequenceBatch) -> None:
        first = encoder.encode(mixed)
        before = first.values.copy()
        if first.values.flags.writeable:
            first.values[:] = 0
        self._check_close(encoder.encode(mixed).values, before)

    def test_gpu_and_processor_agree(
        self, spec: EncoderSpec, config: Any, gpu: Runtime, encoder: Encoder, mixed: SequenceBatch
    ) -> None:
        on_gpu = spec.create(config, gpu)
        assert on_gpu.digest == encoder.digest
        difference = np.abs(on_gpu.encode(mixed).values.astype(np.float64) - encoder.encode(mixed).values)
        assert self.gpu_tolerance is not None
        assert difference.max() <= self.gpu_tolerance

    def test_profiles(self, spec: EncoderSpec, encoder: Encoder) -> None:
        profiles = _sample_profiles()
        if not self.encodes_profiles:
            with pytest.raises(PluginError, match=spec.name):
                encoder.encode_profiles(profiles)
            return
        embeddings = encoder.encode_profiles(profiles)
        assert embeddings.ids == profiles.ids
        assert (embeddings.encoder, embeddings.digest) == (spec.name, encoder.digest)
        assert np.isfinite(embeddings.values).all()
        if spec.per_residue:
            assert np.diff(embeddings.offsets).tolist() == _vectors(
                spec, embeddings, np.diff(profiles.offsets).tolist()
            )
        none = ProfileBatch(ids=(), values=profiles.values[:0], offsets=np.zeros(1, dtype=np.int64))
        assert encoder.encode_profiles(none).values.shape == (0, encoder.dim)

    def test_profile_batch_mates_do_not_matter(self, encoder: Encoder) -> None:
        if not self.encodes_profiles:
            pytest.skip("encodes no profiles")
        profiles = _sample_profiles()
        together = encoder.encode_profiles(profiles)
        for item, name in enumerate(profiles.ids):
            values = profiles.values[profiles.offsets[item] : profiles.offsets[item + 1]]
            alone = encoder.encode_profiles(ProfileBatch((name,), values, offsets_of([len(values)])))
            self._check_close(alone.values, _rows(together, item))

    def _check_close(self, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> None:
        assert one.shape == other.shape
        if one.size:
            assert np.abs(one.astype(np.float64) - other.astype(np.float64)).max() <= self.tolerance


def _vectors(spec: EncoderSpec, embeddings: Embeddings, lengths: Iterable[int]) -> list[int]:
    """Return how many vectors items of these lengths must have; with spans as many as it likes, but one at least."""
    if embeddings.spans is not None:
        return [max(1, int(rows)) for rows in np.diff(embeddings.offsets)]
    return [-(-length // embeddings.step) if spec.per_residue else 1 for length in lengths]


def _rows(embeddings: Embeddings, item: int) -> npt.NDArray[Any]:
    return embeddings.values[embeddings.offsets[item] : embeddings.offsets[item + 1]]


def _sample_profiles() -> ProfileBatch:
    random = np.random.default_rng(7)
    values = random.dirichlet(np.full(len(AMINO_ACIDS), 0.3), 190).astype(np.float32)
    return ProfileBatch(ids=("one", "long", "short"), values=values, offsets=offsets_of([1, 180, 9]))
