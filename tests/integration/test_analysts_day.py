"""Ordinary work goes on under the overlap audit: a day of one analyst, on a small cohort."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.overlap.day import QUERIES, cohort, day, queries, share
from tests.conftest import REPOSITORY

PERSONS = 300


@pytest.mark.usefixtures("audited")
def test_a_day_is_hardly_marked(tmp_path: Path) -> None:
    """Of sixty queries in one project fewer than 5 % of the cells are approximate."""
    nodes = cohort(tmp_path / "cohort", PERSONS)
    for node in nodes:
        policy = node.with_name("policy.toml")
        policy.write_text(policy.read_text().replace("= 10\n", "= 5\n"))
    asked = day(nodes)
    assert sum(one.statuses.total() for one in asked) > 1_500
    assert all(one.statuses for one in asked), "a query of the day is refused"
    assert 0 < share(asked, "approx") < 0.05


def test_the_page_is_about_these_queries() -> None:
    """docs/an-analysts-day.md has a row for each query of the day."""
    page = (REPOSITORY / "docs" / "an-analysts-day.md").read_text(encoding="utf-8")
    titles = [title for title, _ in queries()]
    assert len(titles) == 60, QUERIES
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    assert rows[1:] == titles
