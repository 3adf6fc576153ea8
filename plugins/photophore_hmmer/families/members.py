"""``python -m photophore_hmmer.families.members``: a few members of every enzyme family, named ``<profile>/<id>``, for training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from photophore.errors import PhotophoreError
from photophore_hmmer.families.grouping import Choice, Family, choose_members, group_enzymes
from photophore_hmmer.families.settings import read_settings
from photophore_hmmer.families.tables import read_members

_FILE = click.Path(dir_okay=False, path_type=Path)


def write_members(families: Iterable[Family], choice: Choice, path: Path) -> int:
    """Write at most ``choice.most`` diverse members of each family as FASTA, whole or not at all; return how many."""
    beside = path.with_name(path.name + ".part")
    written = 0
    with beside.open("w", encoding="ascii") as stream:
        for family in families:
            for member in choose_members(family.members, choice):
                stream.write(f">{family.name}/{member.id}\n{member.sequence}\n")
                written += 1
    beside.replace(path)
    return written


@click.command()
@click.option("--config", type=_FILE, default=Path(__file__).with_name("default.yaml"), help="Settings, YAML.")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path("../shared/data"), show_default=True
)
@click.option("--output", type=_FILE, required=True, help="FASTA file to write.")
@click.option("--least", type=click.IntRange(min=1), default=2, show_default=True, help="Members that a family needs.")
@click.option("--each", type=click.IntRange(min=1), default=4, show_default=True, help="Members written of a family.")
def main(config: Path, data: Path, output: Path, least: int, each: int) -> None:
    """Write a few members of every enzyme family, named <profile>/<id>, for `photophore train near`."""
    try:
        settings = read_settings(config)
        families = group_enzymes(read_members(data / settings.sources.enzymes))
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error
    chosen = [family for family in families if len(family.members) >= least]
    count = write_members(chosen, replace(settings.choice, most=each), output)
    click.echo(f"{count} members of {len(chosen)} families in {output}")


if __name__ == "__main__":
    main()
