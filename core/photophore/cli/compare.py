"""``photophore compare``: the proteins of two FASTA files, compared residue by residue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from photophore.cli.sections import SectionedCommand, option, resource_options
from photophore.errors import PluginError, UsageError

if TYPE_CHECKING:
    from photophore.hookspecs import Comparer, Runtime


@click.command(cls=SectionedCommand, no_args_is_help=True)
@click.argument("one", type=click.Path(allow_dash=True))
@click.argument("other", type=click.Path(allow_dash=True))
@option("Pairs", "--pairs", "pairing", type=click.Choice(["all", "rows"]), default="all", show_default=True,
        help="Each protein of ONE with each of OTHER (all), or the first with the first and so on (rows).")  # fmt: skip
@option("Pairs", "--mutant", is_flag=True,
        help="ONE holds wild types, OTHER mutants: tell where these differ; equal lengths go by position.")  # fmt: skip
@option("Output", "-o", "--output", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="Folder for tables and pictures; without it the alignments are printed.")  # fmt: skip
@option("Output", "--plot", type=click.Choice(["png", "svg", "pdf", "none"]), default="png", show_default=True,
        help="Format of the pictures (needs matplotlib: pip install 'photophore[plot]').")  # fmt: skip
@option("Output", "--most-plots", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
        help="Draw the first N pairs.")  # fmt: skip
@option("Output", "--force", is_flag=True, help="Replace results of an earlier run, once the new ones are whole.")
@option("Model", "--encoder", default="siamese", show_default=True, metavar="NAME",
        help="Encoder whose model compares (photophore plugins list).")  # fmt: skip
@option("Model", "--set", "settings", multiple=True, metavar="encoder.FIELD=VALUE",
        help="Set an option of the encoder, such as encoder.weights=mine.safetensors; may be repeated.")  # fmt: skip
@resource_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def compare(
    *,
    one: str,
    other: str,
    pairing: str,
    mutant: bool,
    output: Path | None,
    plot: str,
    most_plots: int,
    force: bool,
    encoder: str,
    settings: tuple[str, ...],
    threads: int | None,
    device: str | None,
    quiet: bool,
) -> None:
    """Predict how alike the structures of proteins are, from their sequences.

    For each pair of proteins of the FASTA files ONE and OTHER: the TM-score, an alignment, and the lDDT of each aligned residue.
    -o writes comparisons.tsv (a row a pair), residues.tsv (a row a residue of the first) and a picture a pair.

    \b
    photophore compare a.fasta b.fasta
    photophore compare a.fasta b.fasta -o out --plot svg
    photophore compare wild_type.fasta mutants.fasta --mutant -o out
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.comparing import (
        CompareOptions,
        as_text,
        comparisons,
        pairs_of,
        read_proteins,
        write_comparisons,
    )
    from photophore.devices import resolve_device
    from photophore.hookspecs import Runtime
    from photophore.mutants import mutant_text
    from photophore.progress import NoProgress, make_progress
    from photophore.runconfig import available_cpus

    options = CompareOptions(pairing=pairing, mutant=mutant, plot=plot, most_plots=most_plots, force=force)
    first, second = read_proteins(one), read_proteins(other)
    total = len(pairs_of(first, second, pairing))
    if output is not None and plot != "none" and most_plots:
        _require_matplotlib()
    runtime = Runtime(resolve_device(device or "auto"), threads or available_cpus())
    found = comparisons(_comparer(encoder, settings, runtime), first, second, options)
    if output is None:
        for each in found:
            click.echo(as_text(each))
            if mutant:
                click.echo(mutant_text(each))
        return
    if quiet:
        write_comparisons(found, output, options, total, NoProgress())
        return
    with make_progress(sys.stderr) as progress:
        drawn = write_comparisons(found, output, options, total, progress)
    click.echo(f"{output}: {total:,} pairs, {drawn:,} pictures", err=True)


def _comparer(name: str, settings: tuple[str, ...], runtime: Runtime) -> Comparer:
    """Open the model of an encoder that can compare."""
    from photophore.config import make_config
    from photophore.hookspecs import EncoderSpec
    from photophore.registry import load_registry, require_modules
    from photophore.runconfig import parse_settings

    registry = load_registry()
    spec = registry.spec("encoder", name)
    if not isinstance(spec, EncoderSpec) or spec.compare is None:
        able = [item.name for item in registry.specs("encoder") if isinstance(item, EncoderSpec) and item.compare]
        raise PluginError(f"encoder {name!r} cannot compare proteins; these can: {', '.join(able) or 'none'}")
    links = parse_settings(settings)
    if others := sorted(links.keys() - {"encoder"}):
        raise UsageError(f"--set {others[0]}...: a comparison has no {others[0]}; set options of the encoder alone")
    require_modules(spec)
    return spec.compare(make_config(spec, links["encoder"].options if links else {}), runtime)


def _require_matplotlib() -> None:
    """Raise `PluginError` before any work where pictures cannot be drawn."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise PluginError(
            "pictures need matplotlib, which is not installed; run: pip install 'photophore[plot]', or give --plot none"
        )
