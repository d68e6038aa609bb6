"""Several processes at once, and one that is killed in the middle: what was given is in the log, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from goe_lake.federation.ledger.mending import verify
from tests.ledger.conftest import World

REPOSITORY = Path(__file__).resolve().parents[2]
# one answer after another; a line with the query id is printed once the answer is given
ASKING = """
import sys
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import Kind, Ledger, Record, budgets
from goe_lake.disclosure.policy import Budget
from goe_lake.errors import Declined
from pathlib import Path
folder, lake, name, count = sys.argv[1:]
ledger = Ledger.open(Path(folder), Path(lake), "GOE-EE-NODE-1")
budget = Budget(queries_per_day=120)
for number in range(int(count)):
    query_id = f"{name}-{number}"
    try:
        with ledger.transaction() as transaction:
            transaction.record(Record(Kind.ANSWER, Asker("p", name), "p", query_id=query_id, cells=1))
            budgets.check(budget, transaction.spent("p"), transaction.now)
    except Declined:
        print("declined", flush=True)
    else:
        print(query_id, flush=True)
"""


def asking(world: World, name: str, count: int) -> subprocess.Popen[str]:
    """A process that answers *count* times."""
    command = [sys.executable, "-c", ASKING, str(world.folder), str(world.lake), name, str(count)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )


def given(world: World) -> list[str]:
    """The query ids of all answers in the log."""
    return [entry.query_id for entry in world.entries() if entry.kind == "answer"]


def test_processes_share_one_chain_and_one_budget(world: World) -> None:
    """Two that begin the ledger and answer at once: no entry is lost, none forks, no budget is doubled."""
    processes = [asking(world, name, 80) for name in ("a", "b")]
    told = [process.communicate(timeout=600)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    answered = [line for lines in told for line in lines if line != "declined"]
    assert len(answered) == 120
    assert sorted(given(world)) == sorted(answered)
    assert verify(world.folder, world.lake) == (121, [])


def test_what_was_given_before_a_kill_is_in_the_log(world: World) -> None:
    """Killed at any moment, again and again: the chain is whole, and every answer that was seen is in it."""
    moment, seen = random.Random(7), []
    for attempt in range(3):
        process = asking(world, f"k{attempt}", 10_000)
        first = "".join(process.stdout.readline() for _ in range(5))  # it is answering
        time.sleep(moment.uniform(0.02, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=600)
        # a line that was cut was not read by anybody
        seen += [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
        entries, faults = verify(world.folder, world.lake)
        assert faults == []
    answers = [line.strip() for line in seen if line != "declined\n"]
    assert len(answers) > 10
    assert set(answers) <= set(given(world))
    assert len(given(world)) <= entries
