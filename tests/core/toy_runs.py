"""Databases and runs of the toy chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core import toy_chain
from tests.core.conftest import Site

from photophore.building import BuildOptions, build
from photophore.database import Database
from photophore.pipeline import RunSummary, run
from photophore.registry import Registry
from photophore.runconfig import LinkChoice, RunConfig

NAMES = {"encoder": "letters", "index": "exact", "aggregator": "sum", "annotator": "words"}
TARGETS = ">cat\nCAT\n>hat first hat\nHAT\n>wild\nWILD\n"
PROTEINS = ">p1\nMMCATMM\n>p2\nMHATMCATM\n>p3\nMMMM\n>p4 last\nWILDWILD\n"


def links(**options: dict[str, Any]) -> dict[str, LinkChoice]:
    """Return the toy links, with options by kind."""
    return {kind: LinkChoice(name, options.get(kind, {})) for kind, name in NAMES.items()}


def install(site: Site) -> None:
    """Install the toy chain as a distribution of its own."""
    site.install("toys", Path(toy_chain.__file__).read_text(), version="3.1", module="toys_plugin")


def build_toys(folder: Path, registry: Registry, targets: str = TARGETS, **options: Any) -> Database:
    """Build a database of words."""
    source = folder.parent / "words.faa"
    source.write_text(targets)
    return build([source], folder, registry=registry, options=BuildOptions(**{"links": links(), **options}))


def run_toys(
    folder: Path,
    registry: Registry,
    proteins: str = PROTEINS,
    *,
    set_: dict[str, dict[str, Any]] | None = None,
    **options: Any,
) -> RunSummary:
    """Annotate ``proteins`` into ``folder / "out"`` with the database ``folder / "toys"``."""
    queries = folder / "queries.faa"
    queries.write_text(proteins)
    chosen = {kind: LinkChoice(options=values) for kind, values in (set_ or {}).items()}
    given: dict[str, Any] = {
        "inputs": (str(queries),),
        "output": str(folder / "out"),
        "database": str(folder / "toys"),
        "device": "cpu",
        "threads": 1,
        "links": chosen,
        "allow_nucleotide_like": True,
        **options,
    }
    return run(RunConfig(**given), registry)
