"""Sequences that ask for a column, and for it times a column that is the same for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.sequences.test_sequences import GENOTYPES, WITH, WITHOUT, less
from tests.attacks.sequences.worlds import SECRETS, World

#: How many rows of the nested query a person has: one.
COUNTED = (
    "samples JOIN (SELECT sample_id, count(*) AS n FROM genotypes GROUP BY sample_id) AS b USING (sample_id)"
)
#: What is 1 for everybody times the column, and where from.
TIMES = {
    "twice_by_called_alleles": ("sum(ldl * called_alleles) / 2", GENOTYPES),
    "once_by_rows_of_a_person": ("sum(ldl * b.n)", COUNTED),
    "a_product_by_called_alleles": ("sum(called_alleles * (3 * ldl + 1)) / 6 - count(*) / 3", GENOTYPES),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", TIMES)
def test_a_column_times_what_all_share_is_the_column(name: str, backwards: bool, tmp_path: Path) -> None:
    """The LDL of those with the target, and of those without times a constant, in either order."""

    def attack(secret: str, *, audit: bool) -> float | None:
        ask = World(tmp_path / f"{audit}{secret}", secret, audit=audit).open()
        select, source = TIMES[name]
        asked = [("sum(ldl)", WITH, "samples"), (select, WITHOUT, source)]
        told = [ask(*one) for one in (asked[::-1] if backwards else asked)]
        return less(*(told[::-1] if backwards else told))

    assert [attack(secret, audit=False) for secret in SECRETS] == [
        pytest.approx(float(secret)) for secret in SECRETS
    ]
    on = [attack(secret, audit=True) for secret in SECRETS]
    assert None in on or on[0] == pytest.approx(on[1])


def test_a_truth_times_what_all_share_is_a_count(tmp_path: Path) -> None:
    """Who of the one selection has diabetes, and of the other: the target does."""

    def attack(*, audit: bool) -> float | None:
        ask = World(tmp_path / str(audit), SECRETS[0], audit=audit).open()
        one = ask("count(*) FILTER (WHERE t2d)", WITH)
        return less(one, ask("sum(t2d::INT * called_alleles) / 2", WITHOUT, GENOTYPES))

    assert attack(audit=False) == 1
    assert attack(audit=True) in (None, 0)


def test_what_is_told_again_is_of_the_same_size(tmp_path: Path) -> None:
    """A repeated sum is multiplied as the one that was asked for."""
    ask = World(tmp_path, SECRETS[0], audit=True).open()
    first = ask("sum(ldl)", WITH)
    assert first is not None
    assert ask("sum(ldl * called_alleles)", WITHOUT, GENOTYPES) == pytest.approx(2 * first)


#: Numbers of one site, which are kept by class.
HERE = "variant_id = 'chr1-1000-A-C'"
CARRIERS = "count(*) FILTER (WHERE dosage > 0)"
#: Carriers of a nested query, among samples.
BENEATH = f"sample_id IN (SELECT sample_id FROM genotypes WHERE {HERE} AND dosage > 0)"
#: Numbers of the same genotypes by other weights: the first over those with the target, the others without.
OTHERWISE = {
    "alleles_and_their_double": ("sum(dosage)", ("sum(dosage * called_alleles) / 2",)),
    "carriers_and_genotypes": (
        CARRIERS,
        ("count(*) FILTER (WHERE dosage = 1)", "count(*) FILTER (WHERE dosage = 2)"),
    ),
    "alleles_and_carriers_and_homozygotes": ("sum(dosage)", (CARRIERS, "count(*) FILTER (WHERE dosage = 2)")),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", OTHERWISE)
def test_genotypes_weighed_otherwise_are_of_the_same_persons(
    name: str, backwards: bool, tmp_path: Path
) -> None:
    """The target carries one allele: what is counted with her, less the same by other numbers without."""

    def attack(*, audit: bool) -> float | None:
        ask = World(tmp_path / str(audit), SECRETS[0], audit=audit, size=160).open()
        one, others = OTHERWISE[name]
        asked = [(one, WITH), *((other, WITHOUT) for other in others)]
        ordered = asked[::-1] if backwards else asked
        told = [ask(select, f"{HERE} AND {where}", GENOTYPES) for select, where in ordered]
        return less(*(told[::-1] if backwards else told))

    assert attack(audit=False) == 1
    assert attack(audit=True) is None


def test_alleles_of_a_region_are_carriers_and_homozygotes(tmp_path: Path) -> None:
    """The same where the question names no site: sums of totals, and counts of rows."""
    ask = World(tmp_path, SECRETS[0], audit=True, size=160).open()
    one, others = OTHERWISE["alleles_and_carriers_and_homozygotes"]
    told = [ask(one, WITH, GENOTYPES), *(ask(other, WITHOUT, GENOTYPES) for other in others)]
    assert less(*told) is None


@pytest.mark.parametrize("backwards", [False, True])
def test_carriers_of_a_nested_query_are_those_of_the_site(backwards: bool, tmp_path: Path) -> None:
    """Carriers with the target at the site, and without her as members of a nested query."""
    ask = World(tmp_path, SECRETS[0], audit=True, size=160).open()
    asked = [(CARRIERS, f"{HERE} AND {WITH}", GENOTYPES), ("count(*)", f"{WITHOUT} AND {BENEATH}", "samples")]
    told = [ask(*one) for one in (asked[::-1] if backwards else asked)]
    assert less(*(told[::-1] if backwards else told)) in (None, 0)


def test_other_weights_of_the_same_persons_are_told(tmp_path: Path) -> None:
    """Alleles, carriers and genotypes of one selection, one after the other."""
    ask = World(tmp_path, SECRETS[0], audit=True, size=160).open()
    selects = ("sum(dosage)", CARRIERS, "count(*) FILTER (WHERE dosage = 2)")
    assert None not in [ask(select, f"{HERE} AND {WITH}", GENOTYPES) for select in selects]


#: Rows of each person at the site, and the alleles that the person has there.
ROWS = f"SELECT sample_id FROM genotypes WHERE {HERE} AND dosage > 0"
BY_PERSON = (
    "samples JOIN (SELECT sample_id, sum(dosage) AS n FROM genotypes "
    f"WHERE {HERE} GROUP BY sample_id) AS b USING (sample_id)"
)
#: Carriers among those without the target, in other words than the site's own.
ELSEWHERE = {
    "exists": (
        "count(*)",
        f"{WITHOUT} AND EXISTS (SELECT 1 FROM genotypes AS g WHERE g.sample_id = s.sample_id "
        f"AND g.{HERE} AND g.dosage > 0)",
        "samples AS s",
    ),
    "semi_join": ("count(*)", WITHOUT, f"samples SEMI JOIN ({ROWS}) AS c USING (sample_id)"),
    "by_person": ("count(*)", f"{WITHOUT} AND b.n > 0", BY_PERSON),
    "mixed_with_who_is_asked_for": (
        "count(*)",
        f"CASE WHEN {WITHOUT} THEN b.n > 0 ELSE false END",
        BY_PERSON,
    ),
    "in_a_filter": (f"count(*) FILTER (WHERE b.n > 0 AND {WITHOUT})", "true", BY_PERSON),
    "over_several_sites": (CARRIERS, WITHOUT, GENOTYPES),
    "at_the_site_and_beneath": (CARRIERS, f"{HERE} AND {WITHOUT} AND {BENEATH}", GENOTYPES),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_carriers_in_other_words_are_those_of_the_site(name: str, backwards: bool, tmp_path: Path) -> None:
    """Carriers with the target at the site, and without her in other words."""

    def attack(*, audit: bool) -> float | None:
        ask = World(tmp_path / str(audit), SECRETS[0], audit=audit, size=160).open()
        asked = [(CARRIERS, f"{HERE} AND {WITH}", GENOTYPES), ELSEWHERE[name]]
        told = [ask(*one) for one in (asked[::-1] if backwards else asked)]
        return less(*(told[::-1] if backwards else told))

    assert attack(audit=False) == 1
    assert attack(audit=True) in (None, 0)


def test_carriers_in_other_words_add_up_along_keys(tmp_path: Path) -> None:
    """Carriers with the target at the site, less the women and men without her who are among them."""

    def attack(*, audit: bool) -> float | None:
        ask = World(tmp_path / str(audit), SECRETS[0], audit=audit, size=400).open()
        one = ask(CARRIERS, f"{HERE} AND {WITH}", GENOTYPES)
        rows = ask.federation.sql(
            f"SELECT sex, count(*) AS n FROM samples WHERE country = 'EE' AND {WITHOUT} AND {BENEATH} "
            "GROUP BY sex"
        ).table.to_pylist()
        return less(one, *(row["n"] for row in rows))

    assert attack(audit=False) == 1
    assert attack(audit=True) is None


def test_it_is_not_the_genotype_that_withholds(tmp_path: Path) -> None:
    """A target who carries nothing is answered as one who does."""

    def told(gt: str) -> list[bool]:
        world = World(tmp_path / gt[0], SECRETS[0], audit=True, size=160)
        world.target["gt"] = f"{gt}/{gt}"
        ask = world.open()
        ask(CARRIERS, f"{HERE} AND {WITH}", GENOTYPES)
        return [ask(*one) is None for one in ELSEWHERE.values()]

    assert told("0") == told("1")


def test_other_words_for_the_same_persons_are_told(tmp_path: Path) -> None:
    """Numbers of one selection, at the site and beneath; and those of others."""
    ask = World(tmp_path, SECRETS[0], audit=True, size=160).open()
    assert ask(CARRIERS, f"{HERE} AND {WITH}", GENOTYPES) is not None
    assert ask("count(*)", f"{WITH} AND {BENEATH}") is not None
    assert ask("sum(dosage)", WITH, GENOTYPES) is not None
    assert ask("sum(dosage)", "true", GENOTYPES) is not None
    assert ask("count(*)", BENEATH) is not None
