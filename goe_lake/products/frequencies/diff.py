"""What changed from one release to another: sites, rows, what is told, and the largest changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, Final

import duckdb

from goe_lake.errors import LakeError
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.products.frequencies import manifest as files_of
from goe_lake.products.frequencies.schema import GROUP, OK, SITE_KEY, label_order
from goe_lake.products.frequencies.store import EuropeanRelease

#: Largest changes of an allele frequency that are told.
LARGEST: Final = 20
#: Numbers of a row that stand as long as its release number does.
_NUMBERS: Final = ("ac", "an", "ac_lower", "ac_upper", "n_het", "n_hom_alt", "n_hemi", "status")


@dataclass(frozen=True)
class SiteChanges:
    """Listed sites of one contig: *sites* now, and how many of them are new or gone."""

    contig: str
    sites: int
    newly_listed: int
    dropped: int


@dataclass(frozen=True)
class RowChanges:
    """Rows of one contig and country (`all`: the union).

    Of *rows* now, *added* were not there before (a new site, or a group that has grown large enough);
    *removed* are gone. The others were computed *afresh* in a later release than before, or *stand*;
    *altered* are those whose numbers changed though they stand, as they do where a country joined or
    left the union. *newly_withheld* and *newly_told* concern the allele count.
    """

    contig: str
    country: str
    rows: int
    added: int
    removed: int
    afresh: int
    stand: int
    altered: int
    newly_withheld: int
    newly_told: int


@dataclass(frozen=True)
class FrequencyChange:
    """One group at one site (pos is 1-based) whose allele frequency (0..1) is told in both releases."""

    contig: str
    pos: int
    ref: str
    alt: str
    end_pos: int
    country: str
    population: str | None
    sex: str | None
    af_before: float
    af_after: float

    @property
    def change(self) -> float:
        """Now minus before."""
        return self.af_after - self.af_before


@dataclass(frozen=True)
class Difference:
    """From release *before* to release *after*, both named by their ids."""

    before: str
    after: str
    sites: tuple[SiteChanges, ...]
    rows: tuple[RowChanges, ...]
    largest: tuple[FrequencyChange, ...]

    @property
    def same(self) -> bool:
        """Whether both are one and the same release."""
        return self.before == self.after

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        largest = [{**asdict(change), "change": change.change} for change in self.largest]
        return {**asdict(self), "same": self.same, "largest": largest}

    def to_csv_rows(self) -> Iterator[tuple[object, ...]]:
        """A header and one row a contig and country; counts of sites stand with country `all`, once."""
        names = [field.name for field in fields(RowChanges)]
        yield (*names, "sites", "sites_newly_listed", "sites_dropped")
        counts = {change.contig: (change.sites, change.newly_listed, change.dropped) for change in self.sites}
        for change in self.rows:
            own = counts.pop(change.contig) if change.contig in counts else ("", "", "")
            yield (*astuple(change), *own)


def diff_releases(
    before: EuropeanRelease,
    after: EuropeanRelease,
    *,
    largest: int = LARGEST,
    progress: Progress | None = None,
) -> Difference:
    """Compare two releases of one assembly; raises LakeError where they are of different ones."""
    if before.manifest.assembly != after.manifest.assembly:
        raise LakeError(
            after.root,
            f"is of {after.manifest.assembly}, {before.root} of {before.manifest.assembly}",
            "compare releases of one assembly",
        )
    contigs = sorted({*before.contigs, *after.contigs}, key=CONTIG_ORDER.__getitem__)
    sites, rows, changes = [], [], []
    steps = OneAtATime(progress)
    steps.start("diff", len(contigs))
    with duckdb.connect() as connection:
        for contig in contigs:
            _show(connection, before, after, contig)
            sites.append(SiteChanges(contig, *_fetch(connection, _SITES)[0]))
            rows += [RowChanges(contig, *row) for row in _fetch(connection, _ROWS)]
            changes += [FrequencyChange(contig, *row) for row in _fetch(connection, _largest(largest))]
            steps.advance("diff", 1)
    steps.finish("diff")
    rows.sort(key=lambda row: (CONTIG_ORDER[row.contig], label_order(row.country)))
    changes.sort(key=lambda change: -abs(change.change))  # stable: contigs, sites and groups stay in order
    return Difference(
        before.manifest.release_id,
        after.manifest.release_id,
        tuple(sites),
        tuple(rows),
        tuple(changes[:largest]),
    )


def _show(
    connection: duckdb.DuckDBPyConnection, before: EuropeanRelease, after: EuropeanRelease, contig: str
) -> None:
    """Make views of *contig*, `before_sites` and so on; one without rows where a release lacks it."""
    named = {"before": before, "after": after}
    held = [name for name, release in named.items() if contig in release.contigs]
    for kind in (files_of.SITES, files_of.FREQUENCIES):
        for name in held:
            path = str(named[name].path(kind, contig)).replace("'", "''")
            source = f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)"
            connection.execute(f"CREATE OR REPLACE VIEW {name}_{kind} AS {source}")
        for name in named.keys() - held:
            source = f"SELECT * FROM {held[0]}_{kind} WHERE false"
            connection.execute(f"CREATE OR REPLACE VIEW {name}_{kind} AS {source}")


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


_KEY: Final = ", ".join(SITE_KEY[1:])
_SITES: Final = f"""
SELECT
    count(*) FILTER (a.pos IS NOT NULL),
    count(*) FILTER (b.pos IS NULL),
    count(*) FILTER (a.pos IS NULL)
FROM before_sites b FULL JOIN after_sites a USING ({_KEY})
"""
_MATCH: Final = " AND ".join(
    [f"b.{name} = a.{name}" for name in SITE_KEY[1:]]
    + [f"b.{name} IS NOT DISTINCT FROM a.{name}" for name in GROUP]
)
_SAME: Final = " AND ".join(f"b.{name} IS NOT DISTINCT FROM a.{name}" for name in _NUMBERS)
_ROWS: Final = f"""
SELECT
    coalesce(a.country, b.country) AS country,
    count(*) FILTER (a.an IS NOT NULL),
    count(*) FILTER (b.an IS NULL),
    count(*) FILTER (a.an IS NULL),
    count(*) FILTER (b.release <> a.release),
    count(*) FILTER (b.release = a.release),
    count(*) FILTER (b.release = a.release AND NOT ({_SAME})),
    count(*) FILTER (b.status = '{OK}' AND a.status <> '{OK}'),
    count(*) FILTER (b.status <> '{OK}' AND a.status = '{OK}')
FROM before_frequencies b FULL JOIN after_frequencies a ON {_MATCH}
GROUP BY ALL
"""


def _largest(most: int) -> str:
    key = ", ".join(f"a.{name}" for name in (*SITE_KEY[1:], *GROUP))
    order = ", ".join(f"a.{name}" for name in SITE_KEY[1:])
    groups = ", ".join(f"a.{name} <> 'all', a.{name} NULLS LAST" for name in GROUP)
    return f"""
SELECT {key}, b.af, a.af
FROM before_frequencies b JOIN after_frequencies a ON {_MATCH}
WHERE a.af <> b.af
ORDER BY abs(a.af - b.af) DESC, {order}, {groups}
LIMIT {int(most)}
"""
