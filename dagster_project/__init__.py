"""The Dagster project: the lakes of the configured nodes as assets, checks, a job and a sensor."""
