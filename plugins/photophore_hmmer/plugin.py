"""Declares the annotator `hmmer`; pyhmmer is imported when a database is read or opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photophore.hookspecs import AnnotatorSpec, Column, Requirement, Runtime, TargetSource, hookimpl
from photophore.types import TargetTable
from photophore_hmmer.config import HmmerConfig

if TYPE_CHECKING:
    from photophore_hmmer.annotator import HmmerAnnotator

COLUMNS = (
    Column("family_length", int, "positions of the profile"),
    Column("domain", int, "number of this domain among the reported domains of the protein and family, from 1"),
    Column("domains", int, "reported domains of the protein and family"),
    Column("domain_score", float, "score of this domain, bits"),
    Column("domain_bias", float, "part of the domain's score that composition bias was charged for, bits"),
    Column("i_evalue", float, "independent E-value of this domain: as if it were the only one"),
    Column("c_evalue", float, "conditional E-value of this domain: given the families reported for the protein"),
    Column("bias", float, "part of the full-sequence score that composition bias was charged for, bits"),
    Column("family_start", int, "first aligned position of the profile"),
    Column("family_end", int, "last aligned position of the profile"),
    Column("envelope_start", int, "first residue of the domain's envelope"),
    Column("envelope_end", int, "last residue of the domain's envelope"),
    Column("accuracy", float, "mean posterior probability of the aligned residues, 0 to 1"),
)


def read_targets(sources: Sequence[Path], folder: Path, config: HmmerConfig) -> TargetSource:
    """Read profile HMMs and store them in ``folder``."""
    from photophore_hmmer.profiles import read_targets as read

    return read(sources, folder, compress=config.compress)


def create(folder: Path, targets: TargetTable, config: HmmerConfig, runtime: Runtime) -> HmmerAnnotator:
    """Open the profiles in ``folder``."""
    from photophore_hmmer.annotator import HmmerAnnotator
    from photophore_hmmer.store import ProfileStore

    return HmmerAnnotator(ProfileStore(folder), targets, config, runtime)


def check(folder: Path, metadata: Mapping[str, Any], config: HmmerConfig) -> list[Exception]:
    """Return what keeps these thresholds from being used with the profiles in ``folder``."""
    from photophore_hmmer.table import cutoff_problems

    return list(cutoff_problems(folder, metadata, config))


@hookimpl
def photophore_annotators() -> list[AnnotatorSpec]:
    """Return the annotator."""
    return [
        AnnotatorSpec(
            name="hmmer",
            summary="Scores, E-values and domains of profile HMMs, equal to HMMER's own.",
            config=HmmerConfig,
            create=create,
            read_targets=read_targets,
            check=check,
            columns=COLUMNS,
            requires=(Requirement(module="pyhmmer", install="pip install 'pyhmmer>=0.12'"),),
        )
    ]
