"""``photophore db``: build, list, describe and verify databases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from photophore.cli.sections import SectionedCommand, chain_options, chosen_links, option, resource_options

if TYPE_CHECKING:
    from photophore.database import Database


@click.group()
def db() -> None:
    """Build, list, describe and verify databases.

    \b
    photophore db build Pfam-A.hmm -o pfam
    photophore db describe pfam
    photophore db verify pfam

    A database is a folder. Those in the folders that PHOTOPHORE_DATABASES names can be called by their name alone.
    """  # noqa: D301 - click's mark for lines that keep their breaks


@db.command(cls=SectionedCommand, no_args_is_help=True)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@option(
    "Output",
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the new database.",
)
@option("Output", "--force", is_flag=True, help="Replace a database that stands there, once the new one is whole.")
@option(
    "Chain", "--method", default="near-hmmer", show_default=True, metavar="NAME", help="The links, unless chosen below."
)
@chain_options
@resource_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def build(
    *,
    sources: tuple[Path, ...],
    output: Path,
    force: bool,
    method: str,
    threads: int | None,
    device: str | None,
    settings: tuple[str, ...],
    quiet: bool,
    **names: str | None,
) -> None:
    """Build a database of profile HMMs, of proteins with EC numbers, or of whatever else the annotator reads.

    SOURCES are HMMER3 profiles, text (also compressed) or pressed; for --method hifinn proteins with EC numbers, a table
    with the columns id, ec and sequence, or FASTA with EC=... in the headers.

    \b
    photophore db build Pfam-A.hmm -o pfam
    photophore db build --method hifinn lookup.tsv -o ec
    photophore db build a.hmm b.hmm -o mine --index hnsw --set index.m=48
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.building import BuildOptions
    from photophore.building import build as build_database
    from photophore.devices import resolve_device
    from photophore.hookspecs import Runtime
    from photophore.progress import NoProgress, make_progress
    from photophore.registry import load_registry
    from photophore.runconfig import available_cpus

    options = BuildOptions(
        method=method,
        links=chosen_links(settings, **names),
        runtime=Runtime(resolve_device(device or "auto"), threads or available_cpus()),
        force=force,
    )
    registry = load_registry()
    if quiet:
        build_database(sources, output, registry=registry, options=options, progress=NoProgress())
        return
    with make_progress(sys.stderr) as progress:
        build_database(sources, output, registry=registry, options=options, progress=progress)


@db.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_(*, as_json: bool) -> None:
    """List the databases that can be called by name."""
    from photophore.database import SEARCH_VARIABLE, Database, list_databases
    from photophore.errors import DatabaseError

    found: list[dict[str, Any]] = []
    for path in list_databases():
        try:
            found.append(Database.open(path).describe())
        except DatabaseError as error:
            found.append({"name": path.name, "path": str(path), "problem": str(error)})
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    width = max((len(facts["name"]) for facts in found), default=0)
    for facts in found:
        if "problem" in facts:
            click.echo(f"{facts['name']:{width}}  cannot be used: {facts['problem']}")
        else:
            click.echo(
                f"{facts['name']:{width}}  {facts['targets']:>9,} targets  {facts['positions']:>11,} positions  "
                f"{_size(facts['bytes']):>9}  {facts['method']}  {facts['path']}"
            )
    if not found:
        click.echo(
            f"No database is installed. Build one with photophore db build; {SEARCH_VARIABLE} names folders to look in."
        )


@db.command()
@click.argument("database", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def describe(*, database: str | None, as_json: bool) -> None:
    """Tell what DATABASE (a name or a folder; default: the one that comes along) holds and what made it."""
    facts = _find(database).describe()
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    rows = [
        ("name", facts["name"]),
        ("path", facts["path"]),
        ("method", facts["method"]),
        ("targets", f"{facts['targets']:,}"),
        ("positions", f"{facts['positions']:,}"),
        ("size", _size(facts["bytes"])),
        ("created", f"{facts['created']} by Photophore {facts['photophore_version']}"),
        ("sources", ", ".join(facts["sources"])),
    ]
    for kind, link in facts["links"].items():
        options = ", ".join(f"{name}={value}" for name, value in link["options"].items())
        digest = f"weights {link['digest'][:12]}" if link["digest"] else ""
        rows.append((kind, "  ".join(filter(None, [link["name"], options, digest]))))
    rows += [(name, _plain(value)) for name, value in facts["metadata"].items()]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:{width}}  {value}")


@db.command()
@click.argument("database", required=False)
def verify(*, database: str | None) -> None:
    """Check every file of DATABASE (a name or a folder; default: the one that comes along) against its SHA-256."""
    from photophore.errors import PhotophoreError, Problems

    found = _find(database)
    problems: list[PhotophoreError] = [*found.verify()]
    if problems:
        raise Problems(problems)
    click.echo(f"{found.path}: {len(found.manifest.checksums)} files, all as they were built")


def _find(database: str | None) -> Database:
    from photophore.database import find

    return find(database)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
