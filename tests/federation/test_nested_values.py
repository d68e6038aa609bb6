"""Lists, maps and structs of an answer are written in every format."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from goe_lake.console import Format, write_answer
from goe_lake.federation import Answer
from goe_lake.federation.nested import flat, plain_rows
from goe_lake.release import Envelope, Status

TABLE = pa.table(
    {
        "q": pa.array([[23.5, 25.0], None], pa.list_(pa.float64())),
        "h": pa.array([[(25.0, 3), (float("inf"), 1)], None], pa.map_(pa.float64(), pa.uint64())),
        "s": pa.array([{"n": 3, "l": ["a"]}, None], pa.struct({"n": pa.int64(), "l": pa.list_(pa.string())})),
        "n": pa.array([1, 2]),
    }
)


def test_nested_columns_are_json_text_where_a_format_has_none() -> None:
    """A map is an object by its keys as text; a missing value is missing."""
    made = flat(TABLE).to_pylist()
    assert [json.loads(made[0][name]) for name in ("q", "h", "s")] == [
        [23.5, 25.0],
        {"25": 3, "inf": 1},
        {"n": 3, "l": ["a"]},
    ]
    assert made[1] == {"q": None, "h": None, "s": None, "n": 2}
    assert plain_rows(TABLE)[0]["h"] == {"25": 3, "inf": 1}


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_takes_them(format_: Format, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Also CSV, which knows no lists, and the table for a terminal."""
    status = pa.table({name: ["ok", "ok"] for name in TABLE.column_names})
    envelope = Envelope("q", (), (), Status.OK, (), (), ())
    write_answer(Answer(TABLE, status, envelope), format_, None)
    told = capsysbinary.readouterr().out
    if format_ is Format.CSV:
        assert b'"{""25"": 3, ""inf"": 1}"' in told
    elif format_ is Format.JSON:
        assert json.loads(told)["rows"][0]["h"] == {"25": 3, "inf": 1}
    elif format_ is Format.TABLE:
        assert "25: 3" in told.decode()
    assert told
