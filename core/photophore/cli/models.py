"""``photophore models``: which weights are there, whether they are whole, and how to add others."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from photophore.errors import ModelError, PhotophoreError, Problems

if TYPE_CHECKING:
    from photophore.download import Progress
    from photophore.models import Model


@click.group()
def models() -> None:
    """List, verify and add model weights.

    \b
    photophore models list
    photophore models verify near-small
    photophore models add resnet_877_256.pt --encoder near
    photophore models add https://example.org/weights.safetensors --sha256 HEX
    """  # noqa: D301 - click's mark for lines that keep their breaks


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_(*, as_json: bool) -> None:
    """List every model: the bundled ones and your own."""
    from photophore.models import scan_models, user_folder

    found, problems = scan_models()
    if as_json:
        click.echo(json.dumps([_facts(model) for model in found], indent=2))
    else:
        width = max((len(model.name) for model in found), default=0)
        for model in found:
            place = "bundled" if model.bundled else "yours"
            encoder = model.encoder or "any encoder"
            click.echo(
                f"{model.name:{width}}  {encoder}  {_size(model.bytes)}  {model.licence}  {place}  {model.summary}".rstrip()
            )
        if not found:
            click.echo(f"no models; your own are looked for in {user_folder()}")
    for problem in problems:
        click.echo(f"left out: {problem}", err=True)


@models.command(short_help="Recompute the SHA-256 of every file.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(*, names: tuple[str, ...]) -> None:
    """Recompute the SHA-256 of every file, of all models or of those named."""
    from photophore.config import near_miss
    from photophore.models import scan_models, verify_model

    found, unreadable = scan_models()
    known = [model.name for model in found]
    for name in names:
        if name not in known:
            raise ModelError(
                f"there is no model {name!r}{near_miss(name, known)} (known: {', '.join(known) or 'none'})"
            )
    problems: list[PhotophoreError] = [] if names else list(unreadable)
    for model in found:
        if not names or model.name in names:
            faults = verify_model(model)
            problems += faults
            click.echo(f"{'damaged' if faults else 'ok     '}  {model.name}  {model.folder}")
    if problems:
        raise ModelError(str(problems[0])) if len(problems) == 1 else Problems(problems)


@models.command()
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--sha256", metavar="HEX", help="What the SHA-256 of the file must be; needed for plain http.")
@click.option("--name", metavar="NAME", help="Name of the model (default: the file name without its suffix).")
@click.option("--encoder", default="", metavar="NAME", help="Encoder that loads it.")
@click.option(
    "--licence", default="unknown", metavar="TEXT", show_default=True, help="Licence of the weights, for the list."
)
def add(*, source: str, sha256: str | None, name: str | None, encoder: str, licence: str) -> None:
    """Add a model from a file or an address.

    FILE_OR_URL is a weights file, or the .json that describes a model, with its files beside it. A download that
    broke off goes on where it stopped when the command is repeated.
    """
    from photophore.models import add_model

    with _progress() as progress:
        model = add_model(source, sha256=sha256, name=name, encoder=encoder, licence=licence, progress=progress)
    click.echo(f"added {model.name} in {model.folder}")
    for file in model.files:
        click.echo(f"  {file.name}  {_size(file.bytes)}  sha256 {file.sha256}")
    if sha256 is None and not source.endswith(".json"):
        click.echo("  no --sha256 was given: compare the one above with the publisher's", err=True)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Yield a function that keeps one line of a terminal up to date, or None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(done: int, total: int | None) -> None:
        whole = f" of {_size(total)} ({100 * done // max(total, 1)} %)" if total is not None else ""
        click.echo(f"\r{_size(done)}{whole}   ", nl=False, err=True)

    try:
        yield show
    finally:
        click.echo(err=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count} bytes"


def _facts(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "encoder": model.encoder,
        "summary": model.summary,
        "licence": model.licence,
        "bundled": model.bundled,
        "folder": str(model.folder),
        "card": model.card,
        "source": model.source,
        "files": [{"name": file.name, "sha256": file.sha256, "bytes": file.bytes} for file in model.files],
    }
