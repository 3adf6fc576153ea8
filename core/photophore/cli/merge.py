"""``photophore merge``: join runs over parts of an input."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("merge")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    *("-o", "--output"),
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the merged results; made where missing.",
)
@click.option("--force", is_flag=True, help="Replace the results of an earlier run, once the new ones are whole.")
def merge(*, runs: tuple[Path, ...], output: Path, force: bool) -> None:
    """Join finished runs into what one run over the whole input gives.

    Each RUN is a folder that 'photophore annotate -o RUN' has completed, all with the same version, database, plugins
    and options. Name them in the order of the input: the merged files have the bytes that one run over the parts in
    that order writes (run.json tells of the merge).
    """
    from photophore.merge import merge as merge_runs

    counts = merge_runs(runs, output, command=sys.argv, force=force)
    click.echo(
        f"{output}: {counts.proteins:,} proteins of {len(runs)} runs: {counts.annotated:,} annotated "
        f"({counts.annotations:,} annotations), {counts.unannotated:,} not, {counts.failed:,} failed",
        err=True,
    )
