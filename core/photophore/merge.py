"""Join finished runs over parts of an input into what one run over the whole input would have written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from photophore.errors import InputError, PhotophoreError, Problems, UsageError
from photophore.runfacts import RUN_FILE, Counts, DatabaseFact, OutputFact, PluginFact, RunFacts, read_run, render_run
from photophore.shards import ShardFact
from photophore.writers import ALL_FILES
from photophore.writers.atomic import OutputFile, OutputFolder

_CHUNK_BYTES = 1 << 20

#: Lines at the top of each text format that stand once in the merged file.
_HEADER_LINES = {".tsv": 1, ".gff3": 1, ".domtblout": 3, ".jsonl": 0}


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished run: its folder and what its ``run.json`` says."""

    folder: Path
    facts: dict[str, Any]

    @property
    def outputs(self) -> dict[str, OutputFact]:
        """Its files by name."""
        return {output["name"]: OutputFact(**output) for output in self.facts["outputs"]}


def merge(folders: Sequence[Path], folder: Path, *, command: Sequence[str] = (), force: bool = False) -> Counts:
    """Merge the runs in ``folders``, in this order, into ``folder``; return the summed counts.

    The files get the bytes that one run over the inputs in that order writes; only ``run.json`` tells of the merge.

    Raises
    ------
    InputError
        A folder holds no finished run, or a file of it is not what ``run.json`` says.
    Problems
        The runs cannot be merged: every difference, with both folders.
    OutputError
        The result cannot be written.
    """
    started = datetime.now(UTC)
    shards = _read_shards(folders, folder)
    counts = Counts()
    for shard in shards:
        for name, value in shard.facts["counts"].items():
            setattr(counts, name, getattr(counts, name) + value)
    run = _merged_facts(shards, command, started)
    with OutputFolder(folder, ALL_FILES, marker=RUN_FILE, force=force) as output:
        for name in shards[0].outputs:
            join = _join_parquet if name.endswith(".parquet") else _join_text
            join(output.create(name), shards, name)
        written = output.close_files()
        output.create(RUN_FILE).write_text(render_run(run, counts, written))
        output.publish()
    return counts


def _read_shards(folders: Sequence[Path], folder: Path) -> list[Shard]:
    if not folders:
        raise UsageError("nothing to merge: name at least one folder that 'photophore annotate -o' has completed")
    seen: set[Path] = set()
    for path in folders:
        if path.resolve() == folder.resolve():
            raise UsageError(f"{path}: is one of the runs and the result at once; give another folder with -o")
        if path.resolve() in seen:
            raise UsageError(f"{path}: is named twice; name each run once")
        seen.add(path.resolve())
    shards = [Shard(path, read_run(path)) for path in folders]
    problems = [problem for shard in shards[1:] for problem in _differences(shards[0], shard)]
    problems += _gaps(shards)
    if problems:
        raise Problems(problems)
    return shards


_COMPARED: tuple[tuple[str, str, Callable[[Shard], object]], ...] = (
    ("version of Photophore", "repeat one run", lambda shard: shard.facts["photophore_version"]),
    ("database", "merge runs of one database", lambda shard: (shard.facts["database"] or {}).get("digest")),
    ("options", "repeat one run with the options of the other", lambda shard: shard.facts["options"]),
    ("plugins", "repeat one run with the plugins of the other", lambda shard: shard.facts["plugins"]),
    ("output files", "repeat one run with the formats of the other", lambda shard: sorted(shard.outputs)),
)


def _differences(first: Shard, other: Shard) -> Iterator[PhotophoreError]:
    """Yield what keeps two runs from being merged."""
    for what, remedy, look in _COMPARED:
        ours, theirs = look(first), look(other)
        if ours != theirs:
            ours, theirs = _apart(ours, theirs)
            yield InputError(
                f"{other.folder}: cannot be merged with {first.folder}: the {what} differ: "
                f"{theirs!r} there, {ours!r} in {first.folder}; {remedy}"
            )


def _gaps(runs: Sequence[Shard]) -> Iterator[PhotophoreError]:
    """Yield where the parts of a split input do not follow each other from the first to the last."""
    told = [(run.folder, ShardFact(**fact)) for run in runs for fact in run.facts.get("shards", ())]
    wanted: ShardFact | None = None
    for folder, fact in told:
        wanted = wanted or replace(fact, number=1)
        if fact != wanted:
            other = "" if fact.split == wanted.split else " of another input"
            yield InputError(
                f"{folder}: is the run over shard {fact.number} of {fact.of}, where shard {wanted.number} of {wanted.of}"
                f"{other} should follow; name the runs over all shards, in their order"
            )
            return
        wanted = replace(fact, number=fact.number + 1) if fact.number < fact.of else None
    if wanted:
        yield InputError(
            f"{told[-1][0]}: is the run over shard {wanted.number - 1} of {wanted.of}, and the last one named; "
            f"name the runs over all {wanted.of} shards, in their order"
        )


def _apart(ours: object, theirs: object) -> tuple[object, object]:
    """Leave out what two mappings or lists have in common."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        return {key: ours.get(key) for key in keys}, {key: theirs.get(key) for key in keys}
    if isinstance(ours, list) and isinstance(theirs, list):
        return [item for item in ours if item not in theirs], [item for item in theirs if item not in ours]
    return ours, theirs


def _merged_facts(shards: Sequence[Shard], command: Sequence[str], started: datetime) -> RunFacts:
    first = shards[0].facts
    seconds: dict[str, float] = {}
    for shard in shards:
        for stage, value in shard.facts["seconds"].items():
            if stage != "total":
                seconds[stage] = seconds.get(stage, 0.0) + value
    return RunFacts(
        command=tuple(command),
        inputs=tuple(name for name, _ in groupby(name for shard in shards for name in shard.facts["inputs"])),
        shards=tuple(ShardFact(**fact) for shard in shards for fact in shard.facts.get("shards", ())),
        plugins=tuple(PluginFact(**plugin) for plugin in first["plugins"]),
        database=DatabaseFact(**first["database"]) if first["database"] else None,
        options=first["options"],
        started=started,
        seconds=seconds,
        warnings=list(dict.fromkeys((*(line for s in shards for line in s.facts["warnings"]), *_mixtures(shards)))),
        merged_from=tuple(str(shard.folder) for shard in shards),
        version=first["photophore_version"],
    )


def _mixtures(shards: Sequence[Shard]) -> Iterator[str]:
    """Warn of libraries that differ between the runs: they may change a last digit."""
    first = shards[0]
    for shard in shards[1:]:
        ours, theirs = first.facts["platform"]["libraries"], shard.facts["platform"]["libraries"]
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                yield f"{shard.folder} ran with {name} {theirs.get(name)}, {first.folder} with {ours.get(name)}"


def _join_text(output: OutputFile, shards: Sequence[Shard], name: str) -> None:
    """Append the bodies of the files under the header of the first, checking each against its digest."""
    lines = _HEADER_LINES[Path(name).suffix]
    header = b""
    for number, shard in enumerate(shards):
        path = shard.folder / name
        digest = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                top = b"".join(stream.readline() for _ in range(lines))
                digest.update(top)
                if number == 0:
                    header = top
                    output.write(top)
                elif top != header:
                    raise InputError(f"{path}: its header is not that of {shards[0].folder / name}; repeat the run")
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    output.write(chunk)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; repeat the run") from error
        _check_digest(path, digest.hexdigest(), shard.outputs[name])


def _join_parquet(output: OutputFile, shards: Sequence[Shard], name: str) -> None:
    """Cut the rows of all files into row groups anew."""
    import pyarrow.parquet as pq

    from photophore.writers.parquet import ROW_GROUP_ROWS, RowGroups, written_schema

    groups: RowGroups | None = None
    for shard in shards:
        path = shard.folder / name
        try:
            with path.open("rb") as stream:
                _check_digest(path, hashlib.file_digest(stream, "sha256").hexdigest(), shard.outputs[name])
                with pq.ParquetFile(stream) as source:
                    groups = groups or RowGroups(output, written_schema(source.schema_arrow))
                    for batch in source.iter_batches(batch_size=ROW_GROUP_ROWS):
                        groups.write(batch)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}; repeat the run") from error
    if groups:
        groups.close()


def _check_digest(path: Path, digest: str, expected: OutputFact) -> None:
    if digest != expected.sha256:
        raise InputError(
            f"{path}: was changed or cut after the run: its SHA-256 is {digest[:12]}..., "
            f"{RUN_FILE} says {expected.sha256[:12]}...; repeat the run"
        )
