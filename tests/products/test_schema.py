"""The columns of the reference and the order of its rows."""

from __future__ import annotations

import random

import pyarrow as pa

from goe_lake.genome import CONTIGS
from goe_lake.products.frequencies.schema import (
    ALL,
    DESCRIPTIONS,
    FREQUENCIES,
    GROUP,
    SITE_KEY,
    group_ranks,
    label_order,
    sort_rows,
)


def test_every_column_is_described():
    """No column of the reference is without a sentence."""
    assert list(DESCRIPTIONS) == FREQUENCIES.names


def test_the_key_columns_are_columns():
    """Sites and groups are named by columns of the schema."""
    assert set(SITE_KEY) | set(GROUP) <= set(FREQUENCIES.names)


def _rows(count: int, seed: int) -> list[dict]:
    draw = random.Random(seed)
    return [
        {
            "contig": draw.choice(CONTIGS),
            "pos": draw.randint(1, 4),
            "ref": draw.choice(["A", "AC", "a"]),
            "alt": draw.choice(["C", "<DEL>"]),
            "end_pos": draw.randint(1, 3),
            "country": draw.choice([ALL, "EE", "FI"]),
            "population": draw.choice([ALL, "fin", "Åland", None]),
            "sex": draw.choice([ALL, "F", "M", None]),
        }
        for _ in range(count)
    ]


def _python_order(row: dict) -> tuple:
    site = (CONTIGS.index(row["contig"]), row["pos"], row["ref"], row["alt"], row["end_pos"])
    return (*site, *(label_order(row[name]) for name in GROUP))


def test_rows_sort_as_the_contract_says():
    """Chromosome order, then the site, then totals before labels before NULL, as plain Python sorts them."""
    rows = _rows(2_000, seed=1)
    wanted = sorted(rows, key=_python_order)
    assert sort_rows(pa.Table.from_pylist(rows)).to_pylist() == wanted


def test_rows_in_chunks_sort_alike():
    """Chunks of a table, with other labels in each, do not matter."""
    rows = _rows(300, seed=2)
    whole = pa.Table.from_pylist(rows)
    cut = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 120), whole.slice(121)])
    assert sort_rows(cut).equals(sort_rows(whole))


def test_no_rows_sort_to_no_rows():
    """An empty table stays empty."""
    assert len(sort_rows(FREQUENCIES.empty_table())) == 0


def test_equal_groups_rank_alike_and_different_ones_do_not():
    """A rank is a group's own."""
    rows = _rows(500, seed=3)
    ranks = group_ranks(pa.Table.from_pylist(rows))
    named = [tuple(row[name] for name in GROUP) for row in rows]
    assert len(set(zip(named, ranks.tolist(), strict=True))) == len(set(named)) == len(set(ranks.tolist()))
