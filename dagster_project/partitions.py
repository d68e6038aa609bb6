"""The two dimensions of the ingest: contig and node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import dagster as dg

from dagster_project.place import HERE
from goe_lake.genome import CONTIG_ORDER

#: Filled by the sensor and by builds with the nodes that are configured, and the contigs that were found:
#: a cell that is not green is work that is open, and never a contig that nobody has.
NODES: Final = dg.DynamicPartitionsDefinition(name=HERE.name("goe_node"))
CONTIGS: Final = dg.DynamicPartitionsDefinition(name=HERE.name("goe_contig"))
CONTIG_BY_NODE: Final = dg.MultiPartitionsDefinition({"contig": CONTIGS, "node": NODES})


@dataclass(frozen=True, order=True)
class Cell:
    """One contig of one node; Dagster writes it "chr20|EE"."""

    contig: str
    node: str

    @classmethod
    def of(cls, partition_key: str) -> Cell:
        """The cell that *partition_key* names; a run started over GraphQL may give it as plain text.

        >>> Cell.of("chr20|EE")
        Cell(contig='chr20', node='EE')
        """
        dimensions = CONTIG_BY_NODE.get_partition_key_from_str(partition_key).keys_by_dimension
        return cls(dimensions["contig"], dimensions["node"])

    @property
    def partition_key(self) -> dg.MultiPartitionKey:
        """The cell as Dagster names it."""
        return dg.MultiPartitionKey({"contig": self.contig, "node": self.node})


def add_nodes(instance: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Make the nodes *keys* known to *instance*; those that it knows already stay as they are."""
    _add(instance, NODES, keys)


def add_contigs(instance: dg.DagsterInstance, contigs: Iterable[str]) -> None:
    """Make *contigs* known to *instance*, new ones in the order of the genome."""
    _add(instance, CONTIGS, sorted(contigs, key=CONTIG_ORDER.__getitem__))


def _add(instance: dg.DagsterInstance, by: dg.DynamicPartitionsDefinition, keys: Iterable[str]) -> None:
    assert by.name is not None
    known = set(instance.get_dynamic_partitions(by.name))
    fresh = [key for key in keys if key not in known]
    if fresh:
        instance.add_dynamic_partitions(by.name, fresh)
