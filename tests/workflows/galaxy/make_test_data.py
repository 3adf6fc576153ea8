"""Make what the tests of the Galaxy tools work on: ``python tests/workflows/galaxy/make_test_data.py``.

Proteins come from the bundled proteome, profiles from the bundled database, domains and their codes from CATH. Databases and runs are
made by Photophore itself: make them again when the weights of an encoder change.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from photophore.fasta import read_fasta
from photophore.types import Failure

ROOT = Path(__file__).parents[3]
TEST_DATA = ROOT / "galaxy_tools" / "test-data"

#: Proteins of the bundled proteome: two that the profiles below find, and one that nothing finds.
PROTEINS = {"NCTC11397_00024": "5.2.1.8", "NCTC11397_00029": "2.5.1.3", "NCTC11397_00026": ""}
PROFILES = ("EC5.2.1.8_P23869", "EC2.5.1.3_C0QR82")

#: Domains of known structure: name, code in CATH, sequence.
DOMAINS = (
    ("1cukA03", "1.10.8.10", "TDDAEQEAVARLVALGYKPQEASRMVSKIARPDASSETLIREALRAAL"),
    (
        "1a4fB00",
        "1.10.490.10",
        "VHWSAEEKQLITGLWGKVNVADCGAEALARLLIVYPWTQRFFSSFGNLSSPTAILGNPMVRAHGKKVLTSFGDAVKNLDNIKNTFAQLSELHCDKLHVDPENFRLLGDILIIVLAAHFAKEFTPECQAAWQKLVRVVAHALARKYH",
    ),
)
#: The beta chain of human haemoglobin, whose change at residue 6 from E to V makes sickle cells.
HAEMOGLOBIN = (
    "VHLTPEEKSAVTALWGKVNVDEVGGEALGRLLVVYPWTQRFFESFGDLSTPDAVMGNPKVKAHGKKVLGAFSDGLAHLDNLKGTFATLSELHCDKLHVDPENFRLLGNVLVCVLAHHFGKEFTPPVQAAYQKVVAGVANALAHKYH"
)


def photophore(*arguments: object) -> None:
    """Run a command of Photophore and show what it says when it fails."""
    subprocess.run([sys.executable, "-m", "photophore", *map(str, arguments)], check=True)


def fasta(sequences: Mapping[str, str]) -> str:
    """Return FASTA with 60 residues a line."""
    lines = []
    for name, sequence in sequences.items():
        lines += [f">{name}", *(sequence[start : start + 60] for start in range(0, len(sequence), 60))]
    return "".join(f"{line}\n" for line in lines)


def proteome() -> dict[str, str]:
    """Return the proteins above by their names."""
    records = (record for record in read_fasta(["example:corynebacterium"]) if not isinstance(record, Failure))
    found = {record.id: record.sequence for record in records if record.id in PROTEINS}
    return {name: found[name] for name in PROTEINS}


def forget_this_machine(run: Path) -> None:
    """Take the paths of this machine out of what a run says of itself."""
    path = run / "run.json"
    facts = json.loads(path.read_text())
    facts["command"][0] = facts["platform"]["executable"] = "photophore"
    facts["database"]["path"] = facts["database"]["manifest"]["path"] = "database_families"
    path.write_text(json.dumps(facts, indent=2) + "\n")


def write_profiles(path: Path) -> None:
    """Write profiles of the bundled database as HMMER3 text."""
    from backports import zstd
    from pyhmmer.plan7 import HMMFile

    import photophore

    packed = Path(photophore.__file__).parent / "data" / "databases" / "default" / "annotator" / "profiles.h3m.zst"
    pressed = path.with_suffix(".h3m")
    pressed.write_bytes(zstd.decompress(packed.read_bytes()))
    with HMMFile(pressed) as profiles, path.open("wb") as out:
        for profile in profiles:
            name = profile.name if isinstance(profile.name, str) else profile.name.decode()
            if name in PROFILES:
                profile.write(out)
    pressed.unlink()


def write_sources(folder: Path) -> None:
    """Write every input that is a file."""
    proteins = proteome()
    first, second = dict(list(proteins.items())[:2]), dict(list(proteins.items())[2:])
    (folder / "proteins.fasta").write_text(fasta(proteins))
    (folder / "proteins.fasta.gz").write_bytes(gzip.compress(fasta(proteins).encode(), mtime=0))
    (folder / "first.fasta").write_text(fasta(first))
    (folder / "second.fasta").write_text(fasta(second))
    (folder / "broken_records.fasta").write_text(fasta(first | {"digit": "MKV1LA", "stop": "M*VLA"}))
    (folder / "no_fasta.fasta").write_text("these are no proteins\n")
    (folder / "haemoglobin.fasta").write_text(fasta({"HBB": HAEMOGLOBIN}))
    (folder / "mutants.fasta").write_text(fasta({"HBB-E6V": f"{HAEMOGLOBIN[:5]}V{HAEMOGLOBIN[6:]}"}))
    write_profiles(folder / "families.hmm")
    rows = [f"{name}\t{ec}\t{proteins[name]}" for name, ec in PROTEINS.items()]
    (folder / "enzymes.tsv").write_text("".join(f"{row}\n" for row in ("id\tec\tsequence", *rows)))
    (folder / "domains.tsv").write_text("".join("\t".join(row) + "\n" for row in (("id", "cath", "sequence"), *DOMAINS)))


def pack(folder: str) -> None:
    """Write ``folder.tar.gz``: as a directory, a folder that ends with a .npz cannot be brought to a Galaxy by a tool's test."""
    with tarfile.open(f"{folder}.tar.gz", "w:gz") as archive:
        archive.add(folder)


def main() -> None:
    """Make all of it anew."""
    TEST_DATA.mkdir(parents=True, exist_ok=True)
    os.chdir(TEST_DATA)
    for made in (*Path().glob("database_*"), *Path().glob("run_*")):
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    write_sources(Path())
    photophore("db", "build", "-q", "families.hmm", "-o", "database_families")
    pack("database_families")
    photophore("db", "build", "-q", "--method", "hifinn", "enzymes.tsv", "-o", "database_labelled")
    photophore("db", "build", "-q", "--method", "siamese", "domains.tsv", "-o", "database_domains")
    for name in ("first", "second"):
        photophore("annotate", "-q", f"{name}.fasta", "-d", "database_families", "-o", f"run_{name}")
        forget_this_machine(Path(f"run_{name}"))
        pack(f"run_{name}")


if __name__ == "__main__":
    main()
