"""The words that ask for a number, in one spelling: where they are the same, equality follows from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, Final

from goe_lake.catalog import is_public
from goe_lake.engine.relation import Reading
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Literal,
    LiteralType,
    Measure,
    MeasureFunction,
    conjuncts,
    expr_to_json,
)

#: What a node says of itself; a condition on it is the same for everybody there.
OF_THE_NODE: Final = frozenset({("samples", "country")})


class Words:
    """The words of one release at one session; *basis* names what else decides (`basis_of`).

    *site_list* is the digest of the list that decides too where genotypes are read.
    """

    def __init__(self, reading: Reading, basis: Iterable[str], site_list: str | None = None) -> None:
        self._reading, self._of_persons = reading, list(basis)
        self._basis = [*self._of_persons, *([site_list] if site_list is not None else [])]
        self._texts: dict[Expr, str] = {}

    def all(self) -> str:
        """The words that ask for everybody."""
        return self._digest(["samples"], [])

    def of(self, measure: Measure, keys: Mapping[str, Any], *, at_sites: bool = False) -> str:
        """The words that ask for *measure* where the keys have these values.

        With *at_sites* the conditions and keys that choose sites are left out: the sites are kept beside.
        """
        sites = self._reading.site_conditions if at_sites else ()
        parts = self._parts(measure, keys, sites)
        told = {self._text(part) for part in parts if not self._of_the_node(part)}
        return self._digest(tables_of(self._reading), sorted(told))

    def who(self, measure: Measure, keys: Mapping[str, Any], *, by_class: bool) -> str:
        """The words that choose the persons of numbers at sites, as `words_of_group`; whatever the site list.

        *by_class* leaves out what a genotype has to be: what a person adds by class says that.
        """
        parts = self._parts(measure, keys, self._reading.site_conditions)
        kept = [part for part in parts if not self._of_the_node(part)]
        tables = tables_of(self._reading)
        if by_class:
            kept = [part for part in kept if not self._of_a_genotype(part)]
            tables = [table for table in tables if table not in ("genotypes", "samples")]
        return _digest(self._of_persons, tables, sorted({self._text(part) for part in kept}))

    def whole(self, measure: Measure) -> str:
        """The words that ask for *measure* of everybody; empty where the release asks for some only."""
        conditions = [part for part in self._reading.release.conditions if not self._of_the_node(part)]
        return "" if conditions or measure.where is not None else self.of(measure, {})

    def base(self, measure: Measure, keys: Mapping[str, Any]) -> str:
        """The words that ask for the same persons whether or not they have a score."""
        parts = self._parts(measure, keys)
        kept = [part for part in parts if not self._of_the_node(part) and not self._of_scores(part)]
        return self._digest(["samples"], sorted({self._text(part) for part in kept}))

    def _of_scores(self, part: Expr) -> bool:
        read = self._reading.where_from(part)
        return bool(read) and {table for table, _ in read} == {"scores"} and self._reading.is_public(part)

    def _parts(self, measure: Measure, keys: Mapping[str, Any], without: Collection[Expr] = ()) -> list[Expr]:
        """All that has to hold of whoever *measure* is taken of."""
        reading = self._reading
        conditions = [condition for condition in reading.release.conditions if condition not in without]
        parts = [part for condition in conditions for part in conjuncts(condition)]
        parts += measure.conditions
        for key in reading.release.keys:
            if key.name in keys:
                parts.append(_equal(key.expression, keys[key.name]))
        if is_truth(reading, measure):
            parts += measure.factors
        return parts

    def _of_the_node(self, part: Expr) -> bool:
        read = self._reading.where_from(part)
        return bool(read) and read <= OF_THE_NODE

    def _of_a_genotype(self, part: Expr) -> bool:
        read = self._reading.where_from(part)
        return bool(read) and all(
            table == "genotypes" and not is_public(table, column) for table, column in read
        )

    def _text(self, part: Expr) -> str:
        if part not in self._texts:
            self._texts[part] = _text(part, self._reading.tables)
        return self._texts[part]

    def _digest(self, tables: list[str], parts: list[str]) -> str:
        return _digest(self._basis, tables, parts)


def basis_of(snapshot_id: str, covering: Collection[str] | None) -> list[str]:
    """What decides besides words who is asked for: the snapshot, and whose consent covers the question."""
    return [snapshot_id, repr(sorted(covering)) if covering else ""]


def words_of_group(basis: Iterable[str], tables: Iterable[str], labels: Mapping[str, str | None]) -> str:
    """The words that ask for persons with these *labels* in `samples` (None for NULL).

    *tables* decide who has a row. Of a number by genotype class at sites there is none, as in `Words.who`.
    """
    parts = [_equal(ColumnRef("samples", name), label) for name, label in labels.items()]
    return _digest(list(basis), list(tables), sorted(_text(part, {"samples": "samples"}) for part in parts))


def _text(part: Expr, tables: Mapping[str, str]) -> str:
    return json.dumps(expr_to_json(_named(part, tables)), sort_keys=True)


def _digest(basis: list[str], tables: list[str], parts: list[str]) -> str:
    text = json.dumps([basis, tables, parts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def tables_of(reading: Reading) -> list[str]:
    """The tables that decide who has a row; one that everybody is in decides nothing."""
    # what a sub-aggregate adds is named by its digest, and adds no rows
    scans = {scan.table for scan in reading.release.relation.scans}
    tables = {table for table in scans if table not in ("samples", "variants")}
    # how many of a node's persons have genotypes is public
    if reading.session.is_genotyped.all() and tables == {"genotypes"} and _needs_no_genotype(reading):
        tables = set()
    return sorted(tables) or ["samples"]


def _needs_no_genotype(reading: Reading) -> bool:
    """Whether everybody has a row, whatever the genotype: at listed sites."""
    sites = reading.session.last_selection
    return sites is not None and len(sites[1]) > 0 and bool(sites[1].listed.all())


def is_truth(reading: Reading, measure: Measure) -> bool:
    """Whether *measure* sums a truth of a person: it counts those of whom it is true."""
    if measure.function is not MeasureFunction.SUM or len(measure.factors) != 1:
        return False
    return reading.is_truth(measure.factors[0])


def _equal(expression: Expr, value: Any) -> Expr:
    """*expression* is *value*; a truth by itself."""
    if value is None:
        return Call("is_null", (expression,))
    if value is True:
        return expression
    if value is False:
        return Call("not", (expression,))
    kind = {int: LiteralType.INTEGER, date: LiteralType.DATE, str: LiteralType.TEXT}.get(type(value))
    if kind is None:
        # a number as DuckDB gives it
        return Call("eq", (expression, Literal(LiteralType.TEXT, repr(value))))
    return Call("eq", (expression, Literal(kind, str(value))))


def _named(expression: Expr, tables: Mapping[str, str]) -> Expr:
    """*expression* with the names of tables for their aliases."""
    if isinstance(expression, ColumnRef):
        return ColumnRef(tables[expression.table], expression.column)
    if isinstance(expression, Call):
        args = tuple(_named(argument, tables) for argument in expression.args)
        if expression.op in ("and", "or", "eq"):
            args = tuple(sorted(args, key=lambda part: json.dumps(expr_to_json(part), sort_keys=True)))
        return Call(expression.op, args)
    return expression
