"""The phenotypes of the CINECA project, as columns of the lake and as one pooled table in pandas.

The values are synthetic, and keyed by the sample ids of the 1000 Genomes Project.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goe_lake.federation import Answer
from tests.integration.genomes import Genotypes, Person, Table, country_of

CINECA = "phenotypes/cineca-europe-uk1/uk1.tsv"
# At this site each node of Europe has at least ten persons of every genotype
COMMON_SITE = "chr21-9419909-C-T"

Rows = dict[tuple[object, ...], dict[str, Any]]


@dataclass(frozen=True)
class Measured:
    """A numeric column: where it comes from, and its public facts."""

    source: str
    type: str
    unit: str
    bounds: tuple[int, int]
    resolution: str = "1"

    @property
    def declaration(self) -> str:
        """The column in node.toml."""
        facts = f'type = "{self.type}"\nunit = "{self.unit}"\nbounds = {list(self.bounds)}\n'
        return facts + (f"resolution = {self.resolution}\n" if self.type == "double" else "")

    def stored(self, text: str) -> float:
        """The value as the lake promises to keep it: rounded half to even in decimal, NaN out of bounds."""
        number = Decimal(text)
        if not self.bounds[0] <= number <= self.bounds[1]:
            return np.nan
        return float(number.quantize(Decimal(self.resolution), ROUND_HALF_EVEN))


# A few values of bmi and sleep lie outside these bounds
MEASURED: Mapping[str, Measured] = {
    "bmi": Measured("Body mass index (BMI)-0.0", "double", "kg/m2", (13, 55), "0.01"),
    "ldl": Measured("LDL direct-0.0", "double", "mmol/L", (0, 10), "0.001"),
    "height": Measured("Standing height-0.0", "double", "cm", (130, 210), "0.1"),
    "pulse": Measured("Pulse rate, automated reading-0.0", "integer", "1/min", (20, 120)),
    "sleep": Measured("Sleep duration-0.0", "integer", "h", (3, 10)),
}
SMOKED = "Ever smoked-0.0"
DIABETES = "Diabetes diagnosed by doctor-0.0"
NEURO = "Nervous system disorders"
NAMES = (*MEASURED, "smoked", "diabetes", "neuro")
LABELS_TOML = """
[samples.columns.smoked]
type = "boolean"
[samples.columns.diabetes]
type = "label"
values = ["Yes", "No", "Do not know", "Prefer not to answer"]
nullable = false
[samples.columns.neuro]
type = "label"
values = ["alzheimer's disease", "huntington's disease", "multiple sclerosis"]
[ingest]
max_quarantined = 0.05
"""


def read_phenotypes(test_data: Path) -> dict[str, dict[str, str]]:
    """The CINECA table by sample id, every value as text."""
    with (test_data / CINECA).open(newline="") as file:
        return {row["Subject id"]: row for row in csv.DictReader(file, delimiter="\t")}


def phenotype_table(test_data: Path) -> Table:
    """The chosen columns, declared and written as a node would."""
    measured = "".join(f"[samples.columns.{name}]\n{item.declaration}" for name, item in MEASURED.items())
    values = {
        sample: (
            *(row[item.source] for item in MEASURED.values()),
            {"Yes": "true", "No": "false"}[row[SMOKED]],
            row[DIABETES],
            row[NEURO],
        )
        for sample, row in read_phenotypes(test_data).items()
    }
    return Table(NAMES, measured + LABELS_TOML, values)


def pooled_table(test_data: Path, panel: Mapping[str, Person], genotypes: Genotypes) -> pd.DataFrame:
    """All persons in one table, with their dosage at `COMMON_SITE`."""
    site = genotypes.sites.index(COMMON_SITE)
    ids = (person.sample_id for person in genotypes.persons)
    dosages = dict(zip(ids, genotypes.dosage[site].tolist(), strict=True))
    rows = []
    for sample, row in read_phenotypes(test_data).items():
        person = panel[sample]
        rows.append(
            {
                "country": country_of(person),
                "population": person.population,
                "sex": person.sex,
                **{name: item.stored(row[item.source]) for name, item in MEASURED.items()},
                "smoked": row[SMOKED] == "Yes",
                "diabetes": row[DIABETES],
                "neuro": row[NEURO] or None,
                "dosage": dosages[sample],
            }
        )
    return pd.DataFrame(rows).astype({"neuro": object})


Make = Callable[[pd.DataFrame], Any]


def mean(column: str) -> Make:
    """The mean of *column*, missing values aside."""
    return lambda rows: rows[column].mean()


def total(column: str) -> Make:
    """The sum of *column*, missing values aside."""
    return lambda rows: rows[column].sum()


def present(column: str) -> Make:
    """How many rows have a value in *column*."""
    return lambda rows: rows[column].count()


def by(frame: pd.DataFrame, *keys: str, **columns: Make) -> pd.DataFrame:
    """One row for each combination of *keys*, missing ones included, with *columns* made of its rows."""
    if not keys:
        return pd.DataFrame([{name: make(frame) for name, make in columns.items()}])
    rows = [
        {**dict(zip(keys, values, strict=True)), **{name: make(part) for name, make in columns.items()}}
        for values, part in frame.groupby(list(keys), dropna=False)
    ]
    return pd.DataFrame(rows)


def rows_by_key(frame: pd.DataFrame, keys: Sequence[str]) -> Rows:
    """The rows of *frame* by their keys; NaN and None are one missing key."""
    found: Rows = {}
    for row in frame.to_dict("records"):
        key = tuple(None if pd.isna(row[name]) else row[name] for name in keys)
        assert key not in found
        found[key] = row
    return found


def near(value: object) -> object:
    """What equals *value* to 1e-9 of its size."""
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


def assert_true(answer: Answer, keys: Sequence[str], expected: Rows) -> None:
    """Every ok value of *answer* is the *expected* one, bounds hold it; others are marked or hidden."""
    statuses = answer.status.to_pylist()
    bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
    for place, (key, row) in enumerate(rows_by_key(answer.to_pandas(), keys).items()):
        for column in (name for name in row if name not in keys):
            status, value, true = statuses[place][column], row[column], expected[key][column]
            if status == "ok":
                assert value == near(true), (key, column)
                continue
            if status == "approx":  # the law of marked values is held in tests/properties
                assert not pd.isna(value), (key, column)
                continue
            assert pd.isna(value), (key, column, status)
            assert (status == "bounded") == ((place, column) in bounds)
            if status == "bounded":
                bound = bounds[place, column]
                assert float(bound.lower) <= true
                assert bound.upper is None or true <= float(bound.upper)
