"""A whole chain that one can check by eye: letters as vectors, exact search, sums of scores, words found in proteins.

Installed by tests as a distribution of its own, so that it comes in as a stranger's plugin would.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photophore.errors import InputError, OutOfMemoryError, RecordError, UsageError
from photophore.fasta import Record, read_fasta
from photophore.hookspecs import AggregatorSpec, AnnotatorSpec, Column, EncoderSpec, IndexSpec, TargetSource, hookimpl
from photophore.types import RESIDUE_LETTERS, Annotation, Candidates, Embeddings, Neighbours, SequenceBatch

FAULTS = ("none", "ids", "nan", "crash", "digest")


@dataclass(frozen=True)
class EncoderConfig:
    """Ways to fail, on top."""

    weights: str = field(default="a", metadata={"help": "name of the weights"})
    refuse: str = field(default="", metadata={"help": "proteins with this word are RecordErrors"})
    memory: int = field(default=0, metadata={"help": "residues that fit the memory, 0 for all"})
    fault: str = field(default="none", metadata={"help": "how the contract is broken", "choices": FAULTS})


class LetterEncoder:
    """Each residue is the unit vector of its letter."""

    dim = len(RESIDUE_LETTERS)

    def __init__(self, config, runtime):
        self.config = config
        self.digest = hashlib.sha256(config.weights.encode()).hexdigest()

    def encode(self, batch):
        config = self.config
        if config.memory and batch.residues > config.memory:
            raise OutOfMemoryError(f"{batch.residues} residues do not fit")
        for name, sequence in zip(batch.ids, batch.sequences, strict=True):
            if config.refuse and config.refuse in sequence:
                raise RecordError(f"{name!r} holds {config.refuse}; take it out")
        if config.fault == "crash":
            raise ZeroDivisionError("the encoder fell over")
        letters = [RESIDUE_LETTERS.index(letter) for letter in "".join(batch.sequences)]
        values = np.eye(self.dim, dtype=np.float32)[letters].reshape(-1, self.dim)
        if config.fault == "nan":
            values[1, 0] = np.nan
        lengths = [len(sequence) for sequence in batch.sequences]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = batch.ids[::-1] if config.fault == "ids" else batch.ids
        digest = "0" * 64 if config.fault == "digest" else self.digest
        return Embeddings(ids, values, offsets, "letters", digest)

    def encode_profiles(self, profiles):
        raise NotImplementedError


@dataclass(frozen=True)
class IndexConfig:
    """Size of the answer."""

    k: int = field(default=4, metadata={"help": "neighbours of each vector"})


class ExactIndex:
    """Inner products with every row."""

    def __init__(self, config, runtime):
        self.k = config.k

    def build(self, embeddings):
        self.values = embeddings.values

    def search(self, embeddings):
        similarity = embeddings.values @ self.values.T
        rows = np.argsort(-similarity, axis=1, kind="stable")[:, : self.k].astype(np.int64)
        lengths = np.diff(embeddings.offsets)
        positions = np.concatenate([np.arange(0), *[np.arange(length) for length in lengths]]).astype(np.int32)
        scores = np.take_along_axis(similarity, rows, axis=1)
        return Neighbours(embeddings.ids, embeddings.offsets, positions, lengths.astype(np.int32), rows, scores)

    def save(self, folder):
        np.save(folder / "vectors.npy", self.values)

    def load(self, folder):
        self.values = np.load(folder / "vectors.npy", allow_pickle=False)


@dataclass(frozen=True)
class SumConfig:
    """Threshold."""

    threshold: float = field(default=0.5, metadata={"help": "smallest sum that counts"})


class Sum:
    """Scores of the neighbours, added up for each target."""

    def __init__(self, config, runtime):
        self.threshold = config.threshold

    def calibrate(self, background, targets):
        proteins = sum(len(neighbours.ids) for neighbours in background())
        return {"background": np.full(len(targets), proteins, dtype=np.float32)}

    def aggregate(self, neighbours, targets):
        chosen, scores, offsets = [], [], [0]
        for i in range(len(neighbours.ids)):
            piece = slice(neighbours.offsets[i], neighbours.offsets[i + 1])
            owners = np.searchsorted(targets.offsets, neighbours.rows[piece].ravel(), side="right") - 1
            sums = np.bincount(owners, neighbours.scores[piece].ravel(), minlength=len(targets))
            best = [int(t) for t in np.argsort(-sums, kind="stable") if sums[t] >= self.threshold]
            chosen += best
            scores += [sums[t] for t in best]
            offsets.append(len(chosen))
        return Candidates(
            neighbours.ids,
            np.array(offsets, np.int64),
            np.array(chosen, np.int32),
            np.array(scores, np.float32),
        )


@dataclass(frozen=True)
class WordsConfig:
    """Shortest word."""

    shortest: int = field(default=1, metadata={"help": "report words of at least so many letters"})


class Words:
    """Reports each candidate whose sequence stands in the protein."""

    def __init__(self, folder, targets, config):
        lines = (folder / "words.txt").read_text().splitlines()
        self.words = dict(line.split() for line in lines)
        self.targets, self.config = targets, config

    def annotate(self, batch, candidates):
        found = []
        for row, (name, sequence) in enumerate(zip(batch.ids, batch.sequences, strict=True)):
            for target in candidates.of(row):
                word = self.words[self.targets.ids[target]]
                start = sequence.find(word)
                if start >= 0 and len(word) >= self.config.shortest:
                    found.append(
                        Annotation(
                            name,
                            len(sequence),
                            "toy",
                            self.targets.ids[target],
                            "",
                            "",
                            start,
                            start + len(word),
                            float(len(word)),
                            evidence={"word": word},
                        )
                    )
        return found


def read_words(sources, folder, config):
    records = list(read_fasta(sources, allow_nucleotide_like=True))
    for record in records:
        if not isinstance(record, Record):
            raise InputError(record.reason)
    Path(folder / "words.txt").write_text("".join(f"{record.id} {record.sequence}\n" for record in records))
    names, descriptions, sequences, places, _ = zip(*records, strict=True)
    return TargetSource(SequenceBatch(names, sequences, descriptions, places), ("words.txt",), {"words": len(records)})


def check_words(folder, metadata, config):
    if config.shortest > 10 * metadata["words"]:
        return [UsageError(f"annotator.shortest is {config.shortest}; no word is so long")]
    return []


@hookimpl
def photophore_encoders():
    return [EncoderSpec(name="letters", summary="Letters.", config=EncoderConfig, create=LetterEncoder)]


@hookimpl
def photophore_indexes():
    return [IndexSpec(name="exact", summary="Everything.", config=IndexConfig, create=ExactIndex)]


@hookimpl
def photophore_aggregators():
    return [AggregatorSpec(name="sum", summary="Sums.", config=SumConfig, create=Sum)]


@hookimpl
def photophore_annotators():
    return [
        AnnotatorSpec(
            name="words",
            summary="Words.",
            config=WordsConfig,
            create=lambda folder, targets, config, runtime: Words(folder, targets, config),
            read_targets=read_words,
            check=check_words,
            columns=(Column("word", str, "the word"),),
        )
    ]
