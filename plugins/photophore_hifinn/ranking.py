"""From evidence to calibrated probabilities, and from a false discovery rate to what is reported."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photophore.ec import EC
from photophore.errors import DatabaseError
from photophore_hifinn.evidence import FEATURES

RANKER_FILE = "ranker.json"
SCHEMA = 3
#: Levels of an EC number, the deepest first: the order in which a protein backs off.
LEVELS = (4, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class LevelModel:
    """What judges one level, and its calibration.

    Parameters
    ----------
    trees
        Gradient-boosted trees, as an ONNX graph from ``evidence (n, features)`` to natural logarithms of odds ``(n, 1)``.
    raw, calibrated
        Knots of the calibration: the trees' probability, and the share that was right there.
    thresholds
        For each false discovery rate of `Ranker.rates`, the least calibrated probability that is reported. Above 1: none.
    """

    trees: bytes
    raw: tuple[float, ...] = (0.0, 1.0)
    calibrated: tuple[float, ...] = (0.0, 1.0)
    thresholds: tuple[float, ...] = ()

    def raw_probability(self, evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the trees say of each row of ``evidence (n, features)``."""
        if not len(evidence):
            return np.zeros(0)
        (log_odds,) = _session(self.trees).run(None, {"evidence": evidence})
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds[:, 0].astype(np.float64))))

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
            level["trees"] = b64encode(zlib.compress(level["trees"], 9)).decode("ascii")
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
            complete = ranker.is_complete()
        except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
            raise DatabaseError(
                f"{path}: cannot be read ({error}); copy or build the database again (photophore db verify)"
            ) from error
        if not complete:
            raise DatabaseError(
                f"{path}: does not have {len(LEVELS)} levels with trees over {len(FEATURES)} features and a "
                f"threshold for each of {len(ranker.rates)} rates; fit the ranker again"
            )
        return ranker

    def is_complete(self) -> bool:
        """Whether every level has all of its numbers."""
        return len(self.levels) == len(LEVELS) and all(
            _session(model.trees).get_inputs()[0].shape[-1] == len(FEATURES)
            and len(model.raw) == len(model.calibrated) > 0
            and len(model.thresholds) == len(self.rates)
            for model in self.levels
        )


@lru_cache(maxsize=2 * len(LEVELS))
def _session(trees: bytes) -> Any:
    """Return ONNX Runtime's session for a graph, in one thread: a protein's few numbers are judged sooner than handed out."""
    from photophore_near.onnx_runtime import session_of

    return session_of(trees, threads=1)


def _level(stored: Mapping[str, Any]) -> LevelModel:
    trees = zlib.decompress(b64decode(stored["trees"], validate=True))
    numbers = {name: tuple(value) for name, value in stored.items() if name != "trees"}
    return LevelModel(trees=trees, **numbers)


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
    if not ranked[LEVELS[0]]:
        return Verdict((), "no enzyme found: no family of enzymes is like it")
    best, probability = ranked[LEVELS[0]][0]
    wanted = ranker.threshold(LEVELS[0], rate)
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
