"""What a round over unlisted sites stands on: tables that are looked up once, slots, and names as numbers."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from goe_lake.federation.listing import names as naming
from goe_lake.federation.listing.field import (
    PRIME,
    drawn,
    filled_slots,
    inverse,
    product,
    read_slots,
    reduced,
)
from goe_lake.federation.listing.one_time_tables import dealt, looked_up, rows_for, shifts
from goe_lake.federation.sealing import ChaChaStream
from tests.federation.seats import name_of, unlisted

NUMBERS = st.lists(st.integers(0, PRIME - 1), min_size=1, max_size=8)
EDGES = [0, 1, 2, PRIME - 1, PRIME - 2, (1 << 31) - 1, 1 << 31, (1 << 60) + 5]


@given(left=NUMBERS, right=NUMBERS)
def test_products_are_those_of_whole_numbers(left: list[int], right: list[int]):
    """Modulo the prime, at its edges too."""
    a, b = (np.array(part + EDGES, dtype=np.uint64) for part in (left, right))
    grid = product(np.repeat(a, len(b)), np.tile(b, len(a)))
    assert grid.tolist() == [x * y % PRIME for x in a.tolist() for y in b.tolist()]


@given(numbers=NUMBERS)
def test_an_inverse_gives_one(numbers: list[int]):
    """And nothing does so for zero."""
    a = np.array(numbers + EDGES, dtype=np.uint64)
    assert product(a, inverse(a)).tolist() == [int(x != 0) for x in a.tolist()]


def test_whole_words_are_reduced():
    """Also the largest ones."""
    words = np.array([2**64 - 1, PRIME, PRIME + 1, 8 * PRIME, 5], dtype=np.uint64)
    assert reduced(words).tolist() == [word % PRIME for word in words.tolist()]


@pytest.mark.parametrize(("nodes", "least"), [(3, 1), (3, 10), (5, 10), (29, 10), (29, 50)])
def test_two_shares_tell_whether_a_sum_reaches_the_threshold(nodes: int, least: int):
    """For every sum that there can be; each share by itself is noise."""
    rows = rows_for(nodes, least)
    sums = np.repeat(np.arange(nodes * least + 1, dtype=np.uint16), 3)
    shift = shifts(len(sums))
    key = bytes(32)
    share = dealt(shift, rows, least, key)
    bits = [looked_up(sums + shift, rows, part) for part in (share, ChaChaStream(key))]
    assert ((bits[0] ^ bits[1]) == (sums >= least)).all()
    assert len(share) == len(sums) * rows // 8


def test_a_reader_sees_nothing_of_a_sum():
    """Neither in the shifted sums nor in its share: 60,000 times the same small sum looks uniform."""
    shift = shifts(60_000)
    seen = (np.full(60_000, 3, dtype=np.uint16) + shift) >> np.uint16(8)
    share = np.frombuffer(dealt(shift, 64, 10, bytes(32)), dtype=np.uint8)
    for bytes_seen in (seen, share):
        assert stats.chisquare(np.bincount(bytes_seen, minlength=256)).pvalue > 1e-6


def test_a_threshold_that_no_table_holds_is_said():
    """29 nodes that ask for 600 persons each are too many for 16 bits."""
    with pytest.raises(ValueError, match="too large"):
        rows_for(29, 600)


@settings(max_examples=50)
@given(value=st.integers(0, PRIME - 1), holders=st.integers(1, 40))
def test_one_value_is_read_however_many_hold_it(value: int, holders: int):
    """The quotient is the value, and the first sum does not count the holders."""
    places = np.zeros(holders, dtype=np.int64)
    slots = filled_slots(2, places, np.full(holders, value, dtype=np.uint64))
    assert read_slots(slots).tolist()[0] == value
    assert slots[1] == slots[3] == 0


def test_two_values_in_a_slot_are_noise():
    """Whatever they are: both sums are uniform, and so is the quotient."""
    many = 20_000
    places = np.repeat(np.arange(many), 2)
    slots = filled_slots(many, places, np.tile(np.array([5, 6], dtype=np.uint64), many))
    for numbers in (slots[:many], slots[many:], read_slots(slots)):
        counts = np.bincount((numbers >> np.uint64(53)).astype(np.int64), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-6
    assert not np.isin(read_slots(slots), [5, 6]).any()


def test_draws_differ():
    """No two calls draw the same numbers."""
    assert not (drawn(100) == drawn(100)).any()


SITES = [
    ("chr1", 1, "A", "C"),
    ("chrM", 16_569, "T", "G"),
    ("chrX", 2_000_000_000, "G", "A"),
    ("chr22", 50, "ACG", "A"),
    ("chr2", 7, "A", "AT" * 500),
    ("chr3", 9, "N", "A"),
]


def test_names_are_written_and_read_back():
    """Substitutions whole in one word, longer ones on pages."""
    table = unlisted(dict.fromkeys(SITES, 1))
    marks = naming.marks_of(naming.digests_of(table))
    ranks, positions = (table.column(name).to_numpy() for name in ("rank", "pos"))
    words = naming.words_of_names(ranks, positions, table, marks).tolist()
    for site, mark, word in zip(SITES, marks.tolist(), words, strict=True):
        assert word < PRIME
        assert (
            mark == int.from_bytes(hashlib.sha256(name_of(site).encode()).digest()[16:24], "little") % PRIME
        )
        whole, pages = naming.short_name(word), naming.pages_of(word, mark)
        assert (whole is None) == (pages > 0) == (len(site[2] + site[3]) > 2 or "N" in site[2])
        if whole is None:
            whole = naming.name_from(naming.pages(name_of(site), mark, pages), word, mark)
        assert naming.site_of(whole, mark) == site
        assert naming.site_of(whole, mark ^ 1) is None


@pytest.mark.parametrize(
    "name", ["chr1-3000000000-A-C", "chr1-5-A-A", "chr99-5-A-C", "chr1-05-A-C", "chr1-5-A-<DEL>"]
)
def test_what_is_no_site_is_not_read(name: str):
    """Whatever a node wrote under a mark that fits."""
    assert naming.site_of(name, naming.mark_of(name)) is None


def test_two_names_agree_on_no_page():
    """Also where their letters are the same, and behind the end of either."""
    one, other = naming.pages("chr1-100-A-AT", 1, 5), naming.pages("chr1-100-A-ATT", 2, 5)
    assert not set(one) & set(other)


def test_noise_is_no_name():
    """What a slot of several names gives tells none, and announces no letters."""
    for word, mark in drawn(100_000).reshape(-1, 2).tolist():
        assert naming.site_of(naming.short_name(word), mark) is None
        assert not naming.pages_of(word, mark)
