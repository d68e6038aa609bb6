"""Reports: versioned SQL files, run through the gateway; the same snapshots give the same bytes."""

from goe_lake.products.reports.definition import Chart, Query, Report, find_report, list_reports, read_report
from goe_lake.products.reports.parameters import Parameter
from goe_lake.products.reports.run import Asked, Part, Result, run_report
from goe_lake.products.reports.write import write_result

__all__ = [
    "Asked",
    "Chart",
    "Parameter",
    "Part",
    "Query",
    "Report",
    "Result",
    "find_report",
    "list_reports",
    "read_report",
    "run_report",
    "write_result",
]
