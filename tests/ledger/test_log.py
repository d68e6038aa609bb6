"""The log: all that left is in it, nothing of a literal is, and every change of it is found."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from goe_lake.cli import main
from goe_lake.errors import LedgerError, QueryRefused, ReleaseRefused
from goe_lake.federation import EmbeddedNode
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import Kind, Record
from goe_lake.federation.ledger.entries import COLUMNS
from goe_lake.federation.ledger.mending import verify
from goe_lake.federation.ledger.shape import shape_of
from goe_lake.query import prepare
from goe_lake.release import Release
from tests.ledger.conftest import COUNTS, World, copy_of

PLANTED = "27.18"


def test_an_answer_is_in_the_log_before_it_is_given(world: World) -> None:
    """Who, when, what shape, from which snapshot, and how many values were told and withheld."""
    answer = world.federation("lipids", "anna").sql(COUNTS)
    begun, entry = world.entries()
    assert (begun.kind, entry.kind) == (Kind.BEGUN, Kind.ANSWER)
    assert (entry.project, entry.analyst, entry.query_id) == ("lipids", "anna", answer.envelope.query_id)
    content = entry.content
    assert content["snapshot"] == answer.envelope.nodes[0].snapshot_id
    assert (content["rows"], content["told"], content["withheld"]) == (2, 2, 0)
    assert entry.cells == 2
    assert len(content["fingerprint"]) == 64


def test_the_log_alone_says_which_rule_withheld(world: World) -> None:
    """Not the answer, nor its envelope."""
    answer = world.federation().sql("SELECT sex, count_if(bmi < 20.4) AS n FROM samples GROUP BY sex")
    content = world.entries()[-1].content
    assert content["withheld"] == sum(content["rules"].values()) > 0
    told = json.dumps(answer.envelope.to_json())
    assert not any(rule in told for rule in content["rules"])


@pytest.mark.usefixtures("audited")
def test_the_log_alone_says_why_values_are_approximate(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A condition of low effect, an earlier answer of nearly the same persons; the asker sees `≈` alone."""
    federation = world.federation()
    answers = [
        federation.sql(f"SELECT count(*) AS n FROM samples WHERE {condition}")
        for condition in ("bmi > 25", "bmi > 25.1", "bmi > 0")
    ]
    assert [answer.status.column("n").to_pylist() for answer in answers] == [["ok"], ["approx"], ["approx"]]
    assert answers[0].table.equals(answers[1].table)
    marked = [entry.content["marked"] for entry in world.entries()[1:]]
    assert marked == [{}, {"earlier answers": 1}, {"low effect": 1}]
    for answer in answers:
        told = json.dumps(answer.envelope.to_json())
        assert "earlier answers" not in told
        assert "low effect" not in told
    main(["audit", "show", str(world.node), "--last", "2"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "values told 1, 1 of them ≈ (1 by low effect), withheld 0" in shown


def test_questions_that_differ_in_literals_alone_have_one_fingerprint(asked: World) -> None:
    """The officer sees the same question asked again and again."""
    contents = [entry.content for entry in asked.entries()[1:]]
    assert len({content["fingerprint"] for content in contents}) == 1
    assert len({entry.release for entry in asked.entries()[1:]}) == 5


def test_no_literal_is_in_the_ledger(world: World) -> None:
    """Not in the log, not elsewhere in the file: neither of a condition nor of a key or a filter."""
    world.federation().sql(
        f"SELECT CASE WHEN bmi > {PLANTED} THEN 'giant' ELSE 'dwarf' END AS size, "
        f"count(*) FILTER (WHERE birth_year > 1962) AS n FROM samples WHERE bmi < 77.77 GROUP BY 1"
    )
    written = b"".join(path.read_bytes() for path in world.folder.iterdir())
    for literal in (PLANTED, "giant", "dwarf", "1962", "77.77"):
        assert literal.encode() not in written, literal


def test_a_shape_says_what_was_asked(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables, columns, functions and operators are all there: only literals are `?`."""
    world.federation().sql(
        "SELECT sex, regr_slope(bmi, birth_year) AS b, count(*) FILTER (WHERE bmi > 30) AS n FROM samples "
        "WHERE birth_year < 1990 AND country = 'EE' GROUP BY sex"
    )
    main(["audit", "show", str(world.node), "--kind", "answer", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)
    shape = json.dumps(entry["body"]["shape"])
    assert '"?"' in shape
    for name in ("samples", "bmi", "birth_year", "country", "sex", "sum", "rows", "lt", "eq", "gt"):
        assert f'"{name}"' in shape, name
    assert shape.count("?") == 3 + shape.count('"resolution": "?"')


def test_what_a_shape_does_not_know_it_leaves_out() -> None:
    """A member that a later version of releases adds, with a variant in it, is not written down."""

    class Later(Release):
        def to_json(self) -> dict[str, object]:
            secret = "chr1-12345-A-T"
            column = {"column": ["g", "pos"]}
            return {
                "conditions": [
                    {"op": "among", "args": [column, {"literal": ["text", secret]}, {"set": [secret]}]}
                ],
                "bins": [1, 2, secret],
                "keys": [{"name": secret, "expression": {"op": secret, "args": [12345, secret]}}],
            }

    shape = shape_of(Later.__new__(Later))
    assert "12345" not in json.dumps(shape)
    assert shape["conditions"] == [
        {"op": "among", "args": [{"column": ["g", "pos"]}, {"literal": "?"}, {"set": "?"}]}
    ]
    assert shape["bins"] == "?"


def test_a_log_as_it_was_written_verifies(asked: World) -> None:
    """No fault is found where there is none, by the function and by the command."""
    assert verify(asked.folder, asked.lake) == (6, [])
    main(["audit", "verify", str(asked.node)])


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "seq"])
@pytest.mark.parametrize("seq", [1, 3, 6])
def test_a_change_of_any_column_is_found(asked: World, column: str, seq: int) -> None:
    """Whoever changes one field of one entry, the first and the newest too, is told by its number."""
    with closing(sqlite3.connect(asked.file)) as connection, connection:
        connection.execute("DROP TRIGGER log_is_not_changed")
        connection.execute(
            f"UPDATE log SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1 "
            f"ELSE replace(replace({column} || '~', 'answer~', 'declined'), '~', ' ') END WHERE seq = ?",
            (seq,),
        )
    _, faults = verify(asked.folder, asked.lake)
    assert seq in {fault.seq for fault in faults}
    with pytest.raises(LedgerError, match=f"entry {seq}"):
        asked.ledger()


@pytest.mark.parametrize(
    ("change", "seq", "told"),
    [
        ("DELETE FROM log WHERE seq = 1", 2, "1 missing"),
        ("DELETE FROM log WHERE seq IN (3, 4)", 5, "3 to 4 missing"),
        ("DELETE FROM log WHERE seq = 6", 5, "newest are cut off"),
        ("UPDATE log SET seq = 9 WHERE seq = 6", 9, "6 to 8 missing"),
        ("UPDATE ledger SET ledger_id = 'other'", 6, "another ledger"),
        ("DELETE FROM log", 0, "empty"),
    ],
)
def test_gaps_and_a_cut_tail_are_found(asked: World, change: str, seq: int, told: str) -> None:
    """Entries that are gone are told by their numbers; the lake remembers the newest."""
    with closing(sqlite3.connect(asked.file)) as connection, connection:
        connection.execute("DROP TRIGGER log_is_not_changed")
        connection.execute("DROP TRIGGER log_is_not_cut")
        connection.execute(change)
    _, faults = verify(asked.folder, asked.lake)
    assert any(fault.seq == seq and told in fault.problem for fault in faults), faults
    with pytest.raises(LedgerError, match="officer"):
        asked.ledger()


def test_a_rewritten_tail_is_found(asked: World, built: World, tmp_path: Path) -> None:
    """A chain that is whole, but has another newest entry than the lake remembers, is not believed."""
    other = copy_of(built, tmp_path / "other")
    ledger = other.ledger()
    for _ in range(5):
        ledger.append(Record(Kind.DECLINED, body={"code": "made up"}))
    ledger.close()
    with closing(sqlite3.connect(other.file)) as connection:
        connection.execute("UPDATE ledger SET ledger_id = ?", (_ledger_id(asked.file),))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    asked.file.write_bytes(other.file.read_bytes())
    _, faults = verify(asked.folder, asked.lake)
    assert any("another entry" in fault.problem for fault in faults)
    with pytest.raises(LedgerError, match="another entry"):
        asked.ledger()


def _ledger_id(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT ledger_id FROM ledger").fetchone()[0])


def test_the_log_cannot_be_changed_by_mistake(asked: World) -> None:
    """Plain SQL that changes or cuts it fails."""
    with closing(sqlite3.connect(asked.file)) as connection:
        for statement in ("UPDATE log SET project = 'x'", "DELETE FROM log"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_verify_ends_with_1_and_names_the_entry(asked: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A scheduled job can rely on the exit code."""
    with closing(sqlite3.connect(asked.file)) as connection, connection:
        connection.execute("DROP TRIGGER log_is_not_changed")
        connection.execute("UPDATE log SET analyst = 'bob' WHERE seq = 4")
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", str(asked.node)])
    assert ended.value.code == 1
    assert "entry 4: was changed" in capsys.readouterr().err


def test_show_filters(asked: World, capsys: pytest.CaptureFixture[str]) -> None:
    """By project, analyst, kind, query and day."""
    asked.federation("other", "bob").sql(COUNTS)
    with pytest.raises(QueryRefused):
        asked.federation().sql("SELECT sample_id FROM samples")  # refused before any node is asked

    def shown(*options: str) -> list[int]:
        main(["audit", "show", str(asked.node), "--json", *options])
        return [entry["seq"] for entry in json.loads(capsys.readouterr().out)]

    day = asked.entries()[0].at[:10]
    assert shown() == [1, 2, 3, 4, 5, 6, 7]
    assert shown("--project", "other") == shown("--analyst", "bob") == [7]
    assert shown("--kind", "begun") == [1]
    assert shown("--query", asked.entries()[2].query_id) == [3]
    assert shown("--since", day, "--until", day, "--last", "2") == [6, 7]
    assert shown("--until", "2020-01-01") == []
    main(["audit", "show", str(asked.node)])
    assert "rows() from samples by samples.sex; values told 2, withheld 0" in capsys.readouterr().out


def test_without_protection_there_is_a_log_and_no_budget(world: World) -> None:
    """Public test data: what was asked is known, and nothing is counted."""
    world.policy('protection = "off"\n[budget]\nqueries_per_day = 0\n')
    answer = world.federation().sql(COUNTS)
    assert answer.envelope.budget_left is None
    assert world.kinds() == ["begun", "unprotected"]


def test_a_release_that_the_node_refuses_is_noted(world: World) -> None:
    """What was asked in vain is in the log too, by its code."""
    federation = world.federation()
    release = prepare(COUNTS, federation.catalog).releases[0]
    node = EmbeddedNode(world.node)
    with pytest.raises(ReleaseRefused):
        node.answer(release, Asker("demo", "eve"), "q")  # no site list was laid
    node.close()
    entry = world.entries()[-1]
    assert (entry.kind, entry.analyst, entry.content["code"]) == ("declined", "eve", "R207")
