"""Building a database: read the sources, encode them, build the index, measure the background; whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from photophore.background import background_batches
from photophore.chain import Search, check_embeddings, check_profiles, item_lengths
from photophore.database import TARGETS_FILE, Database, write_targets_file
from photophore.errors import DatabaseError, InputError, PhotophoreError, PluginError, Problems
from photophore.hookspecs import Encoder, EncoderSpec, Runtime, TargetSource
from photophore.links import Link, choose_links, json_ready, method_links, method_name
from photophore.manifest import MANIFEST_FILE, Manifest, StoredLink, file_digest, files_of
from photophore.progress import NoProgress, Progress
from photophore.registry import Registry
from photophore.runconfig import Links, merge_links
from photophore.runfacts import photophore_version
from photophore.trace import calling
from photophore.types import Embeddings, Neighbours, ProfileBatch, SequenceBatch, TargetTable

#: Rows that are encoded at once.
ENCODED_ROWS = 200_000


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a database is built.

    Parameters
    ----------
    method
        Which links, see `photophore.links.METHODS`.
    links
        Links and options that the user set, over those of the method.
    runtime
        Device and threads.
    force
        Replace a database that stands there.
    background
        Gives the proteins on which the aggregator measures its background; None takes the encoder's own
        (``encoder.background_batches``) where it has some, else `photophore.background.background_batches`.
    """

    method: str = "near-hmmer"
    links: Links = field(default_factory=dict)
    runtime: Runtime = field(default_factory=Runtime)
    force: bool = False
    background: Callable[[], Iterable[SequenceBatch]] | None = None


def build(
    sources: Sequence[Path],
    folder: Path,
    *,
    registry: Registry,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> Database:
    """Build a database of ``sources`` in ``folder``, which appears under its name only when whole."""
    options = options or BuildOptions()
    progress = progress or NoProgress()
    links = _check(sources, folder, registry, options)
    encoder = links["encoder"].create(options.runtime)
    with _partial(folder) as partial:
        annotator = partial / "annotator"
        annotator.mkdir()
        progress.message(f"reading {_names(sources)}")
        with links["annotator"].calling("read_targets"):
            source = links["annotator"].spec.read_targets(sources, annotator, links["annotator"].config)
        check_profiles(source.items)
        embeddings = _encode(encoder, links["encoder"].spec, source.items, progress)
        targets = TargetTable(embeddings.ids, embeddings.offsets, step=embeddings.step)

        progress.message(f"building index {links['index'].name} of {len(embeddings.values):,} vectors")
        index = links["index"].create(options.runtime)
        (partial / "index").mkdir()
        with links["index"].calling("build and save"):
            index.build(embeddings)
            index.save(partial / "index")
        search = Search(links["encoder"].spec, encoder, links["index"].name, index, len(embeddings.values))
        del embeddings

        progress.message("measuring the background")
        targets = _calibrated(links["aggregator"], targets, search, options)
        write_targets_file(partial / TARGETS_FILE, targets)
        _write_manifest(partial, links, source, targets, sources, encoder.digest)
        _publish(partial, folder)
    database = Database.open(folder)
    progress.message(f"{folder}: {len(targets):,} targets, {database.manifest.positions:,} positions")
    return database


def _check(sources: Sequence[Path], folder: Path, registry: Registry, options: BuildOptions) -> dict[str, Link]:
    """Return the links, or raise everything that keeps this database from being built."""
    links, problems = choose_links(registry, merge_links(method_links(options.method), options.links))
    if not sources:
        problems.append(InputError("no sources: name at least one file, such as PROFILES.hmm"))
    problems += [
        InputError(f"{path}: there is no such file; check the path")
        for path in sources
        if not path.exists() and not any(path.parent.glob(f"{path.name}.*"))  # a pressed database is named by its stem
    ]
    problems += _folder_problems(folder, force=options.force)
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)
    return links


def _folder_problems(folder: Path, *, force: bool) -> list[PhotophoreError]:
    """Return what keeps ``folder`` from becoming a database; only a database is ever replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    if not (folder / MANIFEST_FILE).is_file():
        return [DatabaseError(f"{folder}: exists and is no database; give another folder with -o")]
    if not force:
        return [DatabaseError(f"{folder}: holds a database; give another folder with -o, or --force to replace it")]
    return []


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``folder``, and remove it where it was not published."""
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise DatabaseError(f"{folder}: cannot be written: {error.strerror}; give another folder with -o") from error
    try:
        yield partial
    except OSError as error:
        if error.filename is None or partial not in Path(str(error.filename)).parents:
            raise
        raise DatabaseError(
            f"{folder}: cannot be written: {error.strerror}; free some space or give another folder with -o"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _encode(encoder: Encoder, spec: EncoderSpec, items: ProfileBatch | SequenceBatch, progress: Progress) -> Embeddings:
    """Encode the targets in pieces of about `ENCODED_ROWS` positions."""
    positions = item_lengths(items)
    ends = np.cumsum(positions)
    values: np.ndarray[Any, Any] = np.empty((0, 0))
    informativeness: np.ndarray[Any, Any] | None = None
    offsets, step = np.zeros(1, np.int64), 1
    progress.begin("encoding targets", float(ends[-1]))
    start = 0
    while start < len(items):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + ENCODED_ROWS, side="right")))
        piece = _encode_piece(encoder, spec, items, range(start, stop))
        if not start:
            step = piece.step
            rows = -(-positions // step) if spec.per_residue else np.ones_like(positions)
            offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)])
            values = np.empty((int(offsets[-1]), piece.dim), dtype=piece.values.dtype)
            if piece.informativeness is not None:
                informativeness = np.empty(int(offsets[-1]), dtype=np.float32)
        values[offsets[start] : offsets[stop]] = piece.values
        if informativeness is not None and piece.informativeness is not None:
            informativeness[offsets[start] : offsets[stop]] = piece.informativeness
        progress.advance(float(ends[stop - 1]), f"{stop:,} targets")
        start = stop
    progress.end()
    return Embeddings(tuple(items.ids), values, offsets, spec.name, encoder.digest, informativeness, step)


def _encode_piece(encoder: Encoder, spec: EncoderSpec, items: ProfileBatch | SequenceBatch, rows: range) -> Embeddings:
    """Encode consecutive targets and check what came back."""
    if isinstance(items, ProfileBatch):
        offsets = items.offsets[rows.start : rows.stop + 1]
        piece: ProfileBatch | SequenceBatch = ProfileBatch(
            items.ids[rows.start : rows.stop], items.values[offsets[0] : offsets[-1]], offsets - offsets[0]
        )
        with calling(f"encoder {spec.name}", f"{len(rows)} profiles"):
            embeddings = encoder.encode_profiles(piece)  # type: ignore[arg-type]
    else:
        piece = items.select(rows)
        with calling(f"encoder {spec.name}", f"{len(rows)} proteins"):
            embeddings = encoder.encode(piece)
    check_embeddings(embeddings, piece, spec, encoder.digest)
    return embeddings if embeddings.spans is None else _wholes(embeddings)


def _wholes(embeddings: Embeddings) -> Embeddings:
    """Return the first vector of each item, that of its whole: a target is found as a whole, not by windows of it."""
    offsets = np.arange(len(embeddings) + 1, dtype=np.int64)
    return replace(embeddings, values=embeddings.values[embeddings.offsets[:-1]], offsets=offsets, spans=None)


def _calibrated(link: Link, targets: TargetTable, search: Search, options: BuildOptions) -> TargetTable:
    """Return the targets with the statistics that the aggregator measures on background proteins."""
    batches = options.background or getattr(search.encoder, "background_batches", None) or background_batches

    def background() -> Iterator[Neighbours]:
        for batch in batches():
            yield search.neighbours(batch)

    aggregator = link.create(options.runtime)
    with link.calling("calibrate"):
        statistics = aggregator.calibrate(background, targets)
    for name, column in statistics.items():
        if not np.isfinite(column).all():
            target = targets.ids[int(np.flatnonzero(~np.isfinite(column))[0])]
            raise PluginError(
                f"aggregator {link.name}: its statistic {name!r} of {target!r} is not finite; this is a fault of the plugin"
            )
    return replace(targets, statistics={name: np.asarray(statistics[name], np.float32) for name in statistics})


def _write_manifest(
    partial: Path,
    links: dict[str, Link],
    source: TargetSource,
    targets: TargetTable,
    sources: Sequence[Path],
    digest: str,
) -> None:
    files = {path.relative_to(partial).as_posix(): path for path in files_of(partial)}
    manifest = Manifest(
        photophore_version=photophore_version(),
        method=method_name(links),
        links={
            kind: StoredLink(
                link.name,
                {name: json_ready(value) for name, value in link.options.items()},
                digest if kind == "encoder" else None,
            )
            for kind, link in links.items()
        },
        targets=len(targets),
        positions=int(item_lengths(source.items).sum()),
        vectors=int(targets.offsets[-1]),
        sources=tuple(path.name for path in sources),
        checksums={name: file_digest(path) for name, path in files.items()},
        sizes={name: path.stat().st_size for name, path in files.items()},
        metadata=dict(source.metadata),
    )
    (partial / MANIFEST_FILE).write_text(manifest.render(), encoding="utf-8")
    for path in (*files.values(), partial / MANIFEST_FILE):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def _publish(partial: Path, folder: Path) -> None:
    """Rename the whole database into place, an old one out of the way first; Ctrl-C waits meanwhile."""
    old = folder.parent / f".{folder.name}.old-{os.getpid()}"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise DatabaseError(
            f"{folder}: cannot be put into place: {error.strerror}; give another folder with -o"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    shutil.rmtree(old, ignore_errors=True)


def _names(sources: Sequence[Path]) -> str:
    shown = ", ".join(path.name for path in sources[:3])
    return shown if len(sources) <= 3 else f"{shown} and {len(sources) - 3} more"
