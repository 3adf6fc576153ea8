"""``photophore report``: the results of runs on one page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    *("-o", "--output"),
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the page, HTML.",
)
@click.option(
    "--tsv", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="File for the table of samples."
)
@click.option("--title", default="Photophore report", show_default=True, metavar="TEXT", help="Heading of the page.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many of the most frequent targets and EC numbers to list.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def report(*, runs: tuple[Path, ...], output: Path, tsv: Path | None, title: str, top: int, quiet: bool) -> None:
    """Show the results of one or several finished runs on one page of HTML.

    Each RUN is a folder that 'photophore annotate -o RUN' has completed; its name is taken for the name of the sample.
    The page holds everything that it needs: it can be sent by mail and opened without a network.
    """
    from photophore.report import write_report

    shown = write_report(runs, output, table=tsv, title=title, top=top)
    if not quiet:
        proteins = sum(run.counts["proteins"] for run in shown)
        click.echo(f"{output}: {len(shown):,} runs, {proteins:,} proteins", err=True)
