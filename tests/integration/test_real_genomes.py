"""Real genomes, spread over nodes and asked in SQL, give the counts and frequencies that others published.

The persons are those of the 1000 Genomes Project. Expected numbers come from bcftools, from the INFO of
the files and from cyvcf2; the rules of disclosure control are written a second time in `rules.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from goe_lake.federation import Answer
from tests.integration.genomes import (
    ARRANGEMENTS,
    Genotypes,
    Mask,
    Nodes,
    Person,
    build_nodes,
    read_genotypes,
    read_old_panel,
    read_panel,
    site_id,
)
from tests.integration.rules import MEASURES, listed_sites, shown, shown_by_key

EXPECTED = (
    "expected/grch37-chr1-10177-174799.counts-per-population.tsv.gz",
    "expected/grch37-chr21-9411239-9425829.counts-per-population.tsv.gz",
)
CHR_X = "1000genomes/subset-1126/grch37-chrX.1126.half-calls.vcf.gz"
GAPPY = "1000genomes/grch37-chr20-17-sites.2535.unphased-gatk.vcf.gz"
HIGH_COVERAGE = "1000genomes/grch38-chr1to22-X.3202.no-info.vcf.gz"

K = 10
arrangements = pytest.mark.parametrize("arrangement", ARRANGEMENTS)

COUNTS = """
    sum(g.dosage) AS ac, sum(g.called_alleles) AS an, sum(g.dosage) / sum(g.called_alleles) AS af,
    count(*) FILTER (WHERE g.dosage = 1 AND g.called_alleles = 2) AS het,
    count(*) FILTER (WHERE g.dosage = 2) AS hom,
    count(*) FILTER (WHERE g.dosage = 1 AND g.called_alleles = 1) AS hemi
"""
# measure, column of the published tables, and how many alleles a person adds to that column
COLUMNS = (
    ("ac", "AC", 1), ("an", "AN", 1), ("het", "AC_het", 1), ("hom", "AC_hom", 2), ("hemi", "AC_hemi", 1),
)  # fmt: skip

Keys = tuple[str, ...]
Group = tuple[str, ...]
ATTRIBUTES: Mapping[str, Callable[[Person], str]] = {
    "population": lambda person: person.population,
    "cohort": lambda person: person.superpopulation,
    "sex": lambda person: person.sex,
}


def spelt(value: str | Keys) -> str:
    """How a parameter is called in the names of tests."""
    return value if isinstance(value, str) else "-".join(value) or "all"


def by_continent(person: Person) -> str:
    """A node of Europe, one of Africa, and one of everywhere else."""
    return {"EUR": "GB", "AFR": "NG"}.get(person.superpopulation, "XX")


def counts_sql(keys: Keys = ()) -> str:
    """Counts at every site, for each combination of *keys*."""
    listed = "".join(f", s.{key}" for key in keys)
    source = "FROM genotypes g JOIN samples s USING (sample_id)"
    return f"SELECT g.variant_id{listed}, {COUNTS} {source} GROUP BY ALL"


def groups_of(genotypes: Genotypes, keys: Keys) -> list[Group]:
    """The combinations of *keys* that persons have."""
    return sorted({tuple(ATTRIBUTES[key](person) for key in keys) for person in genotypes.persons})


def in_group(genotypes: Genotypes, keys: Keys, group: Group) -> Mask:
    """The persons of one combination."""
    return genotypes.where(lambda person: tuple(ATTRIBUTES[key](person) for key in keys) == group)


def members(nodes: Nodes, genotypes: Genotypes) -> list[Mask]:
    """The persons of each node."""
    return [
        genotypes.where(lambda person, ids=ids: person.sample_id in ids) for ids in nodes.members.values()
    ]


@dataclass(frozen=True)
class Grid:
    """An answer as arrays of sites x groups; NaN and "" where it has no row."""

    values: Mapping[str, npt.NDArray[np.float64]]
    status: Mapping[str, npt.NDArray[np.object_]]
    lower: Mapping[str, npt.NDArray[np.float64]]

    @property
    def present(self) -> Mask:
        """Where there is a row."""
        return self.status["an"] != ""


def grid(answer: Answer, sites: Sequence[str], keys: Keys, groups: Sequence[Group]) -> Grid:
    """The answer to `counts_sql`, laid out by *sites* and *groups*; each of its rows must have a place."""
    columns = (answer.table.column(name).to_pylist() for name in ("variant_id", *keys))
    rows = list(zip(*columns, strict=True))
    assert len(set(rows)) == len(rows)
    order = {(site, *group): place for place, (site, group) in enumerate(itertools.product(sites, groups))}
    places = np.array([order[row] for row in rows], dtype=np.int64)
    values, status, lower = {}, {}, {}
    for name in (*MEASURES, "af"):
        values[name] = np.full(len(order), np.nan)
        values[name][places] = answer.table.column(name).to_pandas().astype(float)
        status[name] = np.full(len(order), "", dtype=object)
        status[name][places] = answer.status.column(name).to_pylist()
        bounds = [bound for bound in answer.envelope.bounds if bound.column == name]
        assert {bound.upper for bound in bounds} <= {None}
        lower[name] = np.full(len(order), np.nan)
        lower[name][places[[bound.row for bound in bounds]]] = [float(bound.lower) for bound in bounds]
    shape = (len(sites), len(groups))
    return Grid(*({name: part[name].reshape(shape) for name in part} for part in (values, status, lower)))


def truth_of(genotypes: Genotypes, keys: Keys, groups: Sequence[Group]) -> dict[str, npt.NDArray[np.int64]]:
    """What `counts_sql` gives over all persons, sites x groups."""
    counted = [genotypes.counts(in_group(genotypes, keys, group)) for group in groups]
    return {name: np.column_stack([counts[name] for counts in counted]) for name in MEASURES}


def assert_open_counts(nodes: Nodes, genotypes: Genotypes, keys: Keys, known: Mask) -> None:
    """With protection off, everything is told at the *known* sites and equals the count by cyvcf2."""
    groups = groups_of(genotypes, keys)
    answered = grid(nodes.ask(counts_sql(keys), protection=False), genotypes.sites, keys, groups)
    truth = truth_of(genotypes, keys, groups)
    np.testing.assert_array_equal(answered.present, np.repeat(known[:, None], len(groups), axis=1))
    for name in MEASURES:
        assert set(answered.status[name][known].flat) == {"ok"}
        np.testing.assert_array_equal(answered.values[name][known], truth[name][known], err_msg=name)
    np.testing.assert_allclose(answered.values["af"][known], (truth["ac"] / truth["an"])[known], rtol=1e-12)


def assert_controlled(nodes: Nodes, genotypes: Genotypes, keys: Keys) -> None:
    """Under the default policy rows, statuses, values and lower bounds are those of `rules.shown`.

    A message tells the share of cells shown by frequency.
    """
    groups = groups_of(genotypes, keys)
    answered = grid(nodes.ask(counts_sql(keys), protection=True), genotypes.sites, keys, groups)
    truth = truth_of(genotypes, keys, groups)
    frequency = truth["ac"] / np.maximum(truth["an"], 1)
    shares = shares_by_frequency(frequency, {name: answered.status[name] == "ok" for name in MEASURES})
    listed = listed_sites(genotypes, members(nodes, genotypes), K)
    for place, group in enumerate(groups):
        cell = in_group(genotypes, keys, group)
        holders = [node for node in members(nodes, genotypes) if may_hold(genotypes, node, keys, group)]
        expected = shown(genotypes, cell, holders, listed, K)
        row, told, lower, marked = expected.row, expected.told, expected.values, expected.marked
        told["af"], marked["af"] = told["ac"] & told["an"], marked["ac"]
        np.testing.assert_array_equal(answered.present[:, place], row, err_msg=f"rows of {group}\n{shares}")
        for name in (*MEASURES, "af"):
            where = f"{name} of {group}\n{shares}"
            status, values = answered.status[name][:, place], answered.values[name][:, place]
            np.testing.assert_array_equal(status == "ok", told[name] & ~marked[name], err_msg=where)
            np.testing.assert_array_equal(status == "approx", told[name] & marked[name], err_msg=where)
            np.testing.assert_array_equal(~np.isnan(values), told[name], err_msg=where)
            if name == "af":
                np.testing.assert_allclose(values[told[name]], frequency[told[name], place], rtol=1e-12)
                continue
            exact = told[name] & ~marked[name]
            np.testing.assert_array_equal(values[exact], truth[name][exact, place], err_msg=where)
            np.testing.assert_array_equal(values[told[name]], lower[name][told[name]], err_msg=where)
            # a count that is not shown has a lower bound where a node tells its part without a mark
            bounded = row & ~told[name] & ~marked[name] & (lower[name] > 0) & (name not in ("ac", "an"))
            np.testing.assert_array_equal(status == "bounded", bounded, err_msg=where)
            found = answered.lower[name][bounded, place]
            np.testing.assert_array_equal(found, lower[name][bounded], err_msg=where)
            assert (found <= truth[name][bounded, place]).all()


def may_hold(genotypes: Genotypes, node: Mask, keys: Keys, group: Group) -> bool:
    """Whether a node may hold persons of *group*, by its public labels: F and M, and what its table names."""
    people = [genotypes.persons[place] for place in np.flatnonzero(node)]
    labels = {key: {ATTRIBUTES[key](person) for person in people} for key in keys} | {"sex": {"F", "M"}}
    return all(value in labels[key] for key, value in zip(keys, group, strict=True))


def shares_by_frequency(frequency: npt.NDArray[np.float64], told: Mapping[str, Mask]) -> str:
    """For each bin of minor allele frequency the share of cells with each measure shown, as a table."""
    minor = np.minimum(frequency, 1 - frequency)
    lines = [f"{'frequency':>16} {'cells':>7} " + " ".join(f"{name:>6}" for name in told)]
    for low, high in itertools.pairwise((0, 1e-9, 0.001, 0.005, 0.01, 0.05, 0.1, 0.501)):
        here = (minor >= low) & (minor < high)
        if here.any():
            label = f"{low:.3f} .. {high:.3f}" if low else "0 or 1"
            parts = " ".join(f"{mask[here].mean():>6.3f}" for mask in told.values())
            lines.append(f"{label:>16} {int(here.sum()):>7} {parts}")
    return "\n".join(lines)


# ------------------------------------------------------------------------ phase 3, six nodes


@pytest.fixture(scope="module")
def by_bcftools(test_data: Path) -> pd.DataFrame:
    """The published counts of each population, by site."""
    tables = [pd.read_csv(test_data / name, sep="\t", dtype={"chrom": str}) for name in EXPECTED]
    table = pd.concat(tables, ignore_index=True)
    places = table[["chrom", "pos", "ref", "alt"]].itertuples(index=False)
    return table.set_index(pd.Index([site_id(*place) for place in places]))


def test_the_lakes_hold_everybody(europe: Mapping[str, Nodes], genotypes: Genotypes) -> None:
    """Six nodes hold 2504 persons and 1644 alternate alleles; only values out of bounds were put aside."""
    assert genotypes.dosage.shape == (1644, 2504)
    for arrangement, nodes in europe.items():
        sizes = {country: report.genotyped for country, report in nodes.reports.items()}
        assert sizes == {"FI": 99, "GB": 91, "ES": 107, "IT": 107, "US": 99, "XX": 2001}
        reasons = {reason for report in nodes.reports.values() for reason in report.quarantined}
        assert reasons == {"out_of_bounds"}
        sites = {report.sites for report in nodes.reports.values()}
        assert (sites == {1644}) == (arrangement == "every record")


@arrangements
def test_open_counts_equal_the_published_tables(
    arrangement: str, europe: Mapping[str, Nodes], by_bcftools: pd.DataFrame, genotypes: Genotypes
) -> None:
    """AC, AN, het, hom and hemi of five populations, of EUR and of all are those of bcftools."""
    assert list(by_bcftools.index) == list(genotypes.sites)
    known = genotypes.named(arrangement)
    five = ("CEU", "FIN", "GBR", "IBS", "TSI")
    for keys, names in ((("population",), five), (("cohort",), ("EUR",)), ((), ("ALL",))):
        groups = groups_of(genotypes, keys)
        answer = europe[arrangement].ask(counts_sql(keys), protection=False)
        answered = grid(answer, genotypes.sites, keys, groups)
        for name in names:
            place = groups.index((name,) if keys else ())
            np.testing.assert_array_equal(answered.present[:, place], known)
            for measure, column, copies in COLUMNS:
                found = copies * answered.values[measure][known, place]
                expected = by_bcftools[f"{name}_{column}"]
                np.testing.assert_array_equal(found, expected[known], err_msg=f"{name} {column}")
                assert column == "AN" or expected[~known].eq(0).all()


@pytest.mark.parametrize(
    ("arrangement", "keys"),
    [("every record", ("population",)), ("carried records", ("population",)), ("carried records", ("sex",))],
    ids=spelt,
)
def test_open_counts_equal_cyvcf2(
    arrangement: str, keys: Keys, europe: Mapping[str, Nodes], genotypes: Genotypes
) -> None:
    """The same for the 21 populations that share a node, and for sexes, which every node has."""
    assert len(groups_of(genotypes, keys)) == {"population": 26, "sex": 2}[keys[0]]
    assert_open_counts(europe[arrangement], genotypes, keys, genotypes.named(arrangement))


@arrangements
def test_open_counts_equal_the_info_of_the_files(
    arrangement: str, europe: Mapping[str, Nodes], genotypes: Genotypes
) -> None:
    """Published AC, AN and AF, and AF of the five superpopulations, come out of the union of the nodes."""
    continents = ("AFR", "AMR", "EAS", "EUR", "SAS")
    nodes, known = europe[arrangement], genotypes.named(arrangement)
    groups = [(name,) for name in continents]
    whole = grid(nodes.ask(counts_sql(), protection=False), genotypes.sites, (), [()])
    parts = nodes.ask(counts_sql(("cohort",)), protection=False)
    frequencies = grid(parts, genotypes.sites, ("cohort",), groups).values["af"]
    published = {
        name: np.array([info[name] for info in genotypes.info])
        for name in ("AC", "AN", "AF", *(f"{name}_AF" for name in continents))
    }
    found = {name: values[known, 0] for name, values in whole.values.items()}
    np.testing.assert_array_equal(found["ac"], published["AC"][known])
    np.testing.assert_array_equal(found["an"], published["AN"][known])
    # AF has six digits, that of a superpopulation four decimals
    np.testing.assert_allclose(found["af"], published["AF"][known], rtol=5.1e-6)
    for place, name in enumerate(continents):
        expected = published[f"{name}_AF"][known]
        np.testing.assert_allclose(frequencies[known, place], expected, rtol=0, atol=5.01e-5, err_msg=name)
    assert published["AC"][~known].sum() == 0


@pytest.mark.parametrize(
    ("arrangement", "keys"),
    [
        ("every record", ()),
        ("every record", ("population",)),
        ("carried records", ()),
        ("carried records", ("population",)),
        ("carried records", ("cohort",)),
        ("carried records", ("sex",)),
    ],
    ids=spelt,
)
def test_the_default_policy_shows_what_no_rule_withholds(
    arrangement: str, keys: Keys, europe: Mapping[str, Nodes], genotypes: Genotypes
) -> None:
    """Every shown value is true; a value is shown exactly where the rules, written independently, let it."""
    assert_controlled(europe[arrangement], genotypes, keys)


def test_genotypes_as_keys_are_held_to_the_same_rule(
    europe: Mapping[str, Nodes], genotypes: Genotypes
) -> None:
    """GROUP BY dosage shows a genotype where each node has k persons of it and of every other, or none."""
    sql = "SELECT variant_id, dosage, count(*) AS n FROM genotypes GROUP BY ALL"
    nodes = europe["carried records"]
    holders = members(nodes, genotypes)
    everybody = np.ones(len(genotypes.persons), dtype=bool)
    truth = genotypes.counts(everybody)
    told = shown_by_key(genotypes, everybody, holders, listed_sites(genotypes, holders, K), K)
    occurs = {name: truth[name] > 0 for name in ("het", "hom")}
    for protection, kept, least in ((True, told, 14), (False, occurs, 1800)):
        rows = nodes.ask(sql, protection=protection).table.to_pylist()
        found = {(row["variant_id"], row["dosage"]): row["n"] for row in rows}
        expected = {
            (site, dosage): int(truth[name][place])
            for place, site in enumerate(genotypes.sites)
            for dosage, name in ((1, "het"), (2, "hom"))
            if kept[name][place]
        }
        assert {key: n for key, n in found.items() if n is not None and key[1] > 0} == expected
        assert len(expected) >= least


def test_leaving_out_what_a_node_does_not_carry_changes_no_answer(europe: Mapping[str, Nodes]) -> None:
    """Under the default policy both arrangements give the same values, statuses and bounds."""
    whole, carried = (nodes.ask(counts_sql(("population",)), protection=True) for nodes in europe.values())
    assert whole.table.equals(carried.table)
    assert whole.status.equals(carried.status)
    assert whole.envelope.bounds == carried.envelope.bounds


# ------------------------------------------------------------------------ missing genotypes, three nodes


@pytest.fixture(scope="module")
def gappy_genotypes(test_data: Path) -> Genotypes:
    """What cyvcf2 reads at 17 sites of chr20 in 2535 persons, 1185 genotypes missing."""
    panel = read_old_panel(test_data / "samples/1000g-phase3-2535-old.panel")
    return read_genotypes([test_data / GAPPY], panel)


@pytest.fixture(scope="module")
def gappy_nodes(
    test_data: Path, gappy_genotypes: Genotypes, tmp_path_factory: pytest.TempPathFactory
) -> Nodes:
    """Three nodes by superpopulation: EUR, AFR and the other three."""
    return build_nodes(
        tmp_path_factory.mktemp("gappy"),
        [test_data / GAPPY],
        gappy_genotypes.persons,
        by_continent,
        "GRCh37",
    )


@pytest.mark.parametrize("keys", [(), ("population",)], ids=spelt)
def test_a_missing_genotype_is_neither_carrier_nor_complement(
    keys: Keys, gappy_nodes: Nodes, gappy_genotypes: Genotypes
) -> None:
    """It lowers AN and nothing else, and no rule counts its person: open and under the default policy."""
    assert int((gappy_genotypes.called == 0).sum()) == 1185
    known = gappy_genotypes.named("every record")
    assert_open_counts(gappy_nodes, gappy_genotypes, keys, known)
    assert_controlled(gappy_nodes, gappy_genotypes, keys)


# ------------------------------------------------------------------------ chrX with half calls, two nodes


@pytest.fixture(scope="module")
def x_genotypes(test_data: Path, panel: Mapping[str, Person]) -> Genotypes:
    """What cyvcf2 reads on chrX, where males outside PAR are written 0/. and 1/. ."""
    return read_genotypes([test_data / CHR_X], panel)


@pytest.fixture(scope="module")
def x_nodes(
    test_data: Path, x_genotypes: Genotypes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Nodes]:
    """The British and the Utah persons in one node, ten populations of other continents in another."""
    return {
        arrangement: build_nodes(
            tmp_path_factory.mktemp("chrx"),
            [test_data / CHR_X],
            x_genotypes.persons,
            lambda person: "GB" if person.superpopulation == "EUR" else "XX",
            "GRCh37",
            carried_only=carried_only,
        )
        for arrangement, carried_only in ARRANGEMENTS.items()
    }


def test_chr_x_has_what_the_tests_are_about(x_nodes: Mapping[str, Nodes], x_genotypes: Genotypes) -> None:
    """551 males have two alleles inside PAR and one outside; the files of a node lack sites of both kinds."""
    males = x_genotypes.where(lambda person: person.sex == "M")
    an = x_genotypes.counts(males)["an"]
    inside, outside = an == 2 * 551, an == 551
    assert (int(males.sum()), int(inside.sum()), int(outside.sum())) == (551, 32, 1057)
    silent = [
        ~x_genotypes.carriers[:, node].any(axis=1)
        for node in members(x_nodes["carried records"], x_genotypes)
    ]
    assert any((node & inside).any() for node in silent)
    assert all((node & outside).any() for node in silent)


@arrangements
@pytest.mark.parametrize("keys", [("sex",), ("population", "sex")], ids=spelt)
def test_open_counts_on_chr_x_equal_cyvcf2(
    arrangement: str, keys: Keys, x_nodes: Mapping[str, Nodes], x_genotypes: Genotypes
) -> None:
    """A half call is one called allele: AC, AN, het, hom and hemi, inside PAR and outside.

    Where a node's files leave a site out, its males have one allele outside PAR and two inside.
    """
    assert_open_counts(x_nodes[arrangement], x_genotypes, keys, x_genotypes.named(arrangement))


@pytest.mark.parametrize(
    ("arrangement", "keys"),
    [
        ("every record", ("sex",)),
        ("carried records", ()),
        ("carried records", ("sex",)),
        ("carried records", ("population", "sex")),
    ],
    ids=spelt,
)
def test_the_default_policy_on_chr_x_shows_what_no_rule_withholds(
    arrangement: str, keys: Keys, x_nodes: Mapping[str, Nodes], x_genotypes: Genotypes
) -> None:
    """The same rules with five classes of genotypes: few haploid persons of one kind hide the others too."""
    assert_controlled(x_nodes[arrangement], x_genotypes, keys)


# ------------------------------------------------------------------------ all contigs, three nodes


@pytest.fixture(scope="module")
def deep_genotypes(test_data: Path) -> Genotypes:
    """What cyvcf2 reads at 1004 sites of 22 autosomes and chrX, in 3202 persons."""
    panel = read_panel(test_data / "samples/1000g-highcov-3202.psam")
    return read_genotypes([test_data / HIGH_COVERAGE], panel)


@pytest.fixture(scope="module")
def deep_nodes(test_data: Path, deep_genotypes: Genotypes, tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Three nodes by superpopulation: EUR, AFR and the other three."""
    return build_nodes(
        tmp_path_factory.mktemp("deep"),
        [test_data / HIGH_COVERAGE],
        deep_genotypes.persons,
        by_continent,
        "GRCh38",
    )


def test_open_counts_of_every_contig_equal_cyvcf2(deep_nodes: Nodes, deep_genotypes: Genotypes) -> None:
    """AC, AN, rows and persons of 23 contigs, which come in a shuffled order, by superpopulation."""
    answer = deep_nodes.ask(
        "SELECT contig, cohort, sum(dosage) AS ac, sum(called_alleles) AS an, count(*) AS n, "
        "count(DISTINCT sample_id) AS persons FROM genotypes JOIN samples USING (sample_id) GROUP BY ALL",
        protection=False,
    )
    found = {(row.pop("contig"), row.pop("cohort")): row for row in answer.table.to_pylist()}
    contigs = np.array([site.split("-")[0] for site in deep_genotypes.sites])
    expected = {}
    for (cohort,) in groups_of(deep_genotypes, ("cohort",)):
        cell = in_group(deep_genotypes, ("cohort",), (cohort,))
        counts, persons = deep_genotypes.counts(cell), int(cell.sum())
        for contig in set(contigs):
            here = contigs == contig
            ac, an = (int(counts[name][here].sum()) for name in ("ac", "an"))
            expected[contig, cohort] = {
                "ac": ac,
                "an": an,
                "n": int(here.sum()) * persons,
                "persons": persons,
            }
    assert len(expected) == 23 * 5
    assert found == expected


def test_open_counts_of_every_record_equal_cyvcf2(deep_nodes: Nodes, deep_genotypes: Genotypes) -> None:
    """All 1004 records by sex, haploid males of chrX and positions that stand twice among them."""
    positions = {site.rsplit("-", 2)[0] for site in deep_genotypes.sites}
    assert (len(deep_genotypes.sites), len(positions)) == (1004, 991)
    assert_open_counts(deep_nodes, deep_genotypes, ("sex",), np.ones(1004, dtype=bool))
