"""The lakes that the tests of this folder share, each built once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from tests.integration.genomes import (
    ARRANGEMENTS,
    PHASE3,
    Genotypes,
    Nodes,
    Person,
    build_nodes,
    country_of,
    read_genotypes,
    read_panel,
)
from tests.integration.phenotypes import phenotype_table, pooled_table


@pytest.fixture(scope="session")
def panel(test_data: Path) -> dict[str, Person]:
    """The 2504 persons of phase 3."""
    return read_panel(test_data / "samples/1000g-phase3-2504.psam")


@pytest.fixture(scope="session")
def genotypes(test_data: Path, panel: Mapping[str, Person]) -> Genotypes:
    """What cyvcf2 reads in the start of chr1 and of chr21."""
    return read_genotypes([test_data / name for name in PHASE3], panel)


@pytest.fixture(scope="session")
def europe(
    test_data: Path, panel: Mapping[str, Person], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Nodes]:
    """Five European populations, each a node of its own, and one node of the other 2001 persons."""
    return {
        arrangement: build_nodes(
            tmp_path_factory.mktemp("europe"),
            [test_data / name for name in PHASE3],
            panel.values(),
            country_of,
            "GRCh37",
            carried_only=carried_only,
            table=phenotype_table(test_data),
        )
        for arrangement, carried_only in ARRANGEMENTS.items()
    }


@pytest.fixture(scope="session")
def pooled(test_data: Path, panel: Mapping[str, Person], genotypes: Genotypes) -> pd.DataFrame:
    """The phenotypes of all persons in one table."""
    return pooled_table(test_data, panel, genotypes)
