"""Install a database of Photophore, or build one, and tell Galaxy about it; run by the data manager with Photophore's own interpreter."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from photophore.download import fetch
from photophore.errors import PhotophoreError


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="file, or http or https address")
    parser.add_argument("--sha256", help="checksum of the source; an address needs one")
    parser.add_argument("--build", metavar="METHOD", help="build a database of the source; without it, the source is one, as tar.gz")
    parser.add_argument("--value", required=True, help="identifier in the table, and name of the folder")
    parser.add_argument("--name", default="", help="what users read; default: the identifier and what the database holds")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--folder", type=Path, required=True, help="where the database goes")
    parser.add_argument("--output", type=Path, required=True, help="JSON for Galaxy")
    return parser.parse_args()


def photophore(*arguments: str) -> str:
    """Run a command of Photophore; it says itself what is wrong."""
    done = subprocess.run(["photophore", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the one database of an archive as ``folder``."""
    unpacked = Path("unpacked")
    try:
        with tarfile.open(archive) as files:
            files.extractall(unpacked, filter="data")
    except (tarfile.TarError, OSError) as error:
        sys.exit(f"photophore: error: {archive.name}: is no tar archive of a database: {error}; pack the folder with tar -czf")
    manifests = [*unpacked.glob("manifest.json"), *unpacked.glob("*/manifest.json")]
    if len(manifests) != 1:
        sys.exit(f"photophore: error: {archive.name}: holds {len(manifests)} databases (folders with a manifest.json), not one")
    manifests[0].parent.rename(folder)


def main() -> None:
    """Bring the source, make a database of it, and write its row of the table."""
    chosen = options()
    source = Path(chosen.source)
    if "://" in chosen.source:
        if not chosen.sha256:
            sys.exit(f"photophore: error: {chosen.source}: give the SHA-256 of what is there")
        source = Path("download", chosen.source.rpartition("/")[2] or "source")
    if chosen.sha256:
        try:
            fetch(chosen.source, Path("download", source.name), sha256=chosen.sha256)
        except PhotophoreError as error:
            sys.exit(f"photophore: error: {error}")
        source = Path("download", source.name)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    database = chosen.folder / chosen.value
    if chosen.build:
        photophore("db", "build", str(source), "--method", chosen.build, "--threads", chosen.threads, "--output", str(database))
    else:
        unpack(source, database)
    photophore("db", "verify", str(database))
    facts = json.loads(photophore("db", "describe", str(database), "--json"))
    version = json.loads((database / "manifest.json").read_text(encoding="utf-8"))["schema_version"]
    row = {
        "value": chosen.value,
        "name": chosen.name or f"{chosen.value} ({facts['targets']:,} targets)",
        "method": facts["method"],
        "version": str(version),
        "path": chosen.value,
    }
    chosen.output.write_text(json.dumps({"data_tables": {"photophore_databases": [row]}}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
