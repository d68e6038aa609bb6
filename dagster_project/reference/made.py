"""The steps from snapshots to a European release; each leaves alone what would come out the same."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

import goe_lake
from dagster_project.nodes import Nodes
from dagster_project.reference.bench import FEDERATION, Bench, standing
from goe_lake.config import NodeConfig
from goe_lake.engine.frequencies import digest_of_sites
from goe_lake.errors import ConfigError, LakeError
from goe_lake.federation.frequencies import frequencies
from goe_lake.federation.gateway import Member
from goe_lake.federation.node import EmbeddedNode, FrequencyRelease
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.progress import Progress
from goe_lake.products.frequencies.build import build_release, previous_sites, source_of
from goe_lake.products.frequencies.manifest import FREQUENCIES, SITES, NodeSource, ReleaseFile
from goe_lake.products.frequencies.store import ContigContent, EuropeanRelease, write_contig, write_release
from goe_lake.release import digest_of
from goe_lake.vcf.arrow import pc

PART: Final = "part.json"
_MEND: Final = f"set GOE_NODES to the node.toml files of built lakes, or {FEDERATION} to a federation.toml"


@dataclass(frozen=True)
class Part:
    """The union of one contig: *made_of* is a digest of what it was made of, *seconds* None if it stood."""

    contig: str
    made_of: str
    files: tuple[ReleaseFile, ...]
    seconds: float | None = None

    @property
    def sites(self) -> int:
        """The listed sites."""
        return next((file.rows for file in self.files if file.kind == SITES), 0)

    @property
    def rows(self) -> int:
        """Rows of frequencies, one a site and group."""
        return next((file.rows for file in self.files if file.kind == FREQUENCIES), 0)


def configs_of(nodes: Nodes) -> dict[str, NodeConfig]:
    """The nodes by their keys. Raises ConfigError where there is none, or one cannot be read."""
    found = nodes.found()
    if found.complaints:
        raise found.complaints[0]
    if not found.nodes:
        raise ConfigError("releases", "GOE_NODES", "names no node", _MEND)
    return dict(found.nodes)


def lay_site_list(nodes: Nodes, bench: Bench) -> pa.Table:
    """The union of what the nodes may list and of what is listed already (SITE_SCHEMA), kept on the bench."""
    federation = goe_lake.open_federation([config.file for config in configs_of(nodes).values()])
    before = bench.newest()
    if before is not None:
        federation.keep_listed(previous_sites(before))
    sites = federation.site_list.sites
    bench.lay(sites)
    return sites


def release_node(config: NodeConfig, bench: Bench) -> FrequencyRelease:
    """Let one node make its next release under the site list; the standing one where nothing changed."""
    alone = goe_lake.open_federation([config.file])
    alone.keep_listed(bench.site_list())
    (made,) = alone.release_frequencies()
    return made


def listed_contigs(sites: pa.Table) -> tuple[str, ...]:
    """The contigs of a site list, chr1 first."""
    found = set(sites.column("contig").to_pylist())
    return tuple(contig for contig in CONTIG_ORDER if contig in found)


def unite_contig(nodes: Nodes, bench: Bench, contig: str) -> Part:
    """The union of what the nodes have released of *contig*, written to the bench.

    Left as it is where it was made of the same releases. Raises LakeError where a node has released nothing.
    """
    configs = configs_of(nodes)
    sites = bench.site_list()
    here = sites.filter(pc.equal(sites.column("contig"), contig))
    made_of = digest_of({"sites": digest_of_sites(here), "nodes": _made_of(configs, contig)})
    before = part_of(bench, contig)
    if before is not None and before.made_of == made_of and _whole(bench, before):
        return before
    began = time.monotonic()
    members = [Member(node, node.describe()) for node in map(EmbeddedNode, _files(configs))]
    target = bench.part(contig)
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".{contig}-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    files = write_contig(building, contig, here, frequencies(members, contig))
    part = Part(contig, made_of, tuple(files))
    (building / PART).write_text(json.dumps(asdict(part), indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    return Part(contig, made_of, part.files, round(time.monotonic() - began, 3))


def _files(configs: Mapping[str, NodeConfig]) -> list[Path]:
    return [config.file for config in configs.values()]


def _made_of(configs: Mapping[str, NodeConfig], contig: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for key, config in sorted(configs.items()):
        release = standing(config)
        files = release.contig(contig)
        rows = None if files is None else files.sha256[files.rows]
        found.append({"node": key, "country": config.country, "rows": rows, "rules": dict(release.rules)})
    return found


def part_of(bench: Bench, contig: str) -> Part | None:
    """The union of *contig* as it lies on the bench, None where there is none that can be read."""
    try:
        data = json.loads((bench.part(contig) / PART).read_text(encoding="utf-8"))
        return Part(data["contig"], data["made_of"], tuple(ReleaseFile(**file) for file in data["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _whole(bench: Bench, part: Part) -> bool:
    paths = ((bench.part(part.contig) / file.path, file.bytes) for file in part.files)
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def release_all(nodes: Nodes, bench: Bench, progress: Progress | None = None) -> EuropeanRelease:
    """Write the next European release from the parts on the bench; the newest where nothing changed.

    Raises LakeError where the union of a listed contig is missing, or older than what nodes have released.
    """
    configs = configs_of(nodes)
    sites = bench.site_list()
    parts = [_fresh_part(configs, bench, sites, contig) for contig in listed_contigs(sites)]
    sources = [_source(config) for config in configs.values()]
    before = bench.newest()
    assembly = next(iter(configs.values())).assembly
    if before is not None and _same(before, parts, sources):
        return before

    def contents() -> Iterator[tuple[str, ContigContent]]:
        held = {} if before is None else {file.path: file.sha256 for file in before.manifest.files}
        for part in parts:
            if before is not None and all(held.get(file.path) == file.sha256 for file in part.files):
                yield part.contig, before
            else:
                yield part.contig, _tables(bench, part)

    return write_release(
        bench.root / str(_next(before)),
        _next(before),
        None if before is None else before.manifest.release_id,
        assembly,
        digest_of_sites(sites),
        sources,
        contents(),
        progress=progress,
    )


def _fresh_part(configs: Mapping[str, NodeConfig], bench: Bench, sites: pa.Table, contig: str) -> Part:
    here = sites.filter(pc.equal(sites.column("contig"), contig))
    wanted = digest_of({"sites": digest_of_sites(here), "nodes": _made_of(configs, contig)})
    part = part_of(bench, contig)
    if part is None or part.made_of != wanted:
        problem = "is not made of what the nodes have released by now"
        raise LakeError(bench.part(contig), problem, f"materialize union_frequencies of {contig}")
    return part


def release_elsewhere(bench: Bench, progress: Progress | None = None) -> EuropeanRelease:
    """Let the nodes of the federation.toml make their releases, and write their union.

    They are asked over HTTPS, as `goe release build --federation` asks them. The newest release where
    nothing changed.
    """
    from goe_lake.web.serve import remote_federation

    before = bench.newest()
    identity = Path(bench.identity) if bench.identity else None
    building = bench.root / f".release-{os.getpid()}"
    bench.root.mkdir(parents=True, exist_ok=True)
    with remote_federation(Path(bench.federation), identity=identity) as federation:
        built = build_release(federation, building, before, force=True, progress=progress).release
    if before is not None and _same_content(built, before):
        shutil.rmtree(building)
        return before
    building.rename(bench.root / str(_next(before)))
    newest = bench.newest()
    assert newest is not None
    return newest


def _same_content(built: EuropeanRelease, before: EuropeanRelease) -> bool:
    now, then = built.manifest, before.manifest
    return (now.files, now.created_from) == (then.files, then.created_from)


def _same(before: EuropeanRelease, parts: Sequence[Part], sources: Sequence[NodeSource]) -> bool:
    held = {(file.path, file.sha256) for file in before.manifest.files}
    wanted = {(file.path, file.sha256) for part in parts for file in part.files}
    return held == wanted and set(before.manifest.created_from) == set(sources)


def _source(config: NodeConfig) -> NodeSource:
    return source_of(EmbeddedNode(config.file).describe(), FrequencyRelease.of(standing(config)))


def _next(before: EuropeanRelease | None) -> int:
    return 1 if before is None else before.manifest.number + 1


def _tables(bench: Bench, part: Part) -> tuple[pa.Table, pa.Table]:
    import pyarrow.parquet as pq

    by_kind = {file.kind: bench.part(part.contig) / file.path for file in part.files}
    sites, rows = (pq.read_table(by_kind[kind], partitioning=None) for kind in (SITES, FREQUENCIES))
    return sites, rows
