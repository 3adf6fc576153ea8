"""``photophore annotate``: check everything, open the chain, stream the proteins through it, write what was found."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from photophore.chain import Chain, open_chain
from photophore.clock import Clock
from photophore.database import Database, find
from photophore.devices import resolve_device
from photophore.errors import DatabaseError, OutputError, PhotophoreError, Problems, UsageError
from photophore.fasta import FastaReader
from photophore.hookspecs import AnnotatorSpec, EncoderSpec, Runtime
from photophore.inputs import check_inputs, source_names, total_bytes
from photophore.links import Link, choose_links, json_ready, method_name
from photophore.progress import NoProgress, Progress
from photophore.registry import Registry
from photophore.runconfig import KINDS, LinkChoice, RunConfig, merge_links
from photophore.runfacts import Counts, DatabaseFact, PluginFact, RunFacts
from photophore.shards import shard_facts
from photophore.stream import Isolation, Prefetch, ReadBatch, StageError, batches
from photophore.types import BatchResult, Candidates, SequenceBatch
from photophore.workers import SHARED_RECORDS, SHARED_RESIDUES, Workers
from photophore.writers import ALL_FILES, formats_for, open_writers

#: Names among which repeated ones are looked for: memory stays bounded.
NAMES_REMEMBERED = 1_000_000


@dataclass(frozen=True)
class Plan:
    """A run that can be done: nothing is wrong with its input, output, database, plugins, options and device."""

    config: RunConfig
    database: Database
    links: dict[str, Link]
    runtime: Runtime
    formats: tuple[str, ...]
    facts: RunFacts


_Found = tuple[ReadBatch, Candidates | None]


@dataclass(frozen=True)
class RunSummary:
    """What came of a run; ``counts.proteins = annotated + unannotated + failed``.

    Parameters
    ----------
    total
        Wall-clock seconds of the run: less than those of its stages together where these overlap.
    """

    plan: Plan
    counts: Counts = field(default_factory=Counts)
    residues: int = 0
    total: float = 0.0

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds by stage."""
        return self.plan.facts.seconds

    @property
    def warnings(self) -> list[str]:
        """What the user should know though the run went well."""
        return self.plan.facts.warnings


def run(config: RunConfig, registry: Registry, progress: Progress | None = None) -> RunSummary:
    """Annotate the proteins of ``config.inputs``; with ``config.dry_run`` only check and open everything."""
    progress = progress or NoProgress()
    plan = check(config, registry)
    clock = Clock(plan.facts.seconds)
    # Where one process does all the work, what does not open is known before anything is read.
    opened = _open(plan, clock) if config.dry_run or not _by_processes(plan) else None
    if config.dry_run:
        return RunSummary(plan)

    tally = _Tally()
    columns = plan.links["annotator"].spec.columns
    with (
        open_writers(Path(config.output), plan.formats, columns, plan.facts, force=config.force) as writer,
        closing(Prefetch(_read(plan))) as stream,
        closing(_annotated(plan, opened, registry, _timed(stream, clock), clock)) as annotated,
    ):
        progress.begin("annotating", total_bytes(config.inputs))
        for read, result in annotated:
            with clock("write"):
                writer.write(result)
            tally.add(read)
            progress.advance(read.bytes_read, _detail(writer.counts))
        progress.end()
        plan.facts.warnings += tally.warnings(writer.counts)
    total = (datetime.now(UTC) - plan.facts.started).total_seconds()
    return RunSummary(plan, writer.counts, tally.residues, total)


def check(config: RunConfig, registry: Registry) -> Plan:
    """Return the plan of a run, or raise everything that keeps it from being done, together."""
    problems: list[PhotophoreError] = [*check_inputs(config.inputs), *_output_problems(config)]
    device = "cpu"
    try:
        device = resolve_device(config.device)
    except UsageError as error:
        problems.append(error)
    links: dict[str, Link] = {}
    try:
        database = find(config.database)
    except DatabaseError as error:
        raise _together([*problems, error]) from error
    stored = database.manifest.links
    choices = merge_links({kind: LinkChoice(stored[kind].name, stored[kind].options) for kind in KINDS}, config.links)
    links, faults = choose_links(registry, choices)
    problems += [*faults, *_misfits(database, links)]
    formats = config.formats
    if "annotator" in links:
        formats, unknown = _formats(config, links["annotator"])
        problems += unknown
    if problems:
        raise _together(problems)
    facts = _facts(config, database, links, registry, device)
    return Plan(config, database, links, Runtime(device, config.threads), formats, facts)


def _open(plan: Plan, clock: Clock) -> Chain:
    with clock("open"):
        return open_chain(plan.database, plan.links, plan.runtime, clock)


def _annotated(
    plan: Plan, opened: Chain | None, registry: Registry, batches: Iterator[ReadBatch], clock: Clock
) -> Generator[tuple[ReadBatch, BatchResult]]:
    """Yield each batch with what came of it: of the chain that is ``opened``, or else of processes if there is more than one batch."""
    first = [] if opened else list(itertools.islice(batches, 2))
    if len(first) == 2:
        choices = {kind: LinkChoice(link.name, link.options) for kind, link in plan.links.items()}
        workers = Workers(plan.database.path, choices, plan.runtime.threads, beside=registry.beside)
        with closing(workers.run(itertools.chain(first, batches))) as shared:
            for read, annotations, failures in shared:
                yield read, BatchResult(read.sequences, annotations, (*read.failures, *failures))
        plan.facts.resources["processes"] = workers.started
        clock.add(workers.mean_seconds())
        return
    chain = opened or _open(plan, clock)
    isolation = Isolation(chain.annotate)
    found: Generator[_Found] | Prefetch[_Found] = _candidates(chain, itertools.chain(first, batches), isolation)
    if plan.runtime.threads > 1 and chain.in_halves:
        found = Prefetch(found, depth=1)  # the processors that one half leaves idle work on the other
    with closing(found):
        for read, candidates in found:
            whole = partial(chain.annotate, read.sequences, candidates)
            annotations, failures = isolation.run(read.sequences, whole)
            yield read, BatchResult(read.sequences, annotations, (*read.failures, *failures))


def _candidates(chain: Chain, batches: Iterator[ReadBatch], isolation: Isolation) -> Generator[_Found]:
    """Yield each batch with its candidates, or with none where a record of it stands in the way: `isolation` finds which."""
    for read in batches:
        candidates = None
        if len(read.sequences) and isolation.fits(read.sequences):
            with suppress(StageError):
                candidates = chain.candidates(read.sequences)
        yield read, candidates


def _by_processes(plan: Plan) -> bool:
    """Return whether processes share the batches of a run."""
    annotator: AnnotatorSpec = plan.links["annotator"].spec
    encoder: EncoderSpec = plan.links["encoder"].spec
    if encoder.own_copies is not None and not encoder.own_copies(plan.links["encoder"].config):
        return False
    return annotator.holds_lock and plan.runtime.device == "cpu" and plan.runtime.threads > 1


def _output_problems(config: RunConfig) -> list[PhotophoreError]:
    """Return what keeps the results from being written, as far as it shows before."""
    if not config.output:
        return [] if config.dry_run else [UsageError("no folder for the results: name one with -o")]
    folder = Path(config.output)
    if folder.exists() and not folder.is_dir():
        return [OutputError(f"{folder}: exists and is no folder; give another one with -o")]
    if folder.is_dir() and not config.force:
        there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if there:
            shown = ", ".join([name for name in ALL_FILES if name in there] or there[:3])
            return [
                OutputError(
                    f"{folder}: is not empty (it holds {shown}); give another folder with -o, or --force to replace results"
                )
            ]
    return []


def _misfits(database: Database, links: dict[str, Link]) -> list[PhotophoreError]:
    """Return where the chosen links do not go with what the database was built with."""
    problems: list[PhotophoreError] = []
    for kind in ("encoder", "index", "annotator"):
        built = database.manifest.links[kind].name
        if kind in links and links[kind].name != built:
            problems.append(
                DatabaseError(
                    f"{database.path}: was built with {kind} {built!r}, not {links[kind].name!r}; leave --{kind} out, or "
                    f"build one with it: photophore db build ... --{kind} {links[kind].name} -o FOLDER"
                )
            )
    annotator = links.get("annotator")
    if annotator and not problems and annotator.spec.check is not None:
        faults = annotator.spec.check(database.annotator_folder, database.manifest.metadata, annotator.config)
        problems += [fault if isinstance(fault, PhotophoreError) else UsageError(str(fault)) for fault in faults]
    return problems


def _formats(config: RunConfig, annotator: Link) -> tuple[tuple[str, ...], list[PhotophoreError]]:
    """Return the formats to write: those asked for, or every one that the annotator can fill."""
    possible = formats_for(annotator.spec.columns)
    unknown: list[PhotophoreError] = [
        UsageError(
            f"--format {name}: annotator {annotator.name!r} cannot be written so; choose from {', '.join(possible)}"
        )
        for name in config.formats
        if name not in possible
    ]
    return config.formats or possible, unknown


def _facts(config: RunConfig, database: Database, links: dict[str, Link], registry: Registry, device: str) -> RunFacts:
    """Return what ``run.json`` says from the start."""
    origins = {kind: registry.origin(link.spec) for kind, link in links.items()}
    return RunFacts(
        command=tuple(sys.argv),
        inputs=source_names(config.inputs),
        shards=shard_facts(config.inputs),
        plugins=tuple(
            PluginFact(
                kind,
                link.name,
                origins[kind].distribution,
                origins[kind].version,
                link.all_options(),
                database.manifest.links[kind].digest,
            )
            for kind, link in links.items()
        ),
        database=DatabaseFact(str(database.path.resolve()), database.digest, database.describe()),
        options={
            "method": method_name(links),
            "stops": config.stops,
            "links": {
                kind: {"name": link.name, **{name: json_ready(value) for name, value in link.options.items()}}
                for kind, link in links.items()
            },
        },
        resources={
            "threads": config.threads,
            "device": device,
            "batch_records": config.batch_records,
            "batch_residues": config.batch_residues,
        },
    )


def _read(plan: Plan) -> Iterator[ReadBatch]:
    """Yield the input in batches."""
    config = plan.config
    reader = FastaReader(config.inputs, stops=config.stops, allow_nucleotide_like=config.allow_nucleotide_like)
    residues, records = config.batch_residues, config.batch_records
    if _by_processes(plan):
        residues, records = min(residues, SHARED_RESIDUES), min(records, SHARED_RECORDS)
    return batches(
        reader,
        max_residues=residues,
        max_records=records,
        position=lambda: reader.bytes_read,
    )


def _timed(stream: Iterator[ReadBatch], clock: Clock) -> Iterator[ReadBatch]:
    """Pass batches on, counting the time spent waiting for them as reading."""
    while True:
        with clock("read"):
            read = next(stream, None)
        if read is None:
            return
        yield read


def _detail(counts: Counts) -> str:
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    return f"{counts.proteins:,} proteins, {counts.annotations:,} annotations{failed}"


class _Tally:
    """Counts what no single batch shows."""

    def __init__(self) -> None:
        self.residues = self.stops = self.repeated = 0
        self._names: set[int] = set()

    def add(self, read: ReadBatch) -> None:
        batch: SequenceBatch = read.sequences
        self.residues += batch.residues
        self.stops += read.stops
        if len(self._names) < NAMES_REMEMBERED:
            before = len(self._names)
            self._names.update(map(hash, batch.ids))
            self.repeated += len(batch) - (len(self._names) - before)

    def warnings(self, counts: Counts) -> list[str]:
        """Return what the user should know."""
        texts = []
        if self.repeated:
            texts.append(f"names that came before: {self.repeated:,}; each of these proteins was annotated on its own")
        if self.stops:
            texts.append(f"stop codons (*) inside sequences, read as X: {self.stops:,}")
        if counts.failed:
            texts.append(f"proteins that could not be worked on: {counts.failed:,}; failures.tsv says why")
        return texts


def _together(problems: list[PhotophoreError]) -> PhotophoreError:
    return problems[0] if len(problems) == 1 else Problems(problems)
