"""Apache Parquet: the same rows and columns with full precision. pyarrow is imported only when a file is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from photophore.hookspecs import Column
from photophore.writers.atomic import OutputFile
from photophore.writers.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of every row group but the last: fixed, so that a merged file has the bytes of one run.
ROW_GROUP_ROWS = 32_768


class ParquetWriter:
    """Writes ``annotations.parquet``. A missing value is null; the meaning of a column is in its metadata."""

    name = "annotations.parquet"

    def __init__(self, file: OutputFile, columns: tuple[Column, ...]) -> None:
        self.schema = schema_of(columns)
        self._file = file
        self._groups = RowGroups(file, self.schema)

    def write(self, rows: Rows) -> None:
        """Append rows."""
        import pyarrow as pa

        arrays = [pa.array(rows.values[field.name], type=field.type) for field in self.schema]
        self._groups.write(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._groups.close()


class RowGroups:
    """Cuts record batches into row groups of `ROW_GROUP_ROWS`, whatever the sizes they come in."""

    def __init__(self, file: OutputFile, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer: Any = pq.ParquetWriter(file, schema, compression="zstd", version="2.6", write_page_checksum=True)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a record batch."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROW_GROUP_ROWS:
            self._flush(ROW_GROUP_ROWS)

    def close(self) -> None:
        """Write the last row group and the footer."""
        if self._rows:
            self._flush(self._rows)
        self._writer.close()

    def _flush(self, rows: int) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._waiting, schema=self._schema).combine_chunks()
        self._writer.write_table(table.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._waiting = table.slice(rows).to_batches()
        self._rows -= rows


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """Arrow types of the columns, with their help."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema(
        [
            pa.field(
                column.name,
                pa.list_(pa.field("element", pa.string())) if column.name == "ecs" else types[column.type],
                metadata={"description": column.help},
            )
            for column in columns
        ]
    )


def written_schema(source: pa.Schema) -> pa.Schema:
    """Return the schema that a file was written with: reading adds field numbers, which would change the bytes."""
    import pyarrow as pa

    def without_number(field: pa.Field) -> pa.Field:
        metadata = {key: value for key, value in (field.metadata or {}).items() if key != b"PARQUET:field_id"}
        kind = pa.list_(without_number(field.type.value_field)) if pa.types.is_list(field.type) else field.type
        return pa.field(field.name, kind, field.nullable, metadata or None)

    return pa.schema([without_number(field) for field in source])
