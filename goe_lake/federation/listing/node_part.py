"""The seat of a node in rounds that list sites, over its snapshot, its ledger and its lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from goe_lake.config import Annotation, NodeConfig
from goe_lake.engine.node import NodeEngine
from goe_lake.engine.sites import SiteList
from goe_lake.engine.unlisted import unlisted_sites
from goe_lake.federation.ledger import Kind, Ledger, Record
from goe_lake.federation.listing.kept import keep_sites
from goe_lake.federation.listing.names import MOST_LETTERS
from goe_lake.federation.listing.seat import ListingSeat
from goe_lake.federation.listing.standing import Surroundings
from goe_lake.federation.public_sites import as_site_list
from goe_lake.federation.sealed_sums import Seat
from goe_lake.lake.annotation import read_annotations
from goe_lake.vcf.arrow import array


def listing_seat(
    seat: Seat,
    engine: NodeEngine,
    site_list: SiteList,
    site_list_digest: str,
    open_ledger: Callable[[], Ledger],
    config: NodeConfig,
) -> ListingSeat:
    """The place of the node of *engine*, under *site_list*, in rounds of the circle of *seat*."""
    least = engine.policy.min_contributors

    def unlisted() -> pa.Table:
        return unlisted_sites(engine.snapshot, site_list, least, MOST_LETTERS)

    def last() -> Mapping[str, Any] | None:
        found = open_ledger().entries("kind = ? ORDER BY seq DESC LIMIT 1", [Kind.SITES])
        return found[0].content if found else None

    def note(body: Mapping[str, Any]) -> None:
        open_ledger().append(Record(Kind.SITES, body=body))

    def keep(found: pa.Table) -> str:
        return keep_sites(config.lake, as_site_list(with_genes(found, config)))

    return ListingSeat(
        seat,
        Surroundings(engine.snapshot.snapshot_id, site_list_digest, least, unlisted, last, note, keep),
    )


def with_genes(found: pa.Table, config: NodeConfig) -> pa.Table:
    """*found* with the gene at each place, by the node's file of genes where it has one.

    Genes lie where they lie, whoever carries what. All else that a node knows of a site (rsID, consequence)
    comes with its own calls, and would tell that it has some.
    """
    file = config.annotation.genes
    genes: list[str | None] = [None] * found.num_rows
    if file is not None and file.is_file():
        annotations = read_annotations(replace(config, annotation=Annotation(genes=file)))
        contigs = [str(contig) for contig in found.column("contig").to_pylist()]
        positions = found.column("pos").to_numpy()
        for contig in set(contigs):
            at = [place for place, name in enumerate(contigs) if name == contig]
            for place, gene in zip(at, annotations.genes_at(contig, positions[at]), strict=True):
                genes[place] = gene
    return found.append_column("gene", array(genes, pa.string()))
