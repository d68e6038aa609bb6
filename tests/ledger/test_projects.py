"""Projects: only whom a node's officer approved is answered there, as long as that stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.errors import ConfigError, Declined, QueryRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import held
from goe_lake.federation.ledger.projects import Decided, Event, Project, read_project, standing_of
from tests.ledger.conftest import COUNTS, World, make_world, project_text

REQUIRED = "version = 1\n[projects]\nrequired = true\n"


@pytest.fixture
def strict(world: World) -> World:
    """A node that answers approved projects only."""
    world.policy(REQUIRED)
    return world


def goe(*arguments: object) -> int:
    """The exit code of a command."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def approve(world: World, **changes: object) -> Path:
    """An approved project."""
    file = project_text(world, **changes)
    assert goe("project", "approve", file, world.node, "--officer", "dora") == 0
    return file


def told(world: World, project: str = "cardio", analyst: str = "anna") -> str:
    """The refusal that a question meets."""
    with pytest.raises(QueryRefused) as refused:
        world.federation(project, analyst).sql(COUNTS)
    assert refused.value.hint
    return f"{refused.value.code} {refused.value.message}"


def test_only_an_approved_project_is_answered(strict: World) -> None:
    """Before the approval, and for any other project, nothing is told; the refusal names node and mend."""
    assert told(strict) == "G801 GOE-EE-NODE-1: the project cardio is not approved"
    approve(strict)
    assert strict.federation("cardio").sql(COUNTS).table.num_rows == 2
    assert told(strict, "demo") == "G801 GOE-EE-NODE-1: the project demo is not approved"
    kinds = [entry.kind for entry in strict.entries()]
    assert kinds == ["begun", "declined", "project", "answer", "declined"]


def test_only_members_are_answered(strict: World) -> None:
    """Whoever is not named is no member."""
    approve(strict, members=["anna", "bob"])
    assert strict.federation("cardio", "bob").sql(COUNTS).table.num_rows == 2
    assert "no member" in told(strict, analyst="eve")


@pytest.mark.parametrize("command", ["veto", "withdraw"])
def test_a_veto_and_a_withdrawal_end_it_at_once(strict: World, command: str) -> None:
    """Also for a federation that is open, and until the officer approves again."""
    file = approve(strict)
    federation = strict.federation("cardio")
    federation.sql(COUNTS)
    assert goe("project", command, "cardio", strict.node, "--reason", "asked to stop") == 0
    with pytest.raises(QueryRefused, match="G801"):
        federation.sql(COUNTS)
    assert goe("project", "approve", file, strict.node) == 0
    federation.sql(COUNTS)


def test_a_veto_holds_where_projects_are_not_required(world: World) -> None:
    """A laptop's policy answers any project, but not one that was vetoed."""
    world.federation("cardio").sql(COUNTS)
    assert goe("project", "veto", "cardio", world.node, "--reason", "no") == 0
    assert "was vetoed" in told(world)


def test_a_project_that_does_not_name_the_node_is_not_approved_there(strict: World) -> None:
    """The officer meant another file, or another node."""
    file = project_text(strict, nodes=["GOE-FI-NODE-1"])
    assert goe("project", "approve", file, strict.node) == 1
    assert strict.kinds() == ["begun"]


def test_an_expired_project_is_refused() -> None:
    """The last day is a day on which it may ask, in UTC."""
    project = Project("p", "t", "x", ("anna",), datetime(2026, 5, 1, tzinfo=UTC).date())
    known = Decided(Event.APPROVED, project, "2026-01-01", "", hold=False)

    def standing(day: int, hour: int) -> str:
        now = datetime(2026, 5, day, hour, 59, tzinfo=UTC)
        return standing_of(Asker("p", "anna"), known, "N", now, required=True).account

    assert standing(1, 23) == "p"
    with pytest.raises(Declined, match="expired on 2026-05-01"):
        standing(2, 0)


def test_an_expired_project_cannot_be_approved(strict: World) -> None:
    """The mend is a later day."""
    assert goe("project", "approve", project_text(strict, expires="2020-01-01"), strict.node) == 1


def test_the_purpose_comes_from_the_project(world: World) -> None:
    """What the project is called covers nobody; what it was approved for does."""
    text = (world.node.parent / "samples.tsv").read_text().splitlines()
    rows = [text[0] + "\tconsent", *(f"{row}\t{'A' if n < 120 else 'B'}" for n, row in enumerate(text[1:]))]
    (world.node.parent / "samples.tsv").write_text("\n".join(rows) + "\n")
    world.policy(REQUIRED + '[consent]\nA = ["cardiovascular"]\nB = ["cancer"]\n')
    assert goe("ingest", world.node, "--quiet") == 0
    approve(world)
    answer = world.federation("cardio").sql("SELECT count(*) AS n FROM samples")
    assert answer.table.column("n").to_pylist() == [120]
    assert world.entries()[-1].content["purpose"] == "cardiovascular"


def test_an_approval_is_of_one_node(strict: World, tmp_path: Path) -> None:
    """Each node's officer decides for the own node; the refusal names the node that did not."""
    other = make_world(tmp_path / "fi", "FI")
    other.policy(REQUIRED)
    approve(strict)
    federation = goe_lake.open_federation([strict.node, other.node], project="cardio", analyst="anna")
    with pytest.raises(QueryRefused, match="G801: GOE-FI-NODE-1: the project cardio is not approved"):
        federation.sql(COUNTS)
    answer = federation.sql(COUNTS, completeness="any")
    assert {node.node_id: node.status for node in answer.envelope.nodes} == {
        "GOE-EE-NODE-1": "answered",
        "GOE-FI-NODE-1": "failed",
    }


def test_a_held_answer_leaves_when_it_is_allowed(strict: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Not before; the officer sees the cells that would leave, and exactly those leave."""
    approve(strict)
    assert goe("project", "hold", "cardio", "on", strict.node) == 0
    assert "waits for the node's officer, as number 1" in told(strict)
    assert "as number 1" in told(strict)  # the same question is not kept twice
    capsys.readouterr()
    assert goe("project", "pending", strict.node) == 0
    assert "rows() from samples by samples.sex" in capsys.readouterr().out
    assert goe("project", "pending", strict.node, "--show", 1) == 0
    assert "100" in capsys.readouterr().out
    assert "answer" not in strict.kinds()
    assert goe("project", "allow", strict.node, 1, "--officer", "dora") == 0
    federation = strict.federation("cardio")
    assert federation.sql(COUNTS).table.to_pylist() == [{"sex": "F", "n": 100}, {"sex": "M", "n": 100}]
    assert federation.sql(COUNTS).table.num_rows == 2  # what was allowed may be repeated
    assert strict.kinds()[-2:] == ["answer", "answer"]
    with pytest.raises(QueryRefused, match="as number 2"):
        federation.sql("SELECT count(*) AS n FROM samples")
    assert goe("project", "hold", "cardio", "off", strict.node) == 0
    federation.sql("SELECT count(*) AS n FROM samples")


def test_a_held_answer_that_is_refused_stays(strict: World) -> None:
    """And the number cannot be decided about twice."""
    approve(strict)
    goe("project", "hold", "cardio", "on", strict.node)
    told(strict)
    assert goe("project", "allow", strict.node, 1, "--refuse", "--reason", "too fine") == 0
    assert "keeps answer 1 back" in told(strict)
    assert goe("project", "allow", strict.node, 1) == 1
    assert "answer" not in strict.kinds()


def test_an_answer_held_from_an_older_snapshot_is_computed_anew(strict: World) -> None:
    """Who withdrew meanwhile is not in what leaves."""
    approve(strict)
    goe("project", "hold", "cardio", "on", strict.node)
    told(strict)
    rows = (strict.node.parent / "samples.tsv").read_text().splitlines()
    (strict.node.parent / "samples.tsv").write_text("\n".join(rows[:-30]) + "\n")
    goe("ingest", strict.node, "--quiet")
    goe("project", "allow", strict.node, 1)
    assert "as number 2" in told(strict)
    ledger = strict.ledger()
    (waiting,) = held.every(ledger, held.State.PENDING)
    ledger.close()
    assert waiting.cells.column("m0").to_pylist() == [85, 85]


def test_a_new_file_is_read_again_as_it_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`goe project new` writes what `goe project approve` reads, quotes and all."""
    file = tmp_path / "p.toml"
    options = ["--id", "lipids-1", "--title", 'About "LDL" \\ risk', "--purpose", "cardiovascular"]
    options += ["--member", "anna@example.org", "--member", "bob", "--expires", "2999-12-31", "--node", "N1"]
    assert goe("project", "new", file, *options) == 0
    project = read_project(file)
    assert (project.title, project.members, project.nodes) == (
        'About "LDL" \\ risk', ("anna@example.org", "bob"), ("N1",)
    )  # fmt: skip
    assert goe("project", "new", file, *options) == 1  # never over an older file
    assert goe("project", "show", file) == 0
    assert project.digest in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"id": "a b"}, "project.id"),
        ({"members": []}, "project.members"),
        ({"members": ["a", "a"]}, "project.members"),
        ({"expires": "soon"}, "project.expires"),
        ({"purpose": None}, "project.purpose"),
        ({"title": "two\nlines"}, "project.title"),
        ({"expiry": "2030-01-01"}, "project.expiry"),
    ],
)
def test_a_mistake_in_project_toml_names_its_setting(
    world: World, changes: dict[str, object], setting: str
) -> None:
    """A misspelt rule is an error, never silently off."""
    with pytest.raises(ConfigError) as caught:
        read_project(project_text(world, **changes))
    assert caught.value.setting == setting


def test_list_and_show_tell_what_stands(strict: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Approved, changed since, held, spent."""
    file = approve(strict)
    strict.federation("cardio").sql(COUNTS)
    goe("project", "hold", "cardio", "on", strict.node)
    capsys.readouterr()
    assert goe("project", "list", strict.node, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["cardio"]
    assert (listed["stands"], listed["hold"], listed["queries"], listed["cells"]) == ("approved", True, 1, 2)
    project_text(strict, members=["anna", "eve"])
    assert goe("project", "show", file, strict.node) == 0
    assert "approved" in (out := capsys.readouterr().out)
    assert "for an earlier text of this file; answers are held" in out
    assert "no member" in told(strict, analyst="eve")
    assert goe("project", "list", strict.node) == 0
    assert "cardio" in capsys.readouterr().out
