"""Real genotypes for tests: who the persons are, nodes made by splitting a VCF, and counts by cyvcf2.

Nothing here shares code with the lake: files are cut as text, and genotypes are counted person by
person. Arrays of genotypes are alternate alleles x persons.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path

import cyvcf2
import numpy as np
import numpy.typing as npt

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.federation import Answer, Federation
from goe_lake.lake import IngestReport, ingest

Mask = npt.NDArray[np.bool_]
Calls = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]

PHASE3 = (
    "1000genomes/grch37-chr1-10177-174799.2504.vcf.gz",
    "1000genomes/grch37-chr21-9411239-9425829.2504.vcf.gz",
)
# A node's files hold every record, or only those at which somebody of that node has an alternate allele
ARRANGEMENTS = {"every record": False, "carried records": True}
COUNTRIES = {"FIN": "FI", "GBR": "GB", "IBS": "ES", "TSI": "IT", "CEU": "US"}

MIN_LABEL_PERSONS = 10
FIXED_COLUMNS = 9
PUBLISHED = re.compile("AC|AN|AF|[A-Z]{3}_AF")


@dataclass(frozen=True)
class Person:
    """One sample of a 1000 Genomes panel."""

    sample_id: str
    sex: str
    population: str
    superpopulation: str


def read_old_panel(panel: Path) -> dict[str, Person]:
    """The persons of the older four-column panel, which holds 31 relatives more."""
    rows = (line.split()[:4] for line in panel.read_text().splitlines()[1:])
    return {row[0]: Person(row[0], {"male": "M", "female": "F"}[row[3]], row[1], row[2]) for row in rows}


def country_of(person: Person) -> str:
    """The node of Europe that holds *person*; XX for everybody else."""
    return COUNTRIES.get(person.population, "XX")


def read_panel(psam: Path) -> dict[str, Person]:
    """The persons of a psam file by their sample ids."""
    lines = psam.read_text().splitlines()
    header = lines[0].split()
    rows = (dict(zip(header, line.split(), strict=True)) for line in lines[1:])
    people = (
        Person(row["#IID"], {"1": "M", "2": "F"}[row["SEX"]], row["Population"], row["SuperPop"])
        for row in rows
    )
    return {person.sample_id: person for person in people}


@dataclass(frozen=True)
class Genotypes:
    """One or more VCFs of the same persons as cyvcf2 reads them, one row an alternate allele.

    *dosage* is -1 where no allele is called; *called* counts alleles that are not missing. *records*
    numbers the record that a row comes from, since one may hold several alternate alleles. *info* holds
    the published AC, AN and frequencies of a row's allele; it is empty where the file has none.
    """

    persons: tuple[Person, ...]
    sites: tuple[str, ...]
    records: Counts
    dosage: Calls
    called: Calls
    info: tuple[Mapping[str, float], ...]

    @cached_property
    def carriers(self) -> Mask:
        """Whether a person has the allele."""
        return self.dosage > 0

    def named(self, arrangement: str) -> Mask:
        """The rows whose record is in the file of some node."""
        if not ARRANGEMENTS[arrangement]:
            return np.ones(len(self.sites), dtype=bool)
        return np.isin(self.records, self.records[self.carriers.any(axis=1)])

    def where(self, holds: Callable[[Person], bool]) -> Mask:
        """Which persons *holds* is true of."""
        return np.array([holds(person) for person in self.persons])

    def counts(self, chosen: Mask) -> dict[str, Counts]:
        """AC, AN and persons by class over the *chosen* persons, an entry a site."""
        dosage, called = self.dosage[:, chosen], self.called[:, chosen]
        kinds = {
            "het": (dosage == 1) & (called == 2),
            "hom": (dosage == 2) & (called == 2),
            "hemi": (dosage == 1) & (called == 1),
            "ref2": (dosage == 0) & (called == 2),
            "ref1": (dosage == 0) & (called == 1),
            "none": called == 0,
        }
        counts = {name: kind.sum(axis=1, dtype=np.int64) for name, kind in kinds.items()}
        counts["ac"] = np.where(dosage > 0, dosage, 0).sum(axis=1, dtype=np.int64)
        counts["an"] = called.sum(axis=1, dtype=np.int64)
        assert sum(counts[name] for name in kinds).tolist() == [int(chosen.sum())] * len(self.sites)
        return counts


def read_genotypes(vcfs: Iterable[Path], panel: Mapping[str, Person]) -> Genotypes:
    """Every alternate allele of *vcfs*, which hold the same persons in the same order."""
    sites: list[str] = []
    dosages: list[Calls] = []
    callings: list[Calls] = []
    info: list[Mapping[str, float]] = []
    records: list[int] = []
    samples: list[str] = []
    for path in vcfs:
        reader = cyvcf2.VCF(str(path))
        assert samples in ([], reader.samples)
        samples = reader.samples
        for record in reader:
            first = len(sites)
            alleles = record.genotype.array()[:, :-1]
            called = (alleles >= 0).sum(axis=1).astype(np.int8)
            published = {name: value for name, value in record.INFO if PUBLISHED.fullmatch(name)}
            for number, alt in enumerate(record.ALT, 1):
                copies = (alleles == number).sum(axis=1).astype(np.int8)
                records.append(first)
                sites.append(site_id(record.CHROM, record.POS, record.REF, alt))
                dosages.append(np.where(called > 0, copies, -1).astype(np.int8))
                callings.append(called)
                info.append({name: _of_allele(value, number) for name, value in published.items()})
        reader.close()
    assert len(set(sites)) == len(sites)
    persons = tuple(panel[sample] for sample in samples)
    return Genotypes(
        persons, tuple(sites), np.array(records), np.array(dosages), np.array(callings), tuple(info)
    )


def _of_allele(value: float | tuple[float, ...], number: int) -> float:
    return value[number - 1] if isinstance(value, tuple) else value


def site_id(contig: str, pos: int, ref: str, alt: str) -> str:
    """`chr-pos-ref-alt` of the shortest spelling of a sequence allele, cut letter by letter."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return f"chr{contig.removeprefix('chr')}-{pos}-{ref}-{alt}"


@dataclass(frozen=True)
class Table:
    """What the samples table of a node holds besides sample_id, sex, population and cohort.

    *toml* declares the columns of *values*, which gives the texts of each person.
    """

    columns: tuple[str, ...]
    toml: str
    values: Mapping[str, Sequence[str]]


NO_MORE_COLUMNS = Table((), "", {})


def split(vcf: Path, groups: Mapping[str, set[str]], folder: Path, *, carried_only: bool) -> None:
    """Cut *vcf* by columns into one text VCF for each of *groups* (country -> sample ids).

    With *carried_only* a group's file keeps the records at which one of its persons has an alternate
    allele. INFO stays as it was, and so is that of the whole cohort.
    """
    with gzip.open(vcf, "rt") as file:
        lines = file.read().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("#CHROM"))
    header = lines[start].split("\t")
    rows = [line.split("\t") for line in lines[start + 1 :]]
    assert not carried_only or {row[FIXED_COLUMNS - 1] for row in rows} == {"GT"}
    alternate = re.compile("[1-9]")
    for country, samples in groups.items():
        places = [place for place, name in enumerate(header) if place >= FIXED_COLUMNS and name in samples]
        assert len(places) == len(samples)
        chosen = itemgetter(*range(FIXED_COLUMNS), *places)
        calls = itemgetter(*places)
        kept = (row for row in rows if not carried_only or alternate.search(" ".join(set(calls(row)))))
        name = vcf.name.removesuffix(".gz")
        with (folder / country / name).open("w") as out:
            out.writelines(f"{line}\n" for line in lines[:start])
            out.writelines("\t".join(chosen(row)) + "\n" for row in (header, *kept))


@dataclass
class Nodes:
    """Built lakes of several countries; each has a node.toml with the default policy, and an open.toml
    with protection = "off" over the same lake."""

    folder: Path
    members: Mapping[str, set[str]]
    reports: Mapping[str, IngestReport]
    answers: dict[tuple[str, bool], Answer] = field(default_factory=dict, repr=False)

    @cached_property
    def protected(self) -> Federation:
        """The nodes under the default policy, each of which tells its own cells."""
        return open_federation(self.tomls("node.toml"), sealed=False)

    @cached_property
    def sealed(self) -> Federation:
        """The same with sealed cells wherever that is possible."""
        return open_federation(self.tomls("node.toml"))

    @cached_property
    def unprotected(self) -> Federation:
        """The nodes with every rule of disclosure control switched off."""
        return open_federation(self.tomls("open.toml"))

    def tomls(self, name: str) -> list[Path]:
        """That file of every node."""
        return [self.folder / country / name for country in self.members]

    def ask(self, sql: str, *, protection: bool) -> Answer:
        """The answer to *sql*; each question is asked once."""
        if (sql, protection) not in self.answers:
            federation = self.protected if protection else self.unprotected
            self.answers[sql, protection] = federation.sql(sql)
        return self.answers[sql, protection]


def build_nodes(
    folder: Path,
    vcfs: Iterable[Path],
    people: Iterable[Person],
    country_of: Callable[[Person], str],
    assembly: str,
    *,
    carried_only: bool = False,
    table: Table = NO_MORE_COLUMNS,
) -> Nodes:
    """A node and its lake for each country, holding the people that *country_of* sends there.

    Sites that a node's files lack were looked at: absent_sites = "hom_ref".
    """
    members: dict[str, list[Person]] = {}
    for person in people:
        members.setdefault(country_of(person), []).append(person)
    for country, persons in members.items():
        write_node(folder / country, country, assembly, persons, table)
    groups = {country: {person.sample_id for person in persons} for country, persons in members.items()}
    for vcf in vcfs:
        split(vcf, groups, folder, carried_only=carried_only)
    reports = {
        country: ingest(read_node(folder / country / "node.toml"), min_label_persons=MIN_LABEL_PERSONS)
        for country in members
    }
    return Nodes(folder, groups, reports)


def write_node(folder: Path, country: str, assembly: str, persons: Sequence[Person], table: Table) -> None:
    """The files of one node except its VCFs."""
    folder.mkdir(parents=True)
    lines = ["\t".join(("sample_id", "sex", "population", "cohort", *table.columns))]
    for person in persons:
        known = (person.sample_id, person.sex, person.population, person.superpopulation)
        lines.append("\t".join((*known, *table.values.get(person.sample_id, ()))))
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    (folder / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    for name, policy in (("node.toml", ""), ("open.toml", 'policy = "policy.toml"\n')):
        (folder / name).write_text(
            f'[node]\ncountry = "{country}"\nassembly = "{assembly}"\n{policy}'
            '[[genotypes]]\nfiles = ["*.vcf"]\nabsent_sites = "hom_ref"\n'
            f'[samples]\nfile = "samples.tsv"\n{table.toml}'
        )
