"""The stops of the demo's tour: a question, its SQL, and what to look at in the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any


@dataclass(frozen=True)
class Stop:
    """One stop: *title* is the question, *remark* says what the answer shows."""

    title: str
    sql: str
    remark: str


def tour(truth: Path) -> tuple[Stop, ...]:
    """The stops for the cohort whose planted effects the file *truth* holds."""
    effects = json.loads(truth.read_text(encoding="utf-8"))["traits"]["ldl"]["effects"]
    common = max((effect for effect in effects if 0.1 < effect["frequency"] < 0.9), key=_size)
    return (_people(), *_site(common), _released(), _carriers(), _scores(), _withheld(), _refused())


def _size(effect: Mapping[str, Any]) -> float:
    return abs(float(effect["effect"]))


def _sql(text: str) -> str:
    return dedent(text).strip()


def _people() -> Stop:
    return Stop(
        "How many persons does each country hold?",
        _sql("""
            SELECT country, count(*) AS persons, avg(ldl) AS ldl_mmol_l
            FROM samples
            GROUP BY country
            ORDER BY country
        """),
        "Each node counted its own persons; only these numbers left it.",
    )


def _site(effect: Mapping[str, Any]) -> tuple[Stop, ...]:
    """Three questions about the common variant with the largest planted effect on LDL."""
    variant = f"{effect['contig']}-{effect['pos']}-{effect['ref']}-{effect['alt']}"
    frequency = Stop(
        f"How frequent is the {effect['gene']} variant {variant} in each population?",
        _sql(f"""
            SELECT population, sum(dosage) AS ac, sum(called_alleles) AS an,
                   sum(dosage) / sum(called_alleles) AS af
            FROM genotypes JOIN samples USING (sample_id)
            WHERE variant_id = '{variant}'
            GROUP BY population
            ORDER BY af DESC
        """),
        "Counts travel, and the ratio is taken after the merge: a mean of frequencies would be wrong.",
    )
    genotypes = Stop(
        "Which genotypes are behind it, as a Hardy-Weinberg test wants them?",
        _sql(f"""
            SELECT country, count_if(dosage = 0) AS hom_ref, count_if(dosage = 1) AS het,
                   count_if(dosage = 2) AS hom_alt
            FROM genotypes JOIN samples USING (sample_id)
            WHERE variant_id = '{variant}'
            GROUP BY country
            ORDER BY country
        """),
        "Counts by genotype are told only where each class is empty or large enough.",
    )
    trait = Stop(
        "Does it change LDL cholesterol?",
        _sql(f"""
            SELECT dosage, count(*) AS persons, avg(ldl) AS ldl_mmol_l
            FROM genotypes JOIN samples USING (sample_id)
            WHERE variant_id = '{variant}' AND dosage IS NOT NULL
            GROUP BY dosage
            ORDER BY dosage
        """),
        f"The simulation planted {effect['effect']:+.2f} mmol/L a copy.",
    )
    return frequency, genotypes, trait


def _released() -> Stop:
    return Stop(
        "What does the European release say of the missense variants of APOE and PCSK9?",
        _sql("""
            SELECT gene, variant_id, ac, an, af, faf95, grpmax
            FROM allele_frequencies JOIN variants USING (contig, pos, ref, alt, variant_id)
            WHERE gene IN ('APOE', 'PCSK9') AND consequence = 'missense_variant'
                AND country = 'all' AND population = 'all' AND sex = 'all' AND status = 'ok'
            ORDER BY af DESC
            LIMIT 5
        """),
        "Released numbers are read, not computed: no node is asked about persons, and any join will do.",
    )


def _carriers() -> Stop:
    return Stop(
        "Who carries a missense variant in APOE?",
        _sql("""
            SELECT country, count(DISTINCT sample_id) AS carriers
            FROM genotypes
            JOIN variants USING (contig, pos, ref, alt)
            JOIN samples USING (sample_id)
            WHERE gene = 'APOE' AND consequence = 'missense_variant' AND dosage > 0
            GROUP BY country
            ORDER BY country
        """),
        "Persons are counted, not rows: someone with two variants counts once.",
    )


def _scores() -> Stop:
    return Stop(
        "Do people with diabetes have a higher polygenic score?",
        _sql("""
            SELECT t2d, count(*) AS persons, avg(score) AS mean_score
            FROM scores JOIN samples USING (sample_id)
            WHERE pgs_id = 'GOE000002' AND t2d IS NOT NULL
            GROUP BY t2d
            ORDER BY t2d
        """),
        "The score was planted as a cause of diabetes, so cases lie higher.",
    )


def _withheld() -> Stop:
    return Stop(
        "And who carries a variant that stops LDLR?",
        _sql("""
            SELECT country, count(DISTINCT sample_id) AS carriers
            FROM genotypes
            JOIN variants USING (contig, pos, ref, alt)
            JOIN samples USING (sample_id)
            WHERE gene = 'LDLR' AND consequence IN ('stop_gained', 'frameshift_variant') AND dosage > 0
            GROUP BY country
            ORDER BY country
        """),
        "A country that is not shown has <10 carriers, and <10 may be 9, 1 or none: a small group looks "
        "like no group, so that nobody can be found by asking.",
    )


def _refused() -> Stop:
    return Stop(
        "May I see the persons themselves?",
        "SELECT sample_id, ldl FROM samples WHERE ldl > 7",
        "Refused before any node was asked, with the place and what to write instead.",
    )
