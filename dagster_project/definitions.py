"""What Dagster loads: everything in `defs`, with the nodes that the environment names."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dagster_project.nodes import configured_nodes


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, jobs and sensors, and the resources that they use."""
    found = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    # a contig is decoded in a process of its own already, so a step does not need one
    shared = dg.Definitions(resources={"nodes": configured_nodes()}, executor=dg.in_process_executor)
    return dg.Definitions.merge(found, shared)
