"""A synthetic cohort of European countries, in files that read like those of real nodes."""

from __future__ import annotations

from goe_lake.demo.cohort import DEFAULT_COUNTRIES, make_cohort
from goe_lake.demo.countries import COUNTRIES

__all__ = ["COUNTRIES", "DEFAULT_COUNTRIES", "make_cohort"]
