"""Sequences are asked with the overlap audit, where the policy does not switch it off."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def with_the_audit(audited: None) -> None:
    """Every test here is one of the audit."""
