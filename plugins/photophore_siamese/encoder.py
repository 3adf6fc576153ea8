"""The encoders `siamese` and `siamese-residues`: vectors of proteins, or of residues, by our own network or the published one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from photophore.comparison import Comparison
from photophore.errors import ModelError, PluginError, UsageError
from photophore.hookspecs import Runtime
from photophore.models import find_model, is_checkpoint, scan_models
from photophore.types import Embeddings, ProfileBatch, SequenceBatch
from photophore_plm.windows import windows
from photophore_siamese.comparing import (
    FloatArray,
    StructuralMatch,
    StructureModel,
    compare,
    match_along,
    residues_of,
)
from photophore_siamese.config import ModelConfig, SiameseConfig

#: Windows are this many times as long as the shortest.
SCALES = (1, 2, 4)
#: A protein less than this many times as long as a window is compared as a whole only.
_LONGER = 1.25
#: Residue vectors of the last batch that are kept for whoever asks for them next.
KEPT_BYTES = 256_000_000


class ResidueVectors:
    """A structural model behind an encoder; residue vectors of the batch encoded last are at hand for who goes on with them."""

    def __init__(self, model: StructureModel) -> None:
        self.model = model
        self._kept: dict[str, FloatArray] = {}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the weights."""
        return self.model.digest

    def represent(self, sequences: Sequence[str]) -> Iterator[tuple[int, FloatArray]]:
        """Yield place and residue vectors of each of ``sequences`` in any order, and keep as many as there is room for."""
        self._kept = {}
        room = KEPT_BYTES
        for place, residues in self.model.represent(sequences):
            if residues.nbytes <= room:
                self._kept[sequences[place]] = residues
                room -= residues.nbytes
            yield place, residues

    def residues(self, sequences: Sequence[str]) -> dict[str, FloatArray]:
        """Return the residue vectors of proteins by their sequence; those of the batch encoded last are at hand."""
        found = {sequence: self._kept[sequence] for sequence in sequences if sequence in self._kept}
        wanted = list(dict.fromkeys(sequence for sequence in sequences if sequence not in found))
        with one_blas_thread():
            found |= {wanted[place]: residues for place, residues in self.model.represent(wanted)}
        return found

    def encode_profiles(self, profiles: ProfileBatch) -> Embeddings:
        """Refuse: structure is seen in sequences."""
        raise PluginError(
            f"encoder siamese: encodes proteins, not profiles ({profiles.ids[0] if profiles.ids else 'none given'}); "
            "build the database of a table of domains: photophore db build --method siamese DOMAINS.tsv"
        )


class SiameseEncoder(ResidueVectors):
    """A unit vector for each protein, and for windows of long ones."""

    name = "siamese"

    def __init__(self, model: StructureModel, window: int) -> None:
        super().__init__(model)
        self._window = window

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self.model.dim

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return a unit vector for each protein, and for each window of a long one."""
        spans = [stretches(len(sequence), self._window) for sequence in batch.sequences]
        offsets = np.cumsum([0, *map(len, spans)], dtype=np.int64)
        values = np.empty((int(offsets[-1]), self.dim), dtype=np.float32)
        with one_blas_thread():
            for place, residues in self.represent(batch.sequences):
                values[offsets[place] : offsets[place + 1]] = self.model.pool(residues, spans[place])
        every = np.array([span for each in spans for span in each], dtype=np.int64).reshape(-1, 2)
        return Embeddings(batch.ids, values, offsets, self.name, self.digest, spans=every)


class SiameseResidueEncoder(ResidueVectors):
    """A unit vector for each residue: near to those of the residues that it pairs up with in proteins that fold alike."""

    name = "siamese-residues"

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self.model.match_dim

    def encode(self, batch: SequenceBatch) -> Embeddings:
        """Return a unit vector for each residue; the less common a residue is, the more informative."""
        offsets = np.cumsum([0, *map(len, batch.sequences)], dtype=np.int64)
        values = np.empty((int(offsets[-1]), self.dim), dtype=np.float32)
        informative = np.empty(len(values), dtype=np.float32)
        with one_blas_thread():
            for place, residues in self.represent(batch.sequences):
                part = slice(offsets[place], offsets[place + 1])
                values[part], informative[part] = self.model.matching(residues)
        return Embeddings(batch.ids, values, offsets, self.name, self.digest, informativeness=informative)


class SiameseComparer:
    """Compares proteins two by two."""

    def __init__(self, model: StructureModel) -> None:
        self._model = model
        self.digest = model.digest

    def compare(
        self,
        one: SequenceBatch,
        other: SequenceBatch,
        pairs: Sequence[tuple[int, int]],
        *,
        by_position: bool = False,
    ) -> Iterator[Comparison]:
        """Yield the comparison of each of ``pairs``, rows of ``one`` and of ``other``, in their order.

        With ``by_position`` residues of two proteins of one length pair up by their position.
        """
        seen: dict[str, FloatArray] = {}
        for first, second in pairs:
            sequences = one.sequences[first], other.sequences[second]
            seen = {sequence: seen[sequence] for sequence in sequences if sequence in seen}  # the rest is not held
            for sequence in sequences:
                if sequence not in seen:
                    (seen[sequence],) = residues_of(self._model, [sequence])
            sides = seen[sequences[0]], seen[sequences[1]]
            with one_blas_thread():
                match = self._match(*sides, by_position=by_position and len(sides[0]) == len(sides[1]))
            yield Comparison(
                one.ids[first],
                other.ids[second],
                *sequences,
                match.pairs,
                match.tm_score,
                match.tm_score_other,
                match.lddt,
            )

    def _match(self, one: FloatArray, other: FloatArray, *, by_position: bool) -> StructuralMatch:
        if by_position:
            return match_along(self._model, one, other, np.repeat(np.arange(len(one), dtype=np.int32)[:, None], 2, axis=1))
        return compare(self._model, one, other)


def one_blas_thread() -> threadpool_limits:
    """Return a context in which BLAS works in one thread: for these small matrices a team costs more than it does."""
    return threadpool_limits(1, "blas")


def stretches(residues: int, window: int) -> list[tuple[int, int]]:
    """Return what vectors of a protein stand for, ``(start, stop)``: first the whole, then windows that overlap by half."""
    found = [(0, residues)]
    for length in (scale * window for scale in SCALES if window):
        if residues >= _LONGER * length:
            found += [(part.start, part.stop) for part in windows(residues, length, length // 2)]
    return found


def create_siamese(config: SiameseConfig, runtime: Runtime) -> SiameseEncoder:
    """Open the weights that ``config`` names."""
    return SiameseEncoder(open_structure_model(config, runtime), config.window)


def create_residues(config: ModelConfig, runtime: Runtime) -> SiameseResidueEncoder:
    """Open the weights that ``config`` names."""
    return SiameseResidueEncoder(open_structure_model(config, runtime))


def create_comparer(config: SiameseConfig, runtime: Runtime) -> SiameseComparer:
    """Open the weights that ``config`` names, to compare proteins with."""
    return SiameseComparer(open_structure_model(config, runtime))


def open_structure_model(config: ModelConfig, runtime: Runtime) -> StructureModel:
    """Open the weights that ``config`` names: a checkpoint of torch is GLASS-PRIMES', safetensors are ours.

    Raises
    ------
    ModelError
        If they are missing, damaged, or need torch where it is not installed.
    UsageError
        If they are a published checkpoint and the ProtT5 under it is not named.
    """
    path = _path_of(config.weights)
    if is_checkpoint(path):
        return _open_upstream(path, config, runtime)
    from photophore_siamese.own import create_own

    return create_own(path, config, runtime)


def _path_of(weights: str) -> Path:
    """Return the file of ``weights``; where nothing is called so, say what may be."""
    models, problems = scan_models()
    if problems or weights in {model.name for model in models} or Path(weights).expanduser().exists():
        return find_model(weights)
    raise ModelError(
        f"encoder siamese: no model and no file is called {weights!r}; give --set encoder.weights=FILE, a .safetensors that "
        "`photophore train siamese` wrote or a GLASS-PRIMES checkpoint (.pth), or bring one under a name: "
        "photophore models add FILE_OR_URL (photophore models list tells those that are here)"
    )


def _open_upstream(path: Path, config: ModelConfig, runtime: Runtime) -> StructureModel:
    needed = ("torch", "transformers", "sentencepiece")
    if missing := [module for module in needed if importlib.util.find_spec(module) is None]:
        raise ModelError(
            f"{path}: a GLASS-PRIMES checkpoint needs {' and '.join(missing)}, which is not installed; "
            "run: pip install 'photophore[torch]'"
        )
    if not config.prott5:
        raise UsageError(
            f"{path}: a GLASS-PRIMES checkpoint reads vectors of ProtT5; name its folder, too: "
            "--set encoder.prott5=prot_t5_xl_uniref50"
        )
    from photophore_siamese.upstream import create_upstream

    return create_upstream(path, config, runtime)
