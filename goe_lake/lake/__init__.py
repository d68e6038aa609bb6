"""A node's lake: published snapshots of Parquet files, and the ingest that makes them."""

from goe_lake.lake.convert import convert, converted
from goe_lake.lake.duplicates import DuplicateCheck, Pair, find_duplicates
from goe_lake.lake.ingest import IngestReport, ingest, report_of
from goe_lake.lake.manifest import Batch, ContigCounts, DataFile, Manifest, Source
from goe_lake.lake.partition import PartitionSummary
from goe_lake.lake.plan import IngestPlan, Partition, plan
from goe_lake.lake.progress import Progress
from goe_lake.lake.publish import publish
from goe_lake.lake.purge import Purged, purge, snapshot_ids, staying_ids, withdrawn_in
from goe_lake.lake.snapshot import Snapshot, current_id, open_snapshot

__all__ = [
    "Batch",
    "ContigCounts",
    "DataFile",
    "DuplicateCheck",
    "IngestPlan",
    "IngestReport",
    "Manifest",
    "Pair",
    "Partition",
    "PartitionSummary",
    "Progress",
    "Purged",
    "Snapshot",
    "Source",
    "convert",
    "converted",
    "current_id",
    "find_duplicates",
    "ingest",
    "open_snapshot",
    "plan",
    "publish",
    "purge",
    "report_of",
    "snapshot_ids",
    "staying_ids",
    "withdrawn_in",
]
