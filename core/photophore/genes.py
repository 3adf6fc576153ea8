"""Call the genes of contigs with pyrodigal (Prodigal as a library) and write their proteins, in the order of the contigs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

from photophore.errors import InputError, OutputError, PhotophoreError, PluginError, Problems, UsageError
from photophore.fasta import FastaReader, Record, nucleotide_share
from photophore.inputs import check_inputs
from photophore.types import Failure
from photophore.writers.atomic import OutputFile, whole_files

if TYPE_CHECKING:
    import pyrodigal

#: How genes are told from the rest: with models made for metagenomes, or one model trained on these contigs.
MODES = ("meta", "single")

#: Nucleotides that Prodigal needs at least to be trained on.
TRAINED_NUCLEOTIDES = 20_000

#: Nucleotides of contigs that are held and worked on at once.
_BATCH_NUCLEOTIDES = 20_000_000
_SNIFFED_CONTIGS = 100
_LEAST_SHARE = 0.5
_NUMBER = re.compile(r"(?<=^# Sequence Data: )seqnum=\d+;")


@dataclass(frozen=True)
class GeneOptions:
    """How genes are called.

    Parameters
    ----------
    mode
        Out of `MODES`. ``single`` reads the contigs twice.
    table
        Genetic code of mode ``single``; mode ``meta`` chooses it by itself.
    closed
        No gene runs off the end of a contig: for complete genomes.
    threads
        Contigs that are worked on at a time.
    """

    mode: str = "meta"
    table: int = 11
    closed: bool = False
    threads: int = 1


@dataclass
class GeneCounts:
    """What was found."""

    contigs: int = 0
    nucleotides: int = 0
    genes: int = 0


def call_genes(paths: Sequence[str], proteins: Path, gff: Path | None, options: GeneOptions) -> GeneCounts:
    """Write the proteins encoded on the contigs in ``paths`` to ``proteins``, and where the genes are to ``gff``.

    Names and headers are Prodigal's: gene ``contig_3`` is the third of ``contig``. Files appear when they are whole.

    Raises
    ------
    InputError
        A contig cannot be read, what is given is no DNA, or there is no gene on it.
    PluginError
        pyrodigal is not installed.
    """
    _check(paths, proteins, gff, options)
    finder = _finder(paths, options)
    counts = GeneCounts()
    finals = [path for path in (proteins, gff) if path is not None]
    with whole_files(finals) as files, ThreadPool(options.threads) as pool:
        for contigs in _batches(paths):
            found = pool.map(lambda contig: finder.find_genes(contig.sequence), contigs, chunksize=1)
            for contig, genes in zip(contigs, found, strict=True):
                _write(contig, genes, files, counts, options)
        if not counts.genes:
            raise InputError(f"{paths[0]}: no genes on {counts.contigs:,} contigs ({counts.nucleotides:,} nucleotides)")
    return counts


def _check(paths: Sequence[str], proteins: Path, gff: Path | None, options: GeneOptions) -> None:
    """Raise everything that keeps genes from being called."""
    problems: list[PhotophoreError] = [*check_inputs(paths)]
    if options.mode not in MODES:
        problems.append(UsageError(f"--mode {options.mode}: there is no such mode; choose from {', '.join(MODES)}"))
    if options.mode == "single" and "-" in paths:
        problems.append(
            UsageError("--mode single reads the contigs twice, standard input can be read once; name a file")
        )
    problems += [
        OutputError(f"{path}: exists and is no file; give another name")
        for path in (proteins, gff)
        if path is not None and path.exists() and not path.is_file()
    ]
    try:
        import pyrodigal  # noqa: F401 - whether it is there
    except ImportError:
        problems.append(
            PluginError("genes are called by pyrodigal, which is not installed; pip install 'photophore[genes]'")
        )
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)


def _finder(paths: Sequence[str], options: GeneOptions) -> pyrodigal.GeneFinder:
    """Return the gene finder, trained where it has to be."""
    import pyrodigal

    finder = pyrodigal.GeneFinder(meta=options.mode == "meta", closed=options.closed)
    if options.mode == "single":
        sequences = [contig.sequence for contigs in _batches(paths) for contig in contigs]
        size = sum(map(len, sequences))
        if size < TRAINED_NUCLEOTIDES:
            raise InputError(
                f"{paths[0]}: {size:,} nucleotides are too few to train on, --mode single needs "
                f"{TRAINED_NUCLEOTIDES:,}; use --mode meta"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that more would be better
                finder.train(*sequences, translation_table=options.table)
        except ValueError as error:
            raise UsageError(
                f"--table {options.table}: {error}; give the number of a genetic code, such as 11"
            ) from error
    return finder


def _batches(paths: Sequence[str]) -> Iterator[list[Record]]:
    """Yield contigs, about `_BATCH_NUCLEOTIDES` at a time; `InputError` where one cannot be read or they are no DNA."""
    contigs: list[Record] = []
    size = 0
    for item in FastaReader(paths, stops="fail", allow_nucleotide_like=True):
        if isinstance(item, Failure):
            raise InputError(f"{item.reason}; genes are called on whole assemblies, mend this contig or leave it out")
        contigs.append(item)
        size += len(item.sequence)
        if size >= _BATCH_NUCLEOTIDES:
            _refuse_proteins(contigs[:_SNIFFED_CONTIGS])
            yield contigs
            contigs, size = [], 0
    if contigs:
        _refuse_proteins(contigs[:_SNIFFED_CONTIGS])
        yield contigs


def _refuse_proteins(contigs: Sequence[Record]) -> None:
    share, letters = nucleotide_share(contigs)
    if share < _LEAST_SHARE:
        raise InputError(
            f"{contigs[0].source}: {100 * share:.0f} % of the next {letters:,} letters are A, C, G, T, U or N: "
            "these are no contigs; annotate proteins as they are"
        )


def _write(
    contig: Record, genes: pyrodigal.Genes, files: Sequence[OutputFile], counts: GeneCounts, options: GeneOptions
) -> None:
    """Append the genes of one contig."""
    text = StringIO()
    genes.write_translations(text, contig.id, include_stop=False, full_id=True)
    files[0].write_text(text.getvalue())
    for table in files[1:]:
        text = StringIO()
        genes.write_gff(text, contig.id, header=False, include_translation_table=options.mode == "meta", full_id=True)
        table.write_text("" if counts.contigs else "##gff-version 3\n")
        # pyrodigal numbers the contigs as its threads come to them; they are numbered as they stand in the input.
        table.write_text(_NUMBER.sub(f"seqnum={counts.contigs + 1};", text.getvalue(), count=1))
    counts.contigs += 1
    counts.nucleotides += len(contig.sequence)
    counts.genes += len(genes)
