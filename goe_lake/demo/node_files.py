"""The text files of one node: its settings, its policy, its persons and their scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.countries import Country
from goe_lake.demo.loci import LOCI
from goe_lake.demo.persons import CONSENT_SHARES, Roster
from goe_lake.demo.phenotypes import BMI_BOUNDS, HUNDREDTHS, LDL_BOUNDS, Phenotypes
from goe_lake.demo.scoring import PolygenicScore, decimal_text
from goe_lake.demo.sites import Site

ANNOTATION_COLUMNS: Final = ("contig", "pos", "ref", "alt", "rsid", "gene", "consequence")
SAMPLE_COLUMNS: Final = (
    "sample_id", "sex", "birth_year", "population", "cohort", "consent", "bmi", "ldl", "t2d",
)  # fmt: skip

_POLICY: Final = """\
# What may leave this node; the rules themselves are explained in the policy guide.
version          = 1
protection       = "on"
min_persons      = 10
min_contributors = 10

# Which purposes each consent code covers
[consent]
"""

# "demo" is the purpose of the project that the demo's queries run in.
_PURPOSES: Final = ("demo", "cardiovascular", "reporting", "allele_frequencies")

_NODE: Final = """\
# Simulated persons: this node says nothing about real people.
[node]
id       = "GOE-{code}-NODE-1"
country  = "{code}"
name     = "{adjective} node"
assembly = "GRCh38"
lake     = "lake"
policy   = "policy.toml"

[[genotypes]]
files         = ["vcf/*.vcf.gz"]
absent_sites  = "hom_ref"
format_fields = ["GQ", "DP"]

[samples]
file = "samples.tsv"

[samples.columns.sex]
values   = ["F", "M"]
nullable = false

[samples.columns.birth_year]
nullable = true

[samples.columns.population]
values   = {populations}
nullable = false

[samples.columns.cohort]
values   = ["{cohort}"]
nullable = false

[samples.columns.consent]
values   = {consents}
nullable = false

[samples.columns.bmi]
type        = "double"
unit        = "kg/m2"
bounds      = {bmi_bounds}
resolution  = 0.01
nullable    = true
description = "Body mass index at recruitment"

[samples.columns.ldl]
type        = "double"
unit        = "mmol/L"
bounds      = {ldl_bounds}
resolution  = 0.01
nullable    = true
description = "LDL cholesterol at recruitment"

[samples.columns.t2d]
type        = "boolean"
nullable    = false
description = "Type 2 diabetes, diagnosed before or at recruitment"

[[scores]]
file = "scores.tsv"
{scores}
[annotation]
genes    = "genes.bed"
variants = "annotation.tsv"
"""

_SCORE: Final = """
[scores.columns.{pgs_id}]
bounds      = [{low}, {high}]
resolution  = 0.0001
description = "{description}"
"""


def node_toml(roster: Roster, scores: Mapping[PolygenicScore, tuple[int, int]]) -> str:
    """The settings of the node of *roster*; *scores* have the extreme sums of each score."""
    country = roster.country
    present = [name for name in (country.population, *country.minorities) if name in set(roster.populations)]
    return _NODE.format(
        code=country.code,
        adjective=country.adjective,
        cohort=country.cohort,
        populations=json.dumps(present),
        consents=json.dumps(list(CONSENT_SHARES)),
        bmi_bounds=json.dumps(BMI_BOUNDS),
        ldl_bounds=json.dumps(LDL_BOUNDS),
        scores="".join(
            _SCORE.format(
                pgs_id=score.pgs_id,
                low=decimal_text(low),
                high=decimal_text(high),
                description=score.description,
            )
            for score, (low, high) in scores.items()
        ),
    )


def policy_toml() -> str:
    """The policy of every node: the usual thresholds, and consent codes that all cover the demo."""
    width = max(map(len, CONSENT_SHARES))
    return _POLICY + "".join(f"{code:<{width}} = {json.dumps(_PURPOSES)}\n" for code in CONSENT_SHARES)


def samples_tsv(roster: Roster, phenotypes: Phenotypes) -> str:
    """One row a person; an empty field is a missing value."""
    columns = (
        roster.sample_ids,
        np.where(roster.is_male, "M", "F").tolist(),
        _known(roster.birth_years.tolist(), phenotypes.has_birth_year),
        roster.populations,
        [roster.country.cohort] * len(roster),
        roster.consents,
        _known(_two_decimals(phenotypes.bmi), phenotypes.has_bmi),
        _known(_two_decimals(phenotypes.ldl), phenotypes.has_ldl),
        np.where(phenotypes.t2d, "true", "false").tolist(),
    )
    return _tsv(SAMPLE_COLUMNS, zip(*columns, strict=True))


def scores_tsv(roster: Roster, sums: Mapping[PolygenicScore, NDArray[np.int64]]) -> str:
    """One row a person and score."""
    rows = (
        (sample_id, score.pgs_id, decimal_text(units))
        for score, totals in sums.items()
        for sample_id, units in zip(roster.sample_ids, totals.tolist(), strict=True)
    )
    return _tsv(("sample_id", "pgs_id", "score"), rows)


def annotation_tsv(sites: Iterable[Site]) -> str:
    """One row for each alternate allele of *sites*."""
    rows = (
        (site.contig, str(site.pos), site.ref, alt, site.rsid, site.gene, consequence)
        for site in sites
        for alt, consequence in zip(site.alts, site.consequences, strict=True)
    )
    return _tsv(ANNOTATION_COLUMNS, rows)


def genes_bed() -> str:
    """The genes of all loci; BED counts from 0 and leaves the end out."""
    return "".join(
        f"{locus.contig}\t{locus.gene_start - 1}\t{locus.gene_end}\t{locus.gene}\n" for locus in LOCI
    )


def _tsv(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["\t".join(columns), *("\t".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _two_decimals(hundredths: NDArray[np.int64]) -> list[str]:
    return [f"{value / HUNDREDTHS:.2f}" for value in hundredths.tolist()]


def _known(values: Sequence[object], known: NDArray[np.bool_]) -> list[str]:
    return [str(value) if is_known else "" for value, is_known in zip(values, known.tolist(), strict=True)]


def node_folder(directory: Path, country: Country) -> Path:
    """The folder of the node of *country*."""
    return directory / country.code.lower()
