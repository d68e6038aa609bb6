"""A country of 60 persons in which one is the target, asked again and again.

Everything that an attacker asks passes the rules for single answers. *Two worlds* differ in what the
target has: an attack succeeds where what it computes is the target's value in both.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from goe_lake import open_federation
from goe_lake.errors import GoeError
from goe_lake.federation import Federation
from goe_lake.federation.ledger.officer import office
from goe_lake.federation.ledger.projects import Project
from tests.attacks.sequences.lakes import fill

K = 5
PERSONS = 60
TARGET = 0
#: What the target has in either world; her LDL is not unusual.
SECRETS = ("3.7", "5.2")
COLUMNS = ("sample_id", "sex", "birth_year", "population", "ldl", "t2d")
NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
[samples]
file = "samples.tsv"
[samples.columns.population]
values = ["Alpha", "Beta"]
[samples.columns.ldl]
type = "double"
bounds = [0, 12]
resolution = 0.1
[samples.columns.t2d]
type = "boolean"
"""

Person = dict[str, str]
Ask = Callable[..., float | None]


@dataclass
class World:
    """One federation on disk; what it holds may change between questions."""

    folder: Path
    secret: str
    audit: bool
    countries: tuple[str, ...] = ("EE",)
    output: str = "exact"
    size: int = PERSONS
    persons: dict[str, list[Person]] = field(default_factory=dict)
    _inside: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, country in enumerate(self.countries):
            chance = random.Random(place)
            self.persons[country] = [_person(country, number, chance) for number in range(self.size)]
        self.target.update({"birth_year": "1903", "sex": "F", "ldl": self.secret, "gt": "0/1", "t2d": "true"})

    @property
    def target(self) -> Person:
        """The person whom the attacker is after."""
        return self.persons["EE"][TARGET]

    def open(self, project: str = "demo", analyst: str | None = None, **without: set[int]) -> Asker:
        """The federation as it is now, for *analyst*; persons of a country may be left out by number."""
        tomls = []
        for country in self.countries:
            left_out = without.get(country, set())
            persons = [person for n, person in enumerate(self.persons[country]) if n not in left_out]
            tomls.append(self._built(country, persons))
        return Asker(open_federation(tomls, project=project, analyst=analyst))

    def approve(self, *names: str) -> None:
        """Let anna ask in projects of these *names*, at each node that was opened."""
        for country in self.countries:
            with office(self.folder / country / "node.toml", "officer") as desk:
                for name in names:
                    desk.approve(Project(name, name, "research", ("anna",), date(2999, 12, 31)))

    def _built(self, country: str, persons: list[Person]) -> Path:
        """The node of *country* with these persons; a lake that is there already gets a new snapshot."""
        content, before = f"worlds {persons!r}", self._inside.get(country)
        switch = "" if self.audit else "overlap_audit = false\n"
        policy = f'version = 1\nmin_persons = {K}\noutput = "{self.output}"\n{switch}'
        toml = fill(
            self.folder / country, content, before, policy, lambda node: _write(node, country, persons)
        )
        self._inside[country] = content
        return toml


@dataclass
class Asker:
    """Asks one number at a time; None for what is not told."""

    federation: Federation

    def __call__(self, select: str, where: str = "true", source: str = "samples") -> float | None:
        """The one value of *select* over EE, where *where* holds."""
        try:
            answer = self.federation.sql(
                f"SELECT {select} AS x FROM {source} WHERE country = 'EE' AND {where}"
            )
        except GoeError:
            return None
        (row,) = answer.table.to_pylist()
        return None if row["x"] is None else float(row["x"])


def _person(country: str, number: int, chance: random.Random) -> Person:
    return {
        "sample_id": f"{country}{number:02d}",
        "sex": chance.choice("FM"),
        "birth_year": str(chance.randint(1940, 1959)),
        "population": chance.choice(("Alpha", "Beta")),
        "ldl": f"{chance.uniform(1, 6):.1f}",
        "t2d": chance.choice(("true", "false")),
        "gt": chance.choice(("0/0", "0/0", "0/1", "1/1")),
    }


def _write(folder: Path, country: str, persons: list[Person]) -> None:
    head = ["##fileformat=VCFv4.3", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    head += ["##contig=<ID=chr1,length=248956422>"]
    ids = [person["sample_id"] for person in persons]
    head.append("\t".join([*["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"], *ids]))
    calls = [person["gt"] for person in persons]
    record = "\t".join(["chr1", "1000", ".", "A", "C", ".", "PASS", ".", "GT", *calls])
    (folder / "calls.vcf").write_text("\n".join([*head, record]) + "\n")
    rows = ["\t".join(person[column] for column in COLUMNS) for person in persons]
    (folder / "samples.tsv").write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")
    (folder / "node.toml").write_text(NODE.format(country=country))
    (folder / "policy.toml").write_text(f"version = 1\nmin_persons = {K}\n")
