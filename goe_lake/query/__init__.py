"""From an analyst's SQL to releases and final SQL: pure passes, no data, no files, no network."""

from goe_lake.query.pipeline import prepare
from goe_lake.query.plan import Plan
from goe_lake.query.refusals import Code

__all__ = ["Code", "Plan", "prepare"]
