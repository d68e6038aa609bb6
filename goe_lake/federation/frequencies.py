"""Allele frequencies over all nodes: the union of what each has released, site by site and group by group.

A group's row over several nodes is their sum where each of them tells its part. Where one withholds its
part, or may hide a group of too few persons, AC is not known: `ac_lower` is what the others tell. A node
whose public labels leave no room for a group has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from goe_lake.catalog import LabelValue
from goe_lake.engine.frequency_store import NODE_ROWS
from goe_lake.errors import NodeFailed
from goe_lake.federation.node import FrequencyRelease, NodeDescription
from goe_lake.products.frequencies.schema import ALL, BOUNDED, FREQUENCIES, OK, WITHHELD, sort_rows
from goe_lake.products.frequencies.statistics import faf95, group_maximum, hwe_exact
from goe_lake.vcf.arrow import pc

if TYPE_CHECKING:
    from goe_lake.federation.gateway import Member

Progress = Callable[[str, str], None]
_KEY: Final = ("contig", "pos", "ref", "alt", "end_pos")
_GROUP: Final = ("country", "population", "sex")
_COUNTS: Final = ("an", "n_called", "n_persons")
_CLASSES: Final = ("n_het", "n_hom_alt", "n_hemi")


def frequencies(members: Sequence[Member], contig: str) -> pa.Table:
    """The allele frequencies of *contig* over all *members* (FREQUENCIES): by country, and over all.

    Of each node its standing release, or what it would release where it has released nothing yet.
    Raises NodeFailed where a node does not answer.
    """
    with ThreadPoolExecutor(max_workers=len(members)) as pool:
        told = list(pool.map(lambda member: member.node.frequencies(contig), members))
    checked = [_checked(member, rows, contig) for member, rows in zip(members, told, strict=True)]
    return finished(merged([member.description for member in members], checked))


def _checked(member: Member, rows: pa.Table, contig: str) -> pa.Table:
    """*rows* as NODE_ROWS; NodeFailed where they are not what a node may send."""
    description = member.description
    try:
        rows = rows.cast(NODE_ROWS)  # on the wire every column may be NULL
    except (ValueError, pa.ArrowException):
        raise NodeFailed(description.node_id, "", "its allele frequencies are not written as such") from None
    elsewhere = pc.any(pc.not_equal(rows.column("contig"), contig), min_count=0).as_py()
    group = [*_KEY, "population", "sex"]
    if elsewhere or rows.group_by(group).aggregate([]).num_rows != rows.num_rows:
        raise NodeFailed(
            description.node_id, "", "its allele frequencies are of other sites, or tell one twice"
        )
    return rows


def make_releases(members: Sequence[Member], progress: Progress | None = None) -> list[FrequencyRelease]:
    """Let every member make its next release of allele frequencies, all under the laid site list.

    *progress* is told the node and the contig that is done there.
    """

    def make(member: Member) -> FrequencyRelease:
        name = member.description.node_id
        return member.node.release_frequencies(
            None if progress is None else lambda contig: progress(name, contig)
        )

    with ThreadPoolExecutor(max_workers=len(members)) as pool:
        return list(pool.map(make, members))


def merged(nodes: Sequence[NodeDescription], told: Sequence[pa.Table]) -> pa.Table:
    """The sums over *nodes* of what each *told* (NODE_ROWS), for each country and over all.

    Columns: site, group, the counts, `ac_lower`, `ac_upper` and `status`.
    """
    numbered = [
        rows.append_column("node", pa.repeat(pa.scalar(place, pa.int32()), rows.num_rows))
        for place, rows in enumerate(told)
    ]
    connection = duckdb.connect(config={"memory_limit": "4GB"})
    try:
        connection.register("told", pa.concat_tables(numbered))
        connection.register("scopes", _scopes(nodes))
        connection.register("expected", _expected(nodes, connection))
        table: pa.Table = connection.sql(_MERGE).to_arrow_table()
        return table
    finally:
        connection.close()


def _scopes(nodes: Sequence[NodeDescription]) -> pa.Table:
    """Which rows each node is a part of: its country's, and those over all."""
    pairs = [(place, scope) for place, node in enumerate(nodes) for scope in (node.country, ALL)]
    return pa.table(
        {
            "node": pa.array([place for place, _ in pairs], pa.int32()),
            "country": pa.array([scope for _, scope in pairs], pa.string()),
        }
    )


def _expected(nodes: Sequence[NodeDescription], connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each group that a node may hide."""
    groups = connection.sql("SELECT DISTINCT population, sex FROM told").fetchall()
    rows = [
        (place, population, sex)
        for place, node in enumerate(nodes)
        if node.protects
        for population, sex in groups
        if _may_hold(node, "population", population) and _may_hold(node, "sex", sex)
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = (pa.int32(), pa.string(), pa.string())
    arrays: list[Any] = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=["node", "population", "sex"])


def _may_hold(node: NodeDescription, column: str, label: LabelValue) -> bool:
    """Whether the node's public labels leave room for *label*."""
    if label == ALL:
        return True
    known = node.catalog.tables["samples"].by_name.get(column)
    domain: Iterable[LabelValue] | None = (None,) if known is None else known.domain()
    return domain is None or label in domain


_SUMS: Final = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _COUNTS)
_CLASS_SUMS: Final = ", ".join(
    f"CASE WHEN count({name}) = count(*) THEN sum({name})::BIGINT END AS {name}" for name in _CLASSES
)
_SITE: Final = ", ".join(_KEY)
_SAME_SITE: Final = " AND ".join(f"t.{name} = a.{name}" for name in _KEY)
_TOTAL: Final = f"population IS NOT DISTINCT FROM '{ALL}'", f"sex IS NOT DISTINCT FROM '{ALL}'"
# A hidden group is of few persons, or guards one of few and may be large. Its persons are those whom the
# told rows of its kind (populations, sexes, or either) leave of the total; `absent` has the most alternate
# alleles that they can have.
_MERGE: Final = f"""
WITH parts AS (
    SELECT t.*, s.country, e.node IS NOT NULL AS counted
    FROM told t JOIN scopes s ON s.node = t.node
    LEFT JOIN expected e ON e.node = t.node AND e.population IS NOT DISTINCT FROM t.population
        AND e.sex IS NOT DISTINCT FROM t.sex
), whole AS (
    SELECT country, population, sex, count(*) AS nodes
    FROM expected JOIN scopes USING (node) GROUP BY ALL
), summed AS (
    SELECT {_SITE}, any_value(variant_id) AS variant_id, {", ".join(_GROUP)},
        sum(ac)::BIGINT AS told_ac, count(ac) AS telling, count(*) AS rows, {_SUMS}, {_CLASS_SUMS},
        max(release) AS release, count(*) FILTER (counted) AS seen
    FROM parts GROUP BY {_SITE}, {", ".join(_GROUP)}
), tops AS (
    SELECT node, {_SITE}, n_persons, ac, release FROM told WHERE {" AND ".join(_TOTAL)}
), rows_of AS (
    SELECT node, population, sex, count(*) AS rows FROM told GROUP BY ALL
), lacking AS (
    SELECT e.*, e.{_TOTAL[0]} AS p, e.{_TOTAL[1]} AS s FROM expected e
    JOIN (SELECT node, count(*) AS sites FROM tops GROUP BY node) n USING (node)
    LEFT JOIN rows_of r ON r.node = e.node AND r.population IS NOT DISTINCT FROM e.population
        AND r.sex IS NOT DISTINCT FROM e.sex
    WHERE coalesce(r.rows, 0) < n.sites
), kinds AS (
    SELECT node, {_SITE}, {_TOTAL[0]} AS p, {_TOTAL[1]} AS s,
        sum(told.n_persons) FILTER (told.release = tops.release) AS persons,
        bool_and(told.release = tops.release) AS at_once
    FROM told JOIN tops USING (node, {_SITE}) WHERE node IN (SELECT node FROM lacking) GROUP BY ALL
), absent AS (
    SELECT {_SITE}, country, a.population, a.sex, sum(a.most) AS most FROM (
        SELECT node, {_SITE}, l.population, l.sex, least(coalesce(tops.ac, 2 * n_persons),
            2 * (n_persons - CASE WHEN at_once THEN coalesce(persons, 0) ELSE 0 END)) AS most
        FROM lacking l JOIN tops USING (node) LEFT JOIN kinds USING (node, {_SITE}, p, s)
    ) a JOIN scopes USING (node)
    WHERE NOT EXISTS (SELECT 1 FROM told t WHERE t.node = a.node AND {_SAME_SITE}
        AND t.population IS NOT DISTINCT FROM a.population AND t.sex IS NOT DISTINCT FROM a.sex)
    GROUP BY ALL
), judged AS (
    SELECT m.*, coalesce(w.nodes, 0) - m.seen AS hidden
    FROM summed m LEFT JOIN whole w ON w.country = m.country
        AND w.population IS NOT DISTINCT FROM m.population AND w.sex IS NOT DISTINCT FROM m.sex
), sites AS (
    SELECT {_SITE}, country, hidden = 0 AS everywhere
    FROM judged WHERE {" AND ".join(_TOTAL)}
)
SELECT {", ".join(f"j.{name}" for name in (*_KEY, "variant_id", *_GROUP, *_COUNTS, "release"))},
    CASE WHEN j.hidden = 0 AND telling = rows THEN told_ac END AS ac,
    CASE WHEN j.hidden > 0 OR telling < rows THEN told_ac END AS ac_lower,
    CASE WHEN j.hidden > 0 AND telling = rows AND coalesce(everywhere, false)
        THEN (told_ac + most)::BIGINT END AS ac_upper,
    {", ".join(f"CASE WHEN j.hidden = 0 THEN {name} END AS {name}" for name in _CLASSES)},
    CASE WHEN j.hidden = 0 AND telling = rows THEN '{OK}' WHEN telling > 0 THEN '{BOUNDED}'
        ELSE '{WITHHELD}' END AS status
FROM judged j LEFT JOIN sites USING ({_SITE}, country)
LEFT JOIN absent a ON a.country = j.country AND {" AND ".join(f"a.{name} = j.{name}" for name in _KEY)}
    AND a.population IS NOT DISTINCT FROM j.population AND a.sex IS NOT DISTINCT FROM j.sex
"""


def finished(counts: pa.Table) -> pa.Table:
    """*counts* (of `merged`) with everything that follows from them, in order (FREQUENCIES)."""
    rows = sort_rows(counts)
    ac, an, called, persons = (_numbers(rows, name) for name in ("ac", "an", "n_called", "n_persons"))
    het, hom = _numbers(rows, "n_het"), _numbers(rows, "n_hom_alt")
    # an = 2 x diploid + haploid and called = diploid + haploid
    reference = np.where(het < 0, -1, an - called - het - hom)
    filtering = faf95(ac, an)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "af": np.where((ac >= 0) & (an > 0), ac / an, np.nan),
            "call_rate": called / persons,
            "hwe_p": hwe_exact(reference, het, hom),
            "faf95": filtering,
        }
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, mask=np.isnan(values)))
    names, maxima = _group_maxima(rows, filtering)
    rows = rows.append_column("grpmax", pa.array(names, pa.string()))
    rows = rows.append_column("grpmax_faf95", pa.array(maxima, mask=np.isnan(maxima)))
    return rows.select(FREQUENCIES.names).cast(FREQUENCIES)


def _numbers(rows: pa.Table, name: str) -> Any:
    return pc.fill_null(rows.column(name), -1).to_numpy().astype(np.int64)


def _group_maxima(rows: pa.Table, filtering: Any) -> tuple[Any, Any]:
    """For each total of a site and country, the population with the largest filtering frequency."""
    label = rows.column("population").combine_chunks()
    both = pc.equal(rows.column("sex"), ALL).fill_null(False).to_numpy(zero_copy_only=False)
    total = both & pc.equal(label, ALL).fill_null(False).to_numpy(zero_copy_only=False)
    named = both & ~total & label.is_valid().to_numpy(zero_copy_only=False)
    # rows are sorted, and the total of a site and country comes first
    site = np.cumsum(total) - 1
    coded = pc.dictionary_encode(label.filter(pa.array(named)))
    labels = coded.dictionary.to_pylist() or [""]
    # a population may have rows where the total has none: it is of nobody's maximum
    belongs = _same_total(rows, total, site)[named]
    places = np.flatnonzero(named)[belongs]
    found = group_maximum(
        site[places], labels, coded.indices.to_numpy()[belongs], filtering[places], int(total.sum())
    )
    names = np.full(rows.num_rows, None, dtype=object)
    maxima = np.full(rows.num_rows, np.nan)
    names[total], maxima[total] = found
    return names, maxima


def _same_total(rows: pa.Table, total: Any, site: Any) -> Any:
    """Whether the total before each row is of the row's own site and country."""
    if not total.any():
        return np.zeros(rows.num_rows, dtype=bool)
    first = pa.array(np.flatnonzero(total)[np.maximum(site, 0)])
    same = site >= 0
    for name in (*_KEY, "country"):
        column = rows.column(name).combine_chunks()
        same &= pc.equal(column, column.take(first)).to_numpy(zero_copy_only=False)
    return same
