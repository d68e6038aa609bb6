"""What Dagster loads: everything in `defs`, for the nodes that the environment names."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg

from dagster_project import defs as modules
from dagster_project.executors import chosen_executor
from dagster_project.nodes import configured_nodes
from dagster_project.reference.bench import configured_bench
from dagster_project.reporting import configured_reporting


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors, and the resources that they use."""
    # by the module: the folder of a project has one name, and each location of one node another
    root = Path(__file__).resolve().parents[1]
    with warnings.catch_warnings():
        # as load_from_defs_folder does, which takes the same way
        warnings.simplefilter("ignore", dg.PreviewWarning)
        found = dg.ComponentTree.from_module(defs_module=modules, project_root=root).build_defs()
    # a contig is decoded in a process of its own already, so a step does not need one
    resources = {
        "nodes": configured_nodes(),
        "reporting": configured_reporting(),
        "bench": configured_bench(),
    }
    shared = dg.Definitions(resources=resources, executor=chosen_executor())
    return dg.Definitions.merge(with_sources(found), shared)


def with_sources(found: dg.Definitions) -> dg.Definitions:
    """*found* with the file and line of each asset, which Dagster's pages link to on the machine itself."""
    # an asset that several modules import is found in each of them
    once = list({id(asset): asset for asset in found.assets or []}.values())
    with warnings.catch_warnings():
        # references to code are marked as beta in this version of Dagster
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = dg.with_source_code_references(once)
    return dg.Definitions(
        assets=assets,
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=found.sensors,
        component_tree=found.component_tree,
    )
