"""Three countries whose sums are sealed; one person of EE is the target, who may join, leave, or be left out.

At site 1000 most countries tell their own allele counts. At 2000 each of them has four carriers, one fewer
than the threshold, so that only the sum is told. At 3000 EE has as many as the threshold with the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa

from goe_lake import open_federation
from goe_lake.errors import GoeError
from goe_lake.federation import Federation
from goe_lake.federation.ledger.officer import office
from goe_lake.federation.ledger.projects import Project
from tests.attacks.sequences.lakes import fill

K = 5
PERSONS = 40
COUNTRIES = ("AT", "EE", "FI")
#: Whether the target carries the alleles, and has diabetes, in either world.
SECRETS = (False, True)
SITES = (1000, 2000, 3000)
#: How many persons beside the target carry each allele.
CARRIERS = (15, 4, 4)
COLUMNS = ("sample_id", "sex", "birth_year", "t2d", "metformin")
NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
[samples]
file = "samples.tsv"
[samples.columns.t2d]
type = "boolean"
[samples.columns.metformin]
type = "boolean"
"""
HEAD = [
    "##fileformat=VCFv4.3",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "##contig=<ID=chr1>",
]

Person = Mapping[str, str]
Key = tuple[object, ...]


@dataclass
class SealedWorld:
    """One federation on disk; *secret* is what the target has."""

    folder: Path
    secret: bool
    audit: bool
    _inside: dict[str, str] = field(default_factory=dict)

    def open(self, *, target: bool) -> Federation:
        """The federation as it is now, with the *target* or without."""
        tomls = []
        for country in COUNTRIES:
            persons = [_person(country, number) for number in range(PERSONS)]
            if country == "EE" and target:
                persons.append(_target(self.secret))
            tomls.append(self._built(country, persons))
        federation = open_federation(tomls)
        federation.keep_listed(_sites(federation.site_list.sites))
        return federation

    def approve(self, members: Mapping[str, str]) -> None:
        """Approve a project with one member each, by its id, at every node that was opened."""
        for country in COUNTRIES:
            with office(self.folder / country / "node.toml", "officer") as desk:
                for name, member in members.items():
                    desk.approve(Project(name, name, "research", (member,), date(2999, 12, 31)))

    def _built(self, country: str, persons: list[Person]) -> Path:
        content, before = f"sealed_worlds {persons!r}", self._inside.get(country)
        switch = "" if self.audit else "overlap_audit = false\n"
        policy = f"version = 1\nmin_persons = {K}\n{switch}"
        toml = fill(
            self.folder / country, content, before, policy, lambda node: _write(node, country, persons)
        )
        self._inside[country] = content
        return toml


@dataclass
class Asker:
    """Asks for numbers by key; None for what is not told."""

    federation: Federation

    def numbers(self, sql: str) -> dict[Key, float | None]:
        """The last column of *sql* by the others."""
        try:
            answer = self.federation.sql(sql)
        except GoeError:
            return {}
        rows = [tuple(row.values()) for row in answer.table.to_pylist()]
        return {row[:-1]: None if row[-1] is None else float(row[-1]) for row in rows}

    def alleles(self, *keys: str, where: str = "true") -> dict[Key, float | None]:
        """Allele counts by site and *keys*."""
        listed = "".join(f"s.{key}, " for key in keys)
        return self.numbers(
            f"SELECT g.pos, {listed}sum(g.dosage) AS ac FROM genotypes g JOIN samples s "
            f"ON g.sample_id = s.sample_id WHERE {where} "
            f"GROUP BY {listed}g.contig, g.pos, g.ref, g.alt"
        )


def _sites(listed: pa.Table) -> pa.Table:
    """All sites, as an earlier release may list them."""
    row = listed.slice(0, 1).to_pylist()[0]
    rows = [row | {"pos": pos, "end_pos": pos, "variant_id": f"chr1-{pos}-A-C"} for pos in SITES]
    return pa.Table.from_pylist(rows, listed.schema)


def _person(country: str, number: int) -> Person:
    person = {
        "sample_id": f"{country}{number:03d}",
        "sex": "FM"[number % 2],
        "birth_year": str(1940 + number % 30),
        "t2d": str(number % 4 < 2).lower(),
        "metformin": str(number % 4 < 2).lower(),
    }
    for pos, carriers in zip(SITES, CARRIERS, strict=True):
        person[str(pos)] = "0/1" if number < carriers else "0/0"
    return person


def _target(secret: bool) -> Person:
    person = {"sample_id": "EE999", "sex": "F", "birth_year": "1903", "t2d": str(secret).lower()}
    return {**person, "metformin": "false"} | {str(pos): "0/1" if secret else "0/0" for pos in SITES}


def _write(folder: Path, country: str, persons: list[Person]) -> None:
    ids = [person["sample_id"] for person in persons]
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines = [*HEAD, "\t".join([*fixed, *ids])]
    for pos in SITES:
        calls = [person[str(pos)] for person in persons]
        lines.append("\t".join(["chr1", str(pos), ".", "A", "C", ".", "PASS", ".", "GT", *calls]))
    (folder / "calls.vcf").write_text("\n".join(lines) + "\n")
    rows = ["\t".join(person[column] for column in COLUMNS) for person in persons]
    (folder / "samples.tsv").write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")
    (folder / "node.toml").write_text(NODE.format(country=country))
    (folder / "policy.toml").write_text(f"version = 1\nmin_persons = {K}\n")
