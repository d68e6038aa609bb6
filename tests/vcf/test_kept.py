"""gq and dp come back from their stored form as they were, and the compiled loops write the same bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.vcf.chunk import MISSING
from goe_lake.vcf.fast_table import _value_column
from goe_lake.vcf.kept import stored_values, values_of

#: Values about the bounds of one byte and of two, where what is stored is one more.
VALUE = st.sampled_from([MISSING, 0, 1, 99, 253, 254, 255, 256, 65_534, 65_535])
SMALL = st.sampled_from([MISSING, 0, 254])


@st.composite
def rows(draw: st.DrawFn) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Values of some rows of one to five persons, and which rows have the field."""
    persons = draw(st.integers(1, 5))
    row = st.lists(SMALL, min_size=persons, max_size=persons) | st.lists(
        VALUE, min_size=persons, max_size=persons
    )
    made = draw(st.lists(st.tuples(row, st.booleans()), max_size=7))
    values = np.array([row for row, _ in made], dtype=np.int32).reshape(len(made), persons)
    return values, np.array([has for _, has in made], dtype=bool)


@given(drawn=rows(), begin=st.integers(0, 3))
def test_values_come_back(drawn: tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]], begin: int) -> None:
    """Values that are missing, that take two bytes and three, rows without the field, and slices of rows."""
    values, has = drawn
    column = stored_values(values[has], has)
    found, there = values_of(column.slice(begin), values.shape[1])
    expected = np.where(has[:, None], values, MISSING)[begin:]
    assert np.where(there, found, MISSING).tolist() == expected.tolist()
    assert not found[~there].any()


@given(drawn=rows(), data=st.data())
def test_both_ways_write_the_same(
    drawn: tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]], data: st.DataObject
) -> None:
    """The compiled loops, which also put lines and persons in order, write what numpy writes."""
    values, has = drawn
    lines = np.array(data.draw(st.permutations(range(len(values)))), dtype=np.int64)
    index = np.array(data.draw(st.permutations(range(values.shape[1]))), dtype=np.uint32)
    in_order = values[lines][:, np.argsort(index)]
    expected = stored_values(in_order[has[lines]], has[lines])
    assert _value_column(values, lines, has, index).equals(expected)


def test_what_is_small_takes_a_byte() -> None:
    """A row takes the bytes that its largest value asks for."""
    values = np.array([[0, 254, MISSING], [0, 255, 1], [65_534, 0, 0], [65_535, 0, 0]], dtype=np.int32)
    column = stored_values(values, np.ones(4, dtype=bool))
    assert [len(row) for row in column.to_pylist()] == [3, 6, 6, 9]
    assert column[0].as_py() == bytes([1, 255, 0])
    assert column[1].as_py() == bytes([1, 0, 2, 0, 1, 0])
