"""The person-level rows beneath a release at one node, from the pooled tables: what its cells are made of.

A release is read here as the plain JSON that travels (`release/1`), by a reader of its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb

from tests.oracle.pooled import LISTED

INFIX = {
    "and": "AND", "or": "OR", "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "like": "LIKE",
    "ilike": "ILIKE", "is_not_distinct": "IS NOT DISTINCT FROM", "add": "+", "sub": "-", "mul": "*",
    "div": "/",
    "int_div": "//", "mod": "%", "concat": "||",
}  # fmt: skip
AFTER = {"is_null": "IS NULL", "is_true": "IS TRUE", "is_false": "IS FALSE"}
CASTS = {"to_integer": "BIGINT", "to_double": "DOUBLE", "to_boolean": "BOOLEAN", "to_text": "VARCHAR"}


@dataclass(frozen=True)
class Row:
    """One joined row of one person.

    *kept* is what the conditions say together, *kept_but_genotype* without those on genotypes;
    *missing* whether a column that the release reads is NULL, *unknown* whether one of the conditions' is.
    *filters*, *lacking* (whether a column of the filter is NULL) and *values* are one a measure.
    """

    person: str
    sample: str
    key: tuple[Any, ...]
    kept: bool | None
    kept_but_genotype: bool | None
    missing: bool
    unknown: bool
    site: tuple[Any, ...] | None
    dosage: int | None
    filters: tuple[bool | None, ...]
    lacking: tuple[bool, ...]
    values: tuple[int | None, ...]
    factors: tuple[tuple[Fraction, ...], ...]


def rows_beneath(connection: duckdb.DuckDBPyConnection, node: int, release: dict[str, Any]) -> list[Row]:
    """Every row of node number *node* that the release's relation has, conditions about persons aside."""
    scans = [release["relation"]["first"], *(join["scan"] for join in release["relation"]["joins"])]
    tables = {scan["alias"]: scan["table"] for scan in scans}
    personal = [alias for alias, table in tables.items() if table != "variants"]
    source, where = joined(release["relation"], node)
    tables |= {part["alias"]: "derived" for part in release["relation"]["derived"]}
    for part in release["relation"]["derived"]:
        source += f", ({by_person(part, node)}) {part['alias']}"
        where.append(f"{part['alias']}.sample_id = {personal[0]}.sample_id")
    chosen = {
        (part["alias"], name)
        for part in release["relation"]["derived"]
        for name in chosen_in(connection, node, part)
    }
    where += [f"({safe(part)})" for part in release["conditions"] if is_public(part, tables)]
    genotypes = next((alias for alias, table in tables.items() if table == "genotypes"), None)
    conditions = release["conditions"]
    on_genotype = [part for part in conditions if read(part) & {"dosage", "called_alleles"}]
    others = [part for part in conditions if part not in on_genotype]
    measures = release["measures"]
    columns = [
        f"{personal[0]}.person",
        f"{personal[0]}.sample_id",
        *(safe(key["expression"]) for key in release["keys"]),
        every(conditions),
        every(others),
        lacks(every_column(release), chosen),
        lacks(columns_in(*conditions), chosen),
        f"({', '.join(f'{genotypes}.{name}' for name in ('contig', 'pos', 'ref', 'alt'))})"
        if genotypes
        else "NULL",
        f"{genotypes}.dosage" if genotypes else "NULL",
        *(safe(measure["where"]) if measure["where"] else "TRUE" for measure in measures),
        *(lacks(columns_in(measure["where"]), chosen) for measure in measures),
        *(f"[{', '.join(f'{sql(part)}::VARCHAR' for part in measure['factors'])}]" for measure in measures),
    ]
    found = connection.execute(
        f"SELECT {', '.join(columns)} FROM {source} WHERE {' AND '.join(where)}"
    ).fetchall()
    keys = len(release["keys"])
    made = []
    for row in found:
        person, sample, *rest = row
        key, (kept, without, missing, unknown, site, dosage), tail = (
            tuple(rest[:keys]),
            rest[keys : keys + 6],
            rest[keys + 6 :],
        )
        filters, lacking, values = (
            tuple(tail[len(measures) * third : len(measures) * (third + 1)]) for third in range(3)
        )
        steps = tuple(_steps(value, measure) for value, measure in zip(values, measures, strict=True))
        parts = tuple(_numbers(value) for value in values)
        place = tuple(site.values()) if isinstance(site, dict) else site
        made.append(
            Row(
                person,
                sample,
                key,
                kept,
                without,
                missing,
                unknown,
                place,
                dosage,
                filters,
                lacking,
                steps,
                parts,
            )
        )
    return made


def _steps(factors: list[str | None], measure: dict[str, Any]) -> int | None:
    """What a row adds: the product of its factors in steps, NULL where one is missing."""
    if None in factors:
        return None
    if measure["function"] != "sum":
        return 1
    steps = math.prod(_numbers(factors)) / Fraction(Decimal(measure["resolution"]))
    # a sum of doubles, as DuckDB takes it by person, may miss a whole number of steps by a rounding
    assert abs(steps - round(steps)) < Fraction(1, 10**6)
    return round(steps)


def _numbers(factors: list[str | None]) -> tuple[Fraction, ...]:
    """The factors that are numbers or truths; none where one is missing."""
    truths = {"true": Fraction(1), "false": Fraction(0)}
    try:
        return tuple(truths[t] if t in truths else Fraction(Decimal(t)) for t in factors if t is not None)
    except ArithmeticError:
        return ()


def is_public(part: Any, tables: dict[str, str]) -> bool:
    """Whether an expression reads only what says where or what a row is about, and never who."""
    site = {"contig", "pos", "ref", "alt", "variant_id", LISTED}
    public = {"samples": {"country"}, "scores": {"pgs_id"}, "genotypes": site, "derived": set()}
    return all(
        tables[table] == "variants" or name in public[tables[table]]
        for table, name in (column["column"] for column in columns_in(part))
    )


def every(parts: list[Any]) -> str:
    """All *parts* hold: three-valued."""
    return " AND ".join(f"({safe(part)})" for part in parts) or "TRUE"


def read(part: Any) -> set[str]:
    """The columns that an expression reads."""
    if "column" in part:
        return {part["column"][1]}
    return {name for argument in part.get("args", ()) for name in read(argument)}


def every_column(release: dict[str, Any]) -> list[Any]:
    """Every column that conditions, keys, filters and arguments read."""
    measures = release["measures"]
    return columns_in(
        *release["conditions"],
        *(key["expression"] for key in release["keys"]),
        *(measure["where"] for measure in measures),
        *(factor for measure in measures for factor in measure["factors"]),
    )


def columns_in(*parts: Any) -> list[Any]:
    """The columns of some expressions, None among them, each once."""
    found: dict[tuple[str, str], Any] = {}
    for part in parts:
        if part and "column" in part:
            found[tuple(part["column"])] = part
        for column in columns_in(*(part or {}).get("args", ())):
            found[tuple(column["column"])] = column
    return list(found.values())


def lacks(columns: list[Any], chosen: Collection[tuple[str, str]] = ()) -> str:
    """Whether one of *columns* is NULL, those aside whose NULL was *chosen* by a condition on persons."""
    known = [column for column in columns if tuple(column["column"]) not in chosen]
    return " OR ".join(f"{sql(column)} IS NULL" for column in known) or "FALSE"


# Sub-aggregates ----------------------------------------------------------------------------------------


def joined(relation: dict[str, Any], node: int) -> tuple[str, list[str]]:
    """The tables of a relation at one node, and what joins them."""
    scans = [relation["first"], *(join["scan"] for join in relation["joins"])]
    source = ", ".join(
        f"{scan['table'] if scan['table'] == 'variants' else 'all_' + scan['table']} {scan['alias']}"
        for scan in scans
    )
    where = [f"{scan['alias']}.node = {node}" for scan in scans if scan["table"] != "variants"]
    for join in relation["joins"]:
        where += [f"{sql(left)} = {sql(right)}" for left, right in join["on"]]
    return source, where


def by_person(part: dict[str, Any], node: int) -> str:
    """A sub-aggregate: a row for every sample, NULL where there is nothing to aggregate."""
    tables = {scan["alias"]: scan["table"] for scan in scans_of(part)}
    source, where = joined(part["relation"], node)
    where += [f"({safe(condition)})" for condition in part["conditions"] if is_public(condition, tables)]
    where += listed(part)
    kept = f"coalesce({every(part['conditions'])}, FALSE)"
    person = f"{part['relation']['first']['alias']}.sample_id"
    outputs = ", ".join(
        f"CASE WHEN bool_or({kept}) THEN {aggregate(output, kept)} END AS {output['name']}"
        for output in part["outputs"]
    )
    grouped = (
        f"SELECT {person} AS sample_id, bool_or({kept}) AS present{', ' + outputs if outputs else ''} "
        f"FROM {source} WHERE {' AND '.join(where)} GROUP BY {person}"
    )
    absent = "NULL"
    if "genotypes" in tables.values():  # whoever was genotyped has no row only because of what they have
        absent = "CASE WHEN sample_id IN (SELECT sample_id FROM all_genotypes) THEN FALSE END"
    whole = (
        f"SELECT * REPLACE (coalesce(present, {absent}) AS present) FROM "
        f"(SELECT sample_id FROM all_samples WHERE node = {node}) LEFT JOIN ({grouped}) USING (sample_id)"
    )
    return whole if not part.get("constant") else constant(part, whole, tables)


def constant(part: dict[str, Any], whole: str, tables: dict[str, str]) -> str:
    """The same with the commonest value in some columns, for whoever has one.

    A missing value stays missing: that is NULL which neither a condition on persons nor a site of carriers
    makes (`chosen`).
    """
    shown = []
    for name in part["constant"]:
        output = next(one for one in part["outputs"] if one["name"] == name)
        there = "TRUE" if part["chosen"] or chooses(output, tables) else f"{name} IS NOT NULL"
        grouped = f"SELECT {name} FROM ({whole}) WHERE {there} GROUP BY {name}"
        commonest = f"{grouped} ORDER BY count(*) DESC, {name} LIMIT 1"
        shown.append(f"CASE WHEN {there} THEN ({commonest}) END AS {name}")
    return f"SELECT * REPLACE ({', '.join(shown)}) FROM ({whole})"


def chooses(output: dict[str, Any], tables: dict[str, str]) -> bool:
    """Whether the filter of a column is about persons, so that it may make NULL of one."""
    return output["function"] != "rows" and bool(output["where"]) and not is_public(output["where"], tables)


def listed(part: dict[str, Any]) -> list[str]:
    """The condition that sites are listed, where the part reads no others."""
    genotypes = [scan["alias"] for scan in scans_of(part) if scan["table"] == "genotypes"]
    return [f'{alias}."{LISTED}"' for alias in genotypes if part.get("listed_only")]


def aggregate(output: dict[str, Any], kept: str) -> str:
    """One column of a sub-aggregate."""
    function = "count" if output["function"] == "rows" else output["function"]
    argument = sql(output["argument"]) if output["argument"] else "*"
    if output["weights"]:
        argument = f"{argument} * {weight_of(output)}"
    where = f"{kept} AND {safe(output['where'])}" if output["where"] else kept
    return f"{function}({argument}) FILTER ({where})"


def weight_of(output: dict[str, Any]) -> str:
    """The weight of a row."""
    cases = (f"WHEN {safe(where) if where else 'TRUE'} THEN {factor}" for where, factor in output["weights"])
    return f"(CASE {' '.join(cases)} END)"


def scans_of(part: dict[str, Any]) -> list[dict[str, str]]:
    """The scans of a sub-aggregate."""
    return [part["relation"]["first"], *(join["scan"] for join in part["relation"]["joins"])]


def chosen_in(connection: duckdb.DuckDBPyConnection, node: int, part: dict[str, Any]) -> list[str]:
    """The columns of a sub-aggregate that conditions on persons, or sites of few, make NULL."""
    tables = {scan["alias"]: scan["table"] for scan in scans_of(part)}
    known = part.get("constant", ())
    if presence_is_chosen(connection, node, part):
        return [output["name"] for output in part["outputs"] if output["name"] not in known]
    chosen = [o["name"] for o in part["outputs"] if o["where"] and not is_public(o["where"], tables)]
    return [name for name in chosen if name not in known]


def presence_is_chosen(connection: duckdb.DuckDBPyConnection, node: int, part: dict[str, Any]) -> bool:
    """Whether who has a row is decided by conditions on persons, or at sites that list carriers only."""
    tables = {scan["alias"]: scan["table"] for scan in scans_of(part)}
    if not all(is_public(one, tables) for one in part["conditions"]):
        return True
    if "genotypes" not in tables.values() or part.get("listed_only"):
        return False
    source, where = joined(part["relation"], node)
    where += [f"({safe(condition)})" for condition in part["conditions"]]
    unlisted = source.replace("all_genotypes ", "all_unlisted ")
    found = connection.execute(f"SELECT count(*) FROM {unlisted} WHERE {' AND '.join(where)}").fetchall()
    return bool(found[0][0])


def carriers_by_weight(
    connection: duckdb.DuckDBPyConnection, node: int, part: dict[str, Any], output: dict[str, Any]
) -> dict[str, dict[str, bool]] | None:
    """For each weight of a sum over genotypes: whether each person who is called carries what it is for.

    None where the column is no sum over genotypes.
    """
    tables = {scan["alias"]: scan["table"] for scan in scans_of(part)}
    read = columns_in(output["argument"])
    if output["function"] != "sum" or tables[read[0]["column"][0]] != "genotypes":
        return None
    if output["name"] in part.get("constant", ()):
        return None
    source, where = joined(part["relation"], node)
    kept = [
        *where,
        *listed(part),
        f"({every(part['conditions'])})",
        *([safe(output["where"])] if output["where"] else []),
    ]
    weight = weight_of(output) if output["weights"] else "1"
    value = f"abs({sql(output['argument'])})" if output["argument"] and output["function"] == "sum" else "1"
    person = f"{part['relation']['first']['alias']}.person"
    found = connection.execute(
        f"SELECT {weight} AS w, {person}, sum({value}) > 0 FROM {source} "
        f"WHERE {' AND '.join(kept)} GROUP BY ALL HAVING sum({value}) IS NOT NULL"
    ).fetchall()
    made: dict[str, dict[str, bool]] = {}
    for factor, who, carries in found:
        if factor:  # a weight of 0 says nothing of who carries
            made.setdefault(str(factor), {})[who] = carries
    return made


def safe(part: Any) -> str:
    """An expression that is NULL where DuckDB would raise."""
    return f"TRY({sql(part)})" if "op" in part else sql(part)


def sql(part: Any) -> str:
    """An expression of a release as DuckDB writes it."""
    if "column" in part:
        return f'{part["column"][0]}."{part["column"][1]}"'
    if "literal" in part:
        kind, value = part["literal"]
        text = "'" + value.replace("'", "''") + "'"
        return {"null": "NULL", "text": text, "date": f"DATE {text}"}.get(kind, f"({value})")
    name, arguments = part["op"], [sql(argument) for argument in part["args"]]
    if name in INFIX:
        return "(" + f" {INFIX[name]} ".join(arguments) + ")"
    if name in AFTER:
        return f"({arguments[0]} {AFTER[name]})"
    if name in CASTS:
        return f"CAST({arguments[0]} AS {CASTS[name]})"
    if name in ("not", "neg"):
        return f"({'NOT' if name == 'not' else '-'} {arguments[0]})"
    if name == "in":
        return f"({arguments[0]} IN ({', '.join(arguments[1:])}))"
    if name == "case":
        pairs = zip(arguments[::2], arguments[1::2], strict=False)
        last = f" ELSE {arguments[-1]}" if len(arguments) % 2 else ""
        return f"(CASE {' '.join(f'WHEN {one} THEN {two}' for one, two in pairs)}{last} END)"
    return f"{name}({', '.join(arguments)})"
