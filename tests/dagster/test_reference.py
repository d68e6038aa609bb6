"""The allele-frequency reference in Dagster: made once, and then only where something changed."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

import goe_lake
from dagster_project.defs.build_reference import build_reference
from dagster_project.defs.reference import (
    european_release,
    frequency_release,
    released_frequencies,
    site_list,
    union_frequencies,
)
from dagster_project.evidence import offending
from dagster_project.nodes import Nodes
from dagster_project.partitions import Cell, add_contigs, add_nodes
from dagster_project.reference import cells
from dagster_project.reference.bench import Bench, history_of
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.lake import ingest
from goe_lake.products.frequencies.build import build_release
from goe_lake.products.frequencies.store import open_release

CONTIGS = ("chr2", "chrX")


@pytest.fixture(scope="session")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built lakes of two countries on two contigs; not to be changed."""
    folder = tmp_path_factory.mktemp("two")
    for toml in make_cohort(folder, countries=("EE", "FI"), persons=120):
        for file in (toml.parent / "vcf").iterdir():
            if file.name.split(".")[0] not in CONTIGS:
                file.unlink()
        ingest(read_node(toml), min_label_persons=10)
    return folder


@pytest.fixture
def home(lakes: Path, tmp_path: Path) -> Path:
    """The same lakes for one test."""
    return Path(shutil.copytree(lakes, tmp_path / "home"))


@pytest.fixture
def two(home: Path) -> Nodes:
    """The resource that finds both nodes."""
    return Nodes(paths=str(home))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder of releases."""
    return Bench(folder=str(tmp_path / "releases"))


@pytest.fixture
def history() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory that knows both nodes."""
    with dg.DagsterInstance.ephemeral() as instance:
        add_nodes(instance, ["EE", "FI"])
        yield instance


def build(instance: dg.DagsterInstance, nodes: Nodes, bench: Bench) -> dg.ExecuteInProcessResult:
    """One run of `build_reference`."""
    return build_reference.execute_in_process(
        instance=instance, resources={"nodes": nodes, "bench": bench}, raise_on_error=False
    )


def made(result: dg.ExecuteInProcessResult) -> set[tuple[str, str | None]]:
    """The assets, and partitions of them, that a run reports as made."""
    events = [event for event in result.all_events if event.is_step_materialization]
    return {(event.asset_key.to_user_string(), event.partition) for event in events if event.asset_key}


EVERYTHING = {
    ("site_list", None),
    *(("frequency_release", node) for node in ("EE", "FI")),
    *(("released_frequencies", f"{contig}|{node}") for contig in CONTIGS for node in ("EE", "FI")),
    *(("union_frequencies", contig) for contig in CONTIGS),
    ("european_release", None),
}


def test_the_first_run_makes_everything_and_the_second_nothing(
    history: dg.DagsterInstance, two: Nodes, bench: Bench, home: Path, tmp_path: Path
):
    """The release is the one that `goe release build` writes, byte by byte; a second run computes nothing."""
    first = build(history, two, bench)
    assert first.success
    assert made(first) == EVERYTHING
    checks = {check.check_name: check.passed for check in first.get_asset_check_evaluations()}
    assert checks == {spec.name: True for spec in cells.CHECKS} | {"whole": True, "sites_stay_listed": True}
    release = bench.newest()
    assert release is not None
    release.verify()
    assert (release.root / "notes.html").is_file()
    nodes = [config.file for config in two.found().nodes.values()]
    other = build_release(goe_lake.open_federation(nodes), tmp_path / "other").release
    assert (other.root / "release.json").read_bytes() == (release.root / "release.json").read_bytes()

    parts = {path: path.stat().st_mtime_ns for path in (bench.root / "next").rglob("contig=*")}
    second = build(history, two, bench)
    assert second.success
    assert made(second) == set()
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    assert [path.name for path in bench.root.iterdir() if path.name.isdecimal()] == ["1"]


def test_a_change_of_one_contig_of_one_country_makes_that_contig_anew(
    history: dg.DagsterInstance, two: Nodes, bench: Bench, home: Path
):
    """The other contig is neither computed nor reported. Where sites are newly listed, all answer at them."""
    assert build(history, two, bench).success
    swap_alleles(home / "ee" / "vcf" / "chr2.vcf.gz")
    ingest(read_node(home / "ee" / "node.toml"), min_label_persons=10)
    again = build(history, two, bench)
    assert again.success
    assert made(again) == {
        ("site_list", None),
        ("frequency_release", "EE"),
        ("frequency_release", "FI"),
        ("released_frequencies", "chr2|EE"),
        ("released_frequencies", "chr2|FI"),
        ("union_frequencies", "chr2"),
        ("european_release", None),
    }
    release = bench.newest()
    assert release is not None
    before = open_release(bench.root / "1")
    assert (release.manifest.number, release.manifest.previous) == (2, before.manifest.release_id)
    same = [
        release.path(kind, "chrX").samefile(before.path(kind, "chrX")) for kind in ("sites", "frequencies")
    ]
    assert same == [True, True]
    shown = again.asset_materializations_for_node("write_european_release")[0].metadata
    assert int(str(shown["newly_listed"].value)) > 0


def swap_alleles(vcf: Path) -> None:
    """Let everybody carry the other allele at every second record, so that rare sites become common."""
    lines = gzip.decompress(vcf.read_bytes()).decode().splitlines()
    other = str.maketrans("01", "10")
    for place, line in enumerate(lines):
        fields = line.split("\t")
        if line.startswith("#") or place % 2 or "," in fields[4]:
            continue
        for at, field in enumerate(fields[9:], 9):
            genotype, colon, rest = field.partition(":")
            fields[at] = genotype.translate(other) + colon + rest
        lines[place] = "\t".join(fields)
    vcf.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    vcf.with_name(f"{vcf.name}.tbi").unlink(missing_ok=True)


def test_assets_by_hand_give_the_same_release(
    history: dg.DagsterInstance, two: Nodes, bench: Bench, tmp_path: Path
):
    """Asset by asset and partition by partition: the way that the automation takes."""
    add_contigs(history, CONTIGS)
    resources = {"nodes": two, "bench": bench}
    assets = [site_list, frequency_release, released_frequencies, union_frequencies, european_release]
    steps = [
        (site_list, [None]),
        (frequency_release, ["EE", "FI"]),
        (released_frequencies, [Cell(c, n).partition_key for c in CONTIGS for n in ("EE", "FI")]),
        (union_frequencies, list(CONTIGS)),
        (european_release, [None]),
    ]
    for asset, partitions in steps:
        for partition in partitions:
            assert dg.materialize(
                assets, selection=[asset], instance=history, resources=resources, partition_key=partition
            ).success
    by_hand = bench.newest()
    other = Bench(folder=str(tmp_path / "others"))
    with dg.DagsterInstance.ephemeral() as fresh:
        add_nodes(fresh, ["EE", "FI"])
        assert build(fresh, two, other).success
        by_job = other.newest()
    assert by_hand is not None
    assert by_job is not None
    assert by_hand.manifest == by_job.manifest
    # what came by hand is not made again by the job
    assert made(build(history, two, bench)) == set()


def test_a_release_below_the_threshold_stops_before_the_union(
    history: dg.DagsterInstance, two: Nodes, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """The check reads the files by itself: an AC that is too small stops the run, and names the cell."""
    assert build(history, two, bench).success
    known = history_of(two.found().nodes)
    rows = known["EE"][-1].folder / next(f.rows for f in known["EE"][-1].files if f.contig == "chr2")
    least = {"k": 10, "persons": 10}
    assert offending("released_below_threshold", {"file": str(rows), **least}) == 0
    spoilt = rows.with_name("spoilt.parquet")
    table = pq.read_table(rows, partitioning=None)
    total = [a == "all" and b == "all" and ac is not None for a, b, ac in zip(
        *(table.column(name).to_pylist() for name in ("population", "sex", "ac")), strict=True)]  # fmt: skip
    place = total.index(True)
    for column, number in (("ac", 3), ("an", 2)):
        values = table.column(column).to_pylist()
        values[place] = number
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), [values])
    pq.write_table(table, spoilt)
    assert offending("released_below_threshold", {"file": str(spoilt), **least}) > 0
    assert offending("released_impossible", {"file": str(spoilt)}) > 0
    # where the node itself released such rows, no union is made of them
    monkeypatch.setattr(cells, "_small", lambda *_: 1)
    cell = cells.released_cell(known, Cell("chr2", "EE"))
    assert not cell.sound
    verdict = {check.check_name: check.passed for check in cells.cell_checks([cell])}
    assert verdict["nothing_small"] is False
    add_contigs(history, CONTIGS)
    failed = dg.materialize(
        [released_frequencies, union_frequencies, frequency_release, site_list],
        selection=[union_frequencies],
        instance=history,
        resources={"nodes": two, "bench": bench},
        partition_key="chr2",
        raise_on_error=False,
    )
    assert not failed.success
    (event,) = failed.filter_events(lambda event: event.is_step_failure)
    assert "chr2 of EE: release 1 has" in str(event.step_failure_data.user_failure_data)


def test_a_location_of_one_node_has_its_own_part_only(lakes: Path):
    """GOE_NODE: the node's site list and releases, under its name; nothing European."""
    code = (
        "from dagster_project.definitions import defs\n"
        "graph = defs().resolve_asset_graph()\n"
        "print(*sorted(n.key.to_user_string() for n in graph.asset_nodes if n.group_name == 'reference'))"
    )
    surroundings = {**os.environ, "GOE_NODE": str(lakes / "ee" / "node.toml")}
    surroundings.pop("GOE_NODES", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.split() == ["ee/frequency_release", "ee/released_frequencies", "ee/site_list"]
