"""Settings of the commands that build families: one YAML file, every field with a default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from photophore.errors import UsageError
from photophore_hmmer.families.cutoffs import CutoffRule
from photophore_hmmer.families.grouping import Choice
from photophore_hmmer.families.kin import KinRule
from photophore_hmmer.families.relatives import RelativeRule
from photophore_hmmer.families.selection import Budget


@dataclass(frozen=True, slots=True)
class Sources:
    """Files, relative to the data folder."""

    enzymes: str = "ec/train.tsv.xz"
    non_enzymes: str = "ec/nonenzyme_train.tsv.xz"
    tests: tuple[str, ...] = ("ec/val50.tsv.xz", "ec/val30.tsv.xz", "ec/nonenzyme_val.tsv.xz")
    collection: str = "sequences/uniref90_bacterial_enzymes.fa.xz"
    genomes: tuple[str, ...] = (
        "sequences/ecoli.faa.xz",
        "sequences/bsubtilis.faa.xz",
        "sequences/synechocystis.faa.xz",
        "sequences/anabaena.faa.xz",
        "sequences/rsolanacearum.faa.xz",
        "sequences/mgenitalium.faa.xz",
    )


@dataclass(frozen=True, slots=True)
class PrevalenceRule:
    """Which hits say that a genome holds a family; ``sample`` proteins of the collection are looked at beside the genomes."""

    sample: int = 4000
    least_words: int = 4
    families_tried: int = 1
    evalue: float = 1e-20
    coverage: float = 0.6


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides which families come out.

    Parameters
    ----------
    seed
        Of every random choice, and of HMMER's calibration.
    least_members, least_selectable
        Members that a family needs to be built by ``all``, and to be chosen by ``default``.
    longest
        Residues of the longest protein that is searched.
    comparisons
        Number of comparisons that E-values count on.
    bits
        Bits after the leading one that a large probability of a shipped profile keeps; small ones keep up to four fewer.
    """

    seed: int = 42
    least_members: int = 3
    least_selectable: int = 5
    longest: int = 2000
    comparisons: float = 10_000.0
    bits: int = 8
    sources: Sources = field(default_factory=Sources)
    choice: Choice = field(default_factory=Choice)
    kin: KinRule = field(default_factory=KinRule)
    prevalence: PrevalenceRule = field(default_factory=PrevalenceRule)
    budget: Budget = field(default_factory=lambda: Budget(positions=215_000))
    relatives: RelativeRule = field(default_factory=RelativeRule)
    cutoffs: CutoffRule = field(default_factory=CutoffRule)


def read_settings(path: Path) -> Settings:
    """Return the settings in the YAML file ``path``; what it does not name keeps its default."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read as settings ({error}); give a YAML file") from error
    return _filled(Settings(), given, str(path))


def _filled(defaults: Any, given: Any, place: str) -> Any:
    """Return a copy of the dataclass ``defaults`` with the values of ``given``, each of the type of its default."""
    names = [each.name for each in fields(defaults)]
    if not isinstance(given, dict):
        raise UsageError(f"{place}: found {given!r} where a table of {', '.join(names)} belongs")
    if unknown := sorted(set(given) - set(names)):
        raise UsageError(f"{place}: there is no setting {unknown[0]!r}; there are {', '.join(names)}")
    values = {name: getattr(defaults, name) for name in names}
    hints = get_type_hints(type(defaults))
    for name, value in given.items():
        default = values[name]
        if is_dataclass(default):
            values[name] = _filled(default, value, f"{place}: {name}")
        elif isinstance(default, tuple) and isinstance(value, list):
            values[name] = tuple(map(str, value))
        elif isinstance(value, bool) or not isinstance(value, (int, float) if hints[name] is float else type(default)):
            raise UsageError(f"{place}: {name} is {value!r}, which is no {type(default).__name__} such as {default!r}")
        else:
            values[name] = hints[name](value) if hints[name] in {int, float, str} else value
    return type(defaults)(**values)
