"""One snapshot opened for queries: a locked DuckDB with the persons, the scores and the sites in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.catalog import Column, ColumnType, is_added
from goe_lake.computed import column_of, stored_columns
from goe_lake.engine.duck import in_memory, one_row
from goe_lake.engine.genotypes import BatchPersons
from goe_lake.engine.selection import Selection
from goe_lake.engine.sites import SITE_SCHEMA, SiteList, added_columns, keys_of_sites, overlay_sql
from goe_lake.engine.sql import identifier, quoted
from goe_lake.genome import ASSEMBLIES, CONTIGS
from goe_lake.lake import Snapshot
from goe_lake.lake.fills import fill_of

if TYPE_CHECKING:
    from goe_lake.engine.call_rows import CallRows
    from goe_lake.engine.row_kinds import RowKinds

# Columns with at most this many values tell persons apart by class
FEW_VALUES = 20
# Bits in memory at once, for each of five classes
MOST_BITS = 800_000_000
SCALED = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER})


@dataclass(frozen=True)
class DerivedColumn:
    """What is known of one column of a per-person sub-aggregate.

    *technical* says that its NULL means a missing value; *telling* that it tells genotypes apart, and
    *one_site* those of one site only, whose class is in the column `h$…`. *carriers* is the table
    (person, c) of who has the allele that each of *weights* is for and who has not, None where there is none.
    """

    column: Column
    technical: bool
    telling: bool = False
    one_site: bool = False
    carriers: str | None = None
    weights: int = 0
    few_valued: bool = False


@dataclass(frozen=True)
class Derived:
    """A sub-aggregate as a table of the session: s, `present`, its columns, and `q$…` as whole numbers.

    *listed* says that every site that is read is a listed one; *sites* are their keys, in order.
    """

    columns: Mapping[str, DerivedColumn]
    listed: bool = True
    sites: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))

    def known(self, name: str) -> DerivedColumn:
        """What is known of the column *name*, or of a ratio of columns: NULL chooses whom it divides by 0."""
        if name in self.columns:
            return self.columns[name]
        column = column_of({own: known.column for own, known in self.columns.items()}, name)
        telling = any(self.columns[own].telling for own in stored_columns(name))
        return DerivedColumn(column, technical=False, telling=telling)


@dataclass
class Session:
    """A snapshot under one site list; *purpose* decides whose consent covers a query.

    Tables in *connection*: `samples` (s, person, every column as analysts see it, and `q$…` as whole
    numbers), `scores` (s, pgs_id, score, q$score) and `sites` (as `overlay_sql` makes it).
    *rounds* says that ratios by person are rounded to few digits.
    *last_selection* is the text of the last selection of sites, and what it selected; *kinds* are the
    kinds of rows of the last questions by their SQL, None where there were too many; *derived* are the
    last sub-aggregates, by the names of their tables; *call_rows* are the rows of `calls` that were read, by
    contig and batch. *audited* says that who is behind each cell has to
    be known, to hold it to earlier ones; *covering* are the consent codes whose persons it has, None for
    everybody.
    """

    snapshot: Snapshot
    connection: duckdb.DuckDBPyConnection
    few_valued: frozenset[tuple[str, str]]
    one_sample_a_person: bool
    batches: dict[str, BatchPersons] = field(default_factory=dict)
    last_selection: tuple[str, Selection] | None = None
    audited: bool = False
    rounds: bool = True
    covering: frozenset[str] | None = None
    kinds: OrderedDict[str, RowKinds | None] = field(default_factory=OrderedDict)
    derived: OrderedDict[str, Derived] = field(default_factory=OrderedDict)
    call_rows: OrderedDict[tuple[str, str], CallRows] = field(default_factory=OrderedDict)
    _given: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def has_value(self, name: str) -> npt.NDArray[np.bool_]:
        """Whether each sample has a value in the column *name* of `samples`; worked out once."""
        if name not in self._given:
            sql = f"SELECT {identifier(name)} IS NOT NULL AS there FROM samples ORDER BY s"
            column = self.connection.sql(sql).to_arrow_table().column("there")
            self._given[name] = np.asarray(column.to_numpy(), dtype=bool)
        return self._given[name]

    @cached_property
    def samples(self) -> int:
        """How many samples the session has: their numbers `s` are below it."""
        (count,) = one_row(self.connection, "SELECT count(*) FROM samples")
        return int(count)

    @cached_property
    def is_genotyped(self) -> npt.NDArray[np.bool_]:
        """Whether each sample is in a batch."""
        genotyped = np.zeros(self.samples, dtype=bool)
        for batch in self.batches.values():
            genotyped[batch.samples[batch.samples >= 0]] = True
        return genotyped

    @cached_property
    def person_ids(self) -> tuple[str, ...]:
        """The id of each person, by the number `person` of the table `samples`."""
        rows = self.connection.execute(
            f"SELECT DISTINCT p.person, f.person_id FROM {parquet(self.snapshot.files('samples'))} f "
            "JOIN samples p USING (sample_id) ORDER BY p.person"
        ).fetchall()
        return tuple(str(name) for _, name in rows)

    @cached_property
    def persons_of_samples(self) -> npt.NDArray[np.int64]:
        """The person of each sample."""
        table = self.connection.sql("SELECT person FROM samples ORDER BY s").to_arrow_table()
        return np.asarray(table.column("person").to_numpy(), dtype=np.int64)

    @cached_property
    def site_keys(self) -> npt.NDArray[np.uint64]:
        """The key of each site (`keys_of_sites`) by its number."""
        return keys_of_sites(self.connection, "sites ORDER BY site")

    @property
    def genotyped(self) -> int:
        """How many samples the batches have, those of persons whom consent leaves out included."""
        return sum(len(batch.samples) for batch in self.batches.values())

    @property
    def sites_at_once(self) -> int:
        """At how many sites the stored classes of everybody may be in memory at once."""
        return max(1, MOST_BITS // max(1, self.genotyped))

    def column(self, table: str, name: str) -> Column | None:
        """The node's column, or None where this node lacks it."""
        if table in self.derived:
            return self.derived[table].known(name).column
        columns = self.snapshot.catalog.tables[table].by_name
        if not columns.keys() >= set(stored_columns(name)):
            return None
        return column_of(columns, name)


def open_session(
    snapshot: Snapshot,
    site_list: SiteList,
    covering: frozenset[str] | None,
    *,
    memory_limit: str = "4GB",
    audited: bool = False,
    rounds: bool = True,
) -> Session:
    """Open *snapshot*; persons whose consent code is not in *covering* (None: all are) are left out."""
    connection = in_memory(memory_limit=memory_limit)
    connection.execute(f"SET allowed_directories = [{quoted(str(snapshot.root))}]")
    connection.execute("SET enable_external_access = false")
    _load_samples(connection, snapshot, covering)
    _load_scores(connection, snapshot)
    _load_sites(connection, snapshot, site_list)
    connection.execute("SET lock_configuration = true")
    session = Session(
        snapshot, connection, _few_valued(connection, snapshot), _one_to_one(connection),
        audited=audited, covering=covering, rounds=rounds,
    )  # fmt: skip
    for batch in snapshot.batches:
        session.batches[batch.digest] = _batch_persons(connection, snapshot, batch.digest, batch.absent_sites)
    return session


def parquet(paths: tuple[object, ...], *, numbered: bool = False) -> str:
    """SQL that reads the Parquet files at *paths*, and nothing that their folders' names say.

    Where *numbered*, `file_row_number` counts the rows of each file from 0.
    """
    files = ", ".join(quoted(str(path)) for path in paths)
    number = ", file_row_number = true" if numbered else ""
    return f"read_parquet([{files}], hive_partitioning = false{number})"


def logical_sql(column: Column, stored: str) -> str:
    """SQL of the value that analysts see for a *stored* whole number: rounded once, as the text would be."""
    if column.type is not ColumnType.DOUBLE:
        return f"{stored}::INTEGER" if column.type is ColumnType.INTEGER else stored
    step = Fraction(column.resolution or 1)
    value = f"{stored}::DOUBLE" if step.numerator == 1 else f"({stored}::DOUBLE * {step.numerator}::DOUBLE)"
    return value if step.denominator == 1 else f"{value} / {step.denominator}::DOUBLE"


def _load_samples(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, covering: frozenset[str] | None
) -> None:
    columns = [column for column in snapshot.catalog.tables["samples"].columns if column.name != "sample_id"]
    shown = [
        f"{logical_sql(column, identifier(column.name))} AS {identifier(column.name)}" for column in columns
    ]
    whole = [
        f"{identifier(column.name)}::BIGINT AS {identifier('q$' + column.name)}"
        for column in columns
        if column.type in SCALED or column.type is ColumnType.BOOLEAN
    ]
    covered = ""
    if covering is not None:
        codes = ", ".join(quoted(code) for code in sorted(covering))
        covered = f"WHERE consent IN ({codes})" if codes else "WHERE false"
    columns_sql = ", ".join([*shown, *whole])
    connection.execute(
        "CREATE TABLE samples AS SELECT (row_number() OVER (ORDER BY sample_id) - 1)::INTEGER AS s, "
        f"sample_id, (dense_rank() OVER (ORDER BY person_id) - 1)::INTEGER AS person, {columns_sql} "
        f"FROM {parquet(snapshot.files('samples'))} {covered}"
    )


def _load_scores(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    files = snapshot.files("scores")
    if not files:
        connection.execute('CREATE TABLE scores (s INTEGER, pgs_id VARCHAR, score DOUBLE, "q$score" BIGINT)')
        return
    score = logical_sql(snapshot.catalog.column("scores", "score"), "x.score")
    connection.execute(
        f'CREATE TABLE scores AS SELECT s, pgs_id, {score} AS score, x.score AS "q$score" '
        f"FROM {parquet(files)} x JOIN samples USING (sample_id)"
    )


def _load_sites(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, site_list: SiteList) -> None:
    variants = {
        contig: parquet(snapshot.files("variants", contig), numbered=True) for contig in snapshot.contigs
    }
    own = [
        f"SELECT '{contig}' AS contig, * EXCLUDE (file_row_number), file_row_number AS place FROM {files}"
        for contig, files in variants.items()
    ]
    empty = ", ".join(f"NULL::{_sql_type(field.type)} AS {field.name}" for field in SITE_SCHEMA)
    empty += ", NULL::BIGINT AS place, NULL::INTEGER AS carriers"
    connection.execute(
        f"CREATE TEMP VIEW own AS {' UNION ALL BY NAME '.join(own) or f'SELECT {empty} WHERE false'}"
    )
    connection.register("listed", site_list.sites)
    mine = connection.sql("SELECT * FROM own LIMIT 0").columns
    overlay = overlay_sql(
        ASSEMBLIES[snapshot.manifest.assembly],
        (field.name for field in added_columns(site_list.sites.schema)),
        (name for name in mine if is_added(name)),
    )
    connection.execute(f"CREATE TABLE sites AS {overlay}")
    connection.unregister("listed")
    connection.execute("DROP VIEW own")


def _sql_type(kind: pa.DataType) -> str:
    return "INTEGER" if pa.types.is_integer(kind) else "VARCHAR"


def _few_valued(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    """The (table, column) pairs about persons that take at most `FEW_VALUES` values at this node."""
    names = [
        column.name for column in snapshot.catalog.tables["samples"].columns if column.name != "sample_id"
    ]
    counted = ", ".join(f"count(DISTINCT {identifier(name)})" for name in names)
    row = one_row(connection, f"SELECT {counted} FROM samples")
    few = {("samples", name) for name, values in zip(names, row, strict=True) if values <= FEW_VALUES}
    (least,) = one_row(
        connection,
        "SELECT coalesce(min(n), 0) FROM (SELECT count(DISTINCT score) AS n FROM scores GROUP BY pgs_id)",
    )
    # one score of few values, of a single variant say, makes the column one of few values
    return frozenset({*few, ("scores", "score")} if least <= FEW_VALUES else few)


def _one_to_one(connection: duckdb.DuckDBPyConnection) -> bool:
    (same,) = one_row(connection, "SELECT count(*) = count(DISTINCT person) FROM samples")
    return bool(same)


def _batch_persons(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, batch: str, absent_sites: str
) -> BatchPersons:
    """The sample numbers of a batch's persons, and what they have at sites that its files lack."""
    persons = parquet(snapshot.files("persons", batch=batch))
    numbers = connection.sql(
        f"SELECT p.idx, coalesce(s.s, -1) AS s, s.sex FROM {persons} p "
        "LEFT JOIN samples s USING (sample_id) ORDER BY p.idx"
    ).to_arrow_table()
    samples = numbers.column("s").to_numpy().astype(np.int64)
    sexes = numbers.column("sex").to_pylist()
    fill = {contig: fill_of(snapshot, contig, batch, absent_sites, sexes) for contig in CONTIGS}
    return BatchPersons(samples, fill)
