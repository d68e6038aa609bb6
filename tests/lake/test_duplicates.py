"""Persons who are in a node twice are found by their genotypes; plink2 is the oracle."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

from goe_lake.lake import duplicates, find_duplicates
from goe_lake.lake.duplicates import LEAST_SITES, SAME_PERSON, _blocks, _chosen_sites
from tests.lake.nodes import built, make_node, vcf_text

HIGH_COVERAGE = "1000genomes/grch38-chr1to22-X.3202.no-info.vcf.gz"


def drawn(people: int, sites: int, seed: int) -> list[list[str]]:
    """Random genotypes at common sites: (people, sites)."""
    draw = random.Random(seed)
    shares = [draw.uniform(0.2, 0.8) for _ in range(sites)]
    return [[f"{int(draw.random() < p)}/{int(draw.random() < p)}" for p in shares] for _ in range(people)]


def delivery(names: list[str], genotypes: list[list[str]]) -> str:
    """A VCF of chr1 .. chr3 with one common SNV every 10 bases."""
    records = [
        f"{1 + site % 3} {1000 + site * 10} A C | " + " ".join(person[site] for person in genotypes)
        for site in range(len(genotypes[0]))
    ]
    return vcf_text(names, sorted(records, key=lambda record: record.split()[0]))


def test_kinship_is_that_of_plink2(tmp_path: Path, test_data: Path) -> None:
    """Real genomes of 1000 Genomes, trios among them: each pair has plink2's KING coefficient."""
    ids = subprocess.run(
        ["bcftools", "query", "-l", str(test_data / HIGH_COVERAGE)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[:64]
    ids += ["HG00403", "HG00404", "HG00405", "HG00406", "HG00407", "HG00408"]
    cut = tmp_path / "cut.vcf.gz"
    subprocess.run(
        ["bcftools", "view", "-s", ",".join(ids), "-Oz", "-o", str(cut), str(test_data / HIGH_COVERAGE)],
        check=True, capture_output=True,
    )  # fmt: skip
    snapshot, _ = built(make_node(tmp_path / "node", [{"x.vcf.gz": cut.read_bytes()}], people=ids))
    check = find_duplicates(snapshot, above=-100, alike=0)
    assert check.sites > 300
    assert (check.compared, check.too_few, len(check.duplicates)) == (70 * 69 // 2, 0, 70 * 69 // 2)
    sites = {
        (contig.removeprefix("chr"), pos)
        for contig, keys in _chosen_sites(snapshot, len(ids), 10**6).items()
        for pos in keys["pos"].to_pylist()
    }
    (tmp_path / "sites.bed").write_text("".join(f"{contig}\t{pos}\t{pos}\n" for contig, pos in sorted(sites)))
    command = ["plink2", "--vcf", str(cut), "--autosome", "--max-alleles", "2", "--extract", "bed1",
               str(tmp_path / "sites.bed"), "--set-all-var-ids", "@-#-$r-$a", "--sort-vars", "--make-pgen",
               "--threads", "1", "--out", str(tmp_path / "k")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    king = [
        "plink2",
        "--pfile",
        str(tmp_path / "k"),
        "--make-king-table",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "k"),
    ]
    subprocess.run(king, check=True, capture_output=True)
    lines = [line.split() for line in (tmp_path / "k.kin0").read_text().splitlines()]
    names = {name: place for place, name in enumerate(lines[0])}
    expected = {
        tuple(sorted(line[:2])): (float(line[names["KINSHIP"]]), int(line[names["NSNP"]]))
        for line in lines[1:]
    }
    found = {(pair.first, pair.second): (pair.kinship, pair.sites) for pair in check.duplicates}
    assert found.keys() == expected.keys()
    assert all(found[pair][1] == expected[pair][1] for pair in found)
    assert all(found[pair][0] == pytest.approx(expected[pair][0], abs=1e-4) for pair in found)
    assert max(kinship for kinship, _ in found.values()) > 0.2, "parents and children are among them"


def test_a_person_in_two_deliveries_is_found(tmp_path: Path) -> None:
    """Under another name, with no-calls and wrong calls as two sequencings have; nobody else is named."""
    people = drawn(30, 600, 1)
    draw = random.Random(2)
    again = ["./." if draw.random() < 0.03 else "0/1" if draw.random() < 0.01 else call for call in people[7]]
    first = [f"a{number}" for number in range(30)]
    files = [
        {"1.vcf": delivery(first, people)},
        {"2.vcf": delivery(["x", "y"], [drawn(1, 600, 3)[0], again])},
    ]
    _, report = built(make_node(tmp_path, files, people=[*first, "x", "y"]))
    check = report.duplicates
    assert check is not None
    assert not check.passed
    (pair,) = check.duplicates
    assert (pair.first, pair.second) == ("a7", "y")
    assert pair.kinship > 0.45
    assert pair.same > 0.97
    assert (check.samples, check.compared, check.too_few) == (32, 32 * 31 // 2, 0)


def test_samples_of_one_person_are_no_duplicates_and_swapped_ones_are_seen(tmp_path: Path) -> None:
    """What person_id joins may be alike, and must be."""
    people = drawn(10, 400, 4)
    people[1] = people[0]
    names = [f"s{number}" for number in range(10)]
    table = "sample_id\tperson_id\n" + "".join(
        f"{name}\t{ {'s0': 'p', 's1': 'p', 's2': 'q', 's3': 'q'}.get(name, '') }\n" for name in names
    )
    check = find_duplicates(built(make_node(tmp_path, [{"x.vcf": delivery(names, people)}], table))[0])
    assert check.duplicates == ()
    assert [(pair.first, pair.second) for pair in check.mismatched] == [("s2", "s3")]
    assert check.mismatched[0].kinship < SAME_PERSON


def test_strangers_of_the_same_haplotypes_are_two(tmp_path: Path) -> None:
    """Over a few blocks that are inherited whole, kinship alone takes one stranger in dozens for another."""
    draw = random.Random(5)
    haplotypes = [[[draw.choice("01") for _ in range(40)] for _ in range(4)] for _ in range(8)]
    people = []
    for _ in range(60):
        calls: list[str] = []
        for kinds in haplotypes:
            one, other = draw.choice(kinds), draw.choice(kinds)
            calls += [f"{a}/{b}" for a, b in zip(one, other, strict=True)]
        people.append(calls)
    names = [f"s{number}" for number in range(60)]
    snapshot, _ = built(make_node(tmp_path, [{"x.vcf": delivery(names, people)}], people=names))
    assert find_duplicates(snapshot, alike=0).duplicates
    assert find_duplicates(snapshot).duplicates == ()


def test_too_few_common_sites_are_said(tmp_path: Path) -> None:
    """A panel of a few sites cannot tell persons apart, and does not claim to."""
    names = ["a", "b", "c"]
    same = [["0/1"] * 20] * 3
    check = find_duplicates(built(make_node(tmp_path, [{"x.vcf": delivery(names, same)}], people=names))[0])
    assert (check.compared, check.too_few, check.duplicates) == (0, 3, ())


@pytest.mark.slow
def test_3202_persons_with_a_planted_duplicate(tmp_path: Path, test_data: Path) -> None:
    """All of 1000 Genomes' high-coverage samples: the planted one is found, parents and children are not."""
    source = test_data / HIGH_COVERAGE
    ids = subprocess.run(["bcftools", "query", "-l", str(source)], capture_output=True, text=True, check=True)
    one = tmp_path / "one.vcf.gz"
    view = ["bcftools", "view", "-s", "NA12878", "-Oz", "-o", str(tmp_path / "cut.vcf.gz"), str(source)]
    subprocess.run(view, check=True, capture_output=True)
    (tmp_path / "name").write_text("again\n")
    subprocess.run(
        ["bcftools", "reheader", "-s", str(tmp_path / "name"), "-o", str(one), str(tmp_path / "cut.vcf.gz")],
        check=True, capture_output=True,
    )  # fmt: skip
    files = [{"all.vcf.gz": source.read_bytes()}, {"one.vcf.gz": one.read_bytes()}]
    snapshot, _ = built(make_node(tmp_path / "node", files, people=[*ids.stdout.split(), "again"]))
    check = find_duplicates(snapshot)
    assert [(pair.first, pair.second, pair.same) for pair in check.duplicates] == [("NA12878", "again", 1.0)]
    assert check.compared == 3203 * 3202 // 2


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(("sites", "missing"), [(99, 0.0), (150, 0.3), (801, 0.02), (801, 0.6)])
def test_every_pair_is_counted_or_surely_two_persons(
    sites: int, missing: float, loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the screen passes over, a count of each pair says too: comparable, and not above."""
    monkeypatch.setattr(duplicates, "LEAST_FOR_LOOP", 0 if loop else 1000)
    monkeypatch.setattr(duplicates, "BLOCK", 40)
    monkeypatch.setattr(duplicates, "ROWS", 7)
    rng = np.random.default_rng(sites)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.9, sites), (60, sites)).astype(np.int8)
    dosages[1::6] = dosages[0::6]
    dosages[3::6] = np.where(rng.random((10, sites)) < 0.7, dosages[2::6], dosages[3::6])
    dosages[rng.random(dosages.shape) < missing * rng.random((60, 1))] = -1
    persons = np.arange(60)
    persons[5::6] = persons[4::6]
    compared, expected = 0, set[tuple[int, int]]()
    for left in range(60):
        for right in range(left + 1, 60):
            both = (dosages[left] >= 0) & (dosages[right] >= 0)
            one, other = dosages[left, both].astype(int), dosages[right, both].astype(int)
            hets = min((one == 1).sum(), (other == 1).sum())
            if both.sum() < LEAST_SITES or not hets:
                continue
            compared += 1
            kinship = 0.5 - ((one - other) ** 2).sum() / (4 * hets)
            if (kinship > SAME_PERSON) != (persons[left] == persons[right]):
                expected.add((left, right))
    found, counted = set[tuple[int, int]](), 0
    for decided, block in _blocks(dosages, persons, SAME_PERSON):
        counted += decided
        if block is not None:
            counted += int(block.usable.sum())
            found |= {pair[:2] for pair in block.odd_pairs(persons, SAME_PERSON, 0.0)}
    assert (counted, found) == (compared, expected)
