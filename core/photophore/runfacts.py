"""What is known about a run, and ``run.json``: enough to repeat it, and to tell whether two runs may be merged."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from photophore.errors import InputError
from photophore.shards import ShardFact

#: Version of the layout of ``run.json``: rises when a key changes its meaning.
SCHEMA_VERSION = 1
RUN_FILE = "run.json"

#: Libraries whose version can change a number in the output.
LIBRARIES = ("numpy", "faiss-cpu", "onnxruntime", "pyhmmer", "pyarrow", "torch")


def photophore_version() -> str:
    """Return the version of the installed distribution."""
    return metadata.version("photophore")


@dataclass(frozen=True, slots=True)
class PluginFact:
    """One link of the chain as it was used.

    Parameters
    ----------
    kind, name
        Such as ``encoder`` and ``near``.
    distribution, version
        The installed distribution that brought the plugin.
    options
        Every field of its configuration, JSON-ready, defaults included.
    digest
        SHA-256 of its weights, None where it has none.
    """

    kind: str
    name: str
    distribution: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFact:
    """The database of a run: where it was, the SHA-256 of its manifest, and what the manifest says."""

    path: str
    digest: str
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """What became of the proteins: ``proteins = annotated + unannotated + failed``; ``annotations`` are rows."""

    proteins: int = 0
    annotated: int = 0
    unannotated: int = 0
    failed: int = 0
    annotations: int = 0


@dataclass(slots=True)
class RunFacts:
    """Facts of a run. `seconds` and `warnings` are filled while it goes on; the rest is known at the start.

    Parameters
    ----------
    command
        The command line, as in ``sys.argv``.
    inputs
        FASTA files in the order in which they are read, named as in the sources of their records (`inputs.source_names`).
    plugins
        The links of the chain, in its order.
    database
        None only where a run has no database.
    options
        Options that decide the answer (cut-offs, z, method, ...), JSON-ready. Runs are merged only if they are equal.
    resources
        Options that do not: threads, device, batch sizes.
    started
        UTC.
    seconds
        Wall-clock seconds by stage; of processes that work side by side, their mean.
    warnings
        Messages shown to the user.
    shards
        Which shards of an input were worked on, empty where none was split.
    merged_from
        Folders of the runs that were merged, empty for a plain run.
    version
        Of the Photophore that made the results.
    """

    command: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    plugins: tuple[PluginFact, ...] = ()
    database: DatabaseFact | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    shards: tuple[ShardFact, ...] = ()
    merged_from: tuple[str, ...] = ()
    version: str = field(default_factory=photophore_version)


@dataclass(frozen=True, slots=True)
class OutputFact:
    """One file of a run."""

    name: str
    bytes: int
    sha256: str


def library_versions() -> dict[str, str]:
    """Return the versions of the installed `LIBRARIES`, read without importing them."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _platform() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "executable": sys.executable,
        "libraries": library_versions(),
    }


def render_run(run: RunFacts, counts: Counts, outputs: tuple[OutputFact, ...]) -> str:
    """Return the text of ``run.json``."""
    ended = datetime.now(UTC)
    facts = {
        "schema_version": SCHEMA_VERSION,
        "photophore_version": run.version,
        "command": list(run.command),
        "inputs": list(run.inputs),
        "shards": [asdict(shard) for shard in run.shards],
        "merged_from": list(run.merged_from),
        "started": run.started.isoformat(timespec="milliseconds"),
        "ended": ended.isoformat(timespec="milliseconds"),
        "seconds": {
            **{stage: round(value, 3) for stage, value in run.seconds.items()},
            "total": round((ended - run.started).total_seconds(), 3),
        },
        "platform": _platform(),
        "plugins": [asdict(plugin) for plugin in run.plugins],
        "database": asdict(run.database) if run.database else None,
        "options": dict(run.options),
        "resources": dict(run.resources),
        "counts": asdict(counts),
        "warnings": list(run.warnings),
        "outputs": [asdict(output) for output in outputs],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n"


def read_run(folder: Path) -> dict[str, Any]:
    """Read ``run.json`` of a finished run; `InputError` where it is missing, damaged or of another layout."""
    path = folder / RUN_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        reason = "there is no such file, so the run did not finish" if folder.is_dir() else "there is no such folder"
        raise InputError(f"{path}: {reason}; give folders that 'photophore annotate -o' has completed") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}; repeat the run") from error
    version = facts.get("schema_version") if isinstance(facts, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {version!r}, this Photophore reads {SCHEMA_VERSION}; "
            "use the version that wrote it, or repeat the run"
        )
    return dict(facts)
