"""The operator guide names everything that an operator may meet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.place import ALL, ONE
from goe_lake import settings
from goe_lake.config import read_node
from goe_lake.disclosure import parse_policy

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "operator-guide.md").read_text()
QUOTED = frozenset(word for code in re.findall(r"`([^`\n]+)`", GUIDE) for word in re.findall(r"\w+", code))


@contextmanager
def asked_settings() -> Iterator[set[str]]:
    """The names of all settings that are looked for, whether or not the file has them."""
    asked: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        for method in ("_take", "has"):
            original = getattr(settings.Section, method)

            def noting(self, name, *arguments, _original=original, **named):
                # what stands in `columns` is named by the node
                if not self.path.endswith("columns"):
                    asked.add(name)
                return _original(self, name, *arguments, **named)

            patch.setattr(settings.Section, method, noting)
        yield asked


def test_every_setting_of_node_toml_is_explained(cohort: Path):
    """Whatever the reader of node.toml looks for stands in the guide."""
    with asked_settings() as asked:
        read_node(cohort / "node.toml")
    assert {"country", "absent_sites", "resolution", "max_quarantined"} <= asked
    assert asked - {"node", "samples", "genotypes", "scores", "annotation", "ingest"} - QUOTED == set()
    for table in ("[node]", "[[genotypes]]", "[samples]", "[[scores]]", "[annotation]", "[ingest]"):
        assert f"`{table}`" in GUIDE, table


def test_every_setting_of_policy_toml_is_explained():
    """Whatever the reader of policy.toml looks for stands in the guide."""
    with asked_settings() as asked:
        parse_policy("", "policy.toml")
    assert {"min_persons", "cells_per_day", "min_carriers"} <= asked
    assert asked - QUOTED == set()


def test_every_asset_check_and_job_is_explained(definitions: dg.Definitions):
    """Whoever meets a name on Dagster's pages finds it in the guide."""
    graph = definitions.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    names |= {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    names |= {sensor.name for sensor in definitions.sensors or []}
    assert {name for name in names - QUOTED if f"`{name}`" not in GUIDE} == set()
    for key in graph.asset_check_keys:
        assert re.search(
            rf"^\| `{key.name}` \| `{key.asset_key.to_user_string()}` \|", GUIDE, re.MULTILINE
        ), key


def test_every_reason_for_putting_aside_is_explained():
    """Whoever reads the quarantine finds each reason in the guide."""
    sources = [
        path.read_text() for part in ("vcf", "lake") for path in (REPOSITORY / "goe_lake" / part).glob("*.py")
    ]
    reasons = {word for text in sources for word in re.findall(r'(?:Refused|Unfit)\(\s*"(\w+)"', text)}
    assert len(reasons) > 8
    assert reasons | {"duplicate", "contig_not_held", "gq_out_of_bounds", "dp_out_of_bounds"} <= QUOTED


def test_every_service_and_variable_is_explained():
    """Whoever starts the containers knows what each is for, and what must be set."""
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    services = {
        name for name in yaml.safe_load(compose)["services"] if not re.fullmatch(r"node-(fi|lv|lt)", name)
    }
    assert [name for name in services if f"`{name}`" not in GUIDE] == []
    assert ALL in GUIDE
    assert f"`{ONE}`" in GUIDE
    assert set(re.findall(r"\$\{(\w+)", compose)) <= set(re.findall(r"\w+", GUIDE))


def test_the_guides_own_links_lead_somewhere():
    """Files that the guide points at exist, and so do its own headings."""
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        if target.startswith("#"):
            assert target.removeprefix("#") in headings, target
        else:
            assert (REPOSITORY / "docs" / target.partition("#")[0]).is_file(), target
