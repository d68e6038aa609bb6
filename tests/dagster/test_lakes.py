"""What is said of all lakes together: the rules, the numbers behind them, and the inventory."""

from __future__ import annotations

import base64
import gzip
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.contigs import CHECKS, ContigReport, contig_checks, unsound
from dagster_project.evidence import (
    disordered_sites,
    impossible_counts,
    impossible_sites,
    persons_without_sample,
    unknown_scores,
)
from dagster_project.inventory import heat_map, inventory_result, matrix_table
from dagster_project.nodes import Nodes
from dagster_project.rules import RULES, judge_rules
from dagster_project.snapshots import Lake, lakes_of
from goe_lake.config import read_node
from goe_lake.lake import Snapshot, ingest, open_snapshot
from goe_lake.lake.layout import STRATA
from goe_lake.vcf.encode import CALLS

MATRIX = {"EE": {"chr2": 100, "chrX": 5}, "FI": {"chr2": 80}, "LV": {}}
SOUND = ContigReport("chr2", 1, 90, 90, 92, 120, 11040, 44, {"duplicate": 1}, 5000, 0, 0, "v")


@pytest.fixture(scope="module")
def snapshot(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A published snapshot of the simulated node; not to be changed."""
    config = replace(read_node(cohort / "node.toml"), lake=tmp_path_factory.mktemp("lake"))
    ingest(config, min_label_persons=1)
    return open_snapshot(config.lake)


def verdicts(*lakes: Lake) -> dict[str, bool]:
    """Which rules the lakes keep."""
    return {f"{r.asset_key.to_user_string()}.{r.check_name}": r.passed for r in judge_rules(lakes)}


def test_a_lake_as_it_is_published_keeps_every_rule(snapshot: Snapshot):
    """Every rule is judged, passes, and shows a number."""
    results = list(judge_rules([Lake("EE", snapshot)]))
    assert [result.passed for result in results] == [True] * len(RULES)
    assert all(
        isinstance(value.value, int | float | str) for result in results for value in result.metadata.values()
    )


def test_a_node_that_has_no_lake_yet_breaks_no_rule(nodes: Nodes):
    """Before its first build a node is a row without numbers, and not an error."""
    (lake,) = lakes_of(nodes)
    assert replace(lake, waits=0.0) == Lake("EE", None)
    assert 0 < lake.waits < 1
    told = verdicts(lake)
    assert [name for name, passed in told.items() if not passed] == ["lake_inventory.every_node_published"]


def test_a_file_that_is_gone_is_told_with_its_node(nodes: Nodes, node: Path):
    """Somebody has removed a file of the lake: the rule fails and the inventory names the trouble."""
    config = read_node(node)
    ingest(config, min_label_persons=1)
    open_snapshot(config.lake).files("variants")[0].unlink()
    (lake,) = lakes_of(nodes)
    assert lake.snapshot is None
    assert verdicts(lake)["published_snapshot.files_as_listed"] is False
    assert "absent" in inventory_result([lake], {}, []).metadata["lakes"].value


def test_a_delivery_that_waits_is_told_and_the_same_content_does_not_wait(nodes: Nodes, node: Path):
    """Files that are in no snapshot are counted by hours; a copy of what is published is no new delivery."""
    config = read_node(node)
    ingest(config, min_label_persons=1)
    vcf = node.parent / "vcf" / "chr2.vcf.gz"
    time.sleep(0.01)
    vcf.write_bytes(vcf.read_bytes())
    (same,) = lakes_of(nodes)
    assert same.waits == 0
    vcf.write_bytes(gzip.compress(gzip.decompress(vcf.read_bytes())))
    (waiting,) = lakes_of(nodes)
    assert 0 < waiting.waits < 1
    assert verdicts(waiting)["published_snapshot.delivered_is_published"]
    assert not verdicts(replace(waiting, waits=13.0))["published_snapshot.delivered_is_published"]


def test_settings_that_cannot_be_read_are_a_row_and_a_failed_check(nodes: Nodes, node: Path):
    """A node that nobody can build is not left out of the picture, and no folder of the host is named."""
    shutil.rmtree(node.parent / "vcf")
    (lake,) = lakes_of(nodes)
    assert lake.unread.startswith("genotypes")
    assert not verdicts(lake)["published_snapshot.settings_read"]
    assert not verdicts(lake)["lake_inventory.every_node_published"]
    shown = inventory_result([lake], {}, []).metadata["lakes"].value
    assert lake.unread in shown
    assert str(node.parent) not in shown


def test_scores_of_nobody_and_scores_that_stand_twice_are_found(tmp_path: Path):
    """A score must be of one sample that is known, and must be one number."""
    pq.write_table(pa.table({"sample_id": ["a", "b"]}), tmp_path / "samples.parquet")
    rows = [("a", "PGS1"), ("a", "PGS2"), ("b", "PGS1"), ("b", "PGS1"), ("c", "PGS1")]
    table = pa.table({"sample_id": [s for s, _ in rows], "pgs_id": [g for _, g in rows]})
    pq.write_table(table, tmp_path / "scores.parquet")
    assert unknown_scores([tmp_path / "scores.parquet"], [tmp_path / "samples.parquet"]) == 2
    assert unknown_scores([], []) == 0


def test_one_rule_can_be_judged_alone(snapshot: Snapshot):
    """Whoever starts one check in Dagster does not wait for the others."""
    chosen = RULES[2].spec.key
    (result,) = judge_rules([Lake("EE", snapshot)], {chosen})
    assert (result.asset_key, result.check_name) == (chosen.asset_key, chosen.name)


def test_sites_out_of_order_and_twice_are_found(tmp_path: Path):
    """A key that does not come after the one before it is counted, whatever part of it differs."""
    keys = [(10, "A", "C"), (10, "A", "G"), (10, "A", "G"), (9, "A", "C"), (11, "AT", "A")]
    file = tmp_path / "sites.parquet"
    pq.write_table(
        pa.table(
            {
                "pos": [pos for pos, _, _ in keys],
                "ref": [ref for _, ref, _ in keys],
                "alt": [alt for _, _, alt in keys],
                "end_pos": [pos + len(ref) - 1 for pos, ref, _ in keys],
            }
        ),
        file,
    )
    assert disordered_sites(file) == 2


def test_counts_that_cannot_be_are_found(tmp_path: Path):
    """More persons than there are, and AC above AN, in lists and in bitmaps alike."""
    empty = dict.fromkeys(CALLS.names)
    rows = [
        {"het_l": [0, 1], "nc_l": [2]},
        {"hom_b": bytes([0b11110000])},
        {"het_l": [0, 1, 2], "hom_b": bytes([0b11000000])},
    ]
    calls = tmp_path / "calls.parquet"
    sites = [empty | {"pos": n, "ref": "A", "alt": "C", "end_pos": n} | row for n, row in enumerate(rows, 1)]
    pq.write_table(pa.Table.from_pylist(sites, schema=CALLS), calls)
    assert impossible_sites(calls, 4) == 1
    assert impossible_sites(calls, 3) == 2
    counts = {
        "pos": 1,
        "ref": "A",
        "alt": "C",
        "end_pos": 1,
        "n_persons": 4,
        "het": 1,
        "hom_alt": 0,
        "hemi": 0,
    }
    strata = tmp_path / "strata.parquet"
    table = [
        counts | {"not_called": 0, "an": 8},
        counts | {"not_called": 4, "an": 0},
        counts | {"not_called": -1, "an": 2},
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=STRATA), strata)
    assert impossible_counts(strata) == 2


def test_persons_without_a_sample_are_found(tmp_path: Path):
    """A person with genotypes whom the samples table lacks has no consent that is known."""
    for name, ids in (("persons", ["a", "b", "c"]), ("samples", ["b", "a"])):
        pq.write_table(pa.table({"sample_id": ids}), tmp_path / f"{name}.parquet")
    assert persons_without_sample([tmp_path / "persons.parquet"], [tmp_path / "samples.parquet"]) == 1
    assert persons_without_sample([], []) == 0


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({}, None),
        ({"records": 89}, "record_parity"),
        ({"disordered": 1}, "sorted_unique_keys"),
        ({"impossible": 2}, "ac_within_an"),
        ({"not_called": 5000}, "call_rate"),
    ],
)
def test_each_check_of_a_contig_fails_for_its_own_reason(change: dict[str, int], failing: str | None):
    """One contig that is wrong fails the check over all, and what is blocking is not sound."""
    report = replace(SOUND, **change)
    results = {result.check_name: result for result in contig_checks([SOUND, report])}
    assert [name for name, result in results.items() if not result.passed] == ([failing] if failing else [])
    blocking = {spec.name for spec in CHECKS if spec.blocking}
    assert report.sound == (failing not in blocking)
    if failing == "call_rate":
        assert results["call_rate"].severity is dg.AssetCheckSeverity.WARN
    if not report.sound:
        assert unsound(report).allow_retries is False


def test_the_inventory_table_has_totals_of_rows_and_columns():
    """Sites by node and contig; a contig that a node lacks is a dash, not a zero."""
    assert matrix_table(MATRIX).splitlines() == [
        "| node | chr2 | chrX | all |",
        "| --- | ---: | ---: | ---: |",
        "| EE | 100 | 5 | 105 |",
        "| FI | 80 | – | 80 |",
        "| LV | – | – | 0 |",
        "| **all** | 180 | 5 | 185 |",
    ]


def test_the_heat_map_is_a_drawing_with_a_cell_for_each_contig_and_node():
    """The picture is well-formed, needs no file, and is darker where there are more sites."""
    drawing = ElementTree.fromstring(heat_map(MATRIX))
    cells = drawing.findall("{http://www.w3.org/2000/svg}rect")
    assert [cell.get("fill") for cell in cells].count("white") == 3
    assert len(cells) == 6
    assert cells[0].get("fill") == "rgb(8,81,156)"
    assert "<b>" not in heat_map({"<b>": {"chr2": 1}})


def test_the_inventory_shows_every_lake(snapshot: Snapshot):
    """Totals are numbers that Dagster can plot; the picture is within the text."""
    shown = inventory_result([Lake("EE", snapshot), Lake("FI", None)], {}, []).metadata
    assert (shown["nodes"], shown["nodes_published"], shown["persons"]) == (2, 1, 120)
    assert shown["dagster/row_count"] == sum(counts.sites for counts in snapshot.manifest.contigs)
    (image,) = re.findall(
        r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", shown["sites_by_node_and_contig"].value
    )
    ElementTree.fromstring(base64.b64decode(image))
    assert "nothing is published" in shown["lakes"].value
