"""Genotypes become lists and bitmaps of persons, and come back unchanged."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from goe_lake.vcf.encode import (
    CLASS_CODES,
    MOST_LISTED,
    encode_class,
    genotype_codes,
    listed_persons,
    mapped_persons,
)


@pytest.mark.parametrize(
    ("genotype", "expected"),
    [
        ((0, 0), None), ((0, 1), "het"), ((1, 0), "het"), ((1, 1), "hom"), ((1, 2), "het"),
        ((2, 2), None), ((0, 2), None), ((-1, -1), "nc"), ((-1, 1), "hemi"), ((1, -1), "hemi"),
        ((0, -1), "ref1"), ((2, -1), "ref1"), ((1, -2), "hemi"), ((0, -2), "ref1"), ((-1, -2), "nc"),
    ],
)  # fmt: skip
def test_each_genotype_is_in_one_class(genotype: tuple[int, int], expected: str | None) -> None:
    """-1 is an allele that is not called, -2 one that the ploidy does not have; the row's allele is 1."""
    code = int(genotype_codes(np.array([[genotype]], np.int16), np.array([1], np.int16))[0, 0])
    assert {value: name for name, value in CLASS_CODES.items()}.get(code) == expected


@given(
    members=st.integers(1, 80).flatmap(
        lambda persons: arrays.arrays(np.bool_, st.tuples(st.integers(0, 12), st.just(persons)))
    )
)
def test_encoding_comes_back(members: np.ndarray) -> None:
    """Up to 32 persons a list, more a bitmap, nobody NULL; both decode to the same persons."""
    lists, bitmaps = encode_class(members)
    decoded = np.zeros_like(members)
    rows, persons = listed_persons(lists)
    decoded[rows, persons] = True
    rows, bits = mapped_persons(bitmaps, members.shape[1])
    decoded[rows] |= bits
    assert np.array_equal(decoded, members)
    counts = members.sum(axis=1)
    assert lists.is_valid().to_pylist() == [0 < count <= MOST_LISTED for count in counts]
    assert bitmaps.is_valid().to_pylist() == [count > MOST_LISTED for count in counts]


def test_duckdb_reads_bitmaps_as_bits() -> None:
    """Bit i of blob::BIT is person i, padded to whole bytes."""
    members = np.zeros((1, 45), bool)
    members[0, 3:40] = True
    _, bitmaps = encode_class(members)
    with duckdb.connect() as connection:
        connection.register("bitmaps", pa.table({"b": bitmaps}))
        found = connection.execute(
            "SELECT bit_count(b::BIT), get_bit(b::BIT, 2), get_bit(b::BIT, 3), bit_length(b::BIT) "
            "FROM bitmaps"
        ).fetchone()
    assert found == (37, 0, 1, 48)
