"""Lists, maps and structs of an answer where a format has none: Python values, and JSON text in cells."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa


def plain(value: Any, kind: pa.DataType) -> Any:
    """*value*, of the Arrow type *kind*, with maps as dictionaries by the text of their keys."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {_text(key): plain(item, kind.item_type) for key, item in value}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [plain(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: plain(value[field.name], field.type) for field in kind}
    return value


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of *table* by column name, nested values as `plain` gives them."""
    columns = {
        field.name: [plain(value, field.type) for value in table.column(place).to_pylist()]
        for place, field in enumerate(table.schema)
    }
    return [{name: values[row] for name, values in columns.items()} for row in range(table.num_rows)]


def flat(table: pa.Table) -> pa.Table:
    """*table* with each nested column as JSON text, as CSV takes it."""
    for place, field in enumerate(table.schema):
        if not pa.types.is_nested(field.type):
            continue
        values = [plain(value, field.type) for value in table.column(place).to_pylist()]
        texts = [None if its is None else json.dumps(its, ensure_ascii=False, default=str) for its in values]
        table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table


def _text(key: Any) -> str:
    return f"{key:g}" if isinstance(key, float) else str(key)
