"""Write the inputs that the READMEs under docs/examples name: example_inputs.py FOLDER.

references.faa and proteins.faa are real proteins, profiles.hmm real profiles; all come along with pyhmmer and Photophore.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from itertools import islice
from pathlib import Path

from photophore.examples import example_path
from photophore.fasta import Record, read_fasta

#: Proteins of the bundled proteome that are taken.
PROTEINS = 200
PROFILES = ("KR.hmm", "LuxC.hmm", "PF02826.hmm", "RREFam.hmm", "Thioesterase.hmm")


def main(folder: Path) -> None:
    """Write the three files."""
    spec = importlib.util.find_spec("pyhmmer")
    if spec is None or spec.origin is None:
        sys.exit("pyhmmer is not installed")
    data = Path(spec.origin).parent / "tests" / "data"
    shutil.copyfile(data / "seqs" / "938293.PRJEB85.HG003687.faa", folder / "references.faa")
    with (folder / "profiles.hmm").open("wb") as stream:
        stream.writelines((data / "hmms" / "txt" / name).read_bytes() for name in PROFILES)
    records = [record for record in read_fasta([example_path("corynebacterium")]) if isinstance(record, Record)]
    with (folder / "proteins.faa").open("w", encoding="ascii") as stream:
        stream.writelines(f">{record.id}\n{record.sequence}\n" for record in islice(records, PROTEINS))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
