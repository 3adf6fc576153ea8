"""Pairs of windows for training: a stretch of a profile, a stretch of a protein, and which positions belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore_near.residues import BACKGROUND, distributions
from photophore_near.training.pairs import PairSet

_TABLE = distributions()
_BACKGROUND = BACKGROUND / BACKGROUND.sum()


@dataclass(frozen=True, slots=True)
class WindowPair:
    """One training pair of ``window`` positions each.

    Parameters
    ----------
    profile
        ``shape=(window, 20), dtype=float32``: distributions, zeros beyond the ends of the profile.
    protein
        ``shape=(window, 20), dtype=float32``: residues as distributions, zeros beyond the ends of the protein.
    profile_anchor, protein_anchor
        ``shape=(anchors,), dtype=int64``: positions within the windows that belong together.
    """

    profile: npt.NDArray[np.float32]
    protein: npt.NDArray[np.float32]
    profile_anchor: npt.NDArray[np.int64]
    protein_anchor: npt.NDArray[np.int64]


class PairSampler:
    """Draws window pairs: a share emitted by the profiles themselves, the rest real hits aligned by HMMER.

    A profile that emits is first mixed with background, at random up to the share `blur`: remote relatives are like that.

    Real hits are drawn profile by profile (a square-root law keeps big families from taking over), weak ones more
    often, for they are what a prefilter misses.
    """

    def __init__(
        self, pairs: PairSet, *, window: int, step: int, emitted: float, blur: float, weak_weight: float, seed: int
    ) -> None:
        self.pairs = pairs
        self.window = window
        self.step = step
        self.emitted = emitted
        self.blur = blur
        self.rng = np.random.default_rng(seed)
        hits_of_profile = np.bincount(pairs.hit_profile, minlength=len(pairs.names))
        weight = 1.0 / np.sqrt(hits_of_profile[pairs.hit_profile])
        weight *= np.where(pairs.hit_evalue > 1e-10, weak_weight, 1.0)
        self._hit_cdf = np.cumsum(weight) / weight.sum()
        self._background_cdf = np.cumsum(_BACKGROUND)

    def draw(self) -> WindowPair:
        """Return one pair."""
        if self.rng.random() < self.emitted:
            return self._emitted_pair()
        return self._real_pair()

    def _profile_slice(self, profile: int) -> slice:
        return slice(int(self.pairs.profile_offsets[profile]), int(self.pairs.profile_offsets[profile + 1]))

    def _protein(self, protein: int) -> npt.NDArray[np.uint8]:
        return self.pairs.tokens[self.pairs.protein_offsets[protein] : self.pairs.protein_offsets[protein + 1]]

    def _real_pair(self) -> WindowPair:
        hit = int(np.searchsorted(self._hit_cdf, self.rng.random()))
        hit = min(hit, len(self.pairs.hit_profile) - 1)
        rows = slice(int(self.pairs.hit_offsets[hit]), int(self.pairs.hit_offsets[hit + 1]))
        emissions = self.pairs.emissions[self._profile_slice(int(self.pairs.hit_profile[hit]))]
        protein = _TABLE[self._protein(int(self.pairs.hit_protein[hit]))]
        return self._cut(emissions, protein, self.pairs.profile_position[rows], self.pairs.residue[rows])

    def _emitted_pair(self) -> WindowPair:
        profile = int(self.rng.integers(len(self.pairs.names)))
        rows = self._profile_slice(profile)
        emissions = self.pairs.emissions[rows]
        start = int(self.rng.integers(max(1, len(emissions) - 40)))
        stop = min(len(emissions), start + int(self.rng.integers(40, self.window)))
        tokens, positions, residues = self._emit(emissions, self.pairs.transitions[rows], start, stop)
        left = self._flank()
        protein = _TABLE[np.concatenate([left, tokens, self._flank()])]
        return self._cut(emissions, protein, positions, residues + len(left))

    def _emit(
        self, emissions: npt.NDArray[np.float32], transitions: npt.NDArray[np.float32], start: int, stop: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Let the profile emit positions ``start`` to ``stop``: residues, and the aligned positions on both sides."""
        count = stop - start
        blur = np.float32(self.blur * self.rng.random())
        cdf = np.cumsum((1 - blur) * emissions[start:stop] + blur * _BACKGROUND, axis=1)
        cdf /= cdf[:, -1:]
        match = (cdf < self.rng.random((count, 1), dtype=np.float32)).sum(axis=1).astype(np.uint8)
        event = self.rng.random(count)
        keep = np.ones(count, dtype=bool)
        inserts = np.zeros(count, dtype=np.int64)
        leave = transitions[start:stop]
        for at in np.flatnonzero(event < leave[:, 1] + leave[:, 2]):
            if event[at] < leave[at, 1]:  # M -> I, then I -> I
                inserts[at] = self.rng.geometric(max(1.0 - leave[at, 4], 0.05))
            else:  # M -> D, then D -> D
                extend = float(leave[min(int(at) + 1, count - 1), 6])
                gone = int(self.rng.geometric(max(1.0 - extend, 0.05)))
                keep[at + 1 : at + 1 + gone] = False
        inserts[~keep] = 0
        columns = np.flatnonzero(keep)
        residue = np.arange(len(columns)) + np.concatenate([[0], np.cumsum(inserts[columns])[:-1]])
        total = int(len(columns) + inserts.sum())
        tokens = np.searchsorted(self._background_cdf, self.rng.random(total)).clip(0, 19).astype(np.uint8)
        tokens[residue] = match[columns]
        return tokens, columns + start, residue

    def _flank(self) -> npt.NDArray[np.uint8]:
        """Return a stretch of some real protein, empty one time in five."""
        length = int(self.rng.integers(0, self.window))
        if self.rng.random() < 0.2:
            length = 0
        protein = self._protein(int(self.rng.integers(len(self.pairs.protein_offsets) - 1)))
        start = int(self.rng.integers(max(1, len(protein) - length)))
        return protein[start : start + length]

    def _cut(
        self,
        profile: npt.NDArray[np.float32],
        protein: npt.NDArray[np.float32],
        positions: npt.NDArray[np.integer],
        residues: npt.NDArray[np.integer],
    ) -> WindowPair:
        """Cut one window from each side at random offsets around one aligned position, both on the same grid of vectors."""
        centre = int(self.rng.integers(len(positions)))
        profile_start = int(positions[centre]) - int(self.rng.integers(self.window))
        protein_start = int(residues[centre]) - int(self.rng.integers(self.window))
        profile_start = min(max(profile_start, min(0, len(profile) - self.window)), max(0, len(profile) - self.window))
        protein_start = min(max(protein_start, min(0, len(protein) - self.window)), max(0, len(protein) - self.window))
        protein_start += int(residues[centre] - protein_start - positions[centre] + profile_start) % self.step
        p = positions - profile_start
        q = residues - protein_start
        inside = (p >= 0) & (p < self.window) & (q >= 0) & (q < self.window)
        return WindowPair(
            profile=_window(profile, profile_start, self.window),
            protein=_window(protein, protein_start, self.window),
            profile_anchor=p[inside].astype(np.int64),
            protein_anchor=q[inside].astype(np.int64),
        )


def _window(values: npt.NDArray[np.float32], start: int, window: int) -> npt.NDArray[np.float32]:
    """Return rows ``start`` to ``start + window``, zeros where there are none."""
    out = np.zeros((window, values.shape[1]), dtype=np.float32)
    low, high = max(start, 0), min(start + window, len(values))
    if high > low:
        out[low - start : high - start] = values[low:high]
    return out


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Stacked window pairs and vectors that belong together, as flat row numbers.

    Parameters
    ----------
    profile, protein
        ``shape=(pairs, window, 20), dtype=float32``.
    profile_rows, protein_rows
        ``shape=(anchors,), dtype=int64``: rows of the flattened ``(pairs * window / step)`` vectors that belong together.
    """

    profile: npt.NDArray[np.float32]
    protein: npt.NDArray[np.float32]
    profile_rows: npt.NDArray[np.int64]
    protein_rows: npt.NDArray[np.int64]


def draw_batch(sampler: PairSampler, *, pairs: int, anchors_per_pair: int) -> TrainingBatch:
    """Draw ``pairs`` window pairs and choose the anchors among the aligned vectors.

    Vectors belong together where the residue and the position that they are centred on are aligned.
    """
    drawn = [sampler.draw() for _ in range(pairs)]
    step, rows = sampler.step, -(-sampler.window // sampler.step)
    profile_rows, protein_rows = [], []
    for number, pair in enumerate(drawn):
        usable = np.flatnonzero((pair.protein_anchor % step == 0) & (pair.profile_anchor % step == 0))
        chosen = sampler.rng.choice(usable, size=min(anchors_per_pair, len(usable)), replace=False)
        profile_rows.append(pair.profile_anchor[chosen] // step + number * rows)
        protein_rows.append(pair.protein_anchor[chosen] // step + number * rows)
    return TrainingBatch(
        profile=np.stack([pair.profile for pair in drawn]),
        protein=np.stack([pair.protein for pair in drawn]),
        profile_rows=np.concatenate(profile_rows),
        protein_rows=np.concatenate(protein_rows),
    )
