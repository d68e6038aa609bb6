"""Counts by stratum: compiled loops and numpy find the same, which is what a plain count finds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from goe_lake.lake import strata
from goe_lake.lake.callable import Fill
from goe_lake.lake.layout import KEY_COLUMNS
from goe_lake.lake.merge import Window
from goe_lake.lake.strata import COUNTED, BatchStrata, count_window
from goe_lake.vcf.encode import CALLS, CLASS_CODES, encode_class


@pytest.mark.parametrize(("persons", "groups"), [(1, 1), (7, 3), (200, 1), (203, 11)])
@pytest.mark.parametrize("lacking", [False, True])
def test_loops_and_numpy_count_the_same(
    monkeypatch: pytest.MonkeyPatch, persons: int, groups: int, lacking: bool
) -> None:
    """Lists, bitmaps and absent sites give the same counts by both ways, and person by person."""
    random = np.random.default_rng(persons * 31 + groups)
    rows = 300
    # few and many members of each class, so that some are lists, some bitmaps, and some nobody
    shares = random.choice([0.0, 0.01, 0.3], size=(rows, len(CLASS_CODES)))
    draw = random.random((rows, persons))
    ends = np.cumsum(shares, axis=1)
    number = (draw[:, :, None] >= ends[:, None, :]).sum(axis=2)
    columns: dict[str, object] = {
        "pos": pa.array(np.arange(1, rows + 1), pa.int32()),
        "ref": pa.array(["A"] * rows),
        "alt": pa.array(["C"] * rows),
        "end_pos": pa.array(np.arange(1, rows + 1), pa.int32()),
    }
    for place, name in enumerate(CLASS_CODES):
        columns[f"{name}_l"], columns[f"{name}_b"] = encode_class(number == place)
    table = pa.table({name: columns[name] for name in CALLS.names if name in columns})
    stratum = random.integers(0, groups, persons)
    sizes = np.bincount(stratum, minlength=groups)
    fill = Fill({"nonpar": np.full(persons, 2, np.int8)}, "not_called")
    batch = BatchStrata(persons, stratum, sizes, fill, np.full(persons, -1))
    # the batch lacks every third site
    places = np.flatnonzero(np.arange(rows) % 3 != 0) if lacking else np.arange(rows)
    mine = table.take(pa.array(places))
    window = Window(table.select(KEY_COLUMNS), (mine,), (places,))
    stretches = {"par": np.zeros(rows, bool)}
    found = []
    for least in (0, rows + 1):
        monkeypatch.setattr(strata, "LEAST_FOR_LOOP", least)
        found.append(count_window(window, [batch], stretches))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
    counts, carriers = found[0]
    names = list(CLASS_CODES)
    for place in places:
        for group in range(groups):
            own = number[place, stratum == group]
            told = {name: int(np.count_nonzero(own == code)) for code, name in enumerate(names)}
            expected = {
                "het": told["het"],
                "hom_alt": told["hom"],
                "hemi": told["hemi"],
                "not_called": told["nc"],
                "an": 2 * (len(own) - told["nc"]) - told["hemi"] - told["ref1"],
            }
            assert [int(counts[n, place, group]) for n in range(len(COUNTED))] == [
                expected[name] for name in COUNTED
            ]
        assert carriers[place] == np.count_nonzero(number[place] < 3)
    assert not counts[:3, np.setdiff1d(np.arange(rows), places)].any()
