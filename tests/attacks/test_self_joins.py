"""Attacks through genotypes of two sites that are joined on the person."""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import assert_answered_alike

TWO = "FROM genotypes a JOIN genotypes b USING (sample_id)"
COMMON, RARE, SEXED = "chr1-1000-A-C", "chr1-5000-G-T", "chrX-6000000-C-A"


def at(first: str, second: str) -> str:
    """The condition that a is at the site *first* and b at *second*."""
    return f"a.variant_id = '{first}' AND b.variant_id = '{second}'"


PERSON = "s.birth_year = 1903"
ATTACKS = {
    "a_private_allele_as_b": (
        f"SELECT count(*) {TWO} WHERE {at(COMMON, RARE)}",
        f"SELECT count(DISTINCT sample_id) {TWO} WHERE {at(COMMON, RARE)}",
        f"SELECT count(DISTINCT a.sample_id), sum(a.dosage) {TWO} WHERE {at(COMMON, RARE)} AND b.dosage > 0",
        f"SELECT sum(a.dosage), avg(a.dosage) {TWO} WHERE {at(COMMON, RARE)}",
        f"SELECT corr(a.dosage, b.dosage), count(*) {TWO} WHERE {at(COMMON, RARE)}",
        f"SELECT sum(a.dosage * b.dosage) {TWO} WHERE {at(COMMON, RARE)}",
        f"SELECT a.dosage, b.dosage, count(*) {TWO} WHERE {at(COMMON, RARE)} GROUP BY ALL",
        f"SELECT a.dosage, count(*) {TWO} WHERE {at(COMMON, RARE)} GROUP BY ALL",
        f"SELECT b.pos, count(*) {TWO} WHERE {at(COMMON, RARE)} GROUP BY ALL",
        f"SELECT country, count(*) {TWO} JOIN samples USING (sample_id) WHERE {at(COMMON, RARE)} GROUP BY country",
        f"SELECT count(*) {TWO} WHERE {at(RARE, RARE)}",
        f"SELECT count(*) {TWO} WHERE a.variant_id = '{COMMON}' AND b.contig = 'chr1' AND b.pos = 5000",
        f"SELECT count(*), sum(b.dosage) {TWO} WHERE a.contig = 'chr1' AND a.pos = 1000 AND b.contig = 'chr1' AND b.pos = 5000 AND b.ref = 'G' AND b.alt = 'T'",
    ),
    "one_person_at_two_sites": (
        f"SELECT a.dosage, b.dosage, count(*) {TWO} JOIN samples s USING (sample_id) WHERE {at(COMMON, SEXED)} AND {PERSON} GROUP BY ALL",
        f"SELECT sum(b.dosage), count(*) {TWO} JOIN samples s USING (sample_id) WHERE {at(COMMON, SEXED)} AND {PERSON}",
        f"SELECT sum(a.dosage * b.dosage) FILTER ({PERSON}) {TWO} JOIN samples s USING (sample_id) WHERE {at(COMMON, SEXED)}",
        f"SELECT a.dosage, b.dosage, s.birth_year, count(*) {TWO} JOIN samples s USING (sample_id) WHERE {at(COMMON, SEXED)} AND s.birth_year < 1940 GROUP BY ALL",
        f"SELECT corr(a.dosage, s.ldl) FILTER (b.dosage = 2 AND s.ldl > 9), count(*) {TWO} JOIN samples s USING (sample_id) WHERE {at(COMMON, SEXED)} AND {PERSON}",
    ),
}  # fmt: skip
STATEMENTS = [(kind, text) for kind, texts in ATTACKS.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
def test_the_secret_of_one_person_shows_nowhere(
    kind: str, text: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, their number and order, statuses, bounds, refusals and envelope are the same in both worlds."""
    assert_answered_alike(both, text)
