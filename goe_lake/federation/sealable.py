"""Which releases have sealed cells: those whose keys can be listed, over three nodes or more.

What cannot be sealed is asked for with open cells, as `explain` says, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, is_site_key
from goe_lake.computed import stored_columns
from goe_lake.engine.public_domain import MOST_COMBINATIONS, PublicColumn, PublicDomain
from goe_lake.federation.node import NodeDescription
from goe_lake.federation.sealing import LEAST_NODES
from goe_lake.release import (
    ColumnRef,
    Expr,
    Measure,
    MeasureFunction,
    Release,
    columns_in,
    fixed_columns,
)

GENOTYPE_VALUES: Final = frozenset({"dosage", "called_alleles"})
TABLES: Final = frozenset({"samples", "genotypes", "variants"})


def public_domain(release: Release, catalog: Catalog) -> PublicDomain:
    """The labels of all nodes (*catalog* is their union) that *release* reads."""
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    read = {column.column for column in _columns(release) if tables[column.table] == "samples"}
    known = catalog.tables["samples"].by_name
    return PublicDomain(
        tuple(PublicColumn(name, known[name].type, known[name].domain() or ()) for name in sorted(read))
    )


def why_open(release: Release, nodes: Sequence[NodeDescription], catalog: Catalog) -> str | None:
    """Why *release* is asked of *nodes* with open cells; None where its cells are sealed."""
    return next((reason for reason in _reasons(release, nodes, catalog) if reason), None)


def _reasons(release: Release, nodes: Sequence[NodeDescription], catalog: Catalog) -> Iterable[str | None]:
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    yield None if len(nodes) >= LEAST_NODES else f"there are fewer than {LEAST_NODES} nodes"
    lacking = [node.node_id for node in nodes if not node.seals]
    yield f"{', '.join(lacking)} cannot seal" if lacking else None
    open_ = [node.node_id for node in nodes if not node.protects]
    yield f"protection is off at {', '.join(open_)}" if open_ else None
    several = [node.node_id for node in nodes if not node.one_sample_a_person]
    yield f"persons have several samples at {', '.join(several)}" if several else None
    yield "margins are asked beside it" if release.margins else None
    if release.relation.derived:
        yield "it reads sub-aggregates by person"
    others = sorted(set(tables.values()) - TABLES)
    yield f"it reads {', '.join(others)}" if others else None
    read = sorted({column.column for column in _columns(release) if tables[column.table] == "samples"})
    for name in read:
        yield _why_open_column(name, nodes, catalog)
    yield _why_open_rows(release, tables)
    yield _why_open_sites(release, tables) if "genotypes" in tables.values() else None
    if public_domain(release, catalog).combinations > MOST_COMBINATIONS:
        yield f"its labels have more than {MOST_COMBINATIONS} combinations"


def _why_open_column(name: str, nodes: Sequence[NodeDescription], catalog: Catalog) -> str | None:
    if name == "country":
        return "it names the country"
    column = catalog.tables["samples"].by_name.get(name)
    domain = column.domain() if column is not None else None
    if column is None or domain is None:
        return f"the values of {' and '.join(stored_columns(name))} are not listed"
    for value in domain:
        holders = sum(value in _own(name, node.catalog) for node in nodes)
        # a label of one country is its name, and one of two tells each of them the other's
        if holders < LEAST_NODES:
            told = "a missing value" if value is None else repr(value)
            return f"{name} can be {told} at fewer than {LEAST_NODES} nodes"
    return None


def _own(name: str, catalog: Catalog) -> tuple[object, ...]:
    column = catalog.tables["samples"].by_name.get(name)
    return (column.domain() or ()) if column is not None else (None,)


def _why_open_rows(release: Release, tables: dict[str, str]) -> str | None:
    """Rows are chosen by sites alone, keys are plain columns, and values are few."""
    if any(measure.where is not None for measure in release.measures):
        return "a measure has a filter"
    if any(not _is_site(condition, tables) for condition in release.conditions):
        return "a condition chooses persons or genotypes"
    for key in release.keys:
        if not isinstance(key.expression, ColumnRef):
            return "a key is computed"
        if tables[key.expression.table] == "genotypes" and not _is_site(key.expression, tables):
            return "a key is a genotype"
    if any(not _has_few_values(measure, tables) for measure in release.measures):
        return "a sum is of many values"
    return None


def _is_site(expression: Expr, tables: dict[str, str]) -> bool:
    return all(
        tables[column.table] in ("genotypes", "variants")
        and column.column in PUBLIC_COLUMNS[tables[column.table]]
        for column in columns_in(expression)
    )


def _has_few_values(measure: Measure, tables: dict[str, str]) -> bool:
    """Whether every value of the measure's argument is listed: dosage, called alleles, and truths."""
    if not measure.factors or measure.factors[0].column == "sample_id":
        return True
    if len(measure.factors) > 1:
        return False
    (argument,) = measure.factors
    if tables[argument.table] == "genotypes":
        return argument.column in GENOTYPE_VALUES
    # labels are counted and truths summed, but not beside genotypes
    return measure.function is not MeasureFunction.SUM or "genotypes" not in tables.values()


def _why_open_sites(release: Release, tables: dict[str, str]) -> str | None:
    keys = {key.expression.column for key in release.keys if isinstance(key.expression, ColumnRef)}
    if is_site_key(keys) or is_site_key(fixed_columns(release.conditions)):
        return None
    return "its cells do not lie at one site each"


def _columns(release: Release) -> Iterable[ColumnRef]:
    for expression in release.expressions():
        yield from columns_in(expression)
