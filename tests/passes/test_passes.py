"""Golden cases: what each rewrite makes of a query, compared as text and by running both sides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from goe_lake.catalog import SQL_TYPES, Catalog, Column, ColumnType, Score, node_catalog, with_public_tables
from goe_lake.computed import computed_column
from goe_lake.engine.sql import to_sql
from goe_lake.errors import QueryRefused
from goe_lake.query import Code, Plan, prepare
from goe_lake.query.moments import macro_statements
from goe_lake.query.plan import cells_name
from goe_lake.query.quantiles import Quantile, QuantileKind
from goe_lake.query.refusals import RULES
from goe_lake.query.rounds import Value
from goe_lake.query.steps import Use
from goe_lake.release import (
    ColumnRef,
    Measure,
    MeasureFunction,
    Output,
    OutputFunction,
    PerPerson,
    Relation,
    Release,
    value_of,
)

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One case of a golden file: a query, and the plan or refusal that is expected."""

    file: str
    title: str
    query: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: {self.title}"


def read_cases() -> list[Case]:
    """Every case of every golden file."""
    cases = []
    for path in sorted(FOLDER.glob("*.sql")):
        for block in path.read_text(encoding="utf-8").split("\n---\n"):
            text, expected = block.split("\n-- =>\n")
            first, _, query = text.partition("\n")
            cases.append(Case(path.stem, first.removeprefix("-- title: "), query, expected.strip()))
    return cases


CASES = read_cases()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """A federation of one node with two phenotypes and one score."""
    return tiny_catalog()


def tiny_catalog() -> Catalog:
    """What such a federation says of its columns."""
    hundredth = Decimal("0.01")
    columns = (
        Column(
            "bmi", ColumnType.DOUBLE, unit="kg/m2", bounds=(Decimal(10), Decimal(80)), resolution=hundredth
        ),
        Column("t2d", ColumnType.BOOLEAN),
    )
    score = Score("PGS000001", (Decimal(-1), Decimal(1)), hundredth)
    return with_public_tables(node_catalog("GRCh38", "EE", columns, [score]))


def described(plan: Plan) -> str:
    """The plan in the words of the golden files."""
    lines = []
    for place, release in enumerate(plan.releases):
        number = f" of round {plan.rounds[cells_name(place)]}" if plan.waiting else ""
        lines.append(f"release{number}: {release_text(release)}")
    lines += [
        f"constant: {mark} {use.use} {use.step}{f'.{use.column}' if use.column is not None else ''}"
        for waiting in plan.waiting.values()
        for mark, use in waiting.constants.items()
    ]
    lines += [
        f"quantile: {cells_name(place)}.{its.name} {its.kind} {its.probability} of {cells_name(bins)}"
        for place, quantiles in plan.quantiles.items()
        for its, bins in quantiles
    ]
    for table, contigs in plan.tables.items():
        lines.append(f"table: {table}" + (f" on {', '.join(contigs)}" if contigs is not None else ""))
    return "\n".join([*lines, f"final: {plan.final_sql()}"])


def release_text(release: Release) -> str:
    """One release in the words of the golden files."""
    first, *joins = release.relation.scans
    parts = [first.table]
    for scan, join in zip(joins, release.relation.joins, strict=True):
        parts.append(f"{scan.table} on {', '.join(sorted({right.column for _, right in join.on}))}")
    parts += [per_person_text(part) for part in release.relation.derived]
    where = " AND ".join(to_sql(condition, name_of) for condition in release.conditions)
    keys = ", ".join(f"{to_sql(key.expression, name_of)}: {key.domain}" for key in release.keys)
    measures = ", ".join(measure_text(measure) for measure in release.measures)
    condition = f" where {where}" if where else ""
    margins = "".join(f" ({', '.join(margin)})" for margin in release.margins)
    told = f" beside{margins}" if margins else ""
    return f"rows ({', '.join(parts)}){condition} keys ({keys}) measures ({measures}){told}"


def per_person_text(part: PerPerson) -> str:
    """One sub-aggregate in the words of the golden files."""
    tables = ", ".join(scan.table for scan in part.relation.scans)
    where = " AND ".join(to_sql(condition, name_of) for condition in part.conditions)
    outputs = ", ".join(output_text(output) for output in part.outputs)
    shown = f": {outputs}" if outputs else ""
    return f"{part.alias} by person of {tables}{f' where {where}' if where else ''}{shown}"


def output_text(output: Output) -> str:
    """One column of a sub-aggregate."""
    argument = f" {name_of(output.argument)}" if output.argument is not None else ""
    over = f" over {to_sql(output.where, name_of)}" if output.where is not None else ""
    weights = ", ".join(
        f"{weight.factor} for {to_sql(weight.where, name_of)}"
        if weight.where is not None
        else f"{weight.factor}"
        for weight in output.weights
    )
    return f"{output.function}{argument}{over}{f' times ({weights})' if weights else ''} as {output.name}"


def name_of(column: object) -> str:
    """A column as alias.name."""
    return f"{column.table}.{column.column}"  # type: ignore[attr-defined]


def measure_text(measure: Measure) -> str:
    """One measure in the words of the golden files."""
    argument = f" {product_of(measure)}" if measure.factors else ""
    step = f" in steps of {measure.resolution}" if measure.resolution != 1 else ""
    over = f" over {to_sql(measure.where, name_of)}" if measure.where is not None else ""
    return f"{measure.function}{argument}{step}{over} as {measure.name}"


def product_of(measure: Measure) -> str:
    """The factors of a measure, as a product."""
    return " * ".join(name_of(factor) for factor in measure.factors)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, catalog: Catalog) -> None:
    """A query becomes the plan, or meets the refusal, that the golden file states."""
    try:
        result = described(prepare(case.query, catalog))
    except QueryRefused as refused:
        place = f" line {refused.line} col {refused.column}" if refused.line is not None else ""
        result = f"refused: {refused.code}{place}"
        if " line " not in case.expected:
            result = f"refused: {refused.code}"
    assert result == case.expected


@pytest.fixture(scope="module")
def database(catalog: Catalog) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tiny database, with the macros of a workspace."""
    with tiny_database(catalog) as database:
        for statement in macro_statements():
            # for every cursor, where a workspace makes its own
            database.execute(statement.replace("TEMP ", ""))
        yield database


@pytest.fixture
def connection(database: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tiny database, as it was made: what a test does to it is undone."""
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        yield cursor
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("case", [case for case in CASES if "final: " in case.expected], ids=str)
def test_case_computes_what_the_query_says(
    case: Case, catalog: Catalog, connection: duckdb.DuckDBPyConnection
) -> None:
    """The release and the final SQL, run one after the other, give what DuckDB gives for the query itself."""
    plan = prepare(case.query, catalog)
    for number in range(1, plan.last_round + 1):
        plan = with_lookups(plan, number, connection)
        for place in plan.asked_in(number):
            plan = with_constants(plan, place, catalog, connection)
            if place in plan.bins:
                continue
            cells = release_sql(plan.releases[place], [its for its, _ in plan.quantiles.get(place, ())])
            connection.execute(f"CREATE TABLE {cells_name(place)} AS {cells}")
    ours = connection.execute(plan.final_sql()).fetchall()
    theirs = connection.execute(case.query).fetchall()
    if not re.search(r"ORDER BY [^()]*$", case.query):
        ours, theirs = sorted(ours, key=repr), sorted(theirs, key=repr)
    assert len(ours) == len(theirs)
    # what is computed of a person's columns is rounded for each person
    near = 0.02 if "$" in case.expected.split("final:")[0] else 1e-9
    assert all(
        same(a, b, near)
        for ours_row, theirs_row in zip(ours, theirs, strict=True)
        for a, b in zip(ours_row, theirs_row, strict=True)
    )


def with_constants(plan: Plan, place: int, catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> Plan:
    """*plan* with what the steps of earlier rounds give in the place of the constants of one release."""
    if place not in plan.waiting:
        return plan
    values = {}
    for mark, use in plan.waiting[place].constants.items():
        shown = f'"{use.column}"' if use.column is not None else "*"
        rows = rows_of_step(plan, use.step, plan.rounds[cells_name(place)], shown, connection)
        values[mark] = [bool(rows)] if use.use is Use.EXISTS else [row[0] for row in rows]
    return plan.resolved(place, values)


def with_lookups(plan: Plan, number: int, connection: duckdb.DuckDBPyConnection) -> Plan:
    """*plan* made again with the rows of its lookups that are there before round *number*."""
    known = {
        place: rows_of_step(plan, lookup.step, number, "*", connection)
        for place, lookup in enumerate(plan.lookups)
        if plan.rounds[lookup.step] < number
    }
    return plan.again(known) if known and plan.again is not None else plan


def rows_of_step(
    plan: Plan, step: str, number: int, shown: str, connection: duckdb.DuckDBPyConnection
) -> list[tuple[Value, ...]]:
    """What *step* gives, of the steps that are taken before round *number*."""
    names = [its.name for its in plan.steps]
    there = plan.steps[: names.index(step) + 1] if step in names else ()
    earlier = tuple(its for its in there if plan.rounds[its.name] < number)
    steps = replace(plan, steps=earlier).final_sql() if earlier else f"FROM {step}"
    return connection.execute(f"SELECT {shown} FROM ({steps})").fetchall()


def same(ours: object, theirs: object, near: float = 1e-9) -> bool:
    """Equal, or floats that are as *near*."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=near) or (math.isnan(ours) and math.isnan(theirs))
    return ours == theirs


def tiny_database(catalog: Catalog) -> duckdb.DuckDBPyConnection:
    """Every table of the contract, with a few persons and sites."""
    connection = duckdb.connect()
    connection.execute(
        """
        CREATE TABLE samples AS SELECT 'p' || i AS sample_id,
            CASE WHEN i % 3 = 0 THEN 'EE' ELSE 'FI' END AS country,
            CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'M' ELSE 'F' END AS sex,
            (1940 + i * 3)::INTEGER AS birth_year, 'EST' AS population, 'A' AS cohort, 'x' AS consent,
            CASE WHEN i % 7 <> 0 THEN round(20 + i * 0.71, 2) END::DOUBLE AS bmi,
            CASE WHEN i % 4 <> 0 THEN i % 2 = 0 END AS t2d
        FROM range(20) t(i);
        CREATE TABLE variants AS SELECT 'chr1' AS contig, (100 + j)::INTEGER AS pos, 'A' AS ref, 'C' AS alt,
            'chr1-' || (100 + j) || '-A-C' AS variant_id, (100 + j)::INTEGER AS end_pos, 'snv' AS type,
            NULL::INTEGER AS sv_len, NULL::VARCHAR AS rsid, 'G' || (j % 2) AS gene,
            'missense_variant' AS consequence, 'PASS' AS filter
        FROM range(4) t(j);
        CREATE TABLE genotypes AS SELECT contig, pos, ref, alt, variant_id, sample_id,
            CASE WHEN (pos + birth_year) % 9 <> 0 THEN ((pos * 7 + birth_year) % 3)::INTEGER END AS dosage,
            CASE WHEN (pos + birth_year) % 9 <> 0 THEN 2 ELSE 0 END AS called_alleles,
            50::INTEGER AS gq, 30::INTEGER AS dp
        FROM variants, samples;
        CREATE TABLE scores AS
            SELECT sample_id, 'PGS000001' AS pgs_id, birth_year / 4000 AS score FROM samples;
        """
    )
    for table in catalog.tables.values():
        if table.name not in ("samples", "genotypes", "scores", "variants"):
            columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in table.columns)
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
    connection.execute("INSERT INTO genes VALUES ('chr1', 100, 102, 'G0', 2), ('chr1', 101, 103, 'G1', 2)")
    for table in catalog.tables.values():
        there = {row[0] for row in connection.execute(f"DESCRIBE {table.name}").fetchall()}
        assert there == set(table.by_name), table.name
    return connection


def release_sql(release: Release, quantiles: Sequence[Quantile] = ()) -> str:
    """The release as plain SQL over the logical tables: what nodes compute, disclosure control aside."""
    source = relation_sql(release.relation)
    first = release.relation.first.alias
    for part in release.relation.derived:
        on = f"{part.alias}.sample_id = {first}.sample_id"
        source += f" LEFT JOIN ({per_person_sql(part)}) AS {part.alias} ON {on}"
    where = " AND ".join(to_sql(condition, name_of) for condition in release.conditions) or "TRUE"
    keys = [f"{to_sql(key.expression, name_of)} AS {key.name}" for key in release.keys]
    measures = [f"{measure_sql(measure, release)} AS {measure.name}" for measure in release.measures]
    measures += [quantile_sql(quantile) for quantile in quantiles]
    group = f" GROUP BY {', '.join(key.name for key in release.keys)}" if keys else ""
    return f"SELECT {', '.join([*keys, *measures])} FROM {source} WHERE {where}{group}"


def relation_sql(relation: Relation) -> str:
    """The joined scans as plain SQL."""
    source = f"{relation.first.table} AS {relation.first.alias}"
    for join in relation.joins:
        on = " AND ".join(f"{name_of(left)} = {name_of(right)}" for left, right in join.on)
        source += f" JOIN {join.scan.table} AS {join.scan.alias} ON {on}"
    return source


def per_person_sql(part: PerPerson) -> str:
    """A sub-aggregate as plain SQL: one row for each person who has one."""
    where = " AND ".join(to_sql(condition, name_of) for condition in part.conditions) or "TRUE"
    person = f"{part.relation.first.alias}.sample_id"
    columns = [f"{person} AS sample_id", "TRUE AS present", *map(output_sql, part.outputs)]
    return f"SELECT {', '.join(columns)} FROM {relation_sql(part.relation)} WHERE {where} GROUP BY {person}"


def output_sql(output: Output) -> str:
    """One column of a sub-aggregate as plain SQL."""
    argument = name_of(output.argument) if output.argument is not None else "*"
    if output.weights:
        cases = "".join(
            f" WHEN {to_sql(where, name_of) if where is not None else 'TRUE'} THEN {factor}"
            for where, factor in ((weight.where, weight.factor) for weight in output.weights)
        )
        argument = f"{argument} * CASE{cases} END"
    function = "count" if output.function is OutputFunction.ROWS else output.function.value
    over = f" FILTER ({to_sql(output.where, name_of)})" if output.where is not None else ""
    return f"{function}({argument}){over} AS {output.name}"


def quantile_sql(quantile: Quantile) -> str:
    """What the gateway reads off counts by intervals, computed from the values."""
    over = f" FILTER ({to_sql(quantile.where, name_of)})" if quantile.where is not None else ""
    column, probability = factor_sql(quantile.column), float(quantile.probability)
    functions = {
        QuantileKind.CONTINUOUS: f"quantile_cont({column}, {probability})",
        QuantileKind.DISCRETE: f"quantile_disc({column}, {probability})",
        QuantileKind.DEVIATION: f"mad({column})",
    }
    return f"{functions[quantile.kind]}{over} AS {quantile.name}"


def measure_sql(measure: Measure, release: Release) -> str:
    """One measure as plain SQL."""
    over = f" FILTER ({to_sql(measure.where, name_of)})" if measure.where is not None else ""
    if measure.function is MeasureFunction.PERSONS:
        return f"count(DISTINCT {release.relation.first.alias}.sample_id){over}"
    if measure.function is MeasureFunction.ROWS:
        given = " AND ".join(f"{name_of(factor)} IS NOT NULL" for factor in measure.factors)
        return f"count({f'CASE WHEN {given} THEN 1 END' if given else '*'}){over}"
    product = " * ".join(f"({factor_sql(factor)})::DOUBLE" for factor in measure.factors)
    return f"sum(round({product} / {measure.resolution})::HUGEINT){over}"


def factor_sql(factor: ColumnRef) -> str:
    """One factor as plain SQL; a computed column before it is rounded."""
    made = computed_column(factor.column)
    if made is None or made.by_person:
        return to_sql(value_of(factor), name_of)
    return made.sql(*(f"{factor.table}.{name}" for name in made.columns))


def test_every_code_has_a_rule() -> None:
    """Each refusal code is explained by one sentence."""
    assert set(RULES) == set(Code)
    assert all(rule.endswith(".") for rule in RULES.values())


def test_an_unexpected_failure_is_a_refusal(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that crashes refuses the query; it never lets it through."""

    def crash(query: object, known: object) -> object:
        raise KeyError("a bug")

    monkeypatch.setattr("goe_lake.query.personal.MEANING_PASSES", (crash,))
    with pytest.raises(QueryRefused, match="G901"):
        prepare("SELECT count(*) FROM samples", catalog)


def test_deep_nesting_is_refused(catalog: Catalog) -> None:
    """Brackets nested beyond the limit are refused before any parser recurses into them."""
    text = f"SELECT count(*) FROM samples WHERE {'(' * 100}bmi > 1{')' * 100}"
    with pytest.raises(QueryRefused, match="G104"):
        prepare(text, catalog)


def test_a_long_query_is_refused(catalog: Catalog) -> None:
    """A text beyond the limit is not read at all."""
    with pytest.raises(QueryRefused, match="G104"):
        prepare(f"SELECT count(*) FROM samples -- {'x' * 30_000}", catalog)


def test_a_refusal_points_into_the_text_as_it_was_written(catalog: Catalog) -> None:
    """Also behind conditions in ROLLUP, which are put in brackets before the text is parsed."""
    text = (
        "SELECT count(*) FROM samples\nGROUP BY ROLLUP (sex, bmi > 30),\n  CUBE (t2d IS NULL)\nHAVING no > 1"
    )
    with pytest.raises(QueryRefused) as refused:
        prepare(text, catalog)
    assert (refused.value.line, refused.value.column) == (4, 8)


def test_a_refusal_names_columns_as_the_text_does(catalog: Catalog) -> None:
    """A column of a nested query is not called by what it becomes."""
    text = (
        "SELECT avg(h) FROM (SELECT sample_id, sum(dosage) / (1 + count(*)) AS h FROM genotypes GROUP BY 1) b"
    )
    with pytest.raises(QueryRefused, match=r"b\.h is not a function") as refused:
        prepare(text, catalog)
    assert (refused.value.line, refused.value.column) == (1, 12)
