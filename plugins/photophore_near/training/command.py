"""``photophore train near --config FILE``: read the material, keep families out, align, train, export."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from photophore.fasta import Record, read_fasta
from photophore_near import residues
from photophore_near.export import export_float, export_int8
from photophore_near.model import load_network
from photophore_near.training.config import Source, TrainingConfig, read_config
from photophore_near.training.holdout import choose_held_out, consensus_block, found_by
from photophore_near.training.loop import train
from photophore_near.training.pairs import Hit, assemble, find_hits, hits_of

if TYPE_CHECKING:
    from pyhmmer.easel import DigitalSequenceBlock
    from pyhmmer.plan7 import HMM

_log = logging.getLogger(__name__)

#: Rows of real proteins on which the int8 export measures its ranges.
_CALIBRATION_ROWS, _ROW_LENGTH = 150, 512


def train_from_file(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Run the whole training that ``config_file`` describes; ``overrides`` are ``loop.steps=100`` and the like."""
    config = read_config(config_file, overrides)
    here = config_file.parent
    out = here / config.out
    out.mkdir(parents=True, exist_ok=True)
    pairs = out / "pairs.npz"
    if not pairs.exists():
        _prepare(config, here, out, pairs)
    weights = train(pairs, out, config.shape, config.loop)
    _export(config, here, weights)
    _log.info("weights and exports are in %s", out)


def _prepare(config: TrainingConfig, here: Path, out: Path, pairs: Path) -> None:
    """Read profiles and proteins, keep families out, search and align; write the `PairSet`."""
    threads = config.loop.threads
    groups = [_read_profiles(here / source.file) for source in config.profiles]
    held_names = choose_held_out(groups[0], config.hold_out, threads=threads)
    (out / "held_out.json").write_text(json.dumps(sorted(held_names), indent=1) + "\n", encoding="utf-8")
    held = [profile for profile in groups[0] if profile.name in held_names]
    groups[0] = [profile for profile in groups[0] if profile.name not in held_names]
    searched: list[HMM] = []
    emitting: list[HMM] = []
    for source, group in zip(config.profiles, groups, strict=True):
        touched = _touched(held, consensus_block(group), config)
        kept = [profile for number, profile in enumerate(group) if number not in touched]
        (searched if source.search else emitting).extend(kept)
    proteins = [record.sequence for record in _read_proteins(config, here, config.proteins)]
    touched = _touched(held, _block(proteins), config)
    proteins = [protein for number, protein in enumerate(proteins) if number not in touched]
    _log.info(
        "%d profiles to search, %d more to emit from, %d kept out; %d proteins",
        len(searched), len(emitting), len(held), len(proteins),
    )  # fmt: skip
    hits = find_hits(searched, _block(proteins), threads=threads)
    profiles = [*searched, *emitting]
    members = list(_read_proteins(config, here, config.members))
    touched = _touched(held, _block([record.sequence for record in members]), config)
    members = [record for number, record in enumerate(members) if number not in touched]
    hits += _member_hits(profiles, members, first=len(proteins), threads=threads)
    proteins += [record.sequence for record in members]
    _log.info("%d aligned hits", len(hits))
    assemble(profiles, proteins, hits).save(pairs)


def _touched(held: Sequence[HMM], proteins: DigitalSequenceBlock, config: TrainingConfig) -> set[int]:
    """Return the numbers of the proteins that a held-out profile finds."""
    if not held:
        return set()
    return set().union(*found_by(held, proteins, evalue=config.hold_out.evalue, threads=config.loop.threads))


def _read_profiles(path: Path) -> list[HMM]:
    from photophore_hmmer.sources import read_profiles

    return [profile.hmm for profile in read_profiles(path)]


def _read_proteins(config: TrainingConfig, here: Path, sources: Sequence[Source]) -> Iterator[Record]:
    """Yield the chosen share of the proteins of usable length; the same seed chooses the same."""
    for source in sources:
        chance = random.Random(f"{config.loop.seed}/{Path(source.file).name}")
        for record in read_fasta([here / source.file]):
            if not isinstance(record, Record) or not config.min_residues <= len(record.sequence) <= config.max_residues:
                continue
            if chance.random() < source.share:
                yield record


def _block(proteins: Sequence[str], first: int = 0) -> DigitalSequenceBlock:
    from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextSequence

    alphabet = Alphabet.amino()
    return DigitalSequenceBlock(
        alphabet,
        [
            TextSequence(name=str(number), sequence=protein).digitize(alphabet)
            for number, protein in enumerate(proteins, start=first)
        ],
    )


def _member_hits(profiles: Sequence[HMM], members: Sequence[Record], *, first: int, threads: int) -> list[Hit]:
    """Align each member to its own profile; members are numbered from ``first``."""
    from pyhmmer.plan7 import Pipeline

    numbers = {profile.name: number for number, profile in enumerate(profiles)}
    of_profile: dict[int, list[int]] = {}
    for number, record in enumerate(members):
        profile = numbers.get(record.id.partition("/")[0])
        if profile is not None:
            of_profile.setdefault(profile, []).append(number)

    def align(entry: tuple[int, list[int]]) -> list[Hit]:
        profile, wanted = entry
        hits: list[Hit] = []
        for number in wanted:
            block = _block([members[number].sequence], first + number)
            pipeline = Pipeline(block.alphabet, Z=1, domZ=1, E=1e-3, domE=1e-3)
            hits.extend(hits_of(profile, pipeline.search_hmm(profiles[profile], block), most=3))
        return hits

    with ThreadPoolExecutor(threads) as pool:
        return [hit for hits in pool.map(align, of_profile.items()) for hit in hits]


def _export(config: TrainingConfig, here: Path, weights: Path) -> None:
    """Write the ONNX forms beside the weights; int8 ranges come from the first proteins."""
    network = load_network(weights)
    export_float(network, weights.with_suffix(".fp32.onnx"))
    first = replace(config, proteins=config.proteins[:1])
    sequences = [record.sequence for record in _read_proteins(first, here, first.proteins)]
    rows = np.full((_CALIBRATION_ROWS, _ROW_LENGTH), residues.PAD_TOKEN, dtype=np.uint8)
    for number, sequence in enumerate(sequences[:_CALIBRATION_ROWS]):
        part = residues.tokens(sequence)[:_ROW_LENGTH]
        rows[number, : len(part)] = part
    rows = rows[: len(sequences)]
    export_int8(network, rows, weights.with_suffix(".int8.onnx"))
