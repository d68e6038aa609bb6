"""Parquet files that are encoded in parts by threads are byte for byte what one Arrow writer makes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goe_lake.lake import footer, parquet
from goe_lake.lake.layout import digest_of
from goe_lake.lake.parquet import COMPRESSION, TableWriter, _encodings

SCHEMA = pa.schema(
    [
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("ref", pa.string(), nullable=False),
        pa.field("variant_id", pa.string()),
        pa.field("het_l", pa.list_(pa.uint32())),
        pa.field("het_b", pa.binary()),
        pa.field("gq", pa.binary()),
    ]
)


def rows(count: int, seed: int = 0) -> pa.Table:
    """Some rows of SCHEMA, with NULLs in lists and beside them."""
    draw = np.random.default_rng(seed)
    names = [f"v{number}" if number % 5 else None for number in draw.integers(0, 999, count)]
    lists = [
        draw.integers(0, 90, draw.integers(0, 6)).tolist() if draw.random() > 0.3 else None for _ in names
    ]
    quality = [None if draw.random() > 0.8 else draw.bytes(7 * draw.integers(1, 3)) for _ in names]
    columns = [
        np.sort(draw.integers(1, 1 << 30, count)).astype(np.int32),
        [name or "A" for name in names],
        names,
        lists,
        [None if found is None else bytes(found) for found in lists],
        quality,
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA
    )


def by_one_writer(table: pa.Table, row_group: int) -> bytes:
    """The file that Arrow makes by itself."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, compression=COMPRESSION, **_encodings(SCHEMA)) as writer:
        for start in range(0, len(table), row_group):
            writer.write_table(table.slice(start, row_group).combine_chunks())
    return sink.getvalue()


@settings(max_examples=25)
@given(
    count=st.integers(0, 200),
    row_group=st.sampled_from([1, 7, 20, 100, 1000]),
    pieces=st.lists(st.integers(1, 90), min_size=1, max_size=6),
    part=st.sampled_from([1, 3000, 1 << 20]),
    seed=st.integers(0, 99),
)
def test_parts_make_the_file_of_one_writer(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    row_group: int,
    pieces: list[int],
    part: int,
    seed: int,
):
    """The same bytes as from Arrow alone, whatever the row groups, the parts and the tables handed in."""
    path = tmp_path_factory.mktemp("parts") / "table.parquet"
    table = rows(count, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "PART", part)
        with TableWriter(path, SCHEMA, row_group) as writer:
            start = 0
            while start < count:
                height = pieces[start % len(pieces)]
                writer.write(table.slice(start, height))
                start += height
            written = writer.finish()
    assert path.read_bytes() == by_one_writer(table, row_group)
    assert (written.rows, written.bytes, written.sha256) == (count, path.stat().st_size, digest_of(path))


def test_footers_are_joined_without_compiled_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The loop that moves places does the same as plain Python."""
    monkeypatch.setattr(footer, "move_places", footer.move_places._function)
    monkeypatch.setattr(parquet, "PART", 1)
    table = rows(60)
    with TableWriter(tmp_path / "table.parquet", SCHEMA, 20) as writer:
        writer.write(table)
        writer.finish()
    assert (tmp_path / "table.parquet").read_bytes() == by_one_writer(table, 20)


def test_places_beyond_2_gigabytes():
    """Places of any size fit: they take more bytes, and readers find them."""
    one = by_one_writer(rows(30), 30)
    length = int.from_bytes(one[-8:-4], "little")
    found = footer.joined_footers([(one[-8 - length : -8], 0), (one[-8 - length : -8], 3 << 40)])
    tail = len(found).to_bytes(4, "little") + b"PAR1"
    metadata = pq.read_metadata(io.BytesIO(b"PAR1" + found + tail))
    groups = [metadata.row_group(number) for number in range(2)]
    assert (metadata.num_rows, metadata.num_row_groups) == (60, 2)
    for column in range(len(SCHEMA)):
        near, far = (group.column(column) for group in groups)
        assert far.data_page_offset - near.data_page_offset == 3 << 40
        assert far.dictionary_page_offset is None or far.dictionary_page_offset > 3 << 40


def test_what_arrow_might_add_one_day_is_refused():
    """A footer with places that are not known here is an error, and not a damaged file."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, write_page_index=True) as writer:
        writer.write_table(rows(30))
    data = sink.getvalue()
    end = -8 - int.from_bytes(data[-8:-4], "little")
    with pytest.raises(ValueError, match="what joining footers does not know"):
        footer.joined_footers([(data[end:-8], 0), (data[end:-8], 9)])
