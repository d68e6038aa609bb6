"""Tables that people hand in: TSV, CSV or Parquet with a header, read as text."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from goe_lake.errors import InputError
from goe_lake.vcf.arrow import Vector, array, in_one_piece, nulls, pc

FORMATS: Final = "give a TSV or CSV with one line of column names, in UTF-8, or a Parquet file"


def read_text_table(path: Path) -> pa.Table:
    """The table at *path* with every value as text, as written; an empty field is NULL.

    Numbers of a Parquet file get their shortest spelling. Raises InputError where the file cannot be
    read or names a column twice.
    """
    try:
        table = _read_parquet(path) if _is_parquet(path) else _read_delimited(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as a table: {str(error).splitlines()[0]}", FORMATS) from None
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1 and name})
    if twice:
        raise InputError(path, f"names the column {twice[0]!r} twice", "give each column once")
    return table


def require_columns(path: Path, table: pa.Table, names: tuple[str, ...]) -> None:
    """Raise InputError where *table* lacks one of the columns *names*."""
    for name in names:
        if name not in table.column_names:
            raise InputError(
                path,
                f"has no column {name} (it has {', '.join(table.column_names[:12])})",
                f"name a column {name}",
            )


def column_of(table: pa.Table, name: str) -> Vector:
    """Column *name* of *table* in one piece; all NULL where the table lacks it."""
    return in_one_piece(table[name]) if name in table.column_names else nulls(len(table), pa.string())


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_delimited(path: Path) -> pa.Table:
    with pa.input_stream(str(path), compression="detect") as stream:
        data = stream.read()
    first = data.partition(b"\n")[0].rstrip(b"\r").decode("utf-8-sig")
    delimiter = "\t" if "\t" in first else ","
    names = [name.strip('"') for name in first.split(delimiter)]
    return pa.csv.read_csv(
        BytesIO(data),
        # one thread, so that complaints can name the row
        read_options=pa.csv.ReadOptions(use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _read_parquet(path: Path) -> pa.Table:
    table = pq.read_table(path)
    return pa.table([_as_text(column) for column in table.columns], names=table.column_names)


def _as_text(column: Vector) -> Vector:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        # Python's repr is the shortest text that reads back as the same number
        texts = [None if value is None else repr(value) for value in column.to_pylist()]
        return array(texts, pa.string())
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
