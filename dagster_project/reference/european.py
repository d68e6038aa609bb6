"""What Dagster keeps of the site list, of nodes' releases, of unions and of European releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.events import Facts, Result, version_of
from dagster_project.place import HERE
from dagster_project.reference.bench import Bench
from dagster_project.reference.made import Part, listed_contigs
from goe_lake.engine.frequencies import digest_of_sites
from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import GoeError
from goe_lake.federation.node import FrequencyRelease
from goe_lake.products.frequencies.build import countries_of
from goe_lake.products.frequencies.diff import Difference, diff_releases
from goe_lake.products.frequencies.manifest import FREQUENCIES as ROWS
from goe_lake.products.frequencies.notes import write_notes
from goe_lake.products.frequencies.schema import DESCRIPTIONS, FREQUENCIES
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.vcf.arrow import pc

SITE_LIST: Final = HERE.key("site_list")
NODE_RELEASE: Final = HERE.key("frequency_release")
UNION: Final = dg.AssetKey("union_frequencies")
EUROPEAN: Final = dg.AssetKey("european_release")
#: Rows of a table that are shown.
SHOWN: Final = 10
LARGEST: Final = 10

COLUMNS: Final = dg.TableSchema(
    columns=[
        dg.TableColumn(
            column.name,
            str(column.type),
            DESCRIPTIONS[column.name],
            dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in FREQUENCIES
    ]
)
SITE_COLUMNS: Final = dg.TableSchema(
    columns=[
        dg.TableColumn(
            column.name, str(column.type), constraints=dg.TableColumnConstraints(nullable=column.nullable)
        )
        for column in SITE_SCHEMA
    ]
)
_COUNTS: Final = ("ac", "an", "n_het", "n_hom_alt", "n_hemi")
_SITE: Final = ("contig", "pos", "ref", "alt", "variant_id", "end_pos")
_STATED: Final = ("population", "sex", "release")
_SOURCES: Final = {
    **{name: (name,) for name in (*_SITE, *_STATED, *_COUNTS)},
    "ac_lower": ("ac",),
    "af": ("ac", "an"),
    "call_rate": ("n_called", "n_persons"),
    "hwe_p": ("n_het", "n_hom_alt", "n_called", "an"),
    "faf95": ("ac", "an"),
    "grpmax": ("population", "ac", "an"),
    "grpmax_faf95": ("ac", "an"),
    "status": ("ac",),
}
LINEAGE: Final = dg.TableColumnLineage(
    {
        column: [dg.TableColumnDep(HERE.key("released_frequencies"), name) for name in names]
        for column, names in _SOURCES.items()
    }
)
CHECKS: Final = (
    dg.AssetCheckSpec(
        "whole",
        asset=EUROPEAN,
        blocking=True,
        description="Every file is what the manifest and SHA256SUMS say, read from disk once written.",
    ),
    dg.AssetCheckSpec(
        "sites_stay_listed",
        asset=EUROPEAN,
        blocking=True,
        description="No site of the release before is missing: its absence would tell that somebody left.",
    ),
)


def site_list_result(sites: pa.Table, bench: Bench) -> Result:
    """What Dagster keeps of the site list."""
    before = bench.newest()
    counts = Counter(sites.column("contig").to_pylist())
    earlier = (
        {} if before is None else {name: before.sites(name, ["pos"]).num_rows for name in before.contigs}
    )
    shown: Facts = {
        "dagster/row_count": sites.num_rows,
        "dagster/column_schema": SITE_COLUMNS,
        "dagster/uri": str(bench.site_list_file),
        "newly_listed": sites.num_rows - sum(earlier.values()),
        "by_contig": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "contig": name,
                        "sites": counts[name],
                        "newly listed": counts[name] - earlier.get(name, 0),
                    }
                )
                for name in listed_contigs(sites)
            ]
            or [dg.TableRecord({"contig": "none", "sites": 0, "newly listed": 0})]
        ),
    }
    return dg.MaterializeResult(asset_key=SITE_LIST, metadata=shown, data_version=site_list_version(sites))


def site_list_version(sites: pa.Table) -> dg.DataVersion:
    """The data version of a site list: a digest of its values."""
    return dg.DataVersion(digest_of_sites(sites)[:16])


def node_release_result(made: FrequencyRelease) -> Result:
    """What Dagster keeps of a node's release."""
    fresh = sum(since == made.number for since in made.unchanged_since.values())
    shown: Facts = {
        "release": made.number,
        "release_id": made.release_id,
        "snapshot": made.snapshot_id,
        "persons": made.persons,
        "min_carriers": made.min_carriers,
        "protection": made.protection,
        "contigs": len(made.unchanged_since),
        "contigs_changed": fresh,
    }
    if made.unchanged_since:
        shown["by_contig"] = dg.MetadataValue.table(
            [
                dg.TableRecord({"contig": contig, "unchanged since release": since})
                for contig, since in made.unchanged_since.items()
            ]
        )
    return dg.MaterializeResult(
        asset_key=NODE_RELEASE, metadata=shown, data_version=dg.DataVersion(made.release_id[:16])
    )


def union_result(part: Part, bench: Bench) -> Result:
    """What Dagster keeps of the union of one contig."""
    file = next(file for file in part.files if file.kind == ROWS)
    rows = pq.read_table(bench.part(part.contig) / file.path, partitioning=None)
    shown: Facts = {
        "dagster/partition_row_count": part.rows,
        "dagster/column_schema": COLUMNS,
        "dagster/column_lineage": LINEAGE,
        "sites": part.sites,
        "bytes": sum(file.bytes for file in part.files),
        "by_status": dg.MetadataValue.table(
            [dg.TableRecord(row) for row in _by(rows)] or [dg.TableRecord({"country": "none", "rows": 0})]
        ),
        "preview": dg.MetadataValue.md(_preview(rows)),
    }
    if part.seconds is not None:
        shown["seconds"] = part.seconds
    return dg.MaterializeResult(asset_key=UNION, metadata=shown, data_version=union_version(part))


def union_version(part: Part) -> dg.DataVersion:
    """The data version of a union: a digest of its files."""
    return version_of(file.sha256 for file in part.files)


def _by(rows: pa.Table) -> list[dict[str, str | int]]:
    counted = rows.group_by(["country", "status"]).aggregate([("pos", "count")]).to_pylist()
    found: dict[str, dict[str, str | int]] = {}
    for row in counted:
        country = str(row["country"])
        line = found.setdefault(country, {"country": country, "ok": 0, "bounded": 0, "withheld": 0})
        line[str(row["status"])] = int(row["pos_count"])
    return [found[country] for country in sorted(found, key=lambda name: (name != "all", name))]


def _preview(rows: pa.Table) -> str:
    """The most frequent alleles of all persons, as a Markdown table."""
    everyone = pc.and_(
        pc.equal(rows.column("country"), "all"),
        pc.and_(
            pc.fill_null(pc.equal(rows.column("population"), "all"), False),
            pc.fill_null(pc.equal(rows.column("sex"), "all"), False),
        ),
    )
    names = ["variant_id", "ac", "an", "af", "faf95", "grpmax", "status"]
    top = rows.filter(everyone).sort_by([("af", "descending"), ("pos", "ascending")]).select(names)
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for row in top.slice(0, SHOWN).to_pylist():
        lines.append(f"| {' | '.join(_told(value) for value in row.values())} |")
    return "\n".join(lines)


def _told(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"


def european_result(release: EuropeanRelease, bench: Bench) -> Result:
    """What Dagster keeps of a European release; writes its notes."""
    before = bench.before(release)
    difference = None if before is None else diff_releases(before, release, largest=LARGEST)
    notes = write_notes(release, before)
    manifest = release.manifest
    contig = release.contigs[0] if release.contigs else None
    shown: Facts = {
        "release": manifest.number,
        "release_id": manifest.release_id,
        "folder": dg.MetadataValue.path(release.root),
        "notes": dg.MetadataValue.path(notes),
        "checksums": dg.MetadataValue.path(release.root / "SHA256SUMS"),
        "dagster/row_count": sum(file.rows for file in manifest.files if file.kind == ROWS),
        "dagster/column_schema": COLUMNS,
        "bytes": sum(file.bytes for file in manifest.files),
        "countries": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "country": row.country,
                        "rows": row.rows,
                        "AC told": row.rows - row.without_ac,
                        "bounded": row.without_ac - row.withheld,
                        "withheld": row.withheld,
                    }
                )
                for row in countries_of(release)
            ]
            or [dg.TableRecord({"country": "none", "rows": 0})]
        ),
        "nodes": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "node": node.id,
                        "release": node.release,
                        "snapshot": node.snapshot_id[:16],
                        "persons": node.persons,
                        "min_carriers": node.min_carriers,
                    }
                )
                for node in manifest.created_from
            ]
        ),
    }
    if contig is not None:
        shown["preview"] = dg.MetadataValue.md(_preview(release.frequencies(contig)))
    if difference is not None:
        shown |= _changes(difference)
    return dg.MaterializeResult(
        asset_key=EUROPEAN,
        metadata=shown,
        check_results=list(european_checks(release, difference)),
        data_version=european_version(release),
    )


def european_version(release: EuropeanRelease) -> dg.DataVersion:
    """The data version of a release: its id."""
    return dg.DataVersion(release.manifest.release_id[:16])


def _changes(difference: Difference) -> Facts:
    shown: Facts = {
        "newly_listed": sum(change.newly_listed for change in difference.sites),
        "rows_afresh": sum(row.afresh for row in difference.rows),
        "rows_standing": sum(row.stand for row in difference.rows),
    }
    if difference.largest:
        shown["largest_changes"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "site": f"{change.contig}:{change.pos} {change.ref}>{change.alt}",
                        "country": change.country,
                        "group": f"{change.population or 'not recorded'} {change.sex or 'not recorded'}",
                        "before": round(change.af_before, 6),
                        "after": round(change.af_after, 6),
                    }
                )
                for change in difference.largest
            ]
        )
    return shown


def european_checks(release: EuropeanRelease, difference: Difference | None) -> Iterator[dg.AssetCheckResult]:
    """Whether the release is whole, and lists what the one before it lists."""
    problem = _problem(release)
    files = len(release.manifest.files)
    yield dg.AssetCheckResult(
        asset_key=EUROPEAN,
        check_name="whole",
        passed=problem is None,
        metadata={"files": files, "problem": problem or "none"},
    )
    dropped = 0 if difference is None else sum(change.dropped for change in difference.sites)
    yield dg.AssetCheckResult(
        asset_key=EUROPEAN, check_name="sites_stay_listed", passed=not dropped, metadata={"dropped": dropped}
    )


def _problem(release: EuropeanRelease) -> str | None:
    try:
        release.verify()
    except GoeError as error:
        return str(error).replace(f"{Path(release.root)}/", "")
    return None
