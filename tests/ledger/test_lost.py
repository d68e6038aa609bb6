"""A ledger that is lost, emptied, rolled back or damaged: the node answers nothing until its officer acts."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from goe_lake.cli import main
from goe_lake.errors import LedgerError
from goe_lake.federation.ledger import Kind, Record
from goe_lake.federation.ledger.mark import FILE as MARK
from goe_lake.federation.ledger.mending import verify
from tests.ledger.conftest import COUNTS, World, copy_of


def remove_folder(world: World) -> None:
    """As a failed disk does."""
    shutil.rmtree(world.folder)


def remove_file(world: World) -> None:
    """As a mistaken hand does."""
    world.file.unlink()


def empty_file(world: World) -> None:
    """As a crash of a file system may."""
    for path in world.folder.iterdir():
        path.write_bytes(b"")


def tear_file(world: World) -> None:
    """As a bad block does."""
    with world.file.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * 4096)


def damage_mark(world: World) -> None:
    """What the lake remembers is damaged."""
    (world.lake / MARK).write_text("{")


@pytest.mark.parametrize("harm", [remove_folder, remove_file, empty_file, tear_file, damage_mark])
def test_a_lost_ledger_is_a_refusal_with_the_mend(asked: World, harm: Callable[[World], None]) -> None:
    """Nothing is answered, nothing is begun silently; the two ways out are named."""
    with closing(sqlite3.connect(asked.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(asked)
    with pytest.raises(LedgerError) as refused:
        asked.federation().sql(COUNTS)
    assert "goe audit" in str(refused.value)


def test_a_ledger_that_goes_while_the_node_runs_is_noticed(asked: World) -> None:
    """SQLite would go on writing into a file that nobody can find."""
    federation = asked.federation()
    federation.sql(COUNTS)
    remove_folder(asked)
    with pytest.raises(LedgerError, match="is gone"):
        federation.sql(COUNTS)


def test_an_older_copy_of_the_ledger_is_noticed(asked: World, tmp_path: Path) -> None:
    """Putting back yesterday's file would give the project its budget back."""
    shutil.copytree(asked.folder, tmp_path / "yesterday")
    ledger = asked.ledger()
    ledger.append(Record(Kind.DECLINED, body={}))
    ledger.close()
    shutil.rmtree(asked.folder)
    shutil.copytree(tmp_path / "yesterday", asked.folder)
    with pytest.raises(LedgerError, match="older than it was: the lake knows of its entry 7"):
        asked.ledger()


def test_another_nodes_ledger_is_not_taken(asked: World) -> None:
    """Two nodes do not share a ledger."""
    text = asked.node.read_text().replace('country = "EE"', 'country = "EE"\nid = "GOE-EE-NODE-2"')
    asked.node.write_text(text)
    with pytest.raises(LedgerError, match="ledger of GOE-EE-NODE-1"):
        asked.ledger()


def test_a_lake_made_anew_takes_its_ledger_up_again(asked: World) -> None:
    """The lake was removed and ingested again; the log says that it had forgotten."""
    (asked.lake / MARK).unlink()
    assert [entry.kind for entry in asked.entries()][-1] == "mark"
    assert verify(asked.folder, asked.lake) == (7, [])


def test_a_backup_is_whole_and_restored(
    asked: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Backup while in use, loss, restore: the chain goes on, and says what is missing."""
    federation, backup = asked.federation(), tmp_path / "backup.sqlite"
    main(["audit", "backup", str(asked.node), str(backup)])
    assert "entries 1 to 6" in capsys.readouterr().out
    federation.sql(COUNTS)
    federation.sql(COUNTS)
    remove_folder(asked)
    command = [
        "audit",
        "restore",
        str(asked.node),
        str(backup),
        "--reason",
        "disk failed",
        "--officer",
        "dora",
    ]
    main(command)
    assert "2 entries that the lake knows of are not in the backup" in capsys.readouterr().err
    assert verify(asked.folder, asked.lake) == (7, [])
    entry = asked.entries()[-1]
    assert (entry.kind, entry.content["officer"], entry.content["missing"]) == ("restored", "dora", 2)
    # the federation that was open all the time finds the new file
    assert federation.sql(COUNTS).envelope.budget_left.queries == 500 - 6


def test_only_a_whole_backup_of_this_ledger_is_restored(
    asked: World, built: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither another node's, nor a changed one, nor any other file; what stands is not touched."""
    before = asked.entries()
    changed, empty, foreign = (tmp_path / f"{name}.sqlite" for name in ("changed", "empty", "foreign"))
    other = copy_of(built, tmp_path / "other")
    other.ledger().close()
    main(["audit", "backup", str(other.node), str(foreign)])
    main(["audit", "backup", str(asked.node), str(changed)])
    with closing(sqlite3.connect(changed)) as connection, connection:
        connection.execute("DROP TRIGGER log_is_not_changed")
        connection.execute("UPDATE log SET cells = 0 WHERE seq = 2")
    empty.write_bytes(b"")
    for file in (changed, empty, foreign, tmp_path / "nowhere.sqlite", asked.node):
        with pytest.raises(SystemExit) as ended:
            main(["audit", "restore", str(asked.node), str(file), "--reason", "try"])
        assert ended.value.code == 1
    assert asked.entries() == before
    capsys.readouterr()


def test_an_officer_may_begin_anew(asked: World) -> None:
    """What is left of the old ledger is kept, and the new one says of which it is the successor."""
    tear_file(asked)
    main(["audit", "begin", str(asked.node), "--reason", "no backup", "--officer", "dora"])
    (entry,) = asked.entries()
    assert (entry.kind, entry.content["entries_before"], entry.content["officer"]) == ("begun", 6, "dora")
    assert verify(asked.folder, asked.lake) == (1, [])
    assert len(list(asked.folder.glob("before-*"))) >= 1
    asked.federation().sql(COUNTS)


def test_a_ledger_that_cannot_be_written_is_a_refusal(world: World) -> None:
    """The folder is a file: the error names the setting."""
    world.folder.write_text("")
    with pytest.raises(LedgerError, match=r"\[node\] ledger"):
        world.federation().sql(COUNTS)
