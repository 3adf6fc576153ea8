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

#: What belongs to a family when only its first protein is to get a profile.
FAMILY_EVALUE = 1e-3

_FILE = click.Path(dir_okay=False, path_type=Path)


def single_profiles(records: Sequence[Record], *, families: bool) -> Iterator[HMM]:
    """Yield a profile of each protein, named after it; with ``families``, none of those that an earlier one finds."""
    alphabet = Alphabet.amino()
    builder, background = Builder(alphabet, popen=0.02, pextend=0.4), Background(alphabet)
    left: dict[int, DigitalSequence] = {
        number: TextSequence(name=str(number), sequence=record.sequence).digitize(alphabet)
        for number, record in enumerate(records)
    }
    while left:
        number = next(iter(left))
        profile, _, _ = builder.build(left.pop(number), background)
        profile.name = records[number].id
        yield profile
        if families:
            hits = Pipeline(alphabet, E=FAMILY_EVALUE).search_hmm(profile, DigitalSequenceBlock(alphabet, left.values()))
            for hit in hits:
                left.pop(int(hit.name), None)


@click.command()
@click.argument("proteins", nargs=-1, required=True, type=_FILE)
@click.option("--output", type=_FILE, required=True, help="Profiles to write, in HMMER's binary form.")
@click.option("--positions", type=click.IntRange(min=1), help="Stop when this many positions are written.  [default: all]")
@click.option("--shortest", type=click.IntRange(min=1), default=60, show_default=True, help="Residues of a protein.")
@click.option("--longest", type=click.IntRange(min=1), default=1500, show_default=True, help="Residues of a protein.")
@click.option("--shuffle", type=int, help="Take the proteins in the random order of this seed.  [default: as they come]")
@click.option("--families", is_flag=True, help="Skip the proteins that an earlier profile finds (slow).")
def main(
    proteins: tuple[Path, ...],
    output: Path,
    positions: int | None,
    shortest: int,
    longest: int,
    shuffle: int | None,
    families: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Write a profile of each protein of FASTA files PROTEINS."""
    try:
        records = [record for record in read_fasta([str(path) for path in proteins]) if isinstance(record, Record)]
    except PhotophoreError as error:
        raise click.ClickException(str(error)) from error
    records = [record for record in records if shortest <= len(record.sequence) <= longest]
    if shuffle is not None:
        random.Random(shuffle).shuffle(records)
    beside = output.with_name(output.name + ".part")
    written = count = 0
    with beside.open("wb") as stream:
        for profile in single_profiles(records, families=families):
            profile.write(stream, binary=True)
            written += profile.M
            count += 1
            if positions is not None and written >= positions:
                break
    beside.replace(output)
    click.echo(f"{count:,} profiles with {written:,} positions in {output}")


if __name__ == "__main__":
    main()
