"""The shape of a release: what it reads and computes, without one literal of it.

A literal may be a position, an allele or a date of birth; an audit log must not become a list of whom
or what analysts looked for. Whatever is not known here is left out, so that a new kind of literal
does not slip in.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from goe_lake.federation.ledger.entries import canonical
from goe_lake.release import Release

LEFT_OUT: Final = "?"
#: Members whose text is a name of the contract or of an operator.
NAMES: Final = frozenset(
    {"version", "table", "alias", "name", "domain", "function", "cells", "op", "column", "kind"}
)
#: Members that hold further members.
NESTED: Final = frozenset(
    {"relation", "first", "joins", "scan", "on", "conditions", "keys", "expression", "measures", "factors"}
    | {"where", "args", "derived", "outputs", "argument"}
)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(/\d+)?|[^\w\s'\"?]{1,3}")


def shape_of(release: Release) -> dict[str, Any]:
    """What *release* reads and computes, as JSON values; `?` stands for every literal."""
    return {name: _shape(name, value) for name, value in release.to_json().items()}


def fingerprint(shape: dict[str, Any]) -> str:
    """sha256 of *shape*: the same for questions that differ in their literals alone."""
    return hashlib.sha256(canonical(shape).encode()).hexdigest()


def _shape(name: str, value: object) -> Any:
    if value is None:
        return None
    if name in NAMES:
        return _names(value)
    if name not in NESTED:
        return LEFT_OUT
    if isinstance(value, dict):
        return {member: _shape(member, inner) for member, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shape(name, inner) for inner in value]
    return LEFT_OUT


def _names(value: object) -> Any:
    if isinstance(value, list | tuple):
        return [_names(inner) for inner in value]
    return value if isinstance(value, str) and _WORD.fullmatch(value) else LEFT_OUT


def in_words(shape: dict[str, Any]) -> str:
    """*shape* as one line for a person to read."""
    relation = shape["relation"]
    tables = _tables(relation)
    for part in relation.get("derived") or ():
        outputs = ", ".join(_output(output) for output in part["outputs"])
        chosen = [_expression(condition) for condition in part["conditions"]]
        where = f" where {' and '.join(chosen)}" if chosen else ""
        rows = ", ".join(_tables(part["relation"]))
        tables.append(f"{part['alias']} (by person {outputs or 'whether'} of {rows}{where})")
    measures = ", ".join(_measure(measure) for measure in shape["measures"])
    conditions = [_expression(condition) for condition in shape["conditions"]]
    keys = [_expression(key["expression"]) for key in shape["keys"]]
    return (
        f"{measures} from {', '.join(map(str, tables))}"
        + (f" where {' and '.join(conditions)}" if conditions else "")
        + (f" by {', '.join(keys)}" if keys else "")
    )


def _tables(relation: dict[str, Any]) -> list[str]:
    joins = relation.get("joins") or ()
    return [str(relation["first"]["table"]), *(str(join["scan"]["table"]) for join in joins)]


def _output(output: dict[str, Any]) -> str:
    argument, where = output.get("argument"), output.get("where")
    told = f"{output['function']}({_expression(argument) if argument else ''})"
    return f"{told} filter ({_expression(where)})" if where else told


def _measure(measure: dict[str, Any]) -> str:
    factors, where = measure.get("factors") or (), measure.get("where")
    told = f"{measure['function']}({' * '.join(map(_expression, factors))})"
    return f"{told} filter ({_expression(where)})" if where else told


def _expression(shape: Any) -> str:
    if isinstance(shape, dict) and "column" in shape:
        return ".".join(map(str, shape["column"]))
    if isinstance(shape, dict) and "op" in shape:
        return f"{shape['op']}({', '.join(map(_expression, shape.get('args') or ()))})"
    return LEFT_OUT
