"""Hardy-Weinberg p-values, filtering frequencies and group maxima, against other routes to them."""

from __future__ import annotations

import math
import subprocess
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from cyvcf2 import VCF
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import poisson

from goe_lake.products.frequencies.statistics import faf95, group_maximum, hwe_exact

genotype_counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))


def _ways(het: int, rare: int, total: int) -> int:
    """In how many ways *rare* alleles among *total* persons make *het* heterozygotes: exact."""
    homs = (rare - het) // 2
    return math.comb(total, het) * math.comb(total - het, homs) * 2**het


def _by_definition(hom_ref: int, het: int, hom_alt: int) -> float:
    """The p-value as a ratio of whole numbers, ties and all."""
    total, rare = hom_ref + het + hom_alt, 2 * min(hom_ref, hom_alt) + het
    ways = [_ways(h, rare, total) for h in range(rare % 2, min(rare, 2 * total - rare) + 1, 2)]
    seen = _ways(het, rare, total)
    return float(Fraction(sum(way for way in ways if way <= seen), sum(ways)))


def _one(hom_ref: int, het: int, hom_alt: int) -> float:
    return hwe_exact(np.array([hom_ref]), np.array([het]), np.array([hom_alt]))[0]


@given(counts=st.lists(genotype_counts, min_size=1, max_size=30))
def test_hwe_is_its_definition(counts):
    """Whole numbers by the definition give the same p-value, also where two counts are equally probable."""
    counts = [triple for triple in counts if sum(triple)] or [(1, 0, 0)]
    found = hwe_exact(*np.array(counts).T)
    assert found == pytest.approx([_by_definition(*triple) for triple in counts], rel=1e-12)


@pytest.mark.parametrize(
    "counts", [(100_000, 400, 2), (62_400, 37_600, 5_900), (25_000, 50_100, 24_900), (90_000, 9_000, 400)]
)
def test_hwe_of_a_hundred_thousand_persons(counts):
    """Sums of decimals of 60 digits give the same p-value for the whole of Europe."""
    hom_ref, het, hom_alt = counts
    total, rare = sum(counts), 2 * min(hom_ref, hom_alt) + het
    with localcontext(prec=60):
        terms, h = [Decimal(1)], rare % 2
        places = [h]
        while h + 2 <= rare:
            homs = (rare - h) // 2
            terms.append(terms[-1] * 4 * homs * (total - h - homs) / ((h + 2) * (h + 1)))
            h += 2
            places.append(h)
        seen = terms[places.index(het)]
        wanted = float(sum(term for term in terms if term <= seen) / sum(terms))
    assert _one(*counts) == pytest.approx(wanted, rel=1e-10)


def test_hwe_of_a_strong_departure_is_small_and_not_lost():
    """p-values far below 1e-16 keep their digits; what no double holds is 0, never NaN."""
    assert _one(60, 0, 60) == pytest.approx(_by_definition(60, 0, 60), rel=1e-12)
    assert _one(50_000, 0, 50_000) == 0.0
    assert _one(0, 100_000, 0) == 0.0


def test_hwe_where_it_says_nothing():
    """One allele gives 1; nobody counted, or a withheld class, gives NaN."""
    assert _one(10, 0, 0) == _one(0, 0, 10) == 1.0
    assert np.isnan([_one(0, 0, 0), _one(-1, 3, 4), _one(5, -1, 4), _one(5, 3, -1)]).all()


def test_hwe_of_no_sites():
    """No sites, no p-values."""
    none = np.array([], np.int64)
    assert hwe_exact(none, none, none).shape == (0,)


def test_hwe_does_not_know_which_allele_is_the_reference():
    """Swapping the homozygotes changes nothing."""
    hom_ref, het, hom_alt = np.random.default_rng(1).integers(0, 500, (3, 200))
    assert np.array_equal(hwe_exact(hom_ref, het, hom_alt), hwe_exact(hom_alt, het, hom_ref))


@pytest.fixture(scope="module")
def autosomal(test_data: Path) -> Path:
    """600 sites of 2,504 persons."""
    return test_data / "1000genomes" / "grch37-chr21-9411239-9425829.2504.vcf.gz"


@pytest.mark.skipif(not which("plink2"), reason="plink2 is not installed")
def test_hwe_equals_plink2(autosomal, tmp_path):
    """The p-values of plink2 --hardy, from its own counts, to all six digits that it prints."""
    command = ["plink2", "--vcf", autosomal, "--hardy", "--max-alleles", "2", "--out", tmp_path / "x"]
    subprocess.run(command, check=True, capture_output=True)
    lines = [line.split() for line in (tmp_path / "x.hardy").read_text().splitlines()]
    at = {name: place for place, name in enumerate(lines[0])}
    named = ("HOM_A1_CT", "HET_A1_CT", "TWO_AX_CT")
    counts = [np.array([int(line[at[name]]) for line in lines[1:]]) for name in named]
    wanted = np.array([float(line[at["P"]]) for line in lines[1:]])
    assert len(wanted) > 500
    assert (wanted < 0.01).any()
    assert hwe_exact(*counts) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.skipif(not which("bcftools"), reason="bcftools is not installed")
def test_hwe_equals_bcftools(autosomal, tmp_path):
    """The p-values of bcftools +fill-tags, which are single floats, from its own counts."""
    command = ["bcftools", "+fill-tags", autosomal, "-o", tmp_path / "x.vcf", "--", "-t", "all"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("bcftools has no plugins here")
    query = ["bcftools", "query", "-i", "N_ALT=1", "-f", "%AN %AC_Het %AC_Hom %HWE\n", tmp_path / "x.vcf"]
    rows = [line.split() for line in subprocess.check_output(query, text=True).splitlines()]
    an, het, hom = np.array([[int(value) for value in row[:3]] for row in rows]).T
    wanted = np.array([float(row[3]) for row in rows])
    assert hwe_exact(an // 2 - het - hom // 2, het, hom // 2) == pytest.approx(wanted, rel=1e-4)


@given(ac=st.integers(2, 400), an=st.integers(400, 300_000))
def test_faf95_is_where_the_poisson_bound_stands(ac, an):
    """A root of the summed Poisson terms, found without the gamma function, is the same rate."""

    def excess(rate: float) -> float:
        terms = (math.exp(i * math.log(rate) - rate - math.lgamma(i + 1)) for i in range(ac))
        return math.fsum(terms) - 0.95

    wanted = brentq(excess, 1e-9, 2.0 * ac, xtol=1e-12, rtol=1e-14) / an
    assert faf95(np.array([ac]), np.array([an]))[0] == pytest.approx(wanted, rel=1e-8)


@given(ac=st.integers(2, 200_000), an=st.integers(200_000, 400_000))
def test_faf95_is_the_largest_such_frequency(ac, an):
    """Just below it the 95 % bound of the count is under ac; just above it no longer."""
    found = faf95(np.array([ac]), np.array([an]))[0]
    assert poisson.ppf(0.95, an * found * (1 - 1e-6)) < ac
    assert poisson.ppf(0.95, an * found * (1 + 1e-6)) >= ac


def test_faf95_equals_what_gnomad_published(test_data):
    """The values of gnomAD v3 sites, within the 1e-6 to which gnomAD computes them."""
    compared = []
    for record in VCF(str(test_data / "annotation" / "gnomad-r3.0-30-sites.vcf.gz")):
        for suffix, faf in (("", "adj"), ("_nfe", "nfe"), ("_afr", "afr"), ("_sas", "sas")):
            wanted, ac, an = (
                record.INFO.get(name) for name in (f"faf95_{faf}", f"AC{suffix}", f"AN{suffix}")
            )
            if None not in (wanted, ac, an):
                compared.append((ac, an, wanted))
    ac, an, wanted = np.array(compared).T
    assert (wanted > 0).sum() > 5
    assert faf95(ac.astype(np.int64), an.astype(np.int64)) == pytest.approx(wanted, abs=1.1e-6)


def test_faf95_where_it_says_nothing():
    """Singletons and absent alleles have none, as in gnomAD; a withheld count has no number."""
    found = faf95(np.array([0, 1, 5, -1, 5]), np.array([100, 100, 0, 100, -1]))
    assert found[:3].tolist() == [0, 0, 0]
    assert np.isnan(found[3:]).all()


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.25, math.nan])),
        unique_by=lambda row: row[:2],
    )
)
def test_the_group_maximum_is_the_largest_with_ties_by_name(rows):
    """Plain Python agrees; groups of frequency 0, or of none, are no maximum."""
    groups = ["fin", "est", "zzz", "nfe"]
    sites, group, faf = (np.array([row[i] for row in rows], kind) for i, kind in enumerate((int, int, float)))
    names, values = group_maximum(sites, groups, group, faf, 6)
    for site in range(6):
        best = sorted((-f, groups[g]) for s, g, f in rows if s == site and f > 0)
        assert names[site] == (best[0][1] if best else None)
        assert values[site] == -best[0][0] if best else math.isnan(values[site])
