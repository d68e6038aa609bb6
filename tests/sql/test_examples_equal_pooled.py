"""Every example, with protection off, equals the same text on DuckDB over the pooled rows of the files."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.demo.cohort import make_cohort
from goe_lake.federation import Federation
from goe_lake.lake import ingest
from tests.oracle.cohort import NodeFiles
from tests.oracle.pooled import Pooled, pool
from tests.properties.comparison import differences, rows_of

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "sql" / "examples").glob("*.sql"))
PERSONS = 60
PUBLIC = ("nodes", "genes", "contigs", "columns", "allele_frequencies")
# A quantile is known to the width of a leaf of its tree, and a cut point is one
APPROXIMATE = re.compile(r"quantile|median|ntile", re.IGNORECASE)

# Ratios by person are marked; without protection each is rounded to 1e-9
RATIOS = ("het_hom_ratio_by_population", "titv_per_person")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Pooled]:
    """Two small countries, asked without protection; and their rows in one database."""
    tomls = make_cohort(tmp_path_factory.mktemp("pooled"), countries=("EE", "FI"), persons=PERSONS)
    for toml in tomls:
        (toml.parent / "policy.toml").write_text('version = 1\nprotection = "off"\n')
        ingest(read_node(toml), min_label_persons=1, progress=None)
    federation = goe_lake.open_federation(tomls)
    sites = federation.site_list.sites.select(["contig", "pos", "ref", "alt", "end_pos"]).to_pylist()
    pooled = pool([files_of(toml) for toml in tomls], [tuple(site.values()) for site in sites])
    # what is public is taken from the gateway: it is not what is compared here
    for name in (*PUBLIC, "variants"):
        pooled.connection.execute(f"DROP TABLE IF EXISTS {name}")
        pooled.connection.register("rows", federation.tables.table(name, None))
        pooled.connection.execute(f"CREATE TABLE {name} AS FROM rows")
        pooled.connection.unregister("rows")
    return federation, pooled


def files_of(toml: Path) -> NodeFiles:
    """What the oracle must know of the files of a node of the demo."""
    node = read_node(toml)
    columns = {
        column.name: (column.type.value, _text(column.resolution), _bounds(column.bounds))
        for column in node.sample_columns
        if column.name not in ("sample_id", "country")
    }
    scores = {score.pgs_id: (str(score.resolution), _bounds(score.bounds)) for score in node.scores}
    batches = tuple((delivery.files, "hom_ref", ("GQ", "DP")) for delivery in node.genotypes)
    return NodeFiles(toml.parent, node.country, None, batches, columns, scores)


def _text(step: Decimal | None) -> str | None:
    return None if step is None else str(step)


def _bounds(bounds: tuple[Decimal, Decimal] | None) -> tuple[str, str] | None:
    return None if bounds is None else (str(bounds[0]), str(bounds[1]))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_equals_pooled(path: Path, both: tuple[Federation, Pooled]) -> None:
    """The same rows in the same order: whole numbers exactly, others to 1e-9."""
    federation, pooled = both
    text = path.read_text(encoding="utf-8")
    answer = federation.sql(text)
    names, _, rows = pooled.run(text)
    assert answer.table.column_names == names
    told = {word for row in rows_of(answer.status) for word in row}
    if APPROXIMATE.search(text):
        assert told <= {"ok", "approx"}
        assert answer.table.num_rows == len(rows)
        return
    ratio = path.stem in RATIOS
    assert told <= ({"ok", "approx"} if ratio else {"ok"})
    theirs = [tuple(map(_plain, row)) for row in rows]
    assert not differences(rows_of(answer.table), theirs, [10.0 if ratio else 1.0] * len(names))


def _plain(value: Any) -> Any:
    """A value of DuckDB as Arrow gives it to Python: a map is a list of pairs, a whole decimal an integer."""
    if isinstance(value, dict):
        return list(value.items())
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
