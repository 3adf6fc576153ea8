"""Declares the annotator `diamond`; DIAMOND is looked for when a database is opened, not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photophore.hookspecs import AnnotatorSpec, Column, Runtime, TargetSource, hookimpl
from photophore.types import TargetTable
from photophore_diamond.config import DiamondConfig

if TYPE_CHECKING:
    from photophore_diamond.annotator import DiamondAnnotator

COLUMNS = (
    Column("identity", float, "identical residues among the aligned columns, percent"),
    Column("aligned", int, "columns of the alignment, gaps included"),
    Column("target_length", int, "residues of the target"),
    Column("target_start", int, "first aligned residue of the target"),
    Column("target_end", int, "last aligned residue of the target"),
)


def read_targets(sources: Sequence[Path], folder: Path, config: DiamondConfig) -> TargetSource:
    """Read protein FASTA and store it in ``folder``."""
    from photophore_diamond.targets import read_targets as read

    del config
    return read(sources, folder)


def create(folder: Path, targets: TargetTable, config: DiamondConfig, runtime: Runtime) -> DiamondAnnotator:
    """Open the proteins in ``folder``."""
    from photophore_diamond.annotator import DiamondAnnotator

    return DiamondAnnotator(folder, targets, config, runtime)


def check(folder: Path, metadata: Mapping[str, Any], config: DiamondConfig) -> list[Exception]:
    """Return what keeps DIAMOND from being run."""
    from photophore_diamond.program import program_problems

    del folder, metadata
    return list(program_problems(config.program))


@hookimpl
def photophore_annotators() -> list[AnnotatorSpec]:
    """Return the annotator."""
    return [
        AnnotatorSpec(
            name="diamond",
            summary="Names of the best targets by DIAMOND's alignments, with identity and E-value.",
            config=DiamondConfig,
            create=create,
            read_targets=read_targets,
            check=check,
            columns=COLUMNS,
        )
    ]
