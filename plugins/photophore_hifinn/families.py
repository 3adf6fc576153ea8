"""What a database with profiles stores beside its labels: the profiles, which protein is in which, and the ranker."""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photophore.errors import DatabaseError, InputError, PluginError
from photophore.hookspecs import Runtime
from photophore.runconfig import available_cpus
from photophore_faiss.lists import Layout
from photophore_hifinn.compact import PROFILES_FILE, GroupProfiles
from photophore_hifinn.config import HifinnAnnotatorConfig
from photophore_hifinn.finding import GroupFinder, Statistics
from photophore_hifinn.gathering import PROPOSED, Gatherer
from photophore_hifinn.ranking import RANKER_FILE, Ranker
from photophore_hifinn.spelling import SpelledGroups, Spelling, spell

if TYPE_CHECKING:
    from photophore_hifinn.lookup import Labelled

FAMILIES_FILE = "families.npz"
#: The ranker that comes with the package.
BUNDLED_RANKER = Path(__file__).parent / "ranker"
_STATISTIC = "statistic."
_SEED = 1


@dataclass(frozen=True, slots=True)
class Families:
    """Profiles of a database, and how the finder and the labels go with them.

    Parameters
    ----------
    profiles
        The profiles.
    of_protein
        ``shape=(proteins,), dtype=int32``: group of each protein of the database.
    statistics
        What `GroupFinder.measure` returned.
    layout
        Where the finder's index put the vectors of the profiles.
    spelling
        The profiles in the letters of the siamese network.
    """

    profiles: GroupProfiles
    of_protein: npt.NDArray[np.int32]
    statistics: Statistics
    layout: Layout
    spelling: Spelling

    def finder(self, runtime: Runtime) -> GroupFinder:
        """Return the finder of these profiles."""
        return GroupFinder(self.profiles, runtime, groups=PROPOSED, statistics=self.statistics, layout=self.layout)

    def gatherer(self, runtime: Runtime, finder: GroupFinder | None = None) -> Gatherer:
        """Return what gathers the evidence of proteins, with a ``finder`` that is open already or one of its own."""
        spelled = SpelledGroups(self.profiles, self.spelling, runtime)
        return Gatherer(self.profiles, finder or self.finder(runtime), spelled)

    def save(self, folder: Path) -> None:
        """Write `PROFILES_FILE` and `FAMILIES_FILE` into ``folder``."""
        self.profiles.save(folder)
        named = {f"{_STATISTIC}{name}": values for name, values in self.statistics.items()}
        np.savez_compressed(
            folder / FAMILIES_FILE,
            allow_pickle=False,
            of_protein=self.of_protein,
            list_centroids=self.layout.centroids,
            list_step=np.float64(self.layout.step),
            list_of_vector=self.layout.nearest.astype(np.uint16),
            **self.spelling.stored(),
            **named,
        )

    @classmethod
    def load(cls, folder: Path) -> Families:
        """Read what `save` wrote; `DatabaseError` where it is damaged."""
        profiles = GroupProfiles.load(folder)
        path = folder / FAMILIES_FILE
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                of_protein = stored["of_protein"]
                layout = Layout(
                    stored["list_centroids"], float(stored["list_step"]), stored["list_of_vector"].astype(np.int32)
                )
                spelling = Spelling.from_stored(stored)
                statistics = {
                    name.removeprefix(_STATISTIC): stored[name] for name in stored if name.startswith(_STATISTIC)
                }
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise DatabaseError(
                f"{path}: cannot be read ({error}); copy or build the database again (photophore db verify)"
            ) from error
        if of_protein.size and not (of_protein.min() >= 0 and of_protein.max() < len(profiles)):
            raise DatabaseError(
                f"{path}: names groups beyond the {len(profiles)} of the profiles; build the database again"
            )
        if len(spelling.kinds) != profiles.offsets[-1]:
            raise DatabaseError(
                f"{path}: spells {len(spelling.kinds)} positions, the profiles have {profiles.offsets[-1]}; build the database again"
            )
        return cls(profiles, of_protein, statistics, layout, spelling)


def write_families(proteins: Sequence[Labelled], folder: Path, config: HifinnAnnotatorConfig) -> list[str]:
    """Build the profiles of ``proteins`` (or take them over), measure their background, and write all into ``folder``."""
    from photophore_hifinn.lookup import group_names

    ranker = Path(config.ranker) if config.ranker else BUNDLED_RANKER / RANKER_FILE
    Ranker.read(ranker)  # before the work of hours
    threads = available_cpus()
    if config.profiles == "build":
        if importlib.util.find_spec("pyfamsa") is None:
            raise PluginError(
                "annotator.profiles=build aligns proteins with pyfamsa, which is not installed; "
                "run: pip install 'photophore[build]'"
            )
        from photophore_hifinn.grouping import build_profiles

        profiles = build_profiles(proteins, seed=_SEED, threads=threads)
    else:
        profiles = GroupProfiles.load(Path(config.profiles))
    place = {name: number for number, name in enumerate(profiles.names)}
    names = group_names(proteins)
    if unknown := [name for name in names if name not in place]:
        raise InputError(
            f"annotator.profiles={config.profiles}: has no profile of {unknown[0]!r}; the profiles are of another look-up "
            "table, make new ones with annotator.profiles=build"
        )
    of_protein = np.array([place[name] for name in names], dtype=np.int32)
    runtime = Runtime(threads=threads)
    finder = GroupFinder(profiles, runtime, groups=PROPOSED)
    Families(profiles, of_protein, finder.measure(), finder.layout, spell(profiles, runtime)).save(folder)
    shutil.copyfile(ranker, folder / RANKER_FILE)
    return [PROFILES_FILE, FAMILIES_FILE, RANKER_FILE]
