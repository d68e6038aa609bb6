"""A node of planted persons that releases frequencies again and again, and what is seen of its releases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from goe_lake import open_federation
from goe_lake.config import NodeConfig, read_node
from goe_lake.engine.frequency_store import folder_of, latest
from goe_lake.federation import Federation
from goe_lake.lake import ingest
from tests.lake.nodes import make_node, vcf_text

K = 10
#: An autosomal site, another one for ballast, and one of chrX that men have once.
SITE, OTHER, MALE = ("chr20", 100), ("chr20", 900), ("chrX", 6_000_000)
Key = tuple[str, int]
Group = tuple[str | None, str | None]
ALL: Group = ("all", "all")


@dataclass(frozen=True)
class Planted:
    """One person: a sample, its population and sex, and what it has at the sites."""

    sample: str
    population: str = "A"
    sex: str = "F"
    at: tuple[str, ...] = ("0/0", "0/1", "0/0")
    person: str = ""

    @property
    def row(self) -> str:
        """The person's row in the samples table."""
        return f"{self.sample}\t{self.person or self.sample}\t{self.sex}\t{self.population}\n"


def planted(first: int, count: int, genotype: str = "0/0", **facts: str) -> list[Planted]:
    """*count* persons of one genotype at SITE, numbered from *first*; at OTHER every second is a carrier."""
    return [
        Planted(f"s{number:05}", at=(genotype, "0/1" if number % 2 else "0/0", "0/0"), **facts)
        for number in range(first, first + count)
    ]


def moved(persons: Sequence[Planted], **facts: str) -> list[Planted]:
    """*persons* with other facts."""
    return [replace(person, **facts) for person in persons]


@dataclass
class World:
    """A node in *folder*; each release is seen as {(site, group): row}. Its files lack *lacks*."""

    folder: Path
    country: str = "EE"
    policy: str = "version = 1\n"
    populations: Sequence[str] = ("A", "B", "C")
    lacks: Key | None = None
    seen: list[dict[tuple[Key, Group], dict[str, Any]]] = field(default_factory=list)

    def built(self, *deliveries: Sequence[Planted]) -> NodeConfig:
        """The node's lake made of *deliveries*."""
        files = [{f"{place}.vcf": self._vcf(part)} for place, part in enumerate(deliveries)]
        rows = "".join(person.row for part in deliveries for person in part)
        labels = ", ".join(f'"{label}"' for label in self.populations)
        declared = f"values = [{labels}]\n" if labels else ""
        make_node(
            self.folder,
            files,
            "sample_id\tperson_id\tsex\tpopulation\n" + rows,
            absent_sites=["hom_ref"] * len(deliveries),
            toml=f'[samples.columns.population]\ntype = "label"\n{declared}',
            node='policy = "policy.toml"\n',
        )
        toml = self.folder / "node.toml"
        toml.write_text(toml.read_text().replace('country = "EE"', f'country = "{self.country}"'))
        (self.folder / "policy.toml").write_text(self.policy)
        config = read_node(toml)
        ingest(config, min_label_persons=1)
        return config

    def _vcf(self, part: Sequence[Planted]) -> str:
        sites = (SITE, OTHER, MALE)
        records = [
            f"{contig} {pos} A C | {' '.join(person.at[place] for person in part)}"
            for place, (contig, pos) in enumerate(sites)
            if (contig, pos) != self.lacks
        ]
        return vcf_text([person.sample for person in part], records)

    def releases(self, *deliveries: Sequence[Planted]) -> Federation:
        """Build the node of *deliveries* and make its next release."""
        config = self.built(*deliveries)
        federation = open_federation([config.file], project="demo")
        federation.release_frequencies()
        self.seen.append(dict(self._rows(config)))
        return federation

    def _rows(self, config: NodeConfig) -> Iterator[tuple[tuple[Key, Group], dict[str, Any]]]:
        standing = latest(folder_of(config.lake, protects=True))
        assert standing is not None
        for contig in ("chr20", "chrX"):
            for row in standing.rows(contig).to_pylist():
                yield ((contig, row["pos"]), (row["population"], row["sex"])), row

    def ac(self, release: int, group: Group = ALL, site: Key = SITE) -> int | None:
        """AC of *group* as release number *release* (from 0) tells it."""
        row = self.seen[release].get((site, group))
        return None if row is None else row["ac"]

    def grew(self, group: Group = ALL, site: Key = SITE) -> int | None:
        """By how much AC changed from the first release to the last; None where one does not tell it."""
        first, last = self.ac(0, group, site), self.ac(-1, group, site)
        return None if first is None or last is None else last - first
