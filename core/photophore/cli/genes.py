"""``photophore genes``: the proteins encoded on contigs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("genes", no_args_is_help=True)
@click.argument("contigs", nargs=-1, type=click.Path(allow_dash=True))
@click.option(
    *("-o", "--output"),
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the proteins, FASTA.",
)
@click.option(
    "--gff", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="File for the genes, GFF3."
)
@click.option(
    "--mode",
    type=click.Choice(["meta", "single"]),
    default="meta",
    show_default=True,
    help="Models made for metagenomes, or one trained on these contigs (one genome).",
)
@click.option("--table", type=int, default=11, show_default=True, metavar="N", help="Genetic code of mode single.")
@click.option("--closed", is_flag=True, help="No gene runs off the end of a contig: for complete genomes.")
@click.option(
    "-t", "--threads", type=click.IntRange(min=1), metavar="N", help="Contigs worked on at a time (default: all cores)."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def genes(
    *,
    contigs: tuple[str, ...],
    output: Path,
    gff: Path | None,
    mode: str,
    table: int,
    closed: bool,
    threads: int | None,
    quiet: bool,
) -> None:
    """Call the genes of contigs with pyrodigal and write their proteins.

    Names and headers are Prodigal's: contig_3 is the third gene of contig. Needs pip install 'photophore[genes]'.

    \b
    photophore genes assembly.fna.gz -o proteins.faa --gff genes.gff
    photophore annotate proteins.faa -o results
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.genes import GeneOptions, call_genes
    from photophore.runconfig import available_cpus

    counts = call_genes(contigs, output, gff, GeneOptions(mode, table, closed, threads or available_cpus()))
    if not quiet:
        click.echo(
            f"{output}: {counts.genes:,} proteins of {counts.contigs:,} contigs ({counts.nucleotides:,} nucleotides)",
            err=True,
        )
