"""The difference between two releases, counted a second time row by row."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from goe_lake.errors import LakeError
from goe_lake.products.frequencies.diff import diff_releases
from goe_lake.products.frequencies.store import EuropeanRelease
from tests.products.releases import cell, hidden, site, small_release, small_tables, tables, write

NUMBERS = ("ac", "an", "ac_lower", "ac_upper", "n_het", "n_hom_alt", "n_hemi", "status")


def _by_key(release: EuropeanRelease) -> dict[tuple, dict]:
    names = ("contig", "pos", "ref", "alt", "end_pos", "country", "population", "sex")
    rows = [row for contig in release.contigs for row in release.frequencies(contig).to_pylist()]
    return {tuple(row[name] for name in names): row for row in rows}


def _counted(before: EuropeanRelease, after: EuropeanRelease) -> dict[tuple[str, str], Counter]:
    old, new = _by_key(before), _by_key(after)
    found: dict[tuple[str, str], Counter] = {}
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        count = found.setdefault((key[0], key[5]), Counter())
        count["rows"] += now is not None
        count["added"] += was is None
        count["removed"] += now is None
        if was and now:
            stands = was["release"] == now["release"]
            count["stand" if stands else "afresh"] += 1
            count["altered"] += stands and any(was[name] != now[name] for name in NUMBERS)
            count["newly_withheld"] += was["status"] == "ok" != now["status"]
            count["newly_told"] += was["status"] != "ok" == now["status"]
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[EuropeanRelease, EuropeanRelease]:
    """Two releases that share most sites: groups come and go, cells are told, withheld and computed anew."""
    folder = tmp_path_factory.mktemp("pair")
    first, second = small_tables(seed=1), small_tables(seed=1, number=2)
    other = small_tables(seed=9)
    rows, sites = [], []
    for contig, (listed, held) in second.items():
        sites += listed.to_pylist()
        old = {tuple(list(row.values())[:9]): row for row in first[contig][1].to_pylist()}
        for place, row in enumerate(held.to_pylist()):
            was = old[tuple(list(row.values())[:9])]
            fates = [was, row, hidden(row), row | {"af": (row["af"] or 0) / 3 + place / 1e6}, None]
            fate = fates[place % 5]
            if fate is not None:
                rows.append(fate)
    sites += other["chr2"][0].to_pylist()
    rows += other["chr2"][1].to_pylist()
    before = write(folder / "a", first, "EE", "FI")
    made = tables(sites, rows)
    del made["chrX"]
    after = write(folder / "b", made, "EE", "FI", number=2, previous=before.manifest.release_id)
    return before, after


def test_changes_are_those_counted_by_hand(pair):
    """Every count of every contig and country, both ways."""
    for before, after in (pair, pair[::-1]):
        found = diff_releases(before, after)
        wanted = _counted(before, after)
        assert {(row.contig, row.country) for row in found.rows} == wanted.keys()
        for row in found.rows:
            counts = wanted[row.contig, row.country]
            assert {name: counts[name] for name in vars(row) if name not in ("contig", "country")} == {
                name: value for name, value in vars(row).items() if name not in ("contig", "country")
            }
        assert not found.same


def test_sites_are_counted_by_contig(pair):
    """Newly listed ones on chr2; a contig that only the first release holds is dropped whole."""
    before, after = pair
    found = {change.contig: change for change in diff_releases(before, after).sites}
    new = len(after.sites("chr2")) - len(before.sites("chr2"))
    assert (found["chr2"].newly_listed, found["chr2"].dropped) == (new, 0)
    assert new > 0
    lost = found["chrX"]
    assert (lost.sites, lost.newly_listed, lost.dropped) == (0, 0, len(before.sites("chrX")))


def test_the_largest_changes_come_first(pair):
    """They are the largest of all contigs, in order, and no more than asked for."""
    before, after = pair
    old, new = _by_key(before), _by_key(after)
    told = [key for key in old.keys() & new.keys() if None not in (old[key]["af"], new[key]["af"])]
    sizes = sorted((abs(new[key]["af"] - old[key]["af"]) for key in told), reverse=True)
    found = diff_releases(before, after, largest=7).largest
    assert [abs(change.change) for change in found] == sizes[:7]
    for change in found:
        key = tuple(vars(change).values())[:8]
        assert (change.af_before, change.af_after) == (old[key]["af"], new[key]["af"])


def test_a_release_does_not_differ_from_itself(tmp_path):
    """All rows stand, and nothing else is counted."""
    first = small_release(tmp_path / "a")
    found = diff_releases(first, small_release(tmp_path / "b"))
    assert found.same
    assert found.largest == ()
    for row in found.rows:
        assert row.rows == row.stand > 0
        assert not any((row.added, row.removed, row.afresh, row.altered, row.newly_withheld, row.newly_told))
    assert not any(change.newly_listed or change.dropped for change in found.sites)


def test_a_withheld_count_is_not_a_change_of_frequency(tmp_path):
    """A count that is told in one release only has no difference to be told."""
    at = site("chr1", 9, "A", "C")
    told = cell(at, ("EE", "all", "all"), het=20, hom_ref=100)
    first = write(tmp_path / "a", tables([at], [told]), "EE")
    second = write(tmp_path / "b", tables([at], [hidden(told) | {"release": 2}]), "EE", number=2)
    found = diff_releases(first, second)
    assert found.largest == ()
    assert found.rows[0].newly_withheld == 1
    assert diff_releases(second, first).rows[0].newly_told == 1


def test_csv_counts_each_site_once(pair):
    """The columns of sites may be summed as those of rows may."""
    found = diff_releases(*pair)
    text = io.StringIO()
    csv.writer(text).writerows(found.to_csv_rows())
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    for name, wanted in (
        ("sites", "sites"),
        ("sites_newly_listed", "newly_listed"),
        ("sites_dropped", "dropped"),
    ):
        assert sum(int(row[name] or 0) for row in rows) == sum(getattr(c, wanted) for c in found.sites)
    assert sum(int(row["afresh"]) for row in rows) == sum(row.afresh for row in found.rows)


def test_releases_of_two_assemblies_are_not_compared(tmp_path):
    """Their positions mean different bases."""
    first = small_release(tmp_path / "a")
    second = write(tmp_path / "b", {}, "EE", assembly="GRCh37")
    with pytest.raises(LakeError, match="one assembly"):
        diff_releases(first, second)
