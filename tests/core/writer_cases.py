"""Annotations to write in tests: two small proteins that one can check by eye, and real hits of pyhmmer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from photophore.hookspecs import Column
from photophore.runfacts import DatabaseFact, PluginFact, RunFacts
from photophore.types import Annotation, BatchResult, Failure, SequenceBatch
from photophore.writers import FORMATS, open_writers

HMMER_COLUMNS = (
    Column("family_length", int, "Match positions of the family."),
    Column("domain", int, "Number of this domain."),
    Column("domains", int, "Number of domains."),
    Column("domain_score", float, "Score of this domain, bits."),
    Column("domain_bias", float, "Bias of this domain, bits."),
    Column("i_evalue", float, "Independent E-value."),
    Column("c_evalue", float, "Conditional E-value."),
    Column("bias", float, "Bias of the protein, bits."),
    Column("family_start", int, "First position of the family."),
    Column("family_end", int, "Last position of the family."),
    Column("envelope_start", int, "First residue of the envelope."),
    Column("envelope_end", int, "Last residue of the envelope."),
    Column("accuracy", float, "Mean posterior probability of aligned residues."),
)

EVIDENCE = {
    "family_length": 9,
    "domain": 1,
    "domains": 1,
    "domain_score": 20.25,
    "domain_bias": 0.5,
    "i_evalue": 2e-7,
    "c_evalue": 1e-8,
    "bias": 0.0,
    "family_start": 0,
    "family_end": 5,
    "envelope_start": 2,
    "envelope_end": 8,
    "accuracy": 0.987,
}


def batch(*records: tuple[str, str, str]) -> SequenceBatch:
    """Records as ``(name, sequence, source)``."""
    names, sequences, sources = zip(*records, strict=True)
    return SequenceBatch(names, sequences, ("",) * len(names), sources)


def annotation(protein: str = "p1", **changes) -> Annotation:
    """Residues 3-7 (1-based) of a protein of 10."""
    values = {
        "protein": protein,
        "protein_length": 10,
        "method": "near-hmmer",
        "target": "Fam",
        "accession": "PF00001.2",
        "description": "A family; of two, really",
        "start": 2,
        "end": 7,
        "score": 21.5,
        "evalue": 1.5e-9,
        "ecs": ("1.2.3.4", "1.2.3.-"),
        "evidence": EVIDENCE,
    }
    return Annotation(**{**values, **changes})


#: p1 is annotated, p2 is not, p3 failed in the encoder, and a record before p3 could not be read.
RESULT = BatchResult(
    batch(("p1", "MKVLAGGHTR", "a.faa:1"), ("p2", "MK", "a.faa:3"), ("p3", "MKV", "a.faa:9")),
    (annotation(),),
    (
        Failure("bad", "a.faa:5", "read", "a.faa:5: 'bad' has\n'7' at residue 2"),
        Failure("p3", "a.faa:9", "encoder near", "no vector"),
    ),
)


def facts(**changes) -> RunFacts:
    """Facts of a run, all filled."""
    values = {
        "command": ("photophore", "annotate", "a.faa"),
        "inputs": ("a.faa",),
        "plugins": (PluginFact("encoder", "near", "photophore", "0.1.0", {"dim": 128}, "ab" * 32),),
        "database": DatabaseFact("/db", "cd" * 32, {"profiles": 14}),
        "options": {"z": None, "evalue": 10.0},
        "resources": {"threads": 2},
    }
    return RunFacts(**{**values, **changes})


def write_all(
    folder: Path,
    results: Sequence[BatchResult],
    *,
    columns=HMMER_COLUMNS,
    formats=FORMATS,
    run: RunFacts | None = None,
    force: bool = False,
) -> Path:
    """Write results into a folder, in every format."""
    with open_writers(folder, formats, columns, run or facts(), force=force) as writer:
        for result in results:
            writer.write(result)
    return folder


@cache
def real_hits() -> tuple[tuple[BatchResult, ...], str]:
    """hmmscan of 2,100 real proteins with 13 profiles: results of 100 proteins each, and HMMER's own rows of them."""
    import pyhmmer

    data = Path(pyhmmer.__file__).parent / "tests" / "data"
    amino = pyhmmer.easel.Alphabet.amino()
    profiles = []
    for name in ("RREFam", "KR", "PF02826", "Thioesterase"):
        with pyhmmer.plan7.HMMFile(data / "hmms" / "txt" / f"{name}.hmm") as file:
            profiles += list(file)
    path = data / "seqs" / "938293.PRJEB85.HG003687.faa"
    with pyhmmer.easel.SequenceFile(path, digital=True, alphabet=amino) as file:
        proteins = file.read_block()
    records, found, table = [], [], io.BytesIO()
    for number, (protein, hits) in enumerate(
        zip(proteins, pyhmmer.hmmscan(proteins, profiles, cpus=1, E=100, domE=100), strict=True)
    ):
        hits.write(table, format="domains", header=False)
        records.append((protein.name, protein.textize().sequence, f"{path.name}:{number + 1}"))
        found.append(tuple(_annotations(protein, hits)))
    results = [
        BatchResult(batch(*records[at : at + 100]), tuple(row for rows in found[at : at + 100] for row in rows), ())
        for at in range(0, len(records), 100)
    ]
    return tuple(results), table.getvalue().decode()


def _annotations(protein, hits):
    printed = io.BytesIO()
    hits.write(printed, format="domains", header=False)
    accuracies = iter([float(line.split()[21]) for line in printed.getvalue().decode().splitlines()])
    for hit in hits.reported:
        reported = list(hit.domains.reported)
        for number, domain in enumerate(reported, 1):
            place = domain.alignment
            yield Annotation(
                protein=protein.name,
                protein_length=len(protein),
                method="near-hmmer",
                target=hit.name,
                accession=hit.accession or "",
                description=hit.description or "",
                start=place.target_from - 1,
                end=place.target_to,
                score=hit.score,
                evalue=hit.evalue,
                evidence={
                    "family_length": place.hmm_length,
                    "domain": number,
                    "domains": len(reported),
                    "domain_score": domain.score,
                    "domain_bias": domain.bias,
                    "i_evalue": domain.i_evalue,
                    "c_evalue": domain.c_evalue,
                    "bias": hit.bias,
                    "family_start": place.hmm_from - 1,
                    "family_end": place.hmm_to,
                    "envelope_start": domain.env_from - 1,
                    "envelope_end": domain.env_to,
                    "accuracy": next(accuracies),
                },
            )
