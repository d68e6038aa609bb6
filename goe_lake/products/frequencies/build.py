"""Building a European release: every node makes its own, the union is written.

Sites once listed stay listed. A contig of which no node tells anything else than before, under the same
sites, is taken over from the previous release with its bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from goe_lake.engine.frequencies import digest_of_sites
from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import ConfigError
from goe_lake.federation import Federation, NodeDescription
from goe_lake.federation.node import FrequencyRelease
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.products.frequencies.manifest import NodeSource
from goe_lake.products.frequencies.schema import GROUP, WITHHELD
from goe_lake.products.frequencies.store import ContigContent, EuropeanRelease, write_release
from goe_lake.products.staging import check_free
from goe_lake.vcf.arrow import pc


@dataclass(frozen=True)
class CountryRows:
    """What a release tells of one country ('all' for the union): rows, and how many have no `ac`."""

    country: str
    rows: int
    without_ac: int
    withheld: int


@dataclass(frozen=True)
class Built:
    """A release that was built: *taken_over* are the contigs that are as they were before."""

    release: EuropeanRelease
    sites: int
    countries: tuple[CountryRows, ...]
    taken_over: tuple[str, ...]
    seconds: float


def build_release(
    federation: Federation,
    folder: Path,
    previous: EuropeanRelease | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Built:
    """Let every node of *federation* make its next release, and write their union to *folder*.

    *previous* is the European release before it. Raises LakeError where *folder* exists (unless *force*),
    ConfigError where *previous* is of another assembly, and NodeFailed where a node does not answer.
    """
    started = time.monotonic()
    check_free(Path(folder), force=force)
    assembly = federation.nodes[0].catalog.assembly
    if previous is not None:
        if previous.manifest.assembly != assembly:
            problem = f"is of {previous.manifest.assembly}, and the nodes of {assembly}"
            raise ConfigError(previous.root, "assembly", problem, "name a release of these nodes")
        federation.keep_listed(previous_sites(previous))
    sites = _by_contig(federation.site_list.sites.select(SITE_SCHEMA.names))
    steps = OneAtATime(progress)
    steps.start("nodes", len(sites) * len(federation.nodes))
    made = federation.release_frequencies(lambda node, contig: steps.advance("nodes", 1))
    steps.finish("nodes")
    sources = [source_of(node, release) for node, release in zip(federation.nodes, made, strict=True)]
    same = _same(sites, made, sources, previous)

    def contents() -> Iterator[tuple[str, ContigContent]]:
        steps.start("contigs", len(sites))
        for contig, here in sites.items():
            if contig in same and previous is not None:
                yield contig, previous
            else:
                yield contig, (here, federation.frequencies(contig))
            steps.advance("contigs", 1)
        steps.finish("contigs")

    number = 1 if previous is None else previous.manifest.number + 1
    before = None if previous is None else previous.manifest.release_id
    digest = digest_of_sites(federation.site_list.sites.select(SITE_SCHEMA.names))
    release = write_release(folder, number, before, assembly, digest, sources, contents(), force=force)
    listed = federation.site_list.sites.num_rows
    return Built(release, listed, countries_of(release), tuple(same), time.monotonic() - started)


def previous_sites(previous: EuropeanRelease) -> pa.Table:
    """Every listed site of *previous* (`SITE_SCHEMA`)."""
    return pa.concat_tables(
        [SITE_SCHEMA.empty_table(), *(previous.sites(contig) for contig in previous.contigs)]
    )


def _by_contig(sites: pa.Table) -> dict[str, pa.Table]:
    contigs = set(sites.column("contig").to_pylist())
    return {
        contig: sites.filter(pc.equal(sites.column("contig"), contig))
        for contig in CONTIG_ORDER
        if contig in contigs
    }


def source_of(node: NodeDescription, release: FrequencyRelease) -> NodeSource:
    """What the manifest of a European release says of one node and its own release."""
    return NodeSource(
        id=node.node_id,
        country=node.country,
        name=node.name,
        snapshot_id=release.snapshot_id,
        persons=release.persons,
        min_carriers=release.min_carriers,
        protection=release.protection,
        release=release.number,
        release_digest=release.release_id,
    )


def _same(
    sites: Mapping[str, pa.Table],
    made: Sequence[FrequencyRelease],
    sources: Sequence[NodeSource],
    previous: EuropeanRelease | None,
) -> list[str]:
    """The contigs of which nothing has changed that their rows are made of, since *previous*."""
    if previous is None:
        return []
    before = {node.id: node.release for node in previous.manifest.created_from}
    if set(before) != {source.id for source in sources}:
        return []
    return [
        contig
        for contig in sites
        if contig in previous.contigs
        and all(
            release.unchanged_since.get(contig, release.number) <= before[source.id]
            for release, source in zip(made, sources, strict=True)
        )
        and previous.sites(contig).equals(sites[contig])
    ]


def countries_of(release: EuropeanRelease) -> tuple[CountryRows, ...]:
    """How many rows *release* has of each country, and of how many `ac` is not known, or not even bounded."""
    counts: dict[str, list[int]] = {}
    for contig in release.contigs:
        rows = release.frequencies(contig, [GROUP[0], "ac", "status"])
        rows = rows.append_column("unknown", rows.column("ac").is_null())
        rows = rows.append_column("withheld", pc.equal(rows.column("status"), WITHHELD))
        summed = rows.group_by("country").aggregate(
            [("unknown", "count"), ("unknown", "sum"), ("withheld", "sum")]
        )
        for row in summed.to_pylist():
            found = counts.setdefault(row["country"], [0, 0, 0])
            for place, name in enumerate(("unknown_count", "unknown_sum", "withheld_sum")):
                found[place] += row[name]
    return tuple(
        CountryRows(country, *counts[country]) for country in sorted(counts, key=lambda c: (c != "all", c))
    )
