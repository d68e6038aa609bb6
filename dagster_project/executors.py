"""Where the steps of a run work: in its own process, in processes beside it, or on a cluster.

The setting GOE_EXECUTOR chooses; a cluster's package is installed where it is used, and nowhere else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Final

import dagster as dg

from goe_lake.errors import ConfigError

SETTING: Final = "GOE_EXECUTOR"
USUAL: Final = "in_process"
#: The word for an executor, the module that has it, and its name there.
EXECUTORS: Final[Mapping[str, tuple[str, str]]] = {
    USUAL: ("dagster", "in_process_executor"),
    "multiprocess": ("dagster", "multiprocess_executor"),
    "k8s": ("dagster_k8s", "k8s_job_executor"),
    "docker": ("dagster_docker", "docker_executor"),
    "celery": ("dagster_celery", "celery_executor"),
}


def chosen_executor(parallel: bool = False) -> dg.ExecutorDefinition:
    """The executor that GOE_EXECUTOR names; for *parallel* work not the run's own process.

    Raises ConfigError where the word is not known, or its package is not installed.
    """
    word = os.environ.get(SETTING) or USUAL
    if parallel and word == USUAL:
        word = "multiprocess"
    if word not in EXECUTORS:
        raise ConfigError(SETTING, word, "is not an executor", f"choose from {', '.join(EXECUTORS)}")
    module, name = EXECUTORS[word]
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError:
        package = module.replace("_", "-")
        raise ConfigError(
            SETTING,
            word,
            f"needs the package {package}",
            f"pip install {package}, of the release of dagster here",
        ) from None
    assert isinstance(found, dg.ExecutorDefinition)
    return found
