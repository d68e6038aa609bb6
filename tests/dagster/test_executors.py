"""Where steps work: the setting, and the examples for clusters as far as they can be held without one."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.defs.build_lake import lake_of_a_node
from dagster_project.executors import EXECUTORS, chosen_executor
from dagster_project.nodes import Nodes
from dagster_project.partitions import NODES
from goe_lake.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "executors"
CLUSTERS = {"kubernetes": "k8s", "docker": "docker", "celery": "celery"}


def test_each_cluster_has_an_example():
    """Whoever sets the word finds the file, and each file is YAML with a run config."""
    assert {path.stem for path in EXAMPLES.iterdir()} == set(CLUSTERS)
    assert set(CLUSTERS.values()) | {"in_process", "multiprocess"} == set(EXECUTORS)
    for path in EXAMPLES.iterdir():
        example = yaml.safe_load(path.read_text())
        assert example["run_config"]["execution"]["config"], path.name
        assert f"GOE_EXECUTOR={CLUSTERS[path.stem]}" in path.read_text(), path.name


@pytest.mark.parametrize(("parallel", "name"), [(False, "in_process"), (True, "multiprocess")])
def test_without_the_setting_this_machine_works(parallel: bool, name: str, monkeypatch: pytest.MonkeyPatch):
    """One process for a whole build, or one a contig."""
    monkeypatch.delenv("GOE_EXECUTOR", raising=False)
    assert chosen_executor(parallel).name == name


def test_an_unknown_word_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A misspelt setting is not silently the default."""
    monkeypatch.setenv("GOE_EXECUTOR", "kubernetes")
    with pytest.raises(ConfigError, match="choose from in_process, multiprocess, k8s, docker, celery"):
        chosen_executor()


def test_a_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch):
    """Who sets a cluster's executor reads what to install."""
    monkeypatch.setitem(EXECUTORS, "celery", ("absent_package_of_celery", "celery_executor"))
    monkeypatch.setenv("GOE_EXECUTOR", "celery")
    with pytest.raises(ConfigError, match="needs the package absent-package-of-celery"):
        chosen_executor()


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_examples_fit_the_packages(cluster: str, monkeypatch: pytest.MonkeyPatch):
    """The run config is accepted by the job with that executor, and the launcher's config by its class."""
    word = CLUSTERS[cluster]
    package = pytest.importorskip(EXECUTORS[word][0], reason=f"the package of {cluster} is not installed")
    monkeypatch.setenv("GOE_EXECUTOR", word)
    monkeypatch.setenv("GOE_CELERY_BROKER", "redis://broker")
    monkeypatch.setenv("GOE_CELERY_BACKEND", "redis://broker")
    example = yaml.safe_load((EXAMPLES / f"{cluster}.yaml").read_text())
    job = lake_of_a_node.to_job(
        partitions_def=NODES, executor_def=chosen_executor(parallel=True), resource_defs={"nodes": Nodes()}
    )
    assert dg.validate_run_config(job, example["run_config"])
    if "instance" in example:
        launcher = example["instance"]["run_launcher"]
        fields = getattr(package, launcher["class"]).config_type()
        schema = dg.Field(dg.Shape(fields) if isinstance(fields, dict) else fields)

        @dg.op(config_schema=schema)
        def launch() -> None:
            """Takes the launcher's config, so that Dagster judges it."""

        @dg.job
        def judge() -> None:
            launch()

        assert dg.validate_run_config(judge, {"ops": {"launch": {"config": launcher["config"]}}})
