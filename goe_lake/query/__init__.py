"""From an analyst's SQL to releases and final SQL: pure passes, no data, no files, no network."""

from goe_lake.query.pipeline import prepare
from goe_lake.query.plan import Plan
from goe_lake.query.refusals import Code
from goe_lake.query.statements import as_select

__all__ = ["Code", "Plan", "as_select", "prepare"]
