"""From evidence to calibrated probabilities, and from a false discovery rate to what is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.ec import EC
from photophore.errors import DatabaseError
from photophore_hifinn.evidence import FEATURES

RANKER_FILE = "ranker.json"
SCHEMA = 1
#: Levels of an EC number, the deepest first: the order in which a protein backs off.
LEVELS = (4, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class LevelModel:
    """A logistic model of one level, and its calibration.

    Parameters
    ----------
    means, spreads, weights
        One value a feature; evidence is centred and scaled before it is weighed.
    bias
        Constant of the logistic model.
    raw, calibrated
        Knots of the calibration: the model's probability, and the share that was right there (isotonic).
    thresholds
        For each false discovery rate of `Ranker.rates`, the least calibrated probability that is reported. Above 1: none.
    """

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    raw: tuple[float, ...] = (0.0, 1.0)
    calibrated: tuple[float, ...] = (0.0, 1.0)
    thresholds: tuple[float, ...] = ()

    def raw_probability(self, evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the logistic model says of each row of ``evidence (n, features)``."""
        scaled = (evidence - np.array(self.means)) / np.array(self.spreads)
        return np.asarray(1.0 / (1.0 + np.exp(-(scaled @ np.array(self.weights) + self.bias))))

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
        (folder / RANKER_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

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
                f"{path}: does not have {len(LEVELS)} levels with a weight for each of {len(FEATURES)} features and a "
                f"threshold for each of {len(ranker.rates)} rates; fit the ranker again"
            )
        return ranker

    def is_complete(self) -> bool:
        """Whether every level has all of its numbers."""
        return len(self.levels) == len(LEVELS) and all(
            {len(model.means), len(model.spreads), len(model.weights)} == {len(FEATURES)}
            and len(model.raw) == len(model.calibrated) > 0
            and len(model.thresholds) == len(self.rates)
            for model in self.levels
        )


def _level(stored: Mapping[str, Any]) -> LevelModel:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return LevelModel(**values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a protein is given: EC numbers with their probabilities at one level, or why there are none."""

    given: tuple[tuple[EC, float], ...]
    reason: str


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
        given = tuple((ec, value) for ec, value in ranked[level] if value >= least)
        if given:
            return Verdict(given if level == LEVELS[0] else given[:1], "" if level == LEVELS[0] else why)
    return Verdict((), f"no enzyme found: {why}")
