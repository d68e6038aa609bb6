"""A release, checked and read as this node reads it: its rows, conditions, filters and what they touch.

The node trusts nobody: everything that disclosure control rests on is derived here from the release
itself and the node's own catalogue, never from what the gateway says about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

from goe_lake.catalog import (
    PUBLIC_COLUMNS,
    Catalog,
    Column,
    ColumnType,
    Table,
    TableKind,
    is_added,
    is_public,
    is_site_key,
)
from goe_lake.computed import RATIO_DIGITS, Computed, Unbounded, computed_column, stored_columns
from goe_lake.engine.duck import one_row
from goe_lake.engine.folding import COMPARED
from goe_lake.engine.session import SCALED, DerivedColumn, Session
from goe_lake.engine.sql import identifier, safe_sql, to_sql
from goe_lake.errors import ReleaseRefused
from goe_lake.per_person import per_person_name, per_person_table
from goe_lake.release import (
    INTERVALS,
    PRESENT,
    Call,
    CellKind,
    ColumnRef,
    Expr,
    Join,
    Key,
    Measure,
    MeasureFunction,
    Output,
    OutputFunction,
    PerPerson,
    Relation,
    Release,
    calls_in,
    columns_in,
    fixed_columns,
    value_of,
)

MOST_KEYS: Final = 20
# a stored value below 2^53, this factor and 10^9 rows stay within the 38 digits that a sum may have
MOST_FACTOR: Final = 10**12
MOST_MEASURES: Final = 64
# sums of products are HUGEINT, and travel with 38 digits
MOST_ROWS: Final = 10**9
MOST_SUM: Final = 2**126
MOST_DERIVED: Final = 8
# With more, sites are told apart by the columns themselves
MOST_COMPARISONS: Final = 32
MOST_OUTPUTS: Final = 32
MOST_WEIGHTS: Final = 5_000
# the ends of the interval that a person is counted in, and what they are called in `intervals`
BINS: Final = INTERVALS
BIN_COLUMNS: Final = ("$first", "$last")
# whether a site is listed: a column of genotypes that no release can name
LISTED: Final = "$listed"
# tables with measured columns of persons
MEASURED: Final = ("samples", "scores")
GENOTYPE_VALUES: Final = frozenset({"dosage", "called_alleles"})
# a condition that holds nowhere
NEVER: Final = "FALSE"
# the FORMAT fields that a lake keeps
QUALITY: Final = ("gq", "dp")
# AN of a listed site is public for a node, a population and a sex
ALLELE_NUMBER_STRATA: Final = frozenset({"country", "population", "sex"})


def check_release(release: Release, catalog: Catalog) -> Release:
    """*release* asks only for what this node computes; ReleaseRefused otherwise."""
    if release.cells is not CellKind.OPEN:
        raise ReleaseRefused("R201", "sealed cells are asked for with the labels of the federation")
    if len(release.keys) > MOST_KEYS or len(release.measures) > MOST_MEASURES:
        raise ReleaseRefused("R202", f"a release has at most {MOST_KEYS} keys and {MOST_MEASURES} measures")
    joined = _check_relation(release.relation, catalog)
    derived = [check_per_person(part, catalog) for part in release.relation.derived]
    if len(derived) > MOST_DERIVED:
        raise ReleaseRefused("R202", f"a release has at most {MOST_DERIVED} sub-aggregates")
    joined |= {part.alias: table.name for part, table in zip(release.relation.derived, derived, strict=True)}
    for key in release.keys:
        _check_key({(joined[column.table], column.column) for column in columns_in(key.expression)})
    if release.margins and any(
        joined[column.table] in ("genotypes", "variants") and is_public(joined[column.table], column.column)
        for key in release.keys
        for column in columns_in(key.expression)
    ):
        raise ReleaseRefused("R212", "margins are not taken of cells that each lie at a site")
    _check_bins(release, joined)
    _check_columns(release.expressions(), joined, catalog.with_tables(derived))
    return release


def check_per_person(part: PerPerson, catalog: Catalog) -> Table:
    """The table that a sub-aggregate makes; ReleaseRefused where this node does not compute it."""
    joined = _check_relation(part.relation, catalog)
    weights = sum(len(output.weights) for output in part.outputs)
    if len(part.outputs) > MOST_OUTPUTS or weights > MOST_WEIGHTS:
        raise ReleaseRefused(
            "R202", f"a sub-aggregate has at most {MOST_OUTPUTS} columns and {MOST_WEIGHTS} weights"
        )
    _check_columns(part.expressions(), joined, catalog)
    for expression in part.expressions():
        for column in columns_in(expression):
            if joined[column.table] == "genotypes" and column.column in QUALITY:
                raise ReleaseRefused("R210", "quality is not aggregated by person")
    for output in part.outputs:
        for weight in output.weights:
            read = columns_in(weight.where) if weight.where is not None else ()
            if not all(is_public(joined[column.table], column.column) for column in read):
                raise ReleaseRefused("R211", "a weight depends on the site alone")
        if output.function is OutputFunction.SUM:
            _check_number(output, joined, catalog)
        if output.function in (OutputFunction.MIN, OutputFunction.MAX):
            _check_extreme(output, part, joined)
    return per_person_table(part, catalog)


def _check_number(output: Output, joined: dict[str, str], catalog: Catalog) -> None:
    assert output.argument is not None
    column = catalog.tables[joined[output.argument.table]].by_name.get(output.argument.column)
    if column is not None and column.type not in (*SCALED, ColumnType.BOOLEAN):
        raise ReleaseRefused("R206", f"{column.name} is not a number")


def _check_extreme(output: Output, part: PerPerson, joined: dict[str, str]) -> None:
    """The first or last of several sites at which a person carries would tell single sites apart."""
    assert output.argument is not None
    table, column = joined[output.argument.table], output.argument.column
    of_sites = table in ("genotypes", "variants") and is_public(table, column)
    if of_sites and not is_site_key(fixed_columns(part.conditions)):
        raise ReleaseRefused("R211", "a place is not aggregated by person: choose sites by conditions")


def _check_relation(relation: Relation, catalog: Catalog) -> dict[str, str]:
    """The table of each alias, where all of them join as they may."""
    tables = [scan.table for scan in relation.scans]
    unknown = [table for table in tables if table not in PUBLIC_COLUMNS]
    if unknown or len(set(tables)) != len(tables):
        raise ReleaseRefused("R203", "a release reads samples, genotypes, scores and variants, each once")
    if catalog.tables[relation.first.table].kind is not TableKind.PERSONAL:
        raise ReleaseRefused("R203", "the first scan is a table about persons")
    joined = {relation.first.alias: relation.first.table}
    for join in relation.joins:
        _check_join(join, joined)
        joined[join.scan.alias] = join.scan.table
    return joined


def _check_columns(expressions: Iterable[Expr], joined: dict[str, str], catalog: Catalog) -> None:
    for column in (column for expression in expressions for column in columns_in(expression)):
        table = joined[column.table]
        # a phenotype that this node lacks is NULL here, a column added to sites is as the site list says
        added = table == "variants" and is_added(column.column)
        made = computed_column(column.column)
        if made is not None and made.by_person and table not in PUBLIC_COLUMNS:
            _check_ratio(made, catalog.tables[table])
            continue
        if made is not None and (made.by_person or table != "samples"):
            raise ReleaseRefused("R204", f"functions are computed of samples, not of {table}")
        if table != "samples" and not added and column.column not in catalog.tables[table].by_name:
            raise ReleaseRefused("R204", f"{table} has no column {column.column!r}")


def _check_ratio(made: Computed, table: Table) -> None:
    """A ratio by person is of columns of one sub-aggregate, which are numbers."""
    try:
        made.describe(table.by_name)
    except (KeyError, Unbounded):
        raise ReleaseRefused("R204", "a ratio by person is not of numbers of a sub-aggregate") from None


def is_bin(expression: Expr) -> bool:
    """Whether *expression* is an end of an interval that the node chooses."""
    return isinstance(expression, Call) and expression.op in BINS


def _check_bins(release: Release, tables: dict[str, str]) -> None:
    """Intervals are the two last keys, of one grid over one column, and persons are counted by them."""
    last = [key.expression for key in release.keys[-2:]]
    asked = sum(part.op in BINS for expression in release.expressions() for part in calls_in(expression))
    if not asked:
        return
    ends = [part for part in last if isinstance(part, Call) and is_bin(part)]
    fits = (
        asked == len(ends) == 2 and tuple(part.op for part in ends) == BINS and ends[0].args == ends[1].args
    )
    counts = [(measure.function, measure.factors, measure.where) for measure in release.measures]
    read = {tables[column.table] for part in ends for column in columns_in(part)}
    of_sites = read & {"genotypes", "variants"}
    if not fits or counts != [(MeasureFunction.ROWS, (), None)] or of_sites:
        raise ReleaseRefused("R209", "intervals are the last two keys, of one column, and count rows alone")
    if "genotypes" in tables.values():
        raise ReleaseRefused("R209", "intervals are not computed over genotypes")


def _check_key(read: set[tuple[str, str]]) -> None:
    """A key reads where a row is about, or whom, and not both: cells that overlap tell persons apart."""
    public = {is_public(table, column) and column != "country" for table, column in read}
    if len(public) > 1:
        raise ReleaseRefused("R208", "a key mixes columns about persons with sites or pgs_id")


def _check_join(join: Join, joined: dict[str, str]) -> None:
    columns: set[str] = set()
    for earlier, right in join.on:
        if right.table != join.scan.alias or earlier.table not in joined or earlier.column != right.column:
            raise ReleaseRefused("R205", "a join is on equal columns of an earlier scan and the joined one")
        columns.add(right.column)
    if join.scan.table == "variants":
        others = {joined[earlier.table] for earlier, _ in join.on}
        if others != {"genotypes"} or not is_site_key(columns):
            raise ReleaseRefused("R205", "variants joins genotypes on the whole site")
    elif "sample_id" not in columns:
        raise ReleaseRefused("R205", "tables about persons join on sample_id")


def derived_alias(alias: str) -> str:
    """What a sub-aggregate is called in the node's SQL."""
    return identifier(f"d${alias}")


def _all_columns(release: Release) -> Iterable[ColumnRef]:
    for expression in release.expressions():
        yield from columns_in(expression)


@dataclass(frozen=True)
class Reading:
    """A checked release at one session."""

    release: Release
    session: Session

    @cached_property
    def tables(self) -> dict[str, str]:
        """The table of each alias."""
        relation = self.release.relation
        derived = {part.alias: per_person_name(part) for part in relation.derived}
        return {**{scan.alias: scan.table for scan in relation.scans}, **derived}

    def derived_in(self, expressions: Iterable[Expr]) -> dict[ColumnRef, DerivedColumn]:
        """The columns of sub-aggregates that *expressions* read, and what is known of each."""
        return {
            column: self.session.derived[self.tables[column.table]].known(column.column)
            for expression in expressions
            for column in columns_in(expression)
            if self.tables[column.table] in self.session.derived
        }

    def made_of(self, factor: ColumnRef) -> tuple[tuple[str, str], ...]:
        """The columns of persons that *factor* is, is a function of, or aggregates by person."""
        table = self.tables[factor.table]
        if table in MEASURED:
            return tuple((table, name) for name in stored_columns(factor.column))
        part = next((part for part in self.release.relation.derived if part.alias == factor.table), None)
        if part is None:
            return ()
        scans = {scan.alias: scan.table for scan in part.relation.scans}
        names = stored_columns(factor.column)
        arguments = [its.argument for its in part.outputs if its.name in names and its.argument is not None]
        read = ((scans[argument.table], argument.column) for argument in arguments)
        return tuple(dict.fromkeys(one for one in read if one[0] in MEASURED))

    def is_form(self, measure: Measure) -> bool:
        """Whether *measure* sums a column of persons otherwise than as it is: a function, or by person."""
        return measure.function is MeasureFunction.SUM and any(
            self.made_of(factor) != ((self.tables[factor.table], factor.column),)
            for factor in measure.factors
            if self.made_of(factor)
        )

    def has_few(self, factor: ColumnRef) -> bool:
        """Whether a column takes so few values that each of them is a class of persons."""
        derived = self.derived_in((factor,)).get(factor)
        if derived is not None:
            return derived.few_valued
        name = (self.tables[factor.table], factor.column)
        return name in self.session.few_valued or (name[0] == "genotypes" and name[1] in GENOTYPE_VALUES)

    def multiplied(self, measure: Measure) -> tuple[tuple[ColumnRef, ...], tuple[ColumnRef, ...]]:
        """What *measure* sums of a person's own columns, and the columns of few values that say how often.

        Where one of these is the same for all, the sum is a multiple of that without it. Of few values alone,
        truths and what is not a person's own say how often the others are added.
        """
        factors = measure.factors
        own = tuple(factor for factor in factors if not self.has_few(factor))
        if not own:
            measured = [factor for factor in factors if self.tables[factor.table] in MEASURED]
            numbers = tuple(factor for factor in measured if not self.is_truth(factor))
            own = numbers or tuple(measured[:1])
        if not own or any(self.tables[factor.table] not in MEASURED for factor in own):
            return factors, ()
        rest = list(factors)
        for factor in own:
            rest.remove(factor)
        return own, tuple(rest)

    def is_truth(self, factor: ColumnRef) -> bool:
        """Whether a column is true or false."""
        column = self.session.column(self.tables[factor.table], factor.column)
        return column is not None and column.type is ColumnType.BOOLEAN

    def scans(self, table: str) -> bool:
        """Whether the release reads *table*."""
        return table in self.tables.values()

    def has_row_a_person(self) -> bool:
        """Whether each person has one row in `samples` and what is joined to it, genotypes aside."""
        return self.session.one_sample_a_person and not self.scans("scores")

    def where_from(self, expression: Expr) -> set[tuple[str, str]]:
        """The (table, column) pairs that *expression* reads."""
        return {
            (self.tables[column.table], name)
            for column in columns_in(expression)
            for name in stored_columns(column.column)
        }

    def is_public(self, expression: Expr) -> bool:
        """Whether *expression* reads columns that select no persons."""
        return all(
            is_public(table, column) or column == LISTED for table, column in self.where_from(expression)
        )

    def is_public_condition(self, condition: Expr) -> bool:
        """The same of a condition, or that it asks only whether a person has a score at all."""
        if isinstance(condition, ColumnRef) and condition.column == PRESENT:
            return all(known.technical for known in self.derived_in((condition,)).values())
        return self.is_public(condition)

    def reads_site(self, expression: Expr) -> bool:
        """Whether *expression* reads columns of the site only."""
        return all(
            table in ("genotypes", "variants") and (is_public(table, column) or column == LISTED)
            for table, column in self.where_from(expression)
        )

    def genotype_values(self, expression: Expr) -> set[str]:
        """Which of dosage and called_alleles *expression* reads."""
        return {
            column for table, column in self.where_from(expression) if table == "genotypes"
        } & GENOTYPE_VALUES

    @cached_property
    def site_conditions(self) -> tuple[Expr, ...]:
        """The conditions that choose sites."""
        return tuple(c for c in self.release.conditions if self.where_from(c) and self.reads_site(c))

    @cached_property
    def public_conditions(self) -> tuple[Expr, ...]:
        """The conditions on country and pgs_id, on being in a table at all, and constant ones."""
        sites = set(self.site_conditions)
        return tuple(c for c in self.release.conditions if c not in sites and self.is_public_condition(c))

    @cached_property
    def genotype_conditions(self) -> tuple[Expr, ...]:
        """The conditions that read a genotype."""
        return tuple(c for c in self.release.conditions if not self.is_public(c) and self.genotype_values(c))

    @cached_property
    def person_conditions(self) -> tuple[Expr, ...]:
        """All other conditions: they choose persons."""
        return tuple(
            c
            for c in self.release.conditions
            if not self.is_public_condition(c) and not self.genotype_values(c)
        )

    @cached_property
    def filters(self) -> tuple[Expr, ...]:
        """The measures' filters, each once."""
        return tuple(dict.fromkeys(m.where for m in self.release.measures if m.where is not None))

    @cached_property
    def public_keys(self) -> tuple[str, ...]:
        """The keys that say nothing about persons."""
        return tuple(key.name for key in self.release.keys if self.is_public(key.expression))

    @cached_property
    def genotype_keys(self) -> tuple[str, ...]:
        """The keys that read a genotype."""
        return tuple(key.name for key in self.release.keys if self.genotype_values(key.expression))

    @cached_property
    def keyed_by_site(self) -> bool:
        """Whether each cell lies at one site."""
        return is_site_key({column.column for column in self._site_columns.values()})

    @cached_property
    def at_a_named_site(self) -> bool:
        """Whether the conditions name one site."""
        return is_site_key(fixed_columns(self.site_conditions))

    @cached_property
    def listed(self) -> ColumnRef | None:
        """Whether a row's site is listed, where rows at sites of few carriers may be counted among others.

        That follows from what is asked alone: of genotypes at more than one place more is counted or summed
        than everybody who has a row. How many rows a person has is then known, or added up.
        """
        alias = next((alias for alias, table in self.tables.items() if table == "genotypes"), None)
        places = fixed_columns(self.site_conditions) | {c.column for c in self._site_columns.values()}
        counted = any(
            measure.function is not MeasureFunction.PERSONS or measure.where is not None
            for measure in self.release.measures
        )
        if alias is None or not counted or places & {"pos", "variant_id"}:
            return None
        return ColumnRef(alias, LISTED)

    @cached_property
    def site_keys(self) -> tuple[Key, ...]:
        """The keys that are plain columns of the site."""
        return tuple(key for key in self.release.keys if key.name in self._site_columns)

    @cached_property
    def _site_columns(self) -> dict[str, ColumnRef]:
        """The columns that the keys in `site_keys` are, by the key's name."""
        return {
            key.name: key.expression
            for key in self.release.keys
            if isinstance(key.expression, ColumnRef) and self.reads_site(key.expression)
        }

    @cached_property
    def person_keys(self) -> tuple[Key, ...]:
        """All other keys."""
        return tuple(key for key in self.release.keys if key not in self.site_keys)

    def apart_from_sites(self) -> bool:
        """Whether persons and genotype classes alone decide, at each site, what is counted or summed.

        Then persons who are alike can be counted together. Not so where scores are joined, a person has
        several samples, quality is read, or one expression reads the site beside a person.
        """
        if self.release.relation.derived:
            return False
        if self.scans("scores") or self.fields() or not self.session.one_sample_a_person:
            return False
        parts = self._parts_beside_sites(self.person_keys)
        sums = [
            factor
            for measure in self.release.measures
            if measure.function is MeasureFunction.SUM
            for factor in measure.factors
        ]
        return not any(self.read_of_sites(part) for part in parts) and all(
            self.genotype_values(factor) for factor in sums
        )

    def read_of_sites(self, expression: Expr) -> set[str]:
        """The columns of the site that *expression* reads."""
        return {
            column
            for table, column in self.where_from(expression)
            if table in ("genotypes", "variants") and is_public(table, column)
        }

    def read_of_persons(self) -> set[tuple[str, str]]:
        """The (table, column) pairs about persons, genotypes aside, that decide which cells they are in."""
        return {
            (self.tables[column.table], name)
            for column in self._columns()
            for name in stored_columns(column.column)
            if self.tables[column.table] not in ("genotypes", "variants")
        }

    def allele_number_is_public(self, measure: Measure) -> bool:
        """Whether *measure* is taken over strata whose AN is public."""
        parts = [*(key.expression for key in self.release.keys), *self.release.conditions]
        parts += [measure.where] if measure.where is not None else []
        return all(
            (table == "samples" and column in ALLELE_NUMBER_STRATA)
            or (table in ("genotypes", "variants") and is_public(table, column))
            for part in parts
            for table, column in self.where_from(part)
        )

    # SQL ---------------------------------------------------------------------------------------------

    def resolve(self, column: ColumnRef) -> str:
        """The SQL of a column's value as analysts see it."""
        table = self.tables[column.table]
        if column.column in BIN_COLUMNS:
            return f"i.{BINS[BIN_COLUMNS.index(column.column)]}"
        if table in self.session.derived:
            value = value_of(column)
            if value is not column:
                return to_sql(value, self.resolve)
            return f"{derived_alias(column.table)}.{identifier(column.column)}"
        if column.column == LISTED:
            return "v.listed"
        if table == "variants" or (table == "genotypes" and column.column in PUBLIC_COLUMNS["genotypes"]):
            return f"v.{identifier(column.column)}"
        if table == "genotypes":
            return f"g.{identifier(column.column)}"
        if table == "scores":
            return f"c.{identifier(column.column)}"
        if self.session.column(table, column.column) is None:
            return "NULL"
        return f"p.{identifier(column.column)}"

    def whole(self, measure: Measure) -> str:
        """The SQL of a sum's argument as a whole number of the measure's resolution."""
        columns = [self._summed(factor) for factor in measure.factors]
        if any(column is None for column in columns):
            return "NULL::BIGINT"
        steps = math.prod(column.step for column in columns if column is not None)
        factor = steps / Fraction(measure.resolution)
        if factor.denominator != 1 or factor > MOST_FACTOR:
            names = " * ".join(f"{self.tables[part.table]}.{part.column}" for part in measure.factors)
            raise ReleaseRefused("R206", f"{names} is not stored at a multiple of {measure.resolution}")
        stored = [self.stored(part) for part in measure.factors]
        if len(stored) == 1:
            return stored[0] if factor == 1 else f"({stored[0]}::HUGEINT * {factor.numerator})"
        largest = math.prod(_largest(column) for column in columns if column is not None)
        if largest * factor * MOST_ROWS > MOST_SUM:
            raise ReleaseRefused("R206", "the bounds and resolutions of a product are too wide for its sum")
        wide = [f"{part}::HUGEINT" for part in stored]
        return f"({' * '.join([*wide, *([str(factor.numerator)] if factor != 1 else [])])})"

    def _summed(self, factor: ColumnRef) -> Column | None:
        """What this node knows of a column that is summed; None where it has no such column."""
        table, name = self.tables[factor.table], factor.column
        try:
            column = self.session.column(table, name)
        except Unbounded as error:
            raise ReleaseRefused("R206", f"{error}, so that the function could be of any size") from None
        if column is not None and column.type not in SCALED and column.type.value != "boolean":
            raise ReleaseRefused("R206", f"{table}.{name} is not a number")
        return column

    def stored(self, factor: ColumnRef) -> str:
        """The SQL of a column's value as this node stores it: a whole number of its own resolution."""
        table, name = self.tables[factor.table], factor.column
        column = self.session.column(table, name)
        if column is None:
            return "NULL::BIGINT"
        made = computed_column(name)
        if made is not None and made.by_person:
            return self._ratio(factor, column)
        if made is not None:
            return self._rounded(made, column)
        if table in ("genotypes", "variants"):
            return f"{self.resolve(factor)}::BIGINT"
        if table in self.session.derived:
            return f"{derived_alias(factor.table)}.{identifier('q$' + name)}"
        return f"{'c' if table == 'scores' else 'p'}.{identifier('q$' + name)}"

    def _rounded(self, made: Computed, column: Column) -> str:
        """The SQL of a computed column, *column*, as a whole number of steps within its bounds."""
        assert column.bounds is not None
        values = (f"p.{identifier(name)}::DOUBLE" for name in made.columns)
        step = column.step
        low, high = (int(Fraction(bound) / step) for bound in column.bounds)
        steps = f"({made.sql(*values)}) * {step.denominator}::DOUBLE / {step.numerator}::DOUBLE"
        whole = f"TRY(round({steps}))"
        return f"(CASE WHEN {whole} IS NOT NULL THEN least(greatest({whole}, {low}), {high}) END)::BIGINT"

    def _ratio(self, factor: ColumnRef, column: Column) -> str:
        """The SQL of a ratio by person as a whole number of steps, with so many binary digits."""
        assert column.bounds is not None
        high = int(Fraction(column.bounds[1]) / column.step)
        steps = f"({self.resolve(factor)}) * {column.step.denominator}::DOUBLE"
        kept = f"round({steps})"
        if self.session.rounds:
            least = 2**RATIO_DIGITS
            power = f"pow(2, floor(log2(greatest(abs({steps}), {least}))) - {RATIO_DIGITS - 1})"
            kept = (
                f"CASE WHEN abs({steps}) < {least} THEN {kept} ELSE round(({steps}) / {power}) * {power} END"
            )
        whole = f"TRY({kept})"
        return f"(CASE WHEN {whole} IS NOT NULL THEN least(greatest({whole}, {-high}), {high}) END)::BIGINT"

    def condition(self, parts: tuple[Expr, ...]) -> str:
        """SQL of a conjunction, NULL only where a part reads but a missing value; TRUE for no part."""
        return " AND ".join(f"({self.strict(part)})" for part in parts) or "TRUE"

    def strict(self, part: Expr) -> str:
        """SQL of one condition: NULL means that its one column is missing, and nothing else does.

        A missing value is public, so NULL excuses a person from the complement; a condition that
        makes its own NULLs (`nullif`, CASE, a failed cast) must not excuse whom it likes.
        """
        text = safe_sql(part, self.resolve)
        columns = set(columns_in(part))
        if len(columns) != 1 or not self.is_technical(columns):
            return f"coalesce({text}, FALSE)"
        (column,) = columns
        value = self.resolve(column)
        if part == Call("not", (Call("is_null", (column,)),)):
            return f"CASE WHEN {value} IS NOT NULL THEN TRUE END"
        return f"CASE WHEN {value} IS NULL THEN {text} ELSE coalesce({text}, FALSE) END"

    def is_technical(self, columns: Iterable[ColumnRef]) -> bool:
        """Whether NULL means a missing value in each of *columns*, and not what a sub-aggregate chose."""
        return all(known.technical for known in self.derived_in(columns).values())

    def missing(self, parts: Iterable[Expr]) -> str:
        """SQL of whether *parts* read a missing value."""
        columns = dict.fromkeys(
            column for part in parts for column in columns_in(part) if self.is_technical((column,))
        )
        return " OR ".join(f"{self.resolve(column)} IS NULL" for column in columns) or NEVER

    def chosen_missing(self, parts: Iterable[Expr]) -> str:
        """SQL of whether a part reads a missing value and another column: it may choose among the missing."""
        return self.missing(part for part in parts if len(set(columns_in(part))) > 1)

    def tangles(self, part: Expr) -> bool:
        """Whether *part* reads genotypes and places together."""
        read = self.where_from(part)
        places = {name for table, name in read if table in ("genotypes", "variants")} - GENOTYPE_VALUES
        return bool(self.genotype_values(part)) and bool(places - {"gq", "dp"})

    def site_selection(self, least: int = 0) -> str:
        """SQL of the sites that the release reads, in order, with its `site_keys`.

        Unlisted sites of fewer than *least* carriers are left out, unless they differ from another site
        in their end only.
        """
        where = [f"coalesce(TRY({to_sql(c, self.resolve)}), false)" for c in self.site_conditions]
        if least:
            where.append(f"(v.listed OR v.carriers >= {least} OR NOT v.alone)")
        keys = "".join(f", {self.resolve(column)} AS {name}" for name, column in self._site_columns.items())
        columns = "v.site, v.alone, v.rank, v.pos, v.listed, v.par, v.place, " + self._alike()
        return f"SELECT {columns}{keys} FROM sites v WHERE {' AND '.join(where) or 'TRUE'} ORDER BY v.site"

    def _alike(self) -> str:
        """SQL of a number that sites share which agree in all that is read of them beside persons."""
        if self.keyed_by_site:
            return "v.site AS alike"
        parts = self._parts_beside_sites(self.release.keys)
        comparisons = set().union(*(self._site_comparisons(part) for part in parts))
        if len(comparisons) > MOST_COMPARISONS:
            comparisons = set()
        compared = sorted(to_sql(part, self.resolve) for part in comparisons)
        # one that fails is told from one that is NULL, and a missing value from a constant that is
        terms = [term for text in compared for term in (f"TRY({text})", f"TRY({text} IS NULL)")]
        columns = {self.resolve(column) for part in comparisons for column in columns_in(part)}
        terms += [f"{column} IS NULL" for column in sorted(columns)]
        read = sorted(set().union(*(self._read_without(part, comparisons) for part in parts)))
        read += ["listed"] if self.listed is not None else []
        order = ", ".join([*(f"v.{identifier(name)}" for name in read), *terms])
        return f"dense_rank() OVER (ORDER BY {order}) AS alike" if order else "0 AS alike"

    def _site_comparisons(self, expression: Expr) -> set[Expr]:
        """The comparisons in *expression* of columns of the site, with each other or with constants."""
        if not isinstance(expression, Call):
            return set()
        plain = all(isinstance(part, ColumnRef) or not any(columns_in(part)) for part in expression.args)
        if plain and expression.op in COMPARED:
            return {expression} if self.reads_site(expression) and self.read_of_sites(expression) else set()
        return set().union(*map(self._site_comparisons, expression.args))

    def _read_without(self, expression: Expr, known: set[Expr]) -> set[str]:
        """The columns of the site that *expression* reads outside of the comparisons *known*."""
        if expression in known:
            return set()
        if isinstance(expression, Call):
            return set().union(*(self._read_without(argument, known) for argument in expression.args))
        return self.read_of_sites(expression)

    def _parts_beside_sites(self, keys: tuple[Key, ...]) -> list[Expr]:
        """Every expression but the conditions that choose sites; of the keys, these."""
        chosen = set(self.site_conditions)
        parts = [condition for condition in self.release.conditions if condition not in chosen]
        return [
            *parts,
            *(key.expression for key in keys),
            *self.filters,
            *(factor for measure in self.release.measures for factor in measure.factors),
        ]

    def has_twins(self, *, listed_only: bool = False) -> bool:
        """Whether any of the sites, or listed sites, that the release reads differ in their end only."""
        where = [f"coalesce(TRY({to_sql(c, self.resolve)}), false)" for c in self.site_conditions]
        chosen = " AND ".join(["NOT v.alone", *where, *(["v.listed"] if listed_only else [])])
        (found,) = one_row(
            self.session.connection,
            f"SELECT count(*) > 0 FROM (SELECT 1 FROM sites v WHERE {chosen} "
            "GROUP BY v.rank, v.pos, v.ref, v.alt HAVING count(*) > 1)",
        )
        return bool(found)

    def source(self) -> str:
        """SQL of the joined rows: persons p, and genotypes g at sites v, or scores c, where they are read."""
        parts = ["samples p"]
        if self.scans("genotypes"):
            parts = ["genotype_rows g JOIN samples p USING (s) JOIN sites v USING (site)"]
        if self.scans("scores"):
            parts.append("JOIN scores c USING (s)")
        if any(
            column.column in BIN_COLUMNS for key in self.release.keys for column in columns_in(key.expression)
        ):
            score = " AND i.pgs_id = c.pgs_id" if self.scans("scores") else ""
            parts.append(f"LEFT JOIN intervals i ON i.s = p.s{score}")
        return " ".join([*parts, *self.derived_joins()])

    def derived_joins(self) -> list[str]:
        """SQL that adds the columns of each sub-aggregate to rows of persons p."""
        return [
            f"LEFT JOIN {identifier(self.tables[part.alias])} {derived_alias(part.alias)} "
            f"ON {derived_alias(part.alias)}.s = p.s"
            for part in self.release.relation.derived
        ]

    def fields(self) -> tuple[str, ...]:
        """The FORMAT fields that the release reads."""
        read = {column.column for column in self._columns() if self.tables[column.table] == "genotypes"}
        return tuple(name for name in QUALITY if name in read)

    def reads_quality(self, expression: Expr) -> bool:
        """Whether *expression* reads gq or dp."""
        return any(t == "genotypes" and name in QUALITY for t, name in self.where_from(expression))

    def adds_quality(self) -> bool:
        """Whether gq and dp are summed or counted, each by itself, and read by nothing else.

        Then what a person's rows add up to says all that is asked of them.
        """
        measures = self.release.measures
        parts = [*self.release.conditions, *(key.expression for key in self.release.keys), *self.filters]
        products = [factor for measure in measures if len(measure.factors) > 1 for factor in measure.factors]
        return not any(map(self.reads_quality, (*parts, *products)))

    def reads_classes(self) -> bool:
        """Whether anything is asked of a genotype beside its quality."""
        return any(map(self.genotype_values, self.release.expressions()))

    def _columns(self) -> Iterable[ColumnRef]:
        yield from _all_columns(self.release)


def _largest(column: Column) -> Fraction:
    """The largest absolute value that is stored, by public bounds; ReleaseRefused where there are none."""
    if column.type is ColumnType.BOOLEAN:
        return Fraction(1)
    if column.bounds is None:
        raise ReleaseRefused("R206", f"{column.name} has no public bounds, so a product could be of any size")
    return max(abs(Fraction(bound)) for bound in column.bounds) / column.step
