"""``python -m photophore_hmmer.families``: builds profile families out of tables of proteins."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from photophore.errors import PhotophoreError
from photophore_hmmer.families.making import Workshop, make_all, make_default
from photophore_hmmer.families.settings import read_settings

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(context_settings={"max_content_width": 100})
@click.option(
    "--config", type=_FILE, default=Path(__file__).with_name("default.yaml"), show_default=True, help="Settings, YAML."
)
@click.option("--data", type=_FOLDER, default=Path("../shared/data"), show_default=True, help="Folder of the data.")
@click.option(
    "--work",
    type=_FOLDER,
    default=Path("work/families"),
    show_default=True,
    help="Folder of intermediate results; a stopped run goes on there.",
)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.pass_context
def main(context: click.Context, config: Path, data: Path, work: Path, threads: int) -> None:
    """Build profile families out of reviewed proteins and their relatives."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        context.obj = Workshop(read_settings(config), data, work, threads)
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error


@main.command("all")
@click.option("--output", type=_FILE, required=True, help="Profiles to write (.hmm).")
@click.option(
    "--least",
    type=click.IntRange(min=1),
    default=None,
    help="Members that a family needs.  [default: least_members of the settings]",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=None, help="Members that a family may have.  [default: any number]"
)
@click.pass_obj
def all_families(shop: Workshop, output: Path, least: int | None, most: int | None) -> None:
    """Build every enzyme family: for training and benchmarks."""
    try:
        count = make_all(shop, output, least or shop.settings.least_members, most)
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} profiles in {output}")


@main.command("default")
@click.option(
    "--output",
    type=_FILE,
    required=True,
    help="Profiles to write: .h3m, .hmm and the figures as .json are put beside each other.",
)
@click.pass_obj
def default_families(shop: Workshop, output: Path) -> None:
    """Choose, deepen and calibrate the families that come with the package."""
    try:
        facts = make_default(shop, output)
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
