"""SECURITY.md promises nothing that no test holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
PARTIES = ("analyst", "analysts", "gateway", "other nodes", "staff", "network")


def promises() -> list[tuple[str, str, str]]:
    """The rows of the table of promises: what, against whom, and which tests hold it."""
    table = TEXT.split("| promise | against | held by |")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return [(what.strip(), whom.strip(), tests.strip()) for what, whom, tests in rows]


@pytest.mark.parametrize(("what", "whom", "tests"), promises())
def test_each_promise_names_tests_that_exist(what: str, whom: str, tests: str) -> None:
    """A file with tests, or one test in it; and a party that is one of ours."""
    named = re.findall(r"`([^`]+)`", tests)
    assert named, what
    for name in named:
        path, _, test = name.partition("::")
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert any(function.startswith("test_") for function in found), path
        assert not test or test in found, name
    assert any(party in whom for party in PARTIES), what


def test_each_party_is_named_by_a_promise() -> None:
    """Nobody is listed as defended against, and then forgotten."""
    against = " ".join(whom for _, whom, _ in promises())
    assert [party for party in PARTIES if party not in against] == []


def test_what_the_table_names_is_all_that_security_names() -> None:
    """Tests that are named elsewhere in the text exist too."""
    named = {name.partition("::")[0] for name in re.findall(r"`(tests/[^`]+)`", TEXT)}
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []
