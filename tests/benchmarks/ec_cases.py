"""Small tables of labelled proteins for the tests of the EC benchmark."""

from __future__ import annotations

from pathlib import Path


def write_table(folder: Path, name: str, rows: list[tuple[str, str, str]]) -> None:
    """Write a set as ``data/ec`` holds it."""
    lines = ["id\tec\tsequence", *("\t".join(row) for row in rows)]
    (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
