"""Rooms: memory is used again when nobody looks at it, and not before."""

from __future__ import annotations

import numpy as np

from goe_lake.vcf import rooms
from goe_lake.vcf.rooms import MOST_SPARE, PAGE, room


def place_of(array: np.ndarray) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


def test_a_room_is_used_again_only_when_no_view_of_it_is_left() -> None:
    """Views of views, matrices and memoryviews keep what they show from being written over."""
    rooms._spare.clear()
    first = room(3 * PAGE)
    first[:] = 7
    place, view = place_of(first), first[5:][10:20]
    del first
    other = room(3 * PAGE)
    assert place_of(other) != place
    other[:] = 1
    assert view.tolist() == [7] * 10
    # the rows of a matrix, a memoryview and a copy of its name are views too
    matrix, memory = view.reshape(2, 5)[1:], view.data
    del view
    assert place_of(room(3 * PAGE)) != place
    del matrix
    assert place_of(room(3 * PAGE)) != place
    del memory
    assert place in {place_of(found) for found in [room(3 * PAGE - number) for number in range(3)]}


def test_rooms_of_another_size_are_others_and_few_are_kept() -> None:
    """A room is as large as asked for, and only so many wait to be used again."""
    rooms._spare.clear()
    small = room(1)
    place = place_of(small)
    assert len(small) == 1
    del small
    assert place_of(room(PAGE + 1)) != place
    assert place_of(room(PAGE)) == place
    many = [room(1) for _ in range(MOST_SPARE + 3)]
    del many
    assert len(rooms._spare[1]) == MOST_SPARE
