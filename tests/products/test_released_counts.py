"""Released allele frequencies of real genomes, against bcftools, plink2, and a single question each."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.disclosure import DEFAULT_POLICY
from goe_lake.disclosure.frequencies import shown_groups, told_alone
from goe_lake.disclosure.margins import with_margins
from goe_lake.engine.group_classes import atoms_of, class_table, covered_samples
from goe_lake.federation import Federation
from goe_lake.lake import ingest, open_snapshot
from tests.lake.test_counts_equal_bcftools import FILES, by_bcftools, people, samples_of, shortest

HALF_CALLS = "half calls on X"
BY_PLINK = ("start of chr21", "thinned chr1", "unphased with missing")
#: 23 contigs of 26 populations; a file that is there in another format; and the larger ones
SLOW = ("all contigs, haploid X", "the same as BCF", "thinned chr1", "multi-allelic chr1")
K = 10
Site = tuple[int, str, str]


def node_of(vcf: Path, assembly: str, people_of: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """A built lake of everybody in *vcf*; open.toml has its protection off."""
    table = [f"{one}\t{people_of[one][0]}\t{people_of[one][1]}\n" for one in samples_of(vcf)]
    (folder / "samples.tsv").write_text("sample_id\tsex\tpopulation\n" + "".join(table))
    (folder / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    for name, policy in (("node.toml", ""), ("open.toml", 'policy = "policy.toml"\n')):
        (folder / name).write_text(
            f'[node]\ncountry = "GB"\nassembly = "{assembly}"\n{policy}[[genotypes]]\nfiles = ["{vcf}"]\n'
            '[samples]\nfile = "samples.tsv"\n'
        )
    ingest(read_node(folder / "node.toml"), min_label_persons=1)


def rows_of(federation: Federation, contig: str, **group: str) -> dict[Site, dict[str, object]]:
    """The rows of one group by site."""
    return {
        (row["pos"], row["ref"], row["alt"]): row
        for row in federation.frequencies(contig).to_pylist()
        if all(row[name] == value for name, value in group.items())
    }


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FILES]
)
def test_counts_of_each_population_are_those_of_bcftools(name: str, test_data: Path, tmp_path: Path) -> None:
    """AC, AN, het, hom-alt and hemi of every population and of all, on every contig."""
    path, assembly = FILES[name]
    known = people(test_data)
    node_of(test_data / path, assembly, known, tmp_path)
    federation = open_federation([tmp_path / "open.toml"])
    groups = {one: known[one][1] for one in samples_of(test_data / path)}
    expected = by_bcftools(test_data / path, groups, tmp_path)
    everybody = by_bcftools(test_data / path, dict.fromkeys(groups, "all"), tmp_path)
    for contig, counts in expected.items():
        found = {
            (row["pos"], row["ref"], row["alt"], row["population"]): tuple(
                row[column] for column in ("an", "n_het", "n_hom_alt", "n_hemi")
            )
            for row in federation.frequencies(contig).to_pylist()
            if row["country"] == "all" and row["sex"] == "all"
        }
        assert found == counts | everybody[contig]


def by_hardy(vcf: Path) -> dict[Site, float]:
    """The Hardy-Weinberg p of each alternate allele, split from the others, as bcftools prints it."""
    split = subprocess.run(["bcftools", "norm", "-m", "-any", vcf], capture_output=True, check=True).stdout
    fill = ["bcftools", "+fill-tags", "-", "--", "-t", "HWE"]
    filled = subprocess.run(fill, input=split, capture_output=True, check=True).stdout
    query = ["bcftools", "query", "-f", "%POS\t%REF\t%ALT\t%HWE\n"]
    lines = subprocess.run(query, input=filled, capture_output=True, check=True, text=False).stdout.decode()
    fields = (line.split("\t") for line in lines.splitlines())
    return {shortest(int(pos), ref, alt): float(p) for pos, ref, alt, p in fields}


@pytest.mark.parametrize("name", BY_PLINK)
def test_hardy_weinberg_and_counts_are_those_of_plink2(name: str, test_data: Path, tmp_path: Path) -> None:
    """p of the exact test as bcftools and plink2 have it; AC and AN as plink2 has them."""
    path, assembly = FILES[name]
    vcf, known = test_data / path, people(test_data)
    node_of(vcf, assembly, known, tmp_path)
    federation = open_federation([tmp_path / "open.toml"])
    (contig,) = federation.site_list.sites.column("contig").unique().to_pylist()
    found = rows_of(federation, contig, country="all", population="all", sex="all")
    hardy = by_hardy(vcf)
    assert set(found) == set(hardy)
    # INFO holds single precision, which ends at 1e-38
    for site, row in found.items():
        np.testing.assert_allclose(row["hwe_p"], hardy[site], rtol=6e-6, atol=1e-37, err_msg=str(site))
    out = tmp_path / "plink"
    command = ["plink2", "--vcf", vcf, "--double-id", "--hardy", "midp", "--freq", "counts", "--out", out]
    command[command.index("midp")] = "cols=+gcounts"
    subprocess.run(
        [*command, "--set-all-var-ids", "@-#-$r-$a", "--max-alleles", "2"], capture_output=True, check=True
    )
    compared = 0
    for line in (tmp_path / "plink.acount").read_text().splitlines()[1:]:
        _, identity, _, _, ac, an = line.split("\t")[:6]
        _, pos, ref, alt = identity.split("-")
        row = found[shortest(int(pos), ref, alt)]
        assert (row["ac"], row["an"]) == (int(ac), int(an))
        compared += 1
    assert compared > 15


def test_published_info_is_the_release_of_everybody(test_data: Path, tmp_path: Path) -> None:
    """AC and AN in INFO of a whole phase 3 file are what the release says."""
    path, assembly = FILES["start of chr21"]
    node_of(test_data / path, assembly, people(test_data), tmp_path)
    found = rows_of(
        open_federation([tmp_path / "open.toml"]), "chr21", country="all", population="all", sex="all"
    )
    query = ["bcftools", "query", "-f", "%POS\t%REF\t%ALT\t%AC\t%AN\n", test_data / path]
    lines = subprocess.run(query, capture_output=True, check=True, text=True).stdout.splitlines()
    for pos, ref, alts, counts, an in (line.split("\t") for line in lines):
        for alt, ac in zip(alts.split(","), counts.split(","), strict=True):
            row = found[shortest(int(pos), ref, alt) if alt[0] != "<" else (int(pos), ref, alt)]
            assert (row["ac"], row["an"]) == (int(ac), int(an))


@pytest.mark.parametrize("name", ["unphased with missing", HALF_CALLS])
def test_a_single_question_tells_what_the_release_tells_without_margins(
    name: str, test_data: Path, tmp_path: Path
) -> None:
    """For each group by itself AC is told by SQL exactly where the rule of the release lets it, and equal."""
    path, assembly = FILES[name]
    node_of(test_data / path, assembly, people(test_data), tmp_path)
    federation = open_federation([tmp_path / "node.toml"])
    (contig,) = federation.site_list.sites.column("contig").unique().to_pylist()
    snapshot = open_snapshot(read_node(tmp_path / "node.toml").lake)
    samples = covered_samples(snapshot, None)
    atoms = atoms_of(samples)
    table = class_table(snapshot, federation.site_list.sites, contig, samples, atoms, None)
    enough = with_margins(atoms.persons[None])[0] >= K
    alone = told_alone(table.persons, DEFAULT_POLICY) & enough
    wide = {key: with_margins(counts) for key, counts in table.classes.items()}
    ac = wide["het"] + 2 * wide["hom_alt"] + wide["hemi"]
    sites = federation.site_list.sites.column("variant_id").to_pylist()
    for keys in ((), ("population",), ("sex",), ("population", "sex")):
        columns = ", ".join(("variant_id", *keys))
        answer = federation.sql(
            f"SELECT {columns}, sum(dosage) AS ac FROM genotypes JOIN samples USING (sample_id) "
            f"GROUP BY {columns}"
        )
        found = {
            (row["variant_id"], row.get("population", "all"), row.get("sex", "all")): row["ac"]
            for row in answer.table.to_pylist()
        }
        expected = {}
        for r, population in enumerate((*atoms.populations, "all")):
            for c, sex in enumerate((*atoms.sexes, "all")):
                if enough[r, c] and (population == "all", sex == "all") == tuple(
                    key not in keys for key in ("population", "sex")
                ):
                    for place, site in enumerate(sites):
                        told = alone[place, r, c]
                        expected[site, population, sex] = int(ac[place, r, c]) if told else None
        # a question's own margin rule (between its groups) only ever matters for groups of few persons
        assert shown_groups(atoms.persons, K).sum() == enough.sum()
        assert found == expected


def test_what_is_withheld_is_what_the_rules_withhold(test_data: Path, tmp_path: Path) -> None:
    """Released rows of 26 populations: AC where the rule of the group lets it, less what margins take."""
    path, assembly = FILES["start of chr21"]
    node_of(test_data / path, assembly, people(test_data), tmp_path)
    whole = open_federation([tmp_path / "open.toml"]).frequencies("chr21").to_pylist()
    kept = open_federation([tmp_path / "node.toml"]).frequencies("chr21").to_pylist()
    truth = {
        (row["variant_id"], row["population"], row["sex"]): row for row in whole if row["country"] == "all"
    }
    told = 0
    allowed = 0
    for row in kept:
        if row["country"] != "GB":
            continue
        true = truth[row["variant_id"], row["population"], row["sex"]]
        classes = [true["n_het"], true["n_hom_alt"], true["n_hemi"]]
        carriers = sum(classes)
        others = true["an"] // 2 - carriers
        may = carriers >= K and others >= K
        allowed += may
        assert row["an"] == true["an"]
        if row["ac"] is not None:
            told += 1
            assert may
            assert row["ac"] == true["ac"]
        if row["n_het"] is not None:
            assert row["ac"] is not None
            assert all(count == 0 or count >= K for count in (*classes, others))
            assert [row["n_het"], row["n_hom_alt"], row["n_hemi"]] == classes
    # margins of 26 populations and two sexes take a part, and not most
    assert 0.5 * allowed < told < allowed
