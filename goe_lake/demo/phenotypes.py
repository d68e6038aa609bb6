"""What was measured in each person: body mass index, LDL cholesterol and type 2 diabetes.

The phenotypes follow from the true genotypes, before any of them was lost in sequencing:

    ldl   mmol/L     = 3.4 + 0.012 (age - 50) + 0.10 if male + effects on ldl + noise of sd 0.8
    bmi   kg/m2      = 26.5 + 0.04 (age - 50) + 2.0 effects on t2d + noise of sd 4
    t2d   log odds   = -2.9 + 0.05 (age - 50) + 0.10 (bmi - 26.5) + 1.0 effects on t2d

where the effects are summed over a person's variants, less the mean of that sum over all persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.persons import Roster

MIDDLE_AGE: Final = 50
LDL_MEAN: Final = 3.4
LDL_PER_YEAR: Final = 0.012
LDL_OF_MEN: Final = 0.10
LDL_NOISE: Final = 0.8
LDL_BOUNDS: Final = (0.3, 15)
BMI_MEAN: Final = 26.5
BMI_PER_YEAR: Final = 0.04
BMI_PER_T2D_EFFECT: Final = 2.0
BMI_NOISE: Final = 4.0
BMI_BOUNDS: Final = (10, 80)
T2D_LOG_ODDS: Final = -2.9
T2D_PER_YEAR: Final = 0.05
T2D_PER_BMI: Final = 0.10
# Both are stored as whole hundredths.
HUNDREDTHS: Final = 100

LDL_MISSING: Final = 0.02
BMI_MISSING: Final = 0.005
BIRTH_YEAR_MISSING: Final = 0.002


@dataclass(frozen=True)
class Phenotypes:
    """Values of the persons of a roster, in its order; *ldl* and *bmi* in hundredths of their units.

    The `has_…` masks tell who was measured, or whose year of birth is known.
    """

    ldl: NDArray[np.int64]
    bmi: NDArray[np.int64]
    t2d: NDArray[np.bool_]
    has_ldl: NDArray[np.bool_]
    has_bmi: NDArray[np.bool_]
    has_birth_year: NDArray[np.bool_]


def measure(
    roster: Roster,
    ldl_effects: NDArray[np.float64],
    t2d_effects: NDArray[np.float64],
    random: np.random.Generator,
) -> Phenotypes:
    """The phenotypes of the persons of *roster*, given the centred sums of their variants' effects."""
    persons = len(roster)
    years = roster.ages() - MIDDLE_AGE
    ldl = LDL_MEAN + LDL_PER_YEAR * years + LDL_OF_MEN * roster.is_male + ldl_effects
    ldl += LDL_NOISE * _skewed_noise(persons, random)
    bmi = BMI_MEAN + BMI_PER_YEAR * years + BMI_PER_T2D_EFFECT * t2d_effects
    bmi += BMI_NOISE * _skewed_noise(persons, random)
    log_odds = T2D_LOG_ODDS + T2D_PER_YEAR * years + T2D_PER_BMI * (bmi - BMI_MEAN) + t2d_effects
    return Phenotypes(
        _hundredths(ldl, LDL_BOUNDS),
        _hundredths(bmi, BMI_BOUNDS),
        random.random(persons) < 1 / (1 + np.exp(-log_odds)),
        random.random(persons) >= LDL_MISSING,
        random.random(persons) >= BMI_MISSING,
        random.random(persons) >= BIRTH_YEAR_MISSING,
    )


def _skewed_noise(persons: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Noise of mean 0 and sd 1 with a long upper tail, as measured values above 0 have."""
    shape = 8.0
    noise: NDArray[np.float64] = (random.gamma(shape, size=persons) - shape) / np.sqrt(shape)
    return noise


def _hundredths(values: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.int64]:
    return np.rint(np.clip(values, *bounds) * HUNDREDTHS).astype(np.int64)


def model_facts() -> dict[str, dict[str, float]]:
    """The coefficients of the phenotype model, by trait, for the file that tells the truth."""
    return {
        "ldl": {
            "intercept": LDL_MEAN,
            "per_year_above_50": LDL_PER_YEAR,
            "male": LDL_OF_MEN,
            "noise_sd": LDL_NOISE,
        },
        "bmi": {
            "intercept": BMI_MEAN,
            "per_year_above_50": BMI_PER_YEAR,
            "per_centred_t2d_effect": BMI_PER_T2D_EFFECT,
            "noise_sd": BMI_NOISE,
        },
        "t2d": {
            "log_odds": T2D_LOG_ODDS,
            "per_year_above_50": T2D_PER_YEAR,
            "per_bmi_above_26.5": T2D_PER_BMI,
            "per_centred_t2d_effect": 1.0,
        },
    }
