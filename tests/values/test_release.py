"""`release/1`: what crosses a border survives the crossing, and nothing else gets across."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.errors import ReleaseRefused
from goe_lake.release import (
    OPERATORS,
    Call,
    ColumnRef,
    Expr,
    Join,
    Key,
    KeyDomain,
    Literal,
    LiteralType,
    Measure,
    MeasureFunction,
    Relation,
    Release,
    Scan,
)

SEX = ColumnRef("s", "sex")
BMI = ColumnRef("s", "bmi")
RELEASE = Release(
    Relation(
        Scan("samples", "s"),
        (Join(Scan("scores", "c"), ((ColumnRef("s", "sample_id"), ColumnRef("c", "sample_id")),)),),
    ),
    (Call("gt", (BMI, Literal(LiteralType.DECIMAL, "24.5"))),),
    (Key("k0", SEX, KeyDomain.LABELS),),
    (
        Measure("m0", MeasureFunction.ROWS),
        Measure(
            "m1", MeasureFunction.SUM, (BMI,), Call("is_true", (ColumnRef("s", "t2d"),)), Decimal("0.01")
        ),
    ),
)

literals = st.one_of(
    st.just(Literal(LiteralType.NULL, "")),
    st.booleans().map(lambda value: Literal(LiteralType.BOOLEAN, str(value).lower())),
    st.integers(-(10**30), 10**30).map(lambda value: Literal(LiteralType.INTEGER, str(value))),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20).map(
        lambda value: Literal(LiteralType.TEXT, value)
    ),
)


def calls(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Operators over *children*, each with as many operands as it takes."""

    def call(name: str) -> st.SearchStrategy[Expr]:
        operator = OPERATORS[name]
        most = operator.most if operator.most is not None else operator.least + 2
        operands = st.lists(children, min_size=operator.least, max_size=most).map(tuple)
        return operands.map(lambda args: Call(name, args))

    return st.sampled_from(sorted(OPERATORS)).flatmap(call)


expressions: st.SearchStrategy[Expr] = st.recursive(
    st.one_of(literals, st.sampled_from([SEX, BMI])), calls, max_leaves=12
)


@given(condition=expressions, key=expressions)
def test_release_survives_json(condition: Expr, key: Expr) -> None:
    """Every release is the same after JSON text, and has the same digest."""
    release = Release(RELEASE.relation, (condition,), (Key("k0", key, KeyDomain.OPEN),), RELEASE.measures)
    again = Release.from_json(json.loads(json.dumps(release.to_json())))
    assert again == release
    assert again.digest() == release.digest()


def test_release_holds_no_sql() -> None:
    """The JSON of a release has operators by name, and no text that an engine would run."""
    text = json.dumps(RELEASE.to_json())
    assert "SELECT" not in text.upper()
    assert '"gt"' in text


def test_digest_tells_releases_apart() -> None:
    """Another constant is another release."""
    other = Call("gt", (BMI, Literal(LiteralType.DECIMAL, "24.6")))
    assert Release(RELEASE.relation, (other,), RELEASE.keys, RELEASE.measures).digest() != RELEASE.digest()


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The JSON of the good release after *change*."""
    data = copy.deepcopy(RELEASE.to_json())
    change(data)
    return data


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda d: d.update(version="release/2"),
    "an extra field": lambda d: d.update(sql="SELECT 1"),
    "a missing field": lambda d: d.pop("cells"),
    "an unknown operator": lambda d: d["conditions"].append({"op": "getenv", "args": []}),
    "too few operands": lambda d: d["conditions"].append({"op": "eq", "args": []}),
    "a column of no scan": lambda d: d["conditions"].append({"column": ["x", "bmi"]}),
    "an identifier as a value": lambda d: d["conditions"].append({"column": ["s", "sample_id"]}),
    "an identifier as a key": lambda d: d["keys"][0].update(expression={"column": ["s", "sample_id"]}),
    "SQL in a column name": lambda d: d["conditions"].append({"column": ["s", 'bmi" OR 1=1 --']}),
    "SQL in a number": lambda d: d["conditions"].append({"literal": ["integer", "1); DROP TABLE samples"]}),
    "a number as JSON": lambda d: d["conditions"].append({"literal": ["integer", 1]}),
    "a text as expression": lambda d: d["conditions"].append("bmi > 3"),
    "an unknown cell kind": lambda d: d.update(cells="plain"),
    "a key named otherwise": lambda d: d["keys"][0].update(name="sex"),
    "two measures of one name": lambda d: d["measures"][1].update(name="m0"),
    "no measure": lambda d: d.update(measures=[]),
    "a sum of nothing": lambda d: d["measures"][1].update(factors=[]),
    "five factors": lambda d: d["measures"][1].update(factors=[{"column": ["s", "bmi"]}] * 5),
    "three columns": lambda d: d["measures"][1].update(
        factors=[{"column": ["s", name]} for name in ("bmi", "hdl", "ldl")]
    ),
    "factors out of order": lambda d: d["measures"][1].update(
        factors=[{"column": ["s", name]} for name in ("ldl", "bmi")]
    ),
    "an identifier times a value": lambda d: d["measures"][1].update(
        factors=[{"column": ["s", name]} for name in ("bmi", "sample_id")]
    ),
    "factors as a text": lambda d: d["measures"][1].update(factors="bmi"),
    "a resolution of NaN": lambda d: d["measures"][1].update(resolution="NaN"),
    "a negative resolution": lambda d: d["measures"][1].update(resolution="-1"),
    "an unknown function": lambda d: d["measures"][0].update(function="max"),
    "a sum of an expression": lambda d: d["measures"][1].update(
        factors=[{"op": "neg", "args": [{"column": ["s", "bmi"]}]}]
    ),
    "two scans of one alias": lambda d: d["relation"]["joins"][0]["scan"].update(alias="s"),
    "a list for an object": lambda d: d.update(relation=[]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_release_is_refused(forgery: str) -> None:
    """A node reads a release/1 to the letter, or refuses it."""
    with pytest.raises(ReleaseRefused):
        Release.from_json(changed(FORGERIES[forgery]))


def test_bottomless_expression_is_refused() -> None:
    """Nesting cannot exhaust the reader's stack."""
    expression: dict[str, Any] = {"column": ["s", "bmi"]}
    for _ in range(5000):
        expression = {"op": "neg", "args": [expression]}
    with pytest.raises(ReleaseRefused):
        Release.from_json(changed(lambda d: d["conditions"].append(expression)))


def test_endless_expression_is_refused() -> None:
    """Nor can breadth keep a node busy."""
    wide = {"op": "and", "args": [{"column": ["s", "t2d"]}] * 6000}
    with pytest.raises(ReleaseRefused):
        Release.from_json(changed(lambda d: d["conditions"].append(wide)))
