"""What the benchmarks work on: the data beside the checkout, proteins from it, and HMMER's own search as truth."""

from __future__ import annotations

import hashlib
import lzma
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.fasta import Record, read_fasta
from photophore.types import SequenceBatch

HELD_OUT = Path(__file__).parents[1] / "plugins/photophore_near/weights/near-small.held_out.txt"


def shared() -> Path:
    """Return the folder with the project's data."""
    folder = Path(os.environ.get("PHOTOPHORE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not folder.is_dir():
        raise SystemExit(f"{folder}: missing; set PHOTOPHORE_SHARED to the folder that holds data/")
    return folder


def sequence_files(names: Sequence[str]) -> list[Path]:
    """Return the files of proteomes by name (``paeruginosa``), or paths as given."""
    found = [shared() / "sequences" / f"{name}.faa.xz" for name in names]
    return [path if path.is_file() else Path(name) for path, name in zip(found, names, strict=True)]


def read_proteins(names: Sequence[str]) -> SequenceBatch:
    """Return all proteins of the files as one batch, as the reader of `photophore annotate` gives them."""
    records = [record for record in read_fasta(sequence_files(names)) if isinstance(record, Record)]
    return SequenceBatch(
        ids=tuple(record.id for record in records),
        sequences=tuple(record.sequence for record in records),
        descriptions=tuple("" for _ in records),
        sources=tuple(record.source for record in records),
    )


def write_fasta(batch: SequenceBatch, path: Path) -> None:
    """Write the proteins, named by number, so that nothing repeats."""
    with path.open("w") as stream:
        for number, sequence in enumerate(batch.sequences):
            stream.write(f">p{number}\n{sequence}\n")


def held_out() -> frozenset[str]:
    """Return the names of the profiles whose whole families were kept out of the training of near-small."""
    return frozenset(HELD_OUT.read_text(encoding="utf-8").split())


def machine() -> str:
    """Return processor, cores and Python in one line."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


@dataclass(frozen=True)
class Truth:
    """Pairs that HMMER reports: rows into the profiles and proteins given, and full-sequence E-values."""

    profile: npt.NDArray[np.int64]
    protein: npt.NDArray[np.int64]
    evalue: npt.NDArray[np.float64]


def hmmsearch_truth(profiles: Iterable[object], proteins: SequenceBatch, *, z: int, evalue: float, threads: int, cache: Path) -> Truth:
    """Search all ``profiles`` (pyhmmer HMMs) among all ``proteins`` unfiltered, or read the cached answer."""
    import pyhmmer

    hmms = list(profiles)
    key = hashlib.sha256(
        "\n".join([*(f"{h.name} {h.M} {h.checksum}" for h in hmms), *proteins.sequences, str(z), str(evalue)]).encode()
    ).hexdigest()[:16]
    file = cache / f"truth-{key}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return Truth(stored["profile"], stored["protein"], stored["evalue"])
    alphabet = pyhmmer.easel.Alphabet.amino()
    block = pyhmmer.easel.DigitalSequenceBlock(
        alphabet,
        [
            pyhmmer.easel.TextSequence(name=str(number), sequence=sequence).digitize(alphabet)
            for number, sequence in enumerate(proteins.sequences)
        ],
    )
    rows = [
        (profile, int(hit.name), hit.evalue)
        for profile, hits in enumerate(pyhmmer.hmmsearch(hmms, block, cpus=threads, E=evalue, Z=z))
        for hit in hits
    ]
    profile, protein, values = (np.array(column) for column in zip(*rows, strict=True))
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(file, profile=profile, protein=protein, evalue=values)
    return Truth(profile, protein, values)


def read_profiles(path: Path) -> list[object]:
    """Return the profiles of a HMMER file, plain or xz."""
    from pyhmmer.plan7 import HMMFile

    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as stream:
        return list(HMMFile(stream))
