"""Real proteins and profiles, and what HMMER's own unfiltered hmmscan reports on them, as lines of its domtblout."""

from __future__ import annotations

import io
import lzma
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyhmmer
from pyhmmer.easel import Alphabet, DigitalSequence, SequenceFile, TextSequence
from pyhmmer.plan7 import HMM, Background, HMMFile, OptimizedProfileBlock, TopHits

from photophore.hookspecs import Runtime
from photophore.types import Annotation, Candidates, SequenceBatch, TargetTable
from photophore_hmmer.config import HmmerConfig
from photophore_hmmer.plugin import create, read_targets

DATA = Path(pyhmmer.__file__).parent / "tests" / "data"
HMMS = DATA / "hmms" / "txt"
PROTEIN_HMMS = tuple(HMMS / f"{name}.hmm" for name in ("KR", "LuxC", "PF02826", "RREFam", "Thioesterase"))
METAGENOME = DATA / "seqs" / "938293.PRJEB85.HG003687.faa"
SHARED = Path(os.environ.get("PHOTOPHORE_SHARED", Path(__file__).parents[2].parent / "shared"))
PADLOC = SHARED / "data" / "profiles" / "padloc_1257.hmm.xz"
AMINO = Alphabet.amino()


def read_fasta(path: Path, count: int | None = None) -> SequenceBatch:
    """Return the first ``count`` proteins of ``path``."""
    with SequenceFile(path, alphabet=AMINO) as stream:
        records = list(stream)[:count]
    return make_batch([(str(record.name), str(record.sequence).upper()) for record in records])


def make_batch(proteins: Iterable[tuple[str, str]]) -> SequenceBatch:
    """Return a batch of ``(name, sequence)``."""
    names, sequences = zip(*proteins, strict=True)
    sources = tuple(f"proteins.faa:{2 * row + 1}" for row in range(len(names)))
    return SequenceBatch(names, sequences, ("",) * len(names), sources)


def join(*batches: SequenceBatch) -> SequenceBatch:
    """Return one batch of all."""
    return make_batch(pair for batch in batches for pair in zip(batch.ids, batch.sequences, strict=True))


def padloc_subset(folder: Path, count: int) -> Path:
    """Write the first ``count`` PADLOC profiles into ``folder``."""
    path = folder / f"padloc_{count}.hmm"
    with lzma.open(PADLOC) as source, path.open("wb") as target:
        left = count
        for line in source:
            target.write(line)
            left -= line.startswith(b"//")
            if not left:
                break
    return path


class HmmerDatabase:
    """A database of the annotator alone, in ``folder``."""

    def __init__(self, sources: Sequence[Path], folder: Path, config: HmmerConfig | None = None) -> None:
        self.folder = folder
        self.source = read_targets(sources, folder, config or HmmerConfig())
        profiles = self.source.items
        assert not isinstance(profiles, SequenceBatch)
        self.targets = TargetTable(profiles.ids, profiles.offsets)

    def annotate(
        self,
        batch: SequenceBatch,
        candidates: Candidates | None = None,
        *,
        threads: int = 1,
        **options: object,
    ) -> tuple[Annotation, ...]:
        """Annotate ``batch``; candidates are all pairs unless given."""
        annotator = create(self.folder, self.targets, HmmerConfig(**options), Runtime(threads=threads))  # type: ignore[arg-type]
        return annotator.annotate(batch, candidates or all_pairs(batch, len(self.targets)))


def all_pairs(batch: SequenceBatch, targets: int) -> Candidates:
    """Return every target as a candidate of every protein."""
    return chosen_pairs(batch, [list(range(targets))] * len(batch))


def chosen_pairs(batch: SequenceBatch, chosen: Sequence[Sequence[int]]) -> Candidates:
    """Return the candidates ``chosen[row]`` of each protein."""
    offsets = np.concatenate([[0], np.cumsum([len(targets) for targets in chosen])]).astype(np.int64)
    flat = np.array([target for targets in chosen for target in targets], dtype=np.int32)
    return Candidates(batch.ids, offsets, flat, np.zeros(len(flat), dtype=np.float32))


def read_hmms(sources: Sequence[Path]) -> list[HMM]:
    """Return the profiles of ``sources`` as pyhmmer reads them."""
    hmms: list[HMM] = []
    for source in sources:
        with HMMFile(source, alphabet=AMINO, db=False) as stream:
            hmms.extend(stream)
    return hmms


def digitize(batch: SequenceBatch) -> list[DigitalSequence]:
    """Return the proteins as pyhmmer digitizes them."""
    pairs = zip(batch.ids, batch.sequences, strict=True)
    return [TextSequence(name=name, sequence=sequence).digitize(AMINO) for name, sequence in pairs]


def hmmscan(batch: SequenceBatch, hmms: Sequence[HMM], **options: object) -> list[TopHits]:
    """Return what unfiltered hmmscan finds, one `TopHits` a protein."""
    background = Background(AMINO)
    block = OptimizedProfileBlock(AMINO, [hmm.to_profile(background).to_optimized() for hmm in hmms])
    return list(pyhmmer.hmmer.hmmscan(digitize(batch), block, cpus=1, **options))  # type: ignore[arg-type]


def scan_lines(found: Iterable[TopHits]) -> list[list[str]]:
    """Return the lines that HMMER itself prints for ``found`` with ``--domtblout``, cut into their 22 values."""
    text = io.BytesIO()
    for hits in found:
        hits.write(text, format="domains", header=False)
    return [line.split()[:22] for line in text.getvalue().decode().splitlines() if not line.startswith("#")]


def printed(annotations: Iterable[Annotation]) -> list[list[str]]:
    """Return ``annotations`` as HMMER prints them with ``--domtblout``, cut into 22 values."""
    return [_printed(row) for row in annotations]


def _printed(row: Annotation) -> list[str]:
    of = dict(row.evidence)
    assert row.evalue is not None
    return [
        row.target,
        row.accession or "-",
        f"{of['family_length']}",
        row.protein,
        "-",
        f"{row.protein_length}",
        f"{row.evalue:.2g}",
        f"{row.score:.1f}",
        f"{of['bias']:.1f}",
        f"{of['domain']}",
        f"{of['domains']}",
        f"{of['c_evalue']:.2g}",
        f"{of['i_evalue']:.2g}",
        f"{of['domain_score']:.1f}",
        f"{of['domain_bias']:.1f}",
        f"{int(of['family_start'] or 0) + 1}",
        f"{of['family_end']}",
        f"{row.start + 1}",
        f"{row.end}",
        f"{int(of['envelope_start'] or 0) + 1}",
        f"{of['envelope_end']}",
        f"{of['accuracy']:.2f}",
    ]
