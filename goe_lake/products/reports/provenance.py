"""What a report's numbers rest on: snapshots, queries, versions, and what was withheld.

It holds no wall-clock time, host or query id, so the same snapshots give the same text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from goe_lake import __version__
from goe_lake.federation import Answer
from goe_lake.products.reports.run import ANSWERED, NOT_ASKED, Part, Result

PROVENANCE_VERSION: Final = "report-provenance/1"


@dataclass(frozen=True)
class Provenance:
    """The provenance of one run of a report."""

    report: str
    title: str
    digest: str
    project: str
    parameters: Mapping[str, str]
    nodes: tuple[Mapping[str, Any], ...]
    queries: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]

    def to_json(self, files: Mapping[str, str]) -> dict[str, Any]:
        """The sidecar as plain JSON values; *files* gives the SHA-256 of each file beside it."""
        return {
            "version": PROVENANCE_VERSION,
            "report": self.report,
            "title": self.title,
            "report_sha256": self.digest,
            "project": self.project,
            "parameters": dict(self.parameters),
            "complete": all(node["status"] in (ANSWERED, NOT_ASKED) for node in self.nodes),
            "nodes": [dict(node) for node in self.nodes],
            "queries": [dict(query) for query in self.queries],
            "made_with": dict(self.versions),
            "files": dict(files),
        }


def provenance_of(result: Result) -> Provenance:
    """The provenance of *result*."""
    report = result.report
    return Provenance(
        report.name,
        report.title,
        report.digest,
        report.project,
        result.values,
        tuple(dict(vars(node)) for node in result.nodes),
        tuple(_query(part) for part in result.parts),
        {"goe_lake": __version__, "duckdb": version("duckdb"), "pyarrow": version("pyarrow")},
    )


def _query(part: Part) -> dict[str, Any]:
    answer = part.answer
    return {
        "name": part.query.name,
        "sql": part.sql,
        "sql_sha256": hashlib.sha256(part.sql.encode()).hexdigest(),
        "rows": answer.table.num_rows,
        "row_status": answer.envelope.rows.value,
        "values_by_status": _by_status(answer),
        "groups_not_shown": len(answer.envelope.not_shown),
        "notices": list(answer.envelope.notices),
    }


def _by_status(answer: Answer) -> dict[str, int]:
    """How many values of the answer have each status."""
    words = Counter(str(word) for column in answer.status.columns for word in column.to_pylist())
    return dict(sorted(words.items()))
