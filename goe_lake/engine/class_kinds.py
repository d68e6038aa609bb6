"""What persons are told apart by where sub-aggregates of genotypes decide: classes, carriers of a weight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from goe_lake.disclosure import Rule
from goe_lake.engine.relation import Reading, derived_alias
from goe_lake.engine.session import DerivedColumn
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.release import ColumnRef, Expr, Measure, stored_in

#: Classes of one site lie below it.
CLASS_CODES_BELOW = 16


@dataclass(frozen=True)
class ClassKind:
    """Genotype classes that persons are told apart by.

    *sql* is the class of a row, among the rows that the condition *selected* keeps. The keys *aside* tell
    the classes themselves. A class of a *person* is the same on all rows of the person; where *carriers*
    names a table (person, c), it has the classes, of which a person may have several: an even c for each
    of *weights* that the person carries an allele of, an odd one for each other.
    """

    sql: str
    selected: str
    aside: tuple[str, ...] = ()
    person: bool = False
    carriers: str | None = None
    weights: int = 0


def derived_of_cell(reading: Reading) -> tuple[ClassKind, ...]:
    """The kinds that conditions and keys tell apart by what sub-aggregates say."""
    keys = [key.expression for key in reading.release.keys]
    return _kinds(reading, (*reading.person_conditions, *reading.genotype_conditions, *keys), ())


def derived_of_measure(reading: Reading, measure: Measure) -> tuple[ClassKind, ...]:
    """The kinds that a measure's filter tells apart, and the carriers of each weight in its argument."""
    kinds: list[ClassKind] = []
    filters = measure.conditions
    if _telling(reading, filters):
        keys = [key.expression for key in reading.release.keys]
        kinds += _kinds(reading, (*filters, *reading.person_conditions, *keys), filters)
    chosen = reading.condition((*reading.person_conditions, *reading.genotype_conditions, *filters))
    stored = dict.fromkeys(column for factor in measure.factors for column in stored_in(factor))
    for derived in reading.derived_in(stored).values():
        if derived.carriers is not None:
            kinds.append(ClassKind("1::BIGINT", chosen, (), True, derived.carriers, derived.weights))
    return tuple(kinds)


def _telling(reading: Reading, parts: Iterable[Expr]) -> dict[ColumnRef, DerivedColumn]:
    return {column: known for column, known in reading.derived_in(parts).items() if known.telling}


def _kinds(reading: Reading, parts: tuple[Expr, ...], filters: tuple[Expr, ...]) -> tuple[ClassKind, ...]:
    """The joint class at the sites of columns that are read at one site each, and the value of other keys."""
    telling = _telling(reading, parts)
    if not telling:
        return ()
    aside = tuple(key.name for key in reading.release.keys if _telling(reading, (key.expression,)))
    conditions = (*reading.person_conditions, *reading.genotype_conditions, *filters)
    chosen = reading.condition(tuple(part for part in conditions if not _telling(reading, (part,))))
    kinds = []
    at_one = [column for column, known in telling.items() if known.one_site]
    if at_one:
        codes = (f"{_class_of(column)} * {CLASS_CODES_BELOW**place}" for place, column in enumerate(at_one))
        kinds.append(ClassKind(f"({' + '.join(codes)})::HUGEINT", chosen, aside, person=True))
    several = [
        key.expression
        for key in reading.release.keys
        if any(not known.one_site for known in _telling(reading, (key.expression,)).values())
    ]
    if several:
        values = ", ".join(f"({safe_sql(expression, reading.resolve)})::VARCHAR" for expression in several)
        everybody = reading.condition(conditions)
        kinds.append(ClassKind(f"hash([{values}])::HUGEINT", everybody, aside, person=True))
    return tuple(kinds)


def _class_of(column: ColumnRef) -> str:
    return f"{derived_alias(column.table)}.{identifier('h$' + column.column)}"


def rule_of_derived(derived: DerivedColumn) -> Rule:
    """Who contributes to a sum of what a sub-aggregate says."""
    if derived.telling:
        return Rule.ALLELE_COUNT if derived.one_site else Rule.BURDEN
    return Rule.FEW_VALUES if derived.few_valued else Rule.SUM
