"""From evidence to calibrated probabilities, and from a false discovery rate to what is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.ec import EC
from photophore.errors import DatabaseError
from photophore_hifinn.evidence import FEATURES

RANKER_FILE = "ranker.json"
SCHEMA = 2
#: Levels of an EC number, the deepest first: the order in which a protein backs off.
LEVELS = (4, 3, 2, 1)


#: Evidence further from the mean than this many spreads is taken as that far.
FAR = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer of all networks of a level.

    Parameters
    ----------
    weights
        ``shape=(networks, inputs, outputs), dtype=float64``.
    biases
        ``shape=(networks, outputs), dtype=float64``.
    """

    weights: npt.NDArray[np.float64]
    biases: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelModel:
    """A few small networks that judge one level together, and their calibration.

    Parameters
    ----------
    means, spreads
        One value a feature; evidence is centred and scaled before it is weighed.
    layers
        Of the networks, which have rectified units, and a logistic one at the end; the mean of what they say counts.
    raw, calibrated
        Knots of the calibration: the networks' probability, and the share that was right there (isotonic).
    thresholds
        For each false discovery rate of `Ranker.rates`, the least calibrated probability that is reported. Above 1: none.
    """

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    layers: tuple[Layer, ...]
    raw: tuple[float, ...] = (0.0, 1.0)
    calibrated: tuple[float, ...] = (0.0, 1.0)
    thresholds: tuple[float, ...] = ()

    def raw_probability(self, evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the networks say of each row of ``evidence (n, features)``."""
        units = np.clip((evidence - np.array(self.means)) / np.array(self.spreads), -FAR, FAR)
        for layer in self.layers[:-1]:
            units = np.maximum(units @ layer.weights + layer.biases[:, None], 0.0)
        units = units @ self.layers[-1].weights + self.layers[-1].biases[:, None]  # (networks, n, 1)
        return np.asarray((1.0 / (1.0 + np.exp(-units)))[:, :, 0].mean(axis=0))

    def probability(self, evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the calibrated probability of each row that its EC number is right."""
        return np.asarray(np.interp(self.raw_probability(evidence), self.raw, self.calibrated))


@dataclass(frozen=True, slots=True)
class Ranker:
    """A model for each level, the deepest first as in `LEVELS`.

    Parameters
    ----------
    rates
        False discovery rates that thresholds are known for, rising.
    levels
        As many as `LEVELS`.
    """

    rates: tuple[float, ...]
    levels: tuple[LevelModel, ...]

    def threshold(self, level: int, rate: float) -> float:
        """Return the least probability at which ``level`` is reported so that at most ``rate`` of the reports are wrong.

        Between two known rates it is that of the lower one: a promise is kept rather than filled.
        """
        known = int(np.searchsorted(self.rates, rate + 1e-12, side="right")) - 1
        return self.levels[LEVELS.index(level)].thresholds[known] if known >= 0 else 2.0

    def save(self, folder: Path) -> None:
        """Write `RANKER_FILE` into ``folder``."""
        content = {"schema": SCHEMA, "features": FEATURES, **asdict(self)}
        for level in content["levels"]:
            level["layers"] = [{name: values.tolist() for name, values in layer.items()} for layer in level["layers"]]
        (folder / RANKER_FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """Read `RANKER_FILE` of ``folder``; `DatabaseError` where it is damaged or of another version."""
        return cls.read(folder / RANKER_FILE)

    @classmethod
    def read(cls, path: Path) -> Ranker:
        """Read the file ``path`` as `load` does."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if (content["schema"], tuple(content["features"])) != (SCHEMA, FEATURES):
                raise DatabaseError(
                    f"{path}: weighs other evidence than this version gathers (schema {content['schema']}); "
                    "build the database again, or use the version of photophore that built it"
                )
            levels = tuple(_level(level) for level in content["levels"])
            ranker = cls(tuple(content["rates"]), levels)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatabaseError(
                f"{path}: cannot be read ({error}); copy or build the database again (photophore db verify)"
            ) from error
        if not ranker.is_complete():
            raise DatabaseError(
                f"{path}: does not have {len(LEVELS)} levels with networks of {len(FEATURES)} features and a "
                f"threshold for each of {len(ranker.rates)} rates; fit the ranker again"
            )
        return ranker

    def is_complete(self) -> bool:
        """Whether every level has all of its numbers."""
        return len(self.levels) == len(LEVELS) and all(
            {len(model.means), len(model.spreads)} == {len(FEATURES)}
            and _are_joined(model.layers)
            and len(model.raw) == len(model.calibrated) > 0
            and len(model.thresholds) == len(self.rates)
            for model in self.levels
        )


def _are_joined(layers: Sequence[Layer]) -> bool:
    """Whether each layer takes what the one before gives, from the features to one output."""
    widths = [len(FEATURES), *(layer.biases.shape[-1] for layer in layers)]
    networks = len(layers[0].biases) if layers else 0
    return (
        networks > 0
        and widths[-1] == 1
        and all(
            layer.weights.shape == (networks, inputs, outputs) and layer.biases.shape == (networks, outputs)
            for layer, (inputs, outputs) in zip(layers, pairwise(widths), strict=True)
        )
    )


def _level(stored: Mapping[str, Any]) -> LevelModel:
    layers = tuple(
        Layer(np.array(layer["weights"], float), np.array(layer["biases"], float)) for layer in stored["layers"]
    )
    numbers = {name: tuple(value) for name, value in stored.items() if name != "layers"}
    return LevelModel(layers=layers, **numbers)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a protein is given: EC numbers with their probabilities at one level, or why there are none."""

    given: tuple[tuple[EC, float], ...]
    reason: str


def by_probability(ecs: Sequence[EC], probable: npt.NDArray[np.float64]) -> list[tuple[EC, float]]:
    """Return EC numbers with their probabilities, the most probable first, equal ones by their names."""
    return sorted(zip(ecs, probable.tolist(), strict=True), key=lambda pair: (-pair[1], str(pair[0])))


def reportable(ranked: Sequence[tuple[EC, float]], level: int) -> Sequence[tuple[EC, float]]:
    """Return what a protein may be given of ``ranked``, the most probable first.

    That is the most probable EC number, and of full ones as many of the next as raise the F1 that is to be expected of a
    protein with one: 2 (p1 + ... + pm) / (m + 1) for m of them.
    """
    most, total = 1, ranked[0][1] if ranked else 0.0
    if level == LEVELS[0]:
        while most < len(ranked) and ranked[most][1] > total / (most + 1):
            total += ranked[most][1]
            most += 1
    return ranked[:most]


def decide(ranked: Mapping[int, Sequence[tuple[EC, float]]], ranker: Ranker, rate: float) -> Verdict:
    """Choose the deepest level at which any EC number is probable enough.

    Parameters
    ----------
    ranked
        EC numbers of each level with their probabilities, the most probable first.
    rate
        False discovery rate that the user accepts.
    """
    if not ranked.get(4):
        return Verdict((), "no enzyme found: no family of enzymes is like it")
    best, probability = ranked[4][0]
    wanted = ranker.threshold(4, rate)
    why = f"{best} has probability {probability:.2f}"
    why += (
        f", {wanted:.2f} is wanted at a false discovery rate of {rate:g}" if wanted <= 1 else ", which is never enough"
    )
    for level in LEVELS:
        least = ranker.threshold(level, rate)
        if ranked[level] and ranked[level][0][1] >= least:
            given = reportable(ranked[level], level)
            return Verdict(
                tuple((ec, value) for ec, value in given if value >= least), "" if level == LEVELS[0] else why
            )
    return Verdict((), f"no enzyme found: {why}")
