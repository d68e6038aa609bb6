"""Where the European releases lie, and the parts that the next one is made of.

```
R/1/ R/2/ …                  European releases, numbered (`goe release`)
R/next/site_list.parquet     the sites that every node lists (SITE_SCHEMA)
R/next/chr20/…               the union of one contig, as a release holds it
R/next/chr20/part.json       its files, and a digest of all that they were made of
```
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.place import HERE
from goe_lake.config import NodeConfig
from goe_lake.engine.frequencies import digest_of_sites
from goe_lake.engine.frequency_store import NodeRelease, folder_of, latest, releases
from goe_lake.engine.policy import read_policy
from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import LakeError
from goe_lake.products.frequencies.store import EuropeanRelease, open_release

FOLDER: Final = "GOE_RELEASES"
FEDERATION: Final = "GOE_FEDERATION"
#: Whether the nodes are elsewhere, and asked over HTTPS; read once, as a location is one process.
ELSEWHERE: Final = bool(os.environ.get("GOE_FEDERATION"))
IDENTITY: Final = "GOE_IDENTITY"


class Bench(dg.ConfigurableResource["Bench"]):
    """The folder of European releases, and of what the next one is made of.

    *federation* is the federation.toml of nodes elsewhere, with the gateway's keys in *identity*; without
    it releases are made over the lakes that this Dagster builds.
    """

    folder: str = ""
    federation: str = ""
    identity: str = ""

    @property
    def root(self) -> Path:
        """The folder of all releases."""
        return Path(self.folder or "releases").expanduser().resolve()

    def newest(self) -> EuropeanRelease | None:
        """The newest European release, None where there is none yet."""
        numbers = self._numbers()
        return open_release(self.root / str(numbers[-1])) if numbers else None

    def before(self, release: EuropeanRelease) -> EuropeanRelease | None:
        """The release that *release* names as the one before it, None where it is not here."""
        folder = self.root / str(release.manifest.number - 1)
        return open_release(folder) if (folder / "release.json").is_file() else None

    def _numbers(self) -> list[int]:
        if not self.root.is_dir():
            return []
        found = [path.name for path in self.root.iterdir() if (path / "release.json").is_file()]
        return sorted(int(name) for name in found if name.isdecimal())

    def part(self, contig: str) -> Path:
        """The folder of the union of *contig*."""
        return self.root / "next" / contig

    def lay(self, sites: pa.Table) -> str:
        """Make *sites* (SITE_SCHEMA) the site list of the next release; its digest."""
        path = self.site_list_file
        path.parent.mkdir(parents=True, exist_ok=True)
        building = path.with_name(f".{path.name}-{os.getpid()}")
        pq.write_table(sites.combine_chunks(), building, compression="zstd")
        building.replace(path)
        return digest_of_sites(sites)

    def site_list(self) -> pa.Table:
        """The site list of the next release. Raises LakeError where there is none yet."""
        try:
            return pq.read_table(self.site_list_file, partitioning=None).cast(SITE_SCHEMA)
        except (OSError, pa.ArrowException):
            problem = "there is no site list that can be read"
            raise LakeError(self.site_list_file, problem, "materialize site_list first") from None

    @property
    def site_list_file(self) -> Path:
        """The file of the site list; each location of one node has its own."""
        return self.root.joinpath("next", *HERE.prefix, "site_list.parquet")


def configured_bench() -> Bench:
    """What the environment names: the only place where these settings are read."""
    folder = os.environ.get(FOLDER) or str(Path(os.environ.get("DAGSTER_HOME") or ".") / "releases")
    return Bench(
        folder=folder,
        federation=os.environ.get(FEDERATION, ""),
        identity=os.environ.get(IDENTITY, ""),
    )


MEND: Final = "materialize frequency_release of the node, or run: goe release node NODE.toml"
#: Every release of each node, the first one first; none where a node has made none.
History: TypeAlias = Mapping[str, tuple[NodeRelease, ...]]


def history_of(configs: Mapping[str, NodeConfig]) -> History:
    """Every release of each node. Raises LakeError where one cannot be read."""
    return {key: releases(_releases_folder(config)) for key, config in configs.items()}


def standing(config: NodeConfig) -> NodeRelease:
    """The node's newest release of allele frequencies. Raises LakeError where it has made none."""
    release = latest(_releases_folder(config))
    if release is None:
        raise LakeError(config.lake, "the node has released no allele frequencies yet", MEND)
    return release


def _releases_folder(config: NodeConfig) -> Path:
    return folder_of(config.lake, protects=read_policy(config.policy).protects)
