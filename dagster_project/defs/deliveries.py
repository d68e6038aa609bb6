"""Watching for deliveries: a file that arrives is in the lake without anybody asking."""

import dagster as dg

from dagster_project.defs.build_lake import build_lake
from dagster_project.nodes import Nodes
from dagster_project.partitions import NODES
from dagster_project.place import ALL, HERE, ONE
from dagster_project.watch import Memory, look


@dg.sensor(
    job_name=build_lake.name, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING
)
def deliveries(context: dg.SensorEvaluationContext, nodes: Nodes) -> dg.SensorResult | dg.SkipReason:
    """Builds a node whose files have changed and then stayed the same from one look to the next.

    Once for each content: a file that is delivered again unchanged starts nothing. Files that are gone are a
    change as well. Keeps the list of nodes as the setting has it.
    """
    found = nodes.found()
    for complaint in found.complaints:
        context.log.warning(str(complaint))
    if not found.nodes:
        return dg.SkipReason(f"{ALL if HERE.file is None else ONE} names no node that can be read")
    seen = look(found.nodes, Memory.from_json(context.cursor))
    known = context.instance.get_dynamic_partitions(NODES.name or "")
    fresh = [key for key in found.nodes if key not in known]
    for key in seen.unchanged:
        context.log.info("%s: delivered again with the same content; nothing to build", key)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=run_key, partition_key=key) for key, run_key in seen.changed.items()
        ],
        dynamic_partitions_requests=[NODES.build_add_request(fresh)] if fresh else [],
        skip_reason=None if seen.changed else "no delivery is new and complete",
        cursor=seen.memory.to_json(),
    )
