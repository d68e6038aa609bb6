"""The events by which a step that is no asset tells Dagster about assets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import dagster as dg

if TYPE_CHECKING:
    Result: TypeAlias = dg.MaterializeResult[None]
else:
    # in the signature of an asset Dagster knows the bare class only
    Result = dg.MaterializeResult

#: Metadata of an event: numbers, texts and Dagster's own values.
Facts: TypeAlias = dict[str, Any]

#: The tag that carries a data version; Dagster has no public name for it on events that a step yields.
DATA_VERSION: Final = "dagster/data_version"


def version_of(digests: Iterable[str]) -> dg.DataVersion:
    """A data version that stands for the contents with *digests*, in any order."""
    return dg.DataVersion(hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16])


def materialization(result: Result, partition: str | None) -> dg.AssetMaterialization:
    """The event for one partition of the asset that *result* is about."""
    assert result.asset_key is not None
    tags = {DATA_VERSION: result.data_version.value} if result.data_version is not None else None
    return dg.AssetMaterialization(result.asset_key, metadata=result.metadata, partition=partition, tags=tags)


def evaluations(
    results: Iterable[dg.AssetCheckResult], specs: Iterable[dg.AssetCheckSpec]
) -> Iterator[dg.AssetCheckEvaluation]:
    """The events for *results* of the checks that *specs* declare."""
    blocking = {(spec.asset_key, spec.name): spec.blocking for spec in specs}
    for result in results:
        assert result.asset_key is not None
        assert result.check_name is not None
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
            blocking=blocking[result.asset_key, result.check_name],
        )


def stands(
    instance: dg.DagsterInstance, asset: dg.AssetKey, version: dg.DataVersion, partition: str | None
) -> bool:
    """Whether the newest materialization of the asset, or of the *partition* of it, has that data version."""
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=None if partition is None else [partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    made = records[0].asset_materialization if records else None
    return made is not None and (made.tags or {}).get(DATA_VERSION) == version.value
