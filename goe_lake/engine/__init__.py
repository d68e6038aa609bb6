"""A release run on DuckDB over one snapshot, and DuckDB's own reading of a query."""
