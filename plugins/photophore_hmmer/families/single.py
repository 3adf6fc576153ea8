"""``python -m photophore_hmmer.families.single``: a profile of each single protein, for training and for large databases.

HMMER's own way to make a profile of one sequence, that of phmmer: BLOSUM62, gap open 0.02, gap extend 0.4.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from pyhmmer.easel import Alphabet, DigitalSequence, DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import HMM, Background, Builder, Pipeline

from photophore.errors import PhotophoreError
from photophore.fasta import Record, read_fasta

#: A profile finds what it finds at this E-value among as many proteins as there are.
FAMILY_EVALUE = 1e-3

_FILE = click.Path(dir_okay=False, path_type=Path)


def single_profiles(records: Sequence[Record], *, families: bool, unlike: Sequence[Record] = ()) -> Iterator[HMM]:
    """Yield a profile of each protein, named after it, but for those that find a protein of ``unlike``.

    With ``families``, none of the proteins that an earlier profile finds gets one.
    """
    alphabet = Alphabet.amino()
    builder, background = Builder(alphabet, popen=0.02, pextend=0.4), Background(alphabet)
    left, avoided = _digital(records, alphabet), _digital(unlike, alphabet)
    while left:
        number = next(iter(left))
        profile, _, _ = builder.build(left.pop(number), background)
        profile.name = records[number].id
        if families:
            for found in _found(profile, left):
                left.pop(found)
        if not _found(profile, avoided):
            yield profile


def _digital(records: Sequence[Record], alphabet: Alphabet) -> dict[int, DigitalSequence]:
    """Return the proteins by number, and named so."""
    return {
        number: TextSequence(name=str(number), sequence=record.sequence).digitize(alphabet)
        for number, record in enumerate(records)
    }


def _found(profile: HMM, proteins: dict[int, DigitalSequence]) -> list[int]:
    """Return the numbers of the proteins that ``profile`` finds."""
    if not proteins:
        return []
    block = DigitalSequenceBlock(profile.alphabet, proteins.values())
    return [int(hit.name) for hit in Pipeline(profile.alphabet, E=FAMILY_EVALUE).search_hmm(profile, block)]


def _records(paths: Sequence[Path]) -> list[Record]:
    return [record for record in read_fasta([str(path) for path in paths]) if isinstance(record, Record)]


@click.command()
@click.argument("proteins", nargs=-1, required=True, type=_FILE)
@click.option("--output", type=_FILE, required=True, help="Profiles to write, in HMMER's binary form.")
@click.option("--positions", type=click.IntRange(min=1), help="Stop when this many positions are written.  [default: all]")
@click.option("--shortest", type=click.IntRange(min=1), default=60, show_default=True, help="Residues of a protein.")
@click.option("--longest", type=click.IntRange(min=1), default=1500, show_default=True, help="Residues of a protein.")
@click.option("--shuffle", type=int, help="Take the proteins in the random order of this seed.  [default: as they come]")
@click.option("--unlike", type=_FILE, help="Skip the proteins whose profile finds one of this FASTA file.")
@click.option("--families", is_flag=True, help="Skip the proteins that an earlier profile finds (slow).")
def main(
    proteins: tuple[Path, ...],
    output: Path,
    positions: int | None,
    shortest: int,
    longest: int,
    shuffle: int | None,
    unlike: Path | None,
    families: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Write a profile of each protein of FASTA files PROTEINS."""
    try:
        records = _records(proteins)
        avoided = _records([unlike]) if unlike else []
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error
    records = [record for record in records if shortest <= len(record.sequence) <= longest]
    if shuffle is not None:
        random.Random(shuffle).shuffle(records)
    beside = output.with_name(output.name + ".part")
    written = count = 0
    with beside.open("wb") as stream:
        for profile in single_profiles(records, families=families, unlike=avoided):
            profile.write(stream, binary=True)
            written += profile.M
            count += 1
            if positions is not None and written >= positions:
                break
    beside.replace(output)
    click.echo(f"{count:,} profiles with {written:,} positions in {output}")


if __name__ == "__main__":
    main()
