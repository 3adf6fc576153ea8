"""The annotator `diamond`: alignments of proteins to the targets that an index and an aggregator proposed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from photophore.errors import DatabaseError, DataError
from photophore.hookspecs import Runtime
from photophore.types import Annotation, Candidates, SequenceBatch, TargetTable
from photophore_diamond.config import DiamondConfig
from photophore_diamond.program import FIELDS, Alignment, parse_alignments, program_problems, run
from photophore_diamond.targets import load_targets


class DiamondAnnotator:
    """Aligns each protein to its candidates and to nothing else.

    E-values count on the residues of the whole database (``--dbsize``), and with ``sensitivity=swipe`` every pair is
    aligned in full: what comes out of a pair depends on that pair alone, whatever else is in the batch.
    """

    def __init__(self, folder: Path, targets: TargetTable, config: DiamondConfig, runtime: Runtime) -> None:
        for problem in program_problems(config.program):
            raise problem
        self._targets = load_targets(folder)
        if self._targets.ids != targets.ids:
            raise DatabaseError(
                f"{folder}: the index has {len(targets)} targets and the annotator {len(self._targets)} proteins, or "
                "their names or order differ; build the database again"
            )
        self._config = config
        self._threads = runtime.threads

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> tuple[Annotation, ...]:
        """Return the alignments, proteins in the order of the batch, those of one protein by increasing E-value."""
        if candidates.ids != batch.ids:
            raise DataError("annotator diamond: the candidates are not those of the batch: their protein names differ")
        rows = np.repeat(np.arange(len(batch)), np.diff(candidates.offsets))
        pairs = set(zip(rows.tolist(), candidates.targets.tolist(), strict=True))
        found = [hit for hit in self._align(batch, pairs) if (hit.protein, hit.target) in pairs]
        found = [hit for hit in found if hit.identity >= self._config.min_identity]
        found.sort(key=lambda hit: (hit.protein, hit.evalue, -hit.bits, hit.target))
        return tuple(self._annotation(batch, hit) for hit in _best(found, self._config.max_annotations))

    def _align(self, batch: SequenceBatch, pairs: set[tuple[int, int]]) -> list[Alignment]:
        """Align the proteins and the targets that occur in ``pairs``, named by their numbers: names may repeat."""
        if not pairs:
            return []
        with tempfile.TemporaryDirectory(prefix="photophore-diamond-") as scratch:
            queries, targets, database = (
                Path(scratch) / name for name in ("queries.faa", "targets.faa", "targets.dmnd")
            )
            _write(queries, batch, {protein for protein, _ in pairs})
            _write(targets, self._targets, {target for _, target in pairs})
            run([self._config.program, "makedb", "--in", targets, "--db", database, "--threads", str(self._threads)])
            return parse_alignments(run(self._search(queries, database, scratch)))

    def _search(self, queries: Path, database: Path, scratch: str) -> list[str | Path]:
        """Return the command that prints every alignment up to the E-value."""
        config = self._config
        return [
            config.program, "blastp", f"--{config.sensitivity}", "--query", queries, "--db", database,
            "--evalue", str(config.evalue), "--dbsize", str(self._targets.residues), "--max-target-seqs", "0",
            "--threads", str(self._threads), "--tmpdir", scratch, "--outfmt", "6", *FIELDS,
        ]  # fmt: skip

    def _annotation(self, batch: SequenceBatch, hit: Alignment) -> Annotation:
        return Annotation(
            protein=batch.ids[hit.protein],
            protein_length=len(batch.sequences[hit.protein]),
            method="diamond",
            target=self._targets.ids[hit.target],
            accession="",
            description=self._targets.descriptions[hit.target],
            start=hit.start - 1,
            end=hit.end,
            score=hit.bits,
            evalue=hit.evalue,
            evidence={
                "identity": hit.identity,
                "aligned": hit.aligned,
                "target_length": len(self._targets.sequences[hit.target]),
                "target_start": hit.target_start - 1,
                "target_end": hit.target_end,
            },
        )


def _best(found: Iterable[Alignment], most: int) -> Iterator[Alignment]:
    """Yield the first ``most`` alignments of each protein, or all where that is 0."""
    for _, hits in groupby(found, key=lambda hit: hit.protein):
        yield from list(hits)[: most or None]


def _write(path: Path, proteins: SequenceBatch, wanted: set[int]) -> None:
    """Write the ``wanted`` proteins as FASTA, each named by its number."""
    path.write_text("".join(f">{row}\n{proteins.sequences[row]}\n" for row in sorted(wanted)), encoding="ascii")
