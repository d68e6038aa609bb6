"""Masks: the sum over all nodes is exact, and anything less is noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from goe_lake.federation.sealing import (
    WITNESSES,
    Agreement,
    KeyOf,
    SealBroken,
    Sealer,
    checked_counts,
    digits_of,
    from_digits,
    key_pairs,
    open_sum,
    words_of,
)

NODES = ("AT", "EE", "FI", "LV", "SE")
SEALERS = key_pairs(NODES)


def agreement_of(words: int, nodes: tuple[str, ...] = NODES, nonce: str = "n1") -> Agreement:
    """What the nodes of a test agree on."""
    return Agreement("question", "epoch", nonce, tuple(KeyOf(node, "in-memory") for node in nodes), words)


def sealed(numbers: np.ndarray, agreement: Agreement) -> list[np.ndarray]:
    """What each node of *agreement* seals of its row of *numbers*."""
    return [
        SEALERS[node].seal(words_of(row), agreement)
        for node, row in zip(agreement.node_ids, numbers, strict=True)
    ]


@given(
    nodes=st.lists(st.sampled_from(NODES), min_size=3, unique=True).map(sorted).map(tuple),
    seed=st.integers(0, 2**32),
    words=st.integers(0, 300),
)
def test_the_sum_over_all_nodes_is_exact(nodes: tuple[str, ...], seed: int, words: int):
    """Whatever the nodes, the numbers and their signs."""
    numbers = np.random.default_rng(seed).integers(-(2**58), 2**58, (len(nodes), words))
    agreement = agreement_of(words, nodes)
    opened = open_sum(reversed(sealed(numbers, agreement)), agreement)
    assert (opened.view(np.int64) == numbers.sum(axis=0)).all()


def test_more_words_than_are_masked_at_a_time():
    """Steps of the stream follow each other without a gap or a repetition."""
    numbers = np.arange(3 * 100_001).reshape(3, -1)
    agreement = agreement_of(100_001, NODES[:3])
    assert (open_sum(sealed(numbers, agreement), agreement) == numbers.sum(axis=0)).all()
    zeros = SEALERS["AT"].seal(np.zeros(100_001, dtype=np.uint64), agreement)
    assert len(np.unique(zeros)) == len(zeros)


@pytest.mark.parametrize("missing", range(5))
def test_less_than_all_nodes_is_uniform(missing: int):
    """The sum over all but one node, of numbers that are all alike, has bytes as noise has them."""
    agreement = agreement_of(60_000, nonce=f"uniform{missing}")
    parts = sealed(np.full((5, 60_000), 7), agreement)
    for some in ([missing], [place for place in range(5) if place != missing]):
        total = np.sum([parts[place] for place in some], axis=0, dtype=np.uint64)
        counts = np.bincount(np.frombuffer(total.tobytes(), dtype=np.uint8), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-6
        bits = np.unpackbits(total.view(np.uint8)).mean()
        assert abs(bits - 0.5) < 0.5 * 6 / np.sqrt(64 * len(total))


def test_for_every_message_there_are_masks_that_make_any_numbers_of_it():
    """What a subset of nodes sends fits every choice of their numbers: the masks with a node outside decide.

    Two nodes send the words (s, t) and a third keeps still. For any numbers (x, y) there are masks with
    the third node that give just these words: the difference. So the words alone prefer no numbers.
    """
    agreement = agreement_of(8, NODES[:3])
    numbers = np.random.default_rng(1).integers(0, 2**62, (3, 8))
    sent = sealed(numbers, agreement)[:2]
    pair = sealed(np.zeros((3, 8), dtype=np.int64), agreement)
    for other in (np.zeros((2, 8), dtype=np.int64), numbers[:2] + 5):
        with_third = [words[:8] - words_of(row) for words, row in zip(sent, other, strict=True)]
        assert (with_third[0] + words_of(other[0]) == sent[0][:8]).all()
        assert (with_third[1] + words_of(other[1]) == sent[1][:8]).all()
    # and the masks that were used did not come from the numbers
    assert (sent[0][:8] - words_of(numbers[0]) == pair[0][:8]).all()


CHANGES = {
    "another question": {"question": "other"},
    "another epoch": {"epoch": "later"},
    "a replayed nonce": {"nonce": "n0"},
    "another node set": {"keys": tuple(KeyOf(node, "in-memory") for node in ("AT", "EE", "FI", "SE"))},
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_node_with_another_view_opens_nothing(change: str):
    """Its masks are of another sum, so that none cancel, and the witnesses tell."""
    agreement = agreement_of(5, ("AT", "EE", "FI"))
    other = replace(agreement, **CHANGES[change])
    parts = sealed(np.ones((3, 5), dtype=np.int64), agreement)
    parts[1] = SEALERS["EE"].seal(np.ones(5, dtype=np.uint64), other)
    with pytest.raises(SealBroken, match="do not cancel"):
        open_sum(parts, agreement)


def test_wrong_keys_open_nothing():
    """Neither a key that others do not know, nor one of another id."""
    agreement = agreement_of(5, NODES[:3])
    parts = sealed(np.ones((3, 5), dtype=np.int64), agreement)
    public = {
        KeyOf(node, "in-memory"): X25519PrivateKey.generate().public_key().public_bytes_raw()
        for node in NODES
    }
    stranger = Sealer("EE", {"in-memory": X25519PrivateKey.generate()}, public)
    parts[1] = stranger.seal(np.ones(5, dtype=np.uint64), agreement)
    with pytest.raises(SealBroken, match="do not cancel"):
        open_sum(parts, agreement)
    with pytest.raises(SealBroken, match="no key"):
        SEALERS["SE"].seal(np.ones(5, dtype=np.uint64), agreement)
    with pytest.raises(SealBroken, match="no key"):
        stranger.seal(
            np.ones(5, dtype=np.uint64),
            replace(agreement, keys=tuple(KeyOf(node, "2027") for node in NODES[:3])),
        )


def test_a_key_of_low_order_is_refused():
    """A point that makes every secret zero would make masks that anybody knows."""
    public = {KeyOf(node, "in-memory"): bytes(32) for node in NODES}
    sealer = Sealer("AT", {"in-memory": X25519PrivateKey.generate()}, public)
    with pytest.raises(SealBroken, match="no X25519 key"):
        sealer.seal(np.ones(5, dtype=np.uint64), agreement_of(5))


def test_missing_doubled_and_changed_parts_open_nothing():
    """A node that is missing, one that came twice, and cells that were moved or cut."""
    agreement = agreement_of(6, NODES[:3])
    parts = sealed(np.arange(18).reshape(3, 6), agreement)
    for wrong in (parts[:2], [*parts, parts[0]], [parts[0], parts[0], parts[1]]):
        with pytest.raises(SealBroken):
            open_sum(wrong, agreement)
    with pytest.raises(SealBroken, match="other numbers"):
        open_sum([parts[0], parts[1], parts[2][:-1]], agreement)
    # cells in another order are noise: far outside what any count can be
    moved = [parts[0], parts[1], np.concatenate([parts[2][5::-1], parts[2][6:]])]
    with pytest.raises(SealBroken, match="public bounds"):
        checked_counts(open_sum(moved, agreement), 10**9)


def test_garbage_of_a_node_is_seen_by_public_bounds():
    """Masks cannot tell what a node counted; a count below 0, or above all persons, is refused."""
    agreement = agreement_of(2, NODES[:3])
    for row in ([-5, 0], [0, 2**40]):
        numbers = np.array([[1, 1], [2, 2], row])
        with pytest.raises(SealBroken, match="public bounds"):
            checked_counts(open_sum(sealed(numbers, agreement), agreement), 100_000)
    assert WITNESSES * 64 >= 128


def test_fewer_than_three_nodes_and_unordered_nodes_are_refused():
    """With two, each would read the other; in another order the same nodes would be another sum."""
    for nodes in (("AT", "EE"), ("EE", "AT", "FI"), ("AT", "AT", "EE")):
        with pytest.raises(SealBroken):
            agreement_of(1, nodes)


@given(
    st.lists(
        st.tuples(*[st.integers(-(2**123), 2**123)] * 3), min_size=1, max_size=20
    )
)  # fmt: skip
def test_large_sums_are_exact(rows: list[tuple[int, ...]]):
    """Sums of numbers up to 2^123 with signs, in digits."""
    agreement = agreement_of(3 * len(rows), NODES[:3])
    parts = []
    for place, node in enumerate(agreement.node_ids):
        low = np.array([row[place] & (2**64 - 1) for row in rows], dtype=np.uint64)
        high = np.array([row[place] >> 64 for row in rows], dtype=np.int64)
        parts.append(SEALERS[node].seal(digits_of(low, high), agreement))
    low, high = from_digits(open_sum(parts, agreement))
    found = [int(top) * 2**64 + int(bottom) for bottom, top in zip(low, high, strict=True)]
    assert found == [sum(row) for row in rows]


def test_digits_outside_the_bounds_are_refused():
    """What three digits hold and a HUGEINT of 2^126 does not is no sum of honest nodes."""
    with pytest.raises(SealBroken, match="public bounds"):
        from_digits(np.array([0, 0, 2**31], dtype=np.uint64))
