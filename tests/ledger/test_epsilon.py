"""The epsilon that noisy answers claim is not exceeded: measured on neighbouring data sets.

Every group of a table gets noise apart from the others, so that one call over many equal groups is as
many answers about one group. Compared are the frequencies of an outcome with and without one person.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import beta

from goe_lake.federation.noise import Noise, cost, noises, sensitivity, with_noise
from goe_lake.release import ColumnRef as Ref
from goe_lake.release import Key, KeyDomain, Measure, MeasureFunction, Relation, Release, Scan

CONFIDENCE = 1 - 1e-6  # of each bound
LEAST = 10  # a group of so many noisy persons has a row
BMI = 80  # the public bound, and what the person who is added has
EPSILON = 1.2


def release() -> Release:
    """A count and a sum by group."""
    measures = (
        Measure("m0", MeasureFunction.ROWS),
        Measure("m1", MeasureFunction.SUM, (Ref("samples", "bmi"),)),
    )
    key = Key("k0", Ref("samples", "cohort"), KeyDomain.LABELS)
    return Release(Relation(Scan("samples", "samples")), (), (key,), measures)


def draws(persons: int, total: int, noise: tuple[Noise, ...], groups: int) -> dict[str, np.ndarray]:
    """Noisy answers about *groups* equal groups: whether each has a row, its count and its sum."""
    numbers = list(range(groups))
    cells = pa.table(
        {"k0": numbers, "m0": [persons] * groups, "m1": [total] * groups, "m2": [persons] * groups}
    )
    told = with_noise(cells, release(), [(number,) for number in numbers], noise, LEAST)
    shown = np.zeros(groups, dtype=bool)
    shown[told.column("k0").to_numpy()] = True
    answers = {"shown": shown}
    for name in ("m0", "m1"):
        values = np.zeros(groups, dtype=np.int64)
        values[told.column("k0").to_numpy()] = told.column(name).to_numpy()
        answers[name] = values
    return answers


def outcomes(answers: dict[str, np.ndarray], persons: int, total: int) -> dict[str, int]:
    """How often what happened that one person makes likelier, or less likely."""
    shown, n, s = answers["shown"], answers["m0"], answers["m1"]
    return {
        "a row": int(shown.sum()),
        "no row": int((~shown).sum()),
        "all above": int((shown & (n > persons) & (s >= total + BMI)).sum()),
        "count above": int((shown & (n > persons)).sum()),
        "all below": int((shown & (n < persons) & (s < total)).sum()),
        "sum below": int((shown & (s < total)).sum()),
    }


def surely_lost(often: int, seldom: int, trials: int) -> float:
    """A lower bound of ln(p / q), wrong with a probability of at most 2e-6 (Clopper and Pearson, 1934)."""
    low = beta.ppf(1 - CONFIDENCE, often, trials - often + 1) if often else 0.0
    high = beta.ppf(CONFIDENCE, seldom + 1, trials - seldom) if seldom < trials else 1.0
    return math.log(low / high) if low > 0 else -math.inf


def largest_loss(noise: tuple[Noise, ...], trials: int) -> float:
    """The largest loss of privacy that surely occurs, over outcomes and both directions."""
    persons, total = LEAST - 1, 300
    without = outcomes(draws(persons, total, noise, trials), persons, total)
    with_one = outcomes(draws(persons + 1, total + BMI, noise, trials), persons, total)
    pairs = [(with_one[name], without[name]) for name in without]
    return max(surely_lost(*pair, trials) for one, other in pairs for pair in ((one, other), (other, one)))


def claimed(epsilon: float) -> tuple[Noise, ...]:
    """The noise that is drawn for *epsilon*, with a column of the bounds of this test."""
    reach = (1, BMI, 1)
    return tuple(Noise(most * len(reach) / epsilon) for most in reach)


def test_the_claimed_epsilon_is_not_exceeded() -> None:
    """And the test would see it: half the noise is caught, and what is claimed is nearly used up."""
    trials = 12_000
    assert largest_loss(claimed(EPSILON), trials) <= EPSILON
    assert largest_loss(claimed(EPSILON), trials) > EPSILON / 2
    assert largest_loss(claimed(2 * EPSILON), trials) > EPSILON


@pytest.mark.nightly
@pytest.mark.parametrize("epsilon", [0.3, 1.0, 3.0])
def test_the_claimed_epsilon_is_not_exceeded_in_many_trials(epsilon: float) -> None:
    """Two million answers each with and without the person."""
    assert largest_loss(claimed(epsilon), 2_000_000) <= epsilon


def test_a_release_costs_what_it_claims(tmp_path: object) -> None:
    """The scales are those of the public bounds, and OpenDP's own sum of their costs is the epsilon."""
    from decimal import Decimal

    from goe_lake.catalog import Column, ColumnType, node_catalog

    bmi = Column("bmi", ColumnType.DOUBLE, "", "kg/m2", (Decimal(10), Decimal(80)), Decimal(1))
    catalog = node_catalog("GRCh38", "EE", (bmi,), ())
    noise = noises(release(), catalog, EPSILON)
    assert noise == claimed(EPSILON)
    reach = [*(sensitivity(measure, release(), catalog) for measure in release().measures), 1]
    assert reach == [1, BMI, 1]
    assert sum(cost(one.scale, most) for one, most in zip(noise, reach, strict=True)) == pytest.approx(
        EPSILON
    )


@pytest.mark.parametrize("scale", [1.5, 60.0])
def test_the_interval_holds_what_it_says(scale: float) -> None:
    """At least 95 of 100 draws lie within it, and fewer within a narrower one."""
    noise, trials = Noise(scale), 30_000
    (answers,) = [draws(100_000, 0, (noise, Noise(1.0), Noise(1.0)), trials)["m0"] - 100_000]
    width = noise.half_width()
    within, narrower = (float((np.abs(answers) <= most).mean()) for most in (width, width - 1))
    assert within > 0.95 - 0.006
    assert narrower < 0.95 + 0.006


def test_an_empty_group_gets_noise_too() -> None:
    """Whether a group has a row depends on its noisy size alone, or a row would tell of somebody."""
    told = with_noise(
        pa.table({"k0": ["A"], "m0": [9], "m1": [300], "m2": [9]}),
        release(),
        [("A",), *((f"empty {number}",) for number in range(400))],
        claimed(0.1),
        LEAST,
    )
    assert 100 < told.num_rows < 300
