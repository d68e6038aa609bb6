"""What a query would cost of each node's budget, from public facts alone: nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import duckdb
import pyarrow as pa

from goe_lake.engine.duck import one_row
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.federation.domains import node_domain
from goe_lake.federation.node import NodeDescription
from goe_lake.query import Plan
from goe_lake.release import Expr, Release, columns_in

SITE_TABLES: Final = ("genotypes", "variants")


@dataclass(frozen=True)
class Estimate:
    """The most that a query can cost at any node; None where public facts do not bound it.

    *cells* are rows of the releases, *rare_sites* those of them that lie at one site each: all of them
    may be rare.
    """

    queries: int
    releases: int
    cells: int | None
    rare_sites: int | None

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values."""
        return dict(vars(self))

    def __str__(self) -> str:
        if not self.queries:
            return "costs nothing: no node is asked"
        return (
            f"costs each node {self.queries} query ({self.releases} releases), {_most(self.cells)} cells, "
            f"{_most(self.rare_sites)} rare sites"
        )


def _most(number: int | None) -> str:
    return "any number of" if number is None else f"at most {number:,}"


def estimated(plan: Plan, nodes: Sequence[NodeDescription], sites: pa.Table | None) -> Estimate:
    """What *plan* can cost at most at one of *nodes*; *sites* is the public table `variants`, if needed."""
    with duckdb.connect() as connection:
        if sites is not None:
            connection.register("sites", sites)
        columns = frozenset(sites.column_names) if sites is not None else frozenset()
        costs = [_cells(release, nodes, columns, connection) for release in plan.releases]
    by_site = [cells for cells, at_sites in costs if at_sites]
    return Estimate(
        1 if plan.releases else 0, len(plan.releases), _sum([cells for cells, _ in costs]), _sum(by_site)
    )


def reads_sites(plan: Plan) -> bool:
    """Whether a release of *plan* has keys that are sites."""
    return any(scan.table in SITE_TABLES for release in plan.releases for scan in release.relation.scans)


def _sum(costs: Sequence[int | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _cells(
    release: Release,
    nodes: Sequence[NodeDescription],
    site_columns: frozenset[str],
    connection: duckdb.DuckDBPyConnection,
) -> tuple[int | None, bool]:
    """The most rows of *release* at one node, and whether each lies at one site."""
    domains = [node_domain(release, node.catalog, connection) for node in nodes]
    listed = set(domains[0].keys)
    others = [key.expression for key in release.keys if key.name not in listed]
    at_sites = [key for key in others if _is_of_sites(key, release, site_columns)]
    unknown = len(others) - len(at_sites)
    if unknown or any(domain.combinations is None for domain in domains):
        return None, bool(at_sites)
    most = max(len(domain.combinations or ()) for domain in domains)
    return prod([most, _site_groups(at_sites, release, site_columns, connection)]), bool(at_sites)


def _is_of_sites(expression: Expr, release: Release, site_columns: frozenset[str]) -> bool:
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    read = list(columns_in(expression))
    return bool(read) and all(
        tables[column.table] in SITE_TABLES and column.column in site_columns for column in read
    )


def _site_groups(
    keys: Sequence[Expr],
    release: Release,
    site_columns: frozenset[str],
    connection: duckdb.DuckDBPyConnection,
) -> int:
    """How many groups *keys* make of the listed sites that the release's conditions about sites keep."""
    if not keys:
        return 1
    kept = [part for part in release.conditions if _is_of_sites(part, release, site_columns)]
    where = " AND ".join(f"coalesce({_sql(part)}, false)" for part in kept) or "TRUE"
    shown = ", ".join(_sql(key) for key in keys)
    (count,) = one_row(connection, f"SELECT count(*) FROM (SELECT DISTINCT {shown} FROM sites WHERE {where})")
    return int(count)


def _sql(expression: Expr) -> str:
    return safe_sql(expression, lambda column: identifier(column.column))


__all__ = ["Estimate", "estimated", "reads_sites"]
