"""The guides hold: their examples are answered, and they name every code and every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goe_lake.disclosure import Policy, parse_policy
from goe_lake.federation import Federation
from goe_lake.query import Code

DOCS = Path(__file__).parents[2] / "docs"
ANALYST = (DOCS / "analyst-guide.md").read_text(encoding="utf-8")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
POLICY = (DOCS / "policy-guide.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("query", blocks(README, "sql"))
def test_example_of_the_readme_has_the_columns_that_it_shows(query: str, federation: Federation) -> None:
    """What the README asks of the reference is answered: one row a country, and the union."""
    # another number of simulated persons has other sites
    (site,) = federation.sql("SELECT min(variant_id) AS v FROM variants").table.column("v").to_pylist()
    text, sites = re.subn(r"'chr\d+-[^']+'", f"'{site}'", query)
    assert sites == 1
    table = federation.sql(text).table
    (header,) = re.findall(r"┃ (country .*) ┃\n", README)
    assert table.column_names == [name.strip() for name in header.split("┃")]
    assert table.column("country").to_pylist() == ["EE", "FI", "LV", "all"]


@pytest.mark.parametrize("query", blocks(ANALYST, "sql"))
def test_example_of_the_analyst_guide_is_answered(query: str, federation: Federation) -> None:
    """What the guide shows as answered is answered."""
    assert federation.sql(query).table.num_rows > 0


def test_example_of_what_is_approximate(federation: Federation) -> None:
    """Every value of the guide's example is `≈`, the answer says why, and `explain` says it before."""
    (query,) = blocks(ANALYST.split("## What ≈ means")[1].split("\n## ")[0], "sql")
    answer = federation.sql(query)
    assert set(answer.status.column("persons").to_pylist() + answer.status.column("bmi").to_pylist()) == {
        "approx"
    }
    assert any(notice.startswith("≈") for notice in answer.envelope.notices)
    assert "≈ where a part of a condition" in federation.explain(query)
    for unconditional in ("samples GROUP BY sex", "samples WHERE country = 'EE' GROUP BY sex"):
        assert "≈" not in federation.explain(f"SELECT sex, count(*) AS n FROM {unconditional}")


def test_a_rare_key_is_folded_as_the_guide_says(federation: Federation) -> None:
    """Of a computed key everybody is in the row of the others; a plain one has no row of few."""
    folded = federation.sql(
        "SELECT birth_year IS NOT DISTINCT FROM 1903 AS born, count(*) AS n FROM samples GROUP BY born"
    )
    (persons,) = federation.sql("SELECT count(*) AS n FROM samples").table.column("n").to_pylist()
    assert folded.table.to_pylist() == [{"born": False, "n": persons}]
    assert folded.status.column("n").to_pylist() == ["approx"]
    plain = federation.sql("SELECT birth_year, count(*) AS n FROM samples GROUP BY birth_year")
    assert 1903 not in plain.table.column("birth_year").to_pylist()
    assert "approx" not in plain.status.column("n").to_pylist()


@pytest.mark.parametrize("code", list(Code))
def test_analyst_guide_names_every_refusal_code(code: Code) -> None:
    """An analyst can look up each code."""
    assert f"`{code}`" in ANALYST


def test_policy_of_the_guide_is_the_default_policy() -> None:
    """The file that the guide shows parses, and its thresholds are the defaults."""
    (text,) = blocks(POLICY, "toml")
    policy = parse_policy(text, "policy-guide.md")
    default = Policy()
    for name in (
        "protection",
        "min_persons",
        "min_contributors",
        "complement",
        "tell_zero",
        "max_share",
        "max_moment_share",
        "budget",
    ):
        assert getattr(policy, name) == getattr(default, name), name
