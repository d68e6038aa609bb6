"""Building lakes in this process, the build of each node as one run that Dagster's history keeps.

`python -m dagster_project.build --home DIR --nodes ee/node.toml fi/node.toml` prints one JSON object a
line: `{"done": 3, "total": 80, "step": "EE convert_contig[chr1]"}` while it works, and one for each
node at its end, `{"node": "EE", "run_id": "…", "snapshot_id": "…", "seconds": 2.5, "failure": null}`. With
`--release` the European release of allele frequencies follows where every lake was built: lines with
`"of": "release"`, and at its end `{"release": 1, "folder": "…", "seconds": 9.0, …, "failure": null}`.
The exit code is 0 where all was built, else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import dagster as dg

from dagster_project.defs.build_lake import build_lake
from dagster_project.defs.build_reference import build_reference
from dagster_project.nodes import Nodes, node_key
from dagster_project.partitions import add_nodes
from dagster_project.reference.bench import Bench
from goe_lake.config import read_node
from goe_lake.errors import ConfigError
from goe_lake.lake import current_id

#: Called with the steps that are done, the steps of all nodes as far as they are known, and the last step.
Tell = Callable[[int, int, str], None]

#: Nothing is reported to the makers of Dagster, and one node is built by one run at a time.
DAGSTER_YAML: Final = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    tag_concurrency_limits:
      - key: dagster/partition
        limit: 1
        value:
          applyLimitPerUniqueValue: true
"""
#: The steps of a build besides one for each contig.
OTHER_STEPS: Final = 3
#: Steps of a European release besides one for each node and each contig, and its last.
OF_A_RELEASE: Final = 2


@dataclass(frozen=True)
class Built:
    """How the build of one node ended; *failure* says what went wrong, None where nothing did."""

    node: str
    run_id: str
    snapshot_id: str | None
    seconds: float
    failure: str | None


def build_lakes(
    node_tomls: Sequence[Path | str], instance_dir: Path | str, progress: Tell | None = None
) -> tuple[Built, ...]:
    """Build the lake of each node, one after the other, as runs of the Dagster instance in *instance_dir*.

    A node that fails does not keep the others from being built. Raises ConfigError where a node.toml
    cannot be read.
    """
    home = Path(instance_dir).resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_YAML, encoding="utf-8")
    configs = {node_key(config): config for config in map(read_node, node_tomls)}
    nodes = Nodes(paths=os.pathsep.join(str(config.file) for config in configs.values()))
    steps = _Steps(len(configs), progress)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        add_nodes(instance, configs)
        return tuple(_build(instance, nodes, key, steps) for key in configs)


def _build(instance: dg.DagsterInstance, nodes: Nodes, key: str, steps: _Steps) -> Built:
    run_id, began = str(uuid.uuid4()), time.monotonic()
    instance.add_event_listener(run_id, lambda entry: steps.note(key, entry.dagster_event))
    result = build_lake.execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=instance,
        partition_key=key,
        raise_on_error=False,
        run_id=run_id,
        resources={"nodes": nodes},
    )
    steps.end(key)
    snapshot_id = current_id(nodes.node(key).lake) if result.success else None
    failures = [_failure(event) for event in result.all_events if event.is_step_failure]
    failure = None if result.success else next(iter(failures), "the run failed before its first step")
    return Built(key, run_id, snapshot_id, round(time.monotonic() - began, 3), failure)


def _failure(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message if data.error is not None else f"{event.step_key} failed"


@dataclass(frozen=True)
class Released:
    """How a European release ended: its number and folder, or *failure*, which says what went wrong."""

    release: int | None
    folder: str | None
    run_id: str
    seconds: float
    failure: str | None


def release_frequencies(
    node_tomls: Sequence[Path | str], instance_dir: Path | str, progress: Tell | None = None
) -> Released:
    """Make the next European release over built lakes, as a run of the Dagster instance in *instance_dir*.

    It lies in the folder `releases` of that instance; where nothing changed it is the newest one.
    """
    home, began, run_id = Path(instance_dir).resolve(), time.monotonic(), str(uuid.uuid4())
    nodes = Nodes(paths=os.pathsep.join(str(Path(toml).resolve()) for toml in node_tomls))
    bench = Bench(folder=str(home / "releases"))
    known, done = 1 + OF_A_RELEASE + len(node_tomls), 0

    def note(event: dg.DagsterEvent | None) -> None:
        nonlocal known, done
        if event is None or progress is None:
            return
        if event.is_successful_output and event.step_key == "judge_releases":
            known += 1
        if event.is_step_success:
            done += 1
            progress(done, known, str(event.step_key))

    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_event_listener(run_id, lambda entry: note(entry.dagster_event))
        result = build_reference.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            raise_on_error=False,
            run_id=run_id,
            resources={"nodes": nodes, "bench": bench},
        )
    seconds = round(time.monotonic() - began, 3)
    newest = bench.newest() if result.success else None
    if newest is None:
        failures = [_failure(event) for event in result.all_events if event.is_step_failure]
        return Released(
            None, None, run_id, seconds, next(iter(failures), "the run failed before its first step")
        )
    return Released(newest.manifest.number, str(newest.root), run_id, seconds, None)


class _Steps:
    """Counts the steps of all builds; how many a node has is known once its input is checked."""

    def __init__(self, nodes: int, tell: Tell | None) -> None:
        self._nodes, self._tell = nodes, tell
        self._all: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def note(self, node: str, event: dg.DagsterEvent | None) -> None:
        """Take note of *event* of the build of *node*."""
        if event is None:
            return
        contig = event.event_specific_data if event.is_successful_output else None
        if contig is not None and getattr(contig, "mapping_key", None):
            self._all[node] = self._all.get(node, OTHER_STEPS) + 1
        if event.is_step_success:
            self._done[node] = self._done.get(node, 0) + 1
            self._say(f"{node} {event.step_key}")

    def end(self, node: str) -> None:
        """The build of *node* has ended, well or not."""
        self._done[node] = self._all.setdefault(node, OTHER_STEPS)
        self._say(node)

    def _say(self, step: str) -> None:
        if self._tell is not None:
            known = sum(self._all.values())
            usual = known / len(self._all) if self._all else OTHER_STEPS
            total = known + round(usual * (self._nodes - len(self._all)))
            self._tell(sum(self._done.values()), total, step)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the lakes that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m dagster_project.build", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the Dagster instance")
    parser.add_argument("--nodes", type=Path, nargs="+", required=True, help="node.toml files")
    parser.add_argument("--release", action="store_true", help="make the next European release as well")
    chosen = parser.parse_args(arguments)

    def tell(done: int, total: int, step: str) -> None:
        _print({"done": done, "total": total, "step": step})

    try:
        ended = build_lakes(chosen.nodes, chosen.home, tell)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for built in ended:
        _print(asdict(built))
        if built.failure is not None:
            sys.stderr.write(f"{built.node}: {built.failure}\n")
    if any(built.failure is not None for built in ended):
        return 1
    return _release(chosen.nodes, chosen.home) if chosen.release else 0


def _release(node_tomls: Sequence[Path], home: Path) -> int:
    def tell(done: int, total: int, step: str) -> None:
        _print({"done": done, "total": total, "step": step, "of": "release"})

    released = release_frequencies(node_tomls, home, tell)
    _print(asdict(released))
    if released.failure is not None:
        sys.stderr.write(f"release: {released.failure}\n")
        return 1
    return 0


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
