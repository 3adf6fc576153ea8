"""How probable it is that a structural neighbour is of one's own superfamily or topology, from what a comparison says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.errors import DatabaseError, ModelError

CALIBRATION_FILE = "calibration.json"
SCHEMA = 1
LEVELS = ("superfamily", "topology")

#: What is known of a neighbour, in this order.
FEATURES = (
    "tm_score",  # normalised by the domain
    "tm_score_place",  # normalised by the stretch of the protein
    "lddt",  # mean along the alignment
    "aligned",  # share of the domain that is aligned
    "similarity",  # score of the alignment, log(1 + score)
    "residues",  # of the domain, log
)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic sum of the features, and the share of right ones that was found at each of its values.

    Parameters
    ----------
    weights, offset
        ``sum(weights * features) + offset`` is the evidence; one weight a feature.
    evidence, share
        Rising both: where the evidence lies between two points, the share does too.
    """

    weights: tuple[float, ...]
    offset: float
    evidence: tuple[float, ...]
    share: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES):
            raise ValueError(f"has {len(self.weights)} weights, there are {len(FEATURES)} features")
        if not self.evidence or len(self.evidence) != len(self.share):
            raise ValueError(f"has {len(self.evidence)} points of evidence and {len(self.share)} shares")
        if any(np.diff(self.evidence) < 0) or any(np.diff(self.share) < 0):
            raise ValueError("its evidence and shares do not rise")
        if not all(0.0 <= share <= 1.0 for share in self.share):
            raise ValueError("a share is not between 0 and 1")

    def probability(self, features: FloatArray) -> FloatArray:
        """Return the probability for each row of ``features (n, features)``."""
        evidence = features @ np.array(self.weights) + self.offset
        return np.asarray(np.interp(evidence, self.evidence, self.share))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves for both levels, measured with weights of one digest."""

    digest: str
    curves: Mapping[str, Curve]

    def save(self, path: Path) -> None:
        """Write a JSON file."""
        stored = {"schema": SCHEMA, "digest": self.digest, "features": FEATURES}
        curves = {level: asdict(self.curves[level]) for level in LEVELS}
        path.write_text(json.dumps({**stored, "curves": curves}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `save` wrote; `ModelError` where it is something else."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            _check_schema(stored["schema"], stored["features"])
            curves = {
                level: Curve(
                    tuple(map(float, stored["curves"][level]["weights"])),
                    float(stored["curves"][level]["offset"]),
                    tuple(map(float, stored["curves"][level]["evidence"])),
                    tuple(map(float, stored["curves"][level]["share"])),
                )
                for level in LEVELS
            }
            return cls(str(stored["digest"]), curves)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path}: not a calibration of this version ({error!r}); fit one: "
                "python -m photophore_siamese.training.calibrate"
            ) from error


def _check_schema(schema: object, features: list[str]) -> None:
    if schema != SCHEMA or tuple(features) != FEATURES:
        raise ValueError(f"schema {schema} on {', '.join(features)}")


def copy_calibration(chosen: str, folder: Path) -> bool:
    """Copy the calibration ``chosen``, or the one of the package, into ``folder``; False where the package has none."""
    if chosen:
        Calibration.load(Path(chosen))
        shutil.copyfile(chosen, folder / CALIBRATION_FILE)
        return True
    packaged = resources.files("photophore_siamese") / "confidence" / "siamese-small.json"
    if not packaged.is_file():
        return False
    (folder / CALIBRATION_FILE).write_bytes(packaged.read_bytes())
    return True


def open_calibration(folder: Path) -> Calibration | None:
    """Return the calibration of a database, or None where it has none."""
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return None
    try:
        return Calibration.load(path)
    except ModelError as error:
        raise DatabaseError(f"{error}; or build the database again") from error
