"""Reports as assets: whom they ask, where they go, and what Dagster shows of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import dagster as dg

import goe_lake
from dagster_project.events import Result, version_of
from dagster_project.nodes import Nodes
from goe_lake.errors import ConfigError
from goe_lake.products.reports import Asked, Report, list_reports, run_report, write_result
from goe_lake.products.reports import Result as Ran
from goe_lake.products.reports.definition import reports_folder
from goe_lake.products.reports.provenance import provenance_of

GATEWAY: Final = "GOE_GATEWAY"
AUTHORITY: Final = "GOE_GATEWAY_CA"
FOLDER: Final = "GOE_REPORTS"
_MEND: Final = f"set {GATEWAY} to the gateway's URL, or GOE_NODES to the node.toml files of built lakes"


class Reporting(dg.ConfigurableResource["Reporting"]):
    """Whom reports ask, and the folder that takes them, one subfolder a report.

    *gateway* is the URL of a gateway and *authority* the file of what signs its certificate; without a
    gateway the nodes that this Dagster builds are asked, in this process.
    """

    gateway: str = ""
    authority: str = ""
    folder: str = ""

    def federation(self, nodes: Nodes, project: str) -> Asked:
        """What the queries of *project* are put to. Raises ConfigError where nobody is named."""
        if self.gateway:
            return goe_lake.connect(self.gateway, ca=self.authority or None, project=project)
        found = nodes.found()
        if not found.nodes:
            raise ConfigError("reports", GATEWAY, "names no gateway, and there is no node here", _MEND)
        return goe_lake.open_federation([config.file for config in found.nodes.values()], project=project)

    def target(self, report: Report) -> Path:
        """The folder of the report's files."""
        return Path(self.folder or "reports").expanduser().resolve() / report.name


def configured_reporting() -> Reporting:
    """Whom the environment names: the only place where these settings are read."""
    folder = os.environ.get(FOLDER) or str(Path(os.environ.get("DAGSTER_HOME") or ".") / "reports")
    return Reporting(
        gateway=os.environ.get(GATEWAY, ""), authority=os.environ.get(AUTHORITY, ""), folder=folder
    )


def known_reports() -> tuple[Report, ...]:
    """The reports that come with the package."""
    return list_reports(reports_folder())


def make(report: Report, reporting: Reporting, nodes: Nodes) -> Result:
    """Run *report* with its defaults, write its files, and say what Dagster shows."""
    federation = reporting.federation(nodes, report.project)
    result = run_report(report, federation, {})
    page, *_ = write_result(result, reporting.target(report))
    return dg.MaterializeResult(
        asset_key=asset_key(report),
        metadata=_shown(result, page),
        check_results=[complete(result)],
        data_version=version_of(str(node.snapshot_id) for node in result.nodes),
    )


def asset_key(report: Report) -> dg.AssetKey:
    """The asset of a report."""
    return dg.AssetKey(["reports", report.name])


def complete(result: Ran) -> dg.AssetCheckResult:
    """Whether every node answered: a report that may do without some says so here."""
    return dg.AssetCheckResult(
        asset_key=asset_key(result.report),
        check_name="complete",
        passed=not result.missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing": ", ".join(result.missing) or "none", "nodes": len(result.nodes)},
    )


def _shown(result: Ran, page: Path) -> dict[str, dg.MetadataValue]:
    queries = provenance_of(result).queries
    withheld = sum(query["values_by_status"].get("withheld", 0) for query in queries)
    shown: dict[str, dg.MetadataValue] = {
        "page": dg.MetadataValue.path(page),
        "dagster/row_count": dg.MetadataValue.int(sum(query["rows"] for query in queries)),
        "withheld values": dg.MetadataValue.int(withheld),
        "snapshots": dg.MetadataValue.md(
            "\n".join(f"- {node.node_id}: `{node.snapshot_id or 'no answer'}`" for node in result.nodes)
        ),
    }
    for part in result.parts:
        shown[part.query.name] = dg.MetadataValue.md(preview(part.answer.table.slice(0, 20).to_pydict()))
    return shown


def preview(columns: dict[str, list[object]]) -> str:
    """Some rows as a Markdown table."""
    rows = zip(*columns.values(), strict=True)
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join('–' if value is None else f'{value}' for value in row)} |" for row in rows]
    return "\n".join(lines)
