"""``photophore split``: cut an input into shards."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("split", no_args_is_help=True)
@click.argument("fasta", nargs=-1, type=click.Path())
@click.option(
    *("-o", "--output"),
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder for the shards; must be new or empty.",
)
@click.option("--shards", type=click.IntRange(min=1), metavar="N", help="Into how many shards.")
@click.option("--residues", type=click.IntRange(min=1), metavar="N", help="About how many residues a shard.")
@click.option("--allow-nucleotide-like", is_flag=True, help="Take input that looks like DNA for protein.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def split(
    *,
    fasta: tuple[str, ...],
    output: Path,
    shards: int | None,
    residues: int | None,
    allow_nucleotide_like: bool,
    quiet: bool,
) -> None:
    """Split the proteins of FASTA files into shards of about as many residues each.

    A shard is a folder, and an input of 'photophore annotate' as a file is one. Records stay whole, in their order and
    as they are, faulty ones too: merging the runs over the shards gives the bytes of one run over the input.

    \b
    photophore split proteins.faa.gz --shards 2 -o shards
    photophore annotate shards/shard-1 -o run1
    photophore annotate shards/shard-2 -o run2
    photophore merge run1 run2 -o results
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.split import SplitOptions
    from photophore.split import split as split_input

    made = split_input(fasta, output, SplitOptions(shards, residues, allow_nucleotide_like))
    if not quiet:
        sizes = [shard.residues for shard in made]
        click.echo(
            f"{output}: {len(made):,} shards of {min(sizes):,} to {max(sizes):,} residues, "
            f"{sum(piece.records or 0 for shard in made for piece in shard.pieces):,} records",
            err=True,
        )
