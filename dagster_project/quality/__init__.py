"""The quality of a published snapshot: persons, sites, and what changed since the snapshot before."""
