"""Fixtures of the properties."""

from __future__ import annotations

import pytest

from tests.properties.worlds import Worlds


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """The cohorts of this session, each built once."""
    return Worlds(tmp_path_factory.mktemp("worlds"))
