"""``photophore annotate``: the proteins of FASTA files, annotated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from photophore.cli.sections import SectionedCommand, chain_options, chosen_links, option, resource_options
from photophore.errors import UsageError

if TYPE_CHECKING:
    from photophore.pipeline import RunSummary
    from photophore.runconfig import Links

#: Shortcuts for options of the annotators hmmer and hifinn, by parameter of the command.
_SHORTCUTS = ("evalue", "dom_evalue", "score", "dom_score", "z", "fdr")
_CUTS = ("ga", "tc", "nc")
_STAGES = ("open", "read", "encode", "search", "aggregate", "annotate", "write")


@click.command(cls=SectionedCommand, no_args_is_help=True)
@click.argument("fasta", nargs=-1, type=click.Path(allow_dash=True))
@option(
    "Input", "-d", "--database", metavar="NAME|FOLDER", help="Database (default: the one that comes with Photophore)."
)
@option(
    "Input",
    "--stops",
    type=click.Choice(["mask", "fail"]),
    help="A * inside a sequence: read it as X (mask, the default) or fail the protein.",
)
@option(
    "Input", "--allow-nucleotide-like", is_flag=True, default=None, help="Take input that looks like DNA for protein."
)
@option("Output", "-o", "--output", metavar="FOLDER", help="Folder for the results; must be new or empty.")
@option(
    "Output",
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="tsv, gff3, jsonl, parquet, domtblout; may be repeated or joined by commas (default: all).",
)
@option(
    "Output",
    "--force",
    is_flag=True,
    default=None,
    help="Replace results of an earlier run, once the new ones are whole.",
)
@option(
    "Reporting (annotator hmmer)",
    "-E",
    "--evalue",
    type=float,
    metavar="X",
    help="Report families with an E-value of at most X.",
)
@option(
    "Reporting (annotator hmmer)",
    "--domE",
    "dom_evalue",
    type=float,
    metavar="X",
    help="Report domains with a conditional E-value of at most X.",
)
@option(
    "Reporting (annotator hmmer)",
    "-T",
    "--score",
    type=float,
    metavar="X",
    help="Report families of at least X bits, instead of by E-value.",
)
@option(
    "Reporting (annotator hmmer)",
    "--domT",
    "dom_score",
    type=float,
    metavar="X",
    help="Report domains of at least X bits, instead of by E-value.",
)
@option(
    "Reporting (annotator hmmer)",
    "-Z",
    "--z",
    type=float,
    metavar="N",
    help="Comparisons that E-values count on (default: number of profiles, as hmmscan).",
)
@option(
    "Reporting (annotator hmmer)",
    "--cut-ga",
    "--cut_ga",
    is_flag=True,
    help="Report by the profiles' gathering cut-offs.",
)
@option(
    "Reporting (annotator hmmer)",
    "--cut-tc",
    "--cut_tc",
    is_flag=True,
    help="Report by the profiles' trusted cut-offs.",
)
@option(
    "Reporting (annotator hmmer)", "--cut-nc", "--cut_nc", is_flag=True, help="Report by the profiles' noise cut-offs."
)
@option(
    "Reporting (annotator hifinn)",
    "--fdr",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Report EC numbers of which at most the share X is wrong; others back off to 2.7.1.- or to none.",
)
@chain_options
@resource_options
@option(
    "Resources",
    "--batch-residues",
    type=click.IntRange(min=1),
    metavar="N",
    help="Residues in memory at once (default: 1200000); does not change results.",
)
@option(
    "Resources",
    "--batch-records",
    type=click.IntRange(min=1),
    metavar="N",
    help="Proteins in memory at once (default: 4000); does not change results.",
)
@click.option(
    "--config", type=click.Path(), metavar="FILE", help="YAML file with these options; the command line wins."
)
@click.option("--dry-run", is_flag=True, default=None, help="Check everything, show the plan, annotate nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def annotate(*, fasta: tuple[str, ...], config: str | None, quiet: bool, **given: Any) -> None:
    """Annotate the proteins of FASTA files.

    FASTA may be plain or compressed (gz, bz2, xz, zst), or - for standard input. Results appear in the output folder
    when they are whole: annotations.tsv, .gff3, .jsonl and .parquet (the same rows), hits.domtblout, proteins.tsv,
    failures.tsv and run.json.

    \b
    photophore annotate proteins.faa -o results
    zcat bins/*.faa.gz | photophore annotate - -d pfam -o results --cut-ga
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.pipeline import run
    from photophore.progress import NoProgress, make_progress
    from photophore.registry import load_registry
    from photophore.runconfig import load_run_config

    links = _links(given)
    given["formats"] = tuple(name.strip() for text in given["formats"] for name in text.split(",") if name.strip())
    run_config = load_run_config(Path(config) if config else None, {"inputs": fasta, **given}, links)
    registry = load_registry(beside=Path(config) if config else None)
    if quiet:
        summary = run(run_config, registry, NoProgress())
    else:
        with make_progress(sys.stderr) as progress:
            summary = run(run_config, registry, progress)
    if run_config.dry_run:
        click.echo(_plan_text(summary))
        return
    for warning in summary.warnings:
        click.echo(f"photophore: warning: {warning}", err=True)
    if not quiet:
        click.echo(_summary_text(summary), err=True)


def _links(given: dict[str, Any]) -> Links:
    """Take the options of the links out of those of the command: names, --set, and the shortcuts for hmmer."""
    from photophore.runconfig import LinkChoice, merge_links

    names = {kind: given.pop(kind) for kind in ("encoder", "index", "aggregator", "annotator")}
    links = chosen_links(given.pop("settings"), **names)
    shortcuts = {name: value for name in _SHORTCUTS if (value := given.pop(name)) is not None}
    cuts = [cut for cut in _CUTS if given.pop(f"cut_{cut}")]
    if len(cuts) > 1:
        raise UsageError(f"--cut-{' and --cut-'.join(cuts)} exclude each other; choose one")
    if cuts:
        shortcuts["cut"] = cuts[0]
    twice = sorted(shortcuts.keys() & links.get("annotator", LinkChoice()).options.keys())
    if twice:
        raise UsageError(f"annotator.{twice[0]} is set both by --set and by an option of its own; give it once")
    return merge_links(links, {"annotator": LinkChoice(options=shortcuts)}) if shortcuts else links


def _plan_text(summary: RunSummary) -> str:
    """Return what a run would do."""
    plan = summary.plan
    manifest = plan.database.manifest
    lines = [
        f"input     {', '.join(plan.facts.inputs)}",
        f"database  {plan.database.path} ({manifest.method}, {manifest.targets:,} targets, {manifest.positions:,} positions)",
    ]
    for plugin in plan.facts.plugins:
        options = ", ".join(f"{name}={value}" for name, value in plugin.options.items())
        lines.append(f"{plugin.kind:9} {plugin.name} ({plugin.distribution} {plugin.version}) {options}".rstrip())
    lines += [
        f"compute   {plan.runtime.device}, {plan.runtime.threads} threads",
        f"output    {plan.config.output or '(none given)'}: {', '.join(plan.formats)}",
        "Everything is in order; nothing was annotated (--dry-run).",
    ]
    return "\n".join(lines)


def _summary_text(summary: RunSummary) -> str:
    """Return what came of a run, in two lines."""
    from photophore.progress import duration

    counts = summary.counts
    stages = ", ".join(f"{stage} {duration(summary.seconds[stage])}" for stage in _STAGES if stage in summary.seconds)
    return (
        f"{counts.proteins:,} proteins ({summary.residues:,} residues): {counts.annotated:,} annotated, "
        f"{counts.unannotated:,} unannotated, {counts.failed:,} failed; {counts.annotations:,} annotations "
        f"in {summary.plan.config.output}\n"
        f"{duration(summary.total)}: {stages}"
    )
