"""JSON lines: one object a row, the same keys in every row."""

from __future__ import annotations

from json.encoder import encode_basestring as quoted

from photophore.hookspecs import Column
from photophore.writers.atomic import OutputFile
from photophore.writers.rows import Rows, map_distinct


class JsonlWriter:
    """Writes ``annotations.jsonl``. A missing value is ``null``."""

    name = "annotations.jsonl"

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None:
        self._file = file
        self._format = "{" + ",".join(f"{quoted(column.name)}:%s" for column in columns) + "}\n"

    def write(self, rows: Rows) -> None:
        """Append rows."""
        cells = [_json_cells(rows, column) for column in rows.columns]
        self._file.write_text("".join([self._format % row for row in zip(*cells, strict=True)]))

    def close(self) -> None:
        """Nothing is held back."""


def _json_cells(rows: Rows, column: Column) -> list[str]:
    if column.name == "ecs":
        known = {ecs: "[" + ",".join(map(quoted, ecs)) + "]" for ecs in set(rows.values["ecs"])}
        return [known[ecs] for ecs in rows.values["ecs"]]
    if column.type is str:
        return map_distinct(quoted, rows.values[column.name], missing="null")
    return [text or "null" for text in rows.text[column.name]]
