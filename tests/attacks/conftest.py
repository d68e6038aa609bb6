"""The two worlds that attacks are tried in."""

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import SECRETS, open_world


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Federation]:
    """Two worlds that differ in what the person born in 1903 has."""
    folder = tmp_path_factory.mktemp("worlds")
    first, second = (open_world(folder / str(place), secret) for place, secret in enumerate(SECRETS))
    return first, second
