"""What a report may be asked for: typed values that stand in its SQL as `$name`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Final, Literal

from sqlglot import TokenType
from sqlglot.dialects import DuckDB

from goe_lake.errors import ConfigError
from goe_lake.settings import Section

ParameterType = Literal["text", "integer", "number", "date", "boolean"]
TYPES: Final[tuple[ParameterType, ...]] = ("text", "integer", "number", "date", "boolean")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a report; *default* and *choices* are texts as one would type them."""

    name: str
    type: ParameterType
    description: str
    default: str | None = None
    choices: tuple[str, ...] = ()

    def literal(self, value: str, file: str) -> str:
        """The SQL literal of *value*.

        Raises ConfigError naming the parameter and the mend.
        """
        if self.choices and value not in self.choices:
            raise _error(file, self.name, f"{value!r} is not a choice", f"one of {', '.join(self.choices)}")
        if self.type == "text":
            return "'" + value.replace("'", "''") + "'"
        if self.type == "boolean":
            if value not in ("true", "false"):
                raise _error(file, self.name, f"{value!r} is not true or false", "write true or false")
            return value.upper()
        if self.type == "date":
            return f"DATE '{_date(value, self.name, file).isoformat()}'"
        return _number(value, self, file)


def read_parameters(section: Section) -> tuple[Parameter, ...]:
    """The parameters that the table `[parameters]` of a report's header declares, in its order."""
    return tuple(_parameter(name, section.section(name)) for name in section.names())


def _parameter(name: str, section: Section) -> Parameter:
    if not name.isidentifier():
        raise section.error(name, "is not a name", "use letters, digits and _")
    kind = section.text("type", f"one of {', '.join(TYPES)}", choices=TYPES)
    parameter = Parameter(
        name,
        next(known for known in TYPES if known == kind),
        section.text("description", "say what the parameter chooses"),
        section.text_or("default", "", "a text") if section.has("default") else None,
        section.texts("choices", "a list of texts") or (),
    )
    section.done()
    if parameter.default is not None:
        parameter.literal(parameter.default, section.file)
    return parameter


def chosen(parameters: tuple[Parameter, ...], given: Mapping[str, str], file: str) -> dict[str, str]:
    """The value of each parameter: what was *given*, else its default.

    Raises ConfigError for a name that the report does not know, and for one that lacks a value.
    """
    known = {parameter.name for parameter in parameters}
    for name in given:
        if name not in known:
            mend = f"known here: {', '.join(sorted(known))}" if known else "the report has none"
            raise _error(file, name, "is not a parameter of this report", mend)
    values: dict[str, str] = {}
    for parameter in parameters:
        value = given.get(parameter.name, parameter.default)
        if value is None:
            raise _error(file, parameter.name, "has no default", f"give --param {parameter.name}=…")
        parameter.literal(value, file)
        values[parameter.name] = value
    return values


def filled(sql: str, parameters: tuple[Parameter, ...], values: Mapping[str, str], file: str) -> str:
    """*sql* with a literal in the place of each `$name`; what stands in texts and comments stays.

    Raises ConfigError where a `$name` is not a parameter.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    pieces, last = [], 0
    for start, end, name in _places(sql):
        if name not in by_name:
            raise _error(file, f"${name}", "is not a parameter", "declare it under [parameters]")
        pieces += [sql[last:start], by_name[name].literal(values[name], file)]
        last = end
    return "".join([*pieces, sql[last:]])


def used(sql: str) -> set[str]:
    """The names of the parameters that stand in *sql*."""
    return {name for _, _, name in _places(sql)}


def _places(sql: str) -> Iterator[tuple[int, int, str]]:
    """Each `$name` of *sql*: where it begins, where it ends (exclusive, 0-based), and its name."""
    tokens = DuckDB().tokenize(sql)
    for mark, name in pairwise(tokens):
        if mark.token_type is TokenType.PARAMETER and mark.text == "$" and name.start == mark.end + 1:
            yield mark.start, name.end + 1, name.text


def _number(value: str, parameter: Parameter, file: str) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    whole = parameter.type == "integer"
    if not number.is_finite() or (whole and number != number.to_integral_value()):
        wanted = "a whole number" if whole else "a number"
        raise _error(file, parameter.name, f"{value!r} is not {wanted}", "e.g. 50" if whole else "e.g. 0.05")
    return f"{int(number)}" if whole else f"{number:f}"


def _date(value: str, name: str, file: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise _error(file, name, f"{value!r} is not a date", "write it as 2026-11-22") from None


def _error(file: str, name: str, problem: str, mend: str) -> ConfigError:
    return ConfigError(file, f"parameter {name}", problem, mend)
