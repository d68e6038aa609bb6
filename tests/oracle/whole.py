"""Queries of the whole language: every kind of relation, every aggregate, and what stands above the groups.

A query is drawn for one relation shape and one aggregate, so that a test can say which of them it has
compared. `RELATIONS` offer columns (a `Source`), over which conditions, keys and aggregates are those of
`grammar`; `FRAMES` are what SQL puts around the groups of any of these relations.
"""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from hypothesis import assume
from hypothesis import strategies as st

from tests.oracle.grammar import (
    BOOLEANS,
    DEVIATIONS,
    GENOTYPE_NUMBERS,
    LABELS,
    OF_TWO,
    SAMPLE_NUMBERS,
    SCORE_NUMBERS,
    SHAPES,
    SITE_NUMBERS,
    SITE_TEXTS,
    VARIANT_ID,
    VARIANT_NUMBERS,
    VARIANT_TEXTS,
    Limits,
    Output,
    Parts,
    Query,
    Source,
    arguments,
    atoms,
    conditions,
    count_if_as_count,
    keys,
    moments_of_two,
    parts,
    queries_of,
    sources,
)

# Aggregates ----------------------------------------------------------------------------------------------

#: Labels with two values: which of them is commoner is one number against another.
TWO_VALUES = {"sex": ("F", "M"), "cohort": ("C1", "C2")}
#: Labels of persons, and of scores.
OF_PERSONS = {**LABELS, "pgs_id": ("PGS1", "PGS2")}
MEASURED = {**SAMPLE_NUMBERS, **SCORE_NUMBERS}
#: Rows by the person and more.
BY_CONTIG: Final = "by person and contig"
#: More persons than a cohort has.
PERSONS: Final = 400
Form = Callable[[st.DrawFn, Source, str], tuple[str, float] | None]


def _of(source: Source, names: Mapping[str, object]) -> tuple[str, ...]:
    """The columns of *source* whose own name is among *names*, as they are written."""
    return tuple(written for written, bare in source.plain.items() if bare in names)


@st.composite
def spelt(draw: st.DrawFn, source: Source) -> str:
    """A condition that has a shorter form of its own in DuckDB."""
    if not source.labels:
        return draw(conditions(source, 1))
    column, other = (draw(st.sampled_from(tuple(source.labels))) for _ in "ab")
    (one, two), (three, four) = (
        (f"'{draw(st.sampled_from(source.labels[name]))}'" for _ in "ab") for name in (column, other)
    )
    options = [
        f"{column} = ANY([{one}, {two}])", f"list_contains([{one}, {two}], {column})",
        f"({column}, {other}) IN (({one}, {three}), ({two}, {four}))",
        f"NOT ({column}, {other}) IN (({one}, {three}))", f"contains({column}, '{one[-2]}')",
        f"NOT contains({column}, '{one[-2]}')", f"left({column}, 1) = '{one[1]}'",
    ]  # fmt: skip
    # of labels that the query itself lists these are not answered
    options += [] if column.startswith("v.") else [
        f"right({column}, 1) = '{one[-2]}'", f"regexp_matches({column}, '^{one[1]}')",
        f"split_part({column}, '{one[1]}', 1) = ''", f"NOT {column} SIMILAR TO '{one[1]}.*'",
        f"concat_ws('-', {column}, {other}) = '{one[1:-1]}-{three[1:-1]}'",
    ]  # fmt: skip
    return draw(st.sampled_from(options))


def condition(source: Source) -> st.SearchStrategy[str]:
    """A condition on a row, of the grammar or shorter."""
    return st.one_of(*[conditions(source, 1)] * 3, spelt(source))


#: What an aggregate of a function of columns is called beside its own name: it is always ≈.
OF_A_FUNCTION: Final = "of a function"
#: Functions of columns of `samples`, and the step that a person's value is rounded to, at most.
FUNCTIONS: Final = (
    ("ln({bmi})", 0.001), ("log10(2 * {bmi})", 0.001), ("sqrt({bmi})", 0.005), ("1 / {bmi}", 0.0001),
    ("{ldl} / {bmi}", 0.001), ("sqrt({ldl})", 0.002), ("ln({ldl} + 1)", 0.002), ("CASE WHEN {t2d} THEN ln({bmi}) END", 0.001),
)  # fmt: skip
_FUNCTION: Final = re.compile(r"\b(ln|log10|sqrt)\(|1 / \S*bmi|ldl / |geomean|b\.z")
#: Ratios by person: how far off they are where nothing is protected.
RATIOS: Final = (("b.x / b.z", 1e-8), ("(b.z - b.x) / nullif(b.z, 0)", 1e-8), ("1 - 2 * b.x / b.z", 1e-8))


def function_of_columns(draw: st.DrawFn, source: Source) -> tuple[str, float] | None:
    """A function of columns of samples, and the step of it; None where *source* does not offer them."""
    plain = {bare: written for written, bare in source.plain.items()}
    if source.shape == "by person" and draw(st.booleans()):
        return draw(st.sampled_from(RATIOS))
    if not {"bmi", "ldl", "t2d"} <= set(plain):
        return None
    text, step = draw(st.sampled_from(FUNCTIONS))
    return text.format(**plain), step


@st.composite
def taken(draw: st.DrawFn, source: Source, *, squared: bool = False) -> tuple[str, float]:
    """What a sum is taken of: an argument of the grammar, or a function of a column and a constant."""
    if draw(st.integers(0, 3)):
        return draw(arguments(source, squared=squared))
    column = draw(
        st.sampled_from(
            [name for name, own in source.plain.items() if own != "sv_len" and name in source.numbers]
        )
    )
    constants, size = source.numbers[column]
    one = draw(st.sampled_from(constants))
    forms = [f"coalesce({column}, {one})", f"greatest({column}, {one})", f"least({one}, {column})",
             f"abs({column} - {one})", f"nullif({column}, {one})"]  # fmt: skip
    return draw(st.sampled_from(forms)), 2 * size


def _count(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    columns = (*source.labels, *source.booleans, *source.numbers, *source.site_texts)
    options = [
        "count(*)", "count()", "count(1)", f"count(DISTINCT {source.person})", f"count({source.person})",
        f"count({draw(st.sampled_from(columns))})", f"count({draw(atoms(source))})",
        f"count(CASE WHEN {draw(atoms(source))} THEN 1 END)",
    ]  # fmt: skip
    return draw(st.sampled_from(options)) + filtered, 1.0


def _persons(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    return f"approx_count_distinct({source.person}){filtered}", 1.0


def _condition(function: str) -> Form:
    return lambda draw, source, filtered: (f"{function}({draw(condition(source))}){filtered}", 1.0)


def _total(*spellings: str) -> Form:
    def form(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float]:
        made = function_of_columns(draw, source) if draw(st.integers(0, 7)) == 0 else None
        if made is not None:
            # half a step of each of some hundred persons, as what 1e-9 of the scale must hold
            return f"{draw(st.sampled_from(spellings))}({made[0]}){filtered}", made[1] * 1e9 * PERSONS
        argument, scale = draw(taken(source))
        return f"{draw(st.sampled_from(spellings))}({argument}){filtered}", scale

    return form


def _variance(*spellings: str) -> Form:
    def form(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float]:
        made = function_of_columns(draw, source) if draw(st.integers(0, 7)) == 0 else None
        if made is not None:
            return f"{draw(st.sampled_from(spellings))}({made[0]}){filtered}", made[1] * 1e9 * PERSONS
        argument, scale = draw(taken(source, squared=True))
        function = draw(st.sampled_from(spellings))
        return f"{function}({argument}){filtered}", scale if function in DEVIATIONS else scale**2

    return form


def _geometric_mean(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    made = function_of_columns(draw, source)
    columns = _of(source, {"bmi": None})
    return (f"geomean({columns[0]}){filtered}", 1e9) if made and columns else None


def _shape(function: str) -> Form:
    def form(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
        # of small whole numbers, of which DuckDB loses nothing, and only where they are not all the same
        centred = {"birth_year": " - 1950", "visits": "", "dosage": "", "called_alleles": ""}
        columns = _of(source, centred)
        if not columns:
            return None
        column = draw(st.sampled_from(columns))
        x = f"{column}{centred[source.plain[column]]}"
        return f"CASE WHEN var_pop({x}){filtered} > 0.001 THEN {function}({x}){filtered} END", 1e3

    return form


def _of_two(function: str) -> Form:
    def form(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float]:
        text, scale = draw(moments_of_two(source, function))
        return text + filtered, scale

    return form


def _quantile(function: str, *probabilities: str) -> Form:
    def form(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
        columns = _of(source, MEASURED)
        if source.shape == "left join":  # of a column of a table, and not of what a person may lack
            own = {"samples": "s.", "scores": "c."}[source.text.split()[0]]
            columns = tuple(column for column in columns if column.startswith(own))
        # between two decimal numbers DuckDB cuts off at the last place, and 0.0999… of a step is none
        if source.shape == "by person" and "0.125" not in source.head + source.text:
            columns = (*columns, "b.x", "b.x")
        if not columns or "dosage" in source.plain.values():  # persons are counted by intervals, not sites
            return None
        if function == "quantile_cont" and draw(st.integers(0, 3)) == 0:
            column = draw(st.sampled_from(columns))
            forms = (
                f"(quantile_cont({column}, [0.25, 0.5, 0.75]){filtered})[{draw(st.integers(1, 3))}]",
                f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {column}){filtered}",
            )
            return draw(st.sampled_from(forms)), 1e3
        rest = f", {draw(st.sampled_from(probabilities))}" if probabilities else ""
        return f"{function}({draw(st.sampled_from(columns))}{rest}){filtered}", 1e3

    return form


def _distinct(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    columns = _of(source, OF_PERSONS)
    return (f"count(DISTINCT {draw(st.sampled_from(columns))}){filtered}", 1.0) if columns else None


def _mode(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    columns = _of(source, TWO_VALUES)
    if not columns:
        return None
    column = draw(st.sampled_from(columns))
    one, two = (
        f"count(CASE WHEN {column} = '{value}' THEN 1 END){filtered}"
        for value in TWO_VALUES[source.plain[column]]
    )
    # of two that are as common either may be given
    return f"CASE WHEN {one} <> {two} THEN mode({column}){filtered} END", 1.0


def _entropy(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    columns = _of(source, {**OF_PERSONS, **dict.fromkeys(BOOLEANS)})
    return (f"entropy({draw(st.sampled_from(columns))}){filtered}", 10.0) if columns else None


def _histogram(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    columns = _of(source, OF_PERSONS)
    if not columns or draw(st.integers(0, 2)) == 0:
        column = draw(st.sampled_from(_of(source, MEASURED) or tuple(source.numbers)))
        constants = list(dict.fromkeys(map(float, source.numbers[column][0])))
        bins = draw(st.lists(st.sampled_from(constants), min_size=1, max_size=3, unique=True))
        listed = ", ".join(f"{value:g}" for value in bins)
        return f"histogram({column}, [{listed}]){filtered}[{draw(st.sampled_from(bins)):g}]", 1.0
    column = draw(st.sampled_from(columns))
    label = draw(st.sampled_from(OF_PERSONS[source.plain[column]]))
    return f"histogram({column}){filtered}['{label}']", 1.0


def _labels_in_text(draw: st.DrawFn, source: Source, filtered: str) -> tuple[str, float] | None:
    return _listed_labels(draw, source, filtered, listed=False)


def _listed_labels(
    draw: st.DrawFn, source: Source, filtered: str, *, listed: bool = True
) -> tuple[str, float] | None:
    columns = _of(source, {**OF_PERSONS, **dict.fromkeys(BOOLEANS)})
    if not columns:
        return None
    column = draw(st.sampled_from(columns))
    order = f" ORDER BY {column}{draw(st.sampled_from(('', ' DESC', ' NULLS FIRST')))}"
    if listed:
        return f"array_to_string(list(DISTINCT {column}{order}){filtered}, '/')", 1.0
    return f"string_agg(DISTINCT {column}, ', '{order}){filtered}", 1.0


#: Every aggregate over rows about persons by DuckDB's name; of labels too.
AGGREGATES: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "count": _count,
        "count_if": _condition("count_if"),
        "approx_count_distinct": _persons,
        "sum": _total("sum"),
        "fsum": _total("fsum"),
        "kahan_sum": _total("kahan_sum"),
        "sumkahan": _total("sumkahan"),
        "avg": _total("avg", "mean", "favg"),
        "geomean": _geometric_mean,
        "bool_and": _condition("bool_and"),
        "bool_or": _condition("bool_or"),
        "var_pop": _variance("var_pop"),
        "var_samp": _variance("var_samp", "variance"),
        "stddev_pop": _variance("stddev_pop"),
        "stddev_samp": _variance("stddev_samp"),
        "stddev": _variance("stddev"),
        "sem": _variance("sem"),
        "skewness": _shape("skewness"),
        "kurtosis": _shape("kurtosis"),
        "kurtosis_pop": _shape("kurtosis_pop"),
        **{name: _of_two(name) for name in OF_TWO},
        "median": _quantile("median"),
        "quantile_cont": _quantile("quantile_cont", "0.25", "0.5", "0", "0.9"),
        "quantile_disc": _quantile("quantile_disc", "0.25", "0.8", "1"),
        "quantile": _quantile("quantile", "0.3", "0.75"),
        "approx_quantile": _quantile("approx_quantile", "0.25", "0.5"),
        "mad": _quantile("mad"),
        "count of labels": _distinct,
        "mode of labels": _mode,
        "entropy of labels": _entropy,
        "histogram of labels": _histogram,
        "list of labels": _listed_labels,
        "text of labels": _labels_in_text,
    }
)


@st.composite
def aggregate(draw: st.DrawFn, source: Source, name: str) -> Output:
    """The aggregate *name* over *source*, with a FILTER or without."""
    filtered = ""
    if draw(st.integers(0, 3)) == 0:
        filtered = f" FILTER ({draw(st.sampled_from(('WHERE ', '')))}{draw(condition(source))})"
    made = AGGREGATES[name](draw, source, filtered)
    assume(made is not None)
    assert made is not None
    text, scale = made
    plain = name if name in ("sum", "avg") and re.fullmatch(r"\w+\(([\w.]+)\).*", text) else ""
    names = (name, "FILTER") if filtered else (name,)
    names += (OF_A_FUNCTION,) if _FUNCTION.search(text) else ()
    return Output(text, scale, names, plain)


def as_answered(text: str) -> str:
    """*text* in words for which DuckDB gives what is answered: exact where DuckDB's own is approximate."""
    text = re.sub(r"approx_count_distinct\(", "count(DISTINCT ", text)
    return count_if_as_count(text.replace("approx_quantile(", "quantile_disc("))


# Relations -----------------------------------------------------------------------------------------------


@st.composite
def presence(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Rows of persons who have a row somewhere else, or none."""
    source = draw(
        sources(
            draw(st.sampled_from(("samples", "samples", "scores", "genotypes+samples", "scores+samples")))
        )
    )
    table, where = draw(
        st.sampled_from(
            (
                ("scores", "e.score > 0"), ("scores", "e.pgs_id = 'PGS1'"), ("samples", "e.t2d"),
                ("samples", "e.bmi > 22 OR e.sex = 'F'"), ("genotypes", "e.dosage > 0"),
                ("genotypes", f"e.variant_id = '{draw(st.sampled_from(sites))}' AND e.dosage = 0"),
            )
        )
    )  # fmt: skip
    way = draw(st.sampled_from(("SEMI", "ANTI", "EXISTS", "NOT EXISTS", "IN", "NOT IN", "OR")))
    inner = f"SELECT e.sample_id FROM {table} AS e WHERE {where}"
    if source.shape in ("samples", "scores") and way in ("SEMI", "ANTI"):
        return replace(
            source, shape="presence", text=f"{source.text} {way} JOIN ({inner}) AS x USING (sample_id)"
        )
    person = source.person if "." in source.person else f"{source.text.split()[-1]}.sample_id"
    if "EXISTS" in way and "NATURAL" not in source.text and "," not in source.text:
        told = f"{way} (SELECT 1 FROM {table} AS e WHERE e.sample_id = {person} AND ({where}))"
    else:
        told = f"{source.person} {'NOT IN' if 'NOT' in way else 'IN'} ({inner})"
    if way == "OR":
        told = f"({told} OR {draw(atoms(source))})"
    return replace(source, shape="presence", conditions=(*source.conditions, told))


def _columns(
    shape: str, text: str, person: str, plain: dict[str, str], conditions: tuple[str, ...] = (), head: str = "",
    numbers: Mapping[str, tuple[tuple[str, ...], float]] = MappingProxyType({}),
) -> Source:  # fmt: skip
    """A relation with the columns *plain*, written name by own name; *numbers* are those of no table."""
    known = {**SAMPLE_NUMBERS, **GENOTYPE_NUMBERS, **SCORE_NUMBERS}
    labels = {**LABELS, "pgs_id": ("PGS1", "PGS2", "PGS9")}
    return Source(
        shape, text, conditions,
        {name: labels[bare] for name, bare in plain.items() if bare in labels},
        tuple(name for name, bare in plain.items() if bare in BOOLEANS),
        {name: known[bare] for name, bare in plain.items() if bare in known} | dict(numbers),
        {name: SITE_TEXTS[bare] for name, bare in plain.items() if bare in SITE_TEXTS},
        {}, person, plain | {name: name for name in numbers}, head,
    )  # fmt: skip


def _written(alias: str, *tables: str, but: Sequence[str] = ()) -> dict[str, str]:
    """The columns about persons of *tables* as columns of *alias*."""
    columns = {
        "samples": (*LABELS, *BOOLEANS, *SAMPLE_NUMBERS),
        "scores": ("pgs_id", *SCORE_NUMBERS),
        "genotypes": tuple(GENOTYPE_NUMBERS),
    }
    return {f"{alias}.{name}": name for table in tables for name in columns[table] if name not in but}


@st.composite
def left_join(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons with what they may lack."""
    samples, scores = _written("s", "samples"), _written("c", "scores")
    way = draw(st.integers(0, 4))
    if way == 4:
        chosen = draw(
            st.sampled_from(("samples WHERE t2d", "scores WHERE score > 0", "samples WHERE bmi > 22"))
        )
        text = f"samples AS s LEFT JOIN (SELECT DISTINCT sample_id FROM {chosen}) AS c ON c.sample_id = s.sample_id"
        told = draw(st.sampled_from(("c.sample_id IS NULL", "c.sample_id IS NOT NULL")))
        told = draw(st.sampled_from((told, f"({told} OR s.sex = 'F')")))
        return _columns("left join", text, "s.sample_id", samples, (told,))
    if way == 0:
        text = f"samples AS s LEFT JOIN genotypes AS g ON g.sample_id = s.sample_id AND g.variant_id = '{draw(st.sampled_from(sites))}'"
        alleles = {f"g.{name}": name for name in ("dosage", "called_alleles")}
        return _columns("left join", text, "s.sample_id", samples | alleles)
    if way < 3:
        text = "scores AS c LEFT JOIN samples AS s USING (sample_id)"
        return _columns("left join", text, "c.sample_id", scores | samples)
    text = f"samples AS s LEFT JOIN scores AS c ON c.sample_id = s.sample_id AND c.pgs_id = '{draw(st.sampled_from(('PGS1', 'PGS2')))}'"
    return _columns("left join", text, "s.sample_id", samples | scores)


@st.composite
def by_person(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons with what was aggregated over their own rows."""
    site = draw(st.sampled_from(sites))
    if draw(st.integers(0, 5)) == 0:  # there a person has one row as well
        told = f"b.variant_id = '{site}'"
        columns = _written("s", "samples") | {f"b.{name}": name for name in ("dosage", "called_alleles")}
        text = "genotypes AS b JOIN samples AS s USING (sample_id)"
        return _columns("by person", text, "s.sample_id", columns, (told,))
    table, value, size = draw(
        st.sampled_from(
            (
                ("genotypes", "sum(dosage)", 40.0), ("genotypes", "count_if(dosage > 0)", 40.0),
                ("genotypes", f"max(CASE WHEN variant_id = '{site}' THEN dosage END)", 2.0),
                ("genotypes", "sum(called_alleles) FILTER (WHERE contig = 'chr1')", 40.0),
                ("genotypes", f"sum(dosage * CASE variant_id WHEN '{site}' THEN 0.125 ELSE 2 END)", 80.0),
                ("scores", "max(score)", 9.0), ("scores", "count(*)", 9.0), ("scores", "sum(score)", 20.0),
            )
        )
    )  # fmt: skip
    having = draw(st.sampled_from(("", "", " HAVING count(*) > 1")))
    inner = f"SELECT sample_id, {value} AS x, count(*) AS z FROM {table} GROUP BY sample_id{having}"
    kind = draw(st.sampled_from(("JOIN", "LEFT JOIN")))
    numbers = {"b.x": (("0", "1", "2"), size)}
    if draw(st.booleans()):
        text, head = f"samples AS s {kind} b USING (sample_id)", f"WITH b AS ({inner}) "
    else:
        text, head = f"samples AS s {kind} ({inner}) AS b USING (sample_id)", ""
    return _columns("by person", text, "s.sample_id", _written("s", "samples"), head=head, numbers=numbers)


@st.composite
def by_contig(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons with what was aggregated over their own rows, by contigs that are named: their groups name them too."""
    del sites
    value, size = draw(
        st.sampled_from(
            (("sum(dosage)", 40.0), ("count_if(dosage = 1)", 40.0), ("sum(called_alleles)", 40.0))
        )
    )
    having = draw(st.sampled_from(("", "", " HAVING count(*) > 1")))
    chosen = draw(st.sampled_from(("c IN ('chr1', 'chr2')", "c IN ('chr1', 'chrX', 'chr9')", "c = 'chr2'")))
    chosen = chosen.replace("c ", "contig ", 1)
    inner = f"SELECT sample_id, contig AS c, {value} AS x FROM genotypes WHERE {chosen} GROUP BY ALL{having}"
    numbers = {"b.x": (("0", "1", "2"), size)}
    text = "b JOIN samples AS s USING (sample_id)"
    return _columns(
        BY_CONTIG,
        text,
        "s.sample_id",
        _written("s", "samples"),
        head=f"WITH b AS ({inner}) ",
        numbers=numbers,
    )


@st.composite
def self_join(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Genotypes of two sites of a person, two scores, or the person's own row twice."""
    if draw(st.integers(0, 3)) == 0:
        head = f"WITH x AS (SELECT * FROM samples WHERE {draw(st.sampled_from(('t2d', 'bmi > 20', 'sex IS NOT NULL')))}) "
        columns = _written("x", "samples", but=("bmi", "sex")) | {"s.bmi": "bmi", "s.sex": "sex"}
        return _columns(
            "self join", "x JOIN samples AS s USING (sample_id)", "x.sample_id", columns, (), head
        )
    if draw(st.integers(0, 3)) == 0:
        fixed = ("a.pgs_id = 'PGS1'", "b.pgs_id = 'PGS2'")
        text = "scores AS a JOIN scores AS b USING (sample_id) JOIN samples AS s USING (sample_id)"
        columns = {"a.score": "score", "b.score": "score"} | _written("s", "samples")
        return _columns("self join", text, "a.sample_id", columns, fixed)
    fixed = tuple(f"{alias}.variant_id = '{draw(st.sampled_from(sites))}'" for alias in "ab")
    text = "genotypes AS a JOIN genotypes AS b USING (sample_id)"
    columns = {f"{alias}.{name}": name for alias in "ab" for name in ("dosage", "called_alleles")}
    if draw(st.integers(0, 2)):
        text += " JOIN samples AS s USING (sample_id)"
        columns |= _written("s", "samples")
    return _columns("self join", text, "a.sample_id", columns, fixed)


@st.composite
def listed(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons with a list of constants that gives labels another name, or classes."""
    del sites
    samples = _written("s", "samples")
    lists = (
        (
            "(VALUES ('EE', 'north'), ('FI', 'far north'), ('XX', 'none')) AS v(country, label)",
            "s.country = v.country",
        ),
        ("unnest(['F', 'M']) AS v(label)", "s.sex = v.label"),
        ("(VALUES ('F', 'women'), ('M', 'men')) AS v(sex, label)", "s.sex = v.sex"),
        (
            "(VALUES (1930, 1949, 'older'), (1950, 1999, 'younger')) AS v(low, high, label)",
            "s.birth_year BETWEEN v.low AND v.high",
        ),
        (
            "(VALUES ('Alpha', 'one'), ('Beta', 'two'), (NULL, 'never')) AS v(population, label)",
            "v.population = s.population",
        ),
    )
    values, on = draw(st.sampled_from(lists))
    kind = draw(st.sampled_from(("JOIN", "JOIN", "LEFT JOIN")))
    made = _columns("list", f"samples AS s {kind} {values} ON {on}", "s.sample_id", samples)
    return replace(
        made,
        labels=made.labels | {"v.label": ("women", "older", "one", "north")},
        plain=made.plain | {"v.label": "label"},
    )


@st.composite
def nested_rows(draw: st.DrawFn, sites: Sequence[str], *, named: bool) -> Source:
    """Rows of a query that filters and renames rows: in WITH where it is *named*, else in FROM."""
    del sites
    inner = draw(
        sources(draw(st.sampled_from(("samples", "samples", "scores+samples", "genotypes", "scores"))))
    )
    parts = [*inner.conditions]
    if draw(st.booleans()):
        parts.append(draw(conditions(inner, 1)))
    columns = {
        written: bare for written, bare in inner.plain.items() if bare not in ("pos", "end_pos", "sv_len")
    }
    shown = ", ".join(
        [f"{inner.person} AS sample_id", *(f"{written} AS {bare}" for written, bare in columns.items())]
    )
    rows = f"SELECT {shown} FROM {inner.text}{' WHERE ' if parts else ''}{' AND '.join(parts)}"
    alias = draw(st.sampled_from(("x.", "")))
    plain = {f"{alias}{bare}": bare for bare in columns.values()}
    if named:
        return _columns("WITH", "x", f"{alias}sample_id", plain, head=f"WITH x AS ({rows}) ")
    return _columns("derived table", f"({rows}) AS x", f"{alias}sample_id", plain)


@st.composite
def rounds(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons compared with a number of all of them, or with a list of released values."""
    del sites
    source = draw(
        sources(draw(st.sampled_from(("samples", "samples", "scores+samples", "genotypes+samples"))))
    )
    plain = {bare: written for written, bare in source.plain.items()}
    # no value of a person is as exact as what it is compared with
    mean = f"(SELECT avg({draw(st.sampled_from(('bmi', 'ldl')))}) + 0.00137 FROM samples{draw(st.sampled_from(('', ' WHERE birth_year > 1950')))})"
    told = draw(
        st.sampled_from(
            (
                f"{plain['bmi']} > {mean}", f"{plain['ldl']} <= {mean}",
                f"{plain['birth_year']} IN (SELECT birth_year FROM samples GROUP BY 1 HAVING count(*) > 1)",
                f"{plain['cohort']} IN (SELECT cohort FROM samples GROUP BY cohort)",
                f"{plain['visits']} < (SELECT count(*) FROM samples WHERE sex = 'F')",
            )
        )
    )  # fmt: skip
    if draw(st.integers(0, 3)) == 0 and "NATURAL" not in source.text:
        text = f"{source.text} CROSS JOIN (SELECT avg(bmi) + 0.00137 AS middle FROM samples) AS m"
        return replace(
            source, shape="round", text=text, conditions=(*source.conditions, f"{plain['bmi']} < m.middle")
        )
    return replace(source, shape="round", conditions=(*source.conditions, told))


@st.composite
def of_a_group(draw: st.DrawFn, sites: Sequence[str]) -> Source:
    """Persons compared with a number of their own group."""
    del sites
    plain = _written("s", "samples")
    key = draw(st.sampled_from(("country", "country", "country", "cohort")))
    mean = f"avg({draw(st.sampled_from(('bmi', 'ldl')))}) + 0.00137"
    groups = f"(SELECT {key} AS own, {mean} AS middle FROM samples WHERE {key} IS NOT NULL GROUP BY {key})"
    way = draw(st.sampled_from(("JOIN", "LEFT JOIN", "of the row", "window")))
    if way == "of the row":
        told = f"s.bmi > (SELECT {mean} FROM samples AS o WHERE o.{key} = s.{key})"
        return _columns("of a group", "samples AS s", "s.sample_id", plain, (told,))
    if way == "window":
        value = f"{mean.partition(' + ')[0]} OVER (PARTITION BY {key}) + 0.00137"
        head = f"WITH s AS (SELECT *, {value} AS middle FROM samples) "
        return _columns("of a group", "s", "s.sample_id", plain, ("s.bmi > s.middle",), head)
    on = draw(st.sampled_from((f"m.own = s.{key}", f"s.{key} = m.own AND m.middle > 0")))
    told = draw(st.sampled_from(("s.bmi > m.middle", "s.bmi - m.middle < 1", f"s.{key} = m.own")))
    return _columns("of a group", f"samples AS s {way} {groups} AS m ON {on}", "s.sample_id", plain, (told,))


RELATIONS: Final[Mapping[str, Callable[[Sequence[str]], st.SearchStrategy[Source]]]] = MappingProxyType(
    {
        **{shape: lambda sites, shape=shape: sources(shape) for shape in SHAPES},
        "presence": presence,
        "left join": left_join,
        "by person": by_person,
        BY_CONTIG: by_contig,
        "self join": self_join,
        "list": listed,
        "WITH": lambda sites: nested_rows(sites, named=True),
        "derived table": lambda sites: nested_rows(sites, named=False),
        "round": rounds,
        "of a group": of_a_group,
    }
)

# Above the groups ----------------------------------------------------------------------------------------


def _query(
    given: Parts, text: str, keys: int, scales: Sequence[float], frame: str, *, ordered: bool = False
) -> Query:
    covers = frozenset((name, frame) for name, _ in given.covers) | given.covers
    return Query(text, text, text, text, keys, ordered, False, False, tuple(scales), "", covers)


def _select(given: Parts, items: Sequence[str], group: str = "") -> str:
    """A SELECT of *items* without its WITH clause."""
    group = group or (f" GROUP BY {', '.join(given.keys)}" if given.keys else "")
    return f"SELECT {', '.join(items)} FROM {given.source.text}{given.filtered}{group}"


def _outputs(given: Parts) -> list[str]:
    return [f"{one.text} AS {name}" for one, name in zip(given.found, given.names, strict=True)]


@st.composite
def margins(draw: st.DrawFn, given: Parts) -> Query:
    """ROLLUP, CUBE and GROUPING SETS; which margin a row is, is its last key."""
    of_sites = {*SITE_TEXTS, *VARIANT_ID, *VARIANT_TEXTS, *SITE_NUMBERS, *VARIANT_NUMBERS}
    sites = [written for written, bare in given.source.plain.items() if bare in of_sites]

    def of_persons(key: str) -> bool:  # groups of sites have no margins
        return not any(name in key for name in sites)

    grouped = list(filter(of_persons, given.keys)) or [draw(keys(given.source).filter(of_persons))]
    given = replace(given, keys=grouped)
    written = draw(st.sampled_from((grouped, given.key_names)))
    listed, first, last = ", ".join(written), written[0], written[-1]
    ways = [f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS (({listed}), ({last}), ())"]
    ways += [f"GROUPING SETS (({listed}), ())", f"{first}, ROLLUP ({last})"] if len(grouped) > 1 else []
    level = f"grouping({listed}) AS level"
    text = _select(
        given, [*given.key_items, level, *_outputs(given)], f" GROUP BY {draw(st.sampled_from(ways))}"
    )
    scales = (*[1e4] * (len(grouped) + 1), *(one.scale for one in given.found))
    return _query(given, given.source.head + text, len(grouped) + 1, scales, "grouping sets")


@st.composite
def windows(draw: st.DrawFn, given: Parts) -> Query:
    """Windows over the groups, and QUALIFY."""
    order = ", ".join(["count(*) DESC", *given.keys])
    more = draw(
        st.sampled_from(
            (
                "count(*) / sum(count(*)) OVER () AS share", f"rank() OVER (ORDER BY {order}) AS place",
                f"lag(count(*)) OVER (ORDER BY {order}) AS before", "sum(count(*)) OVER () AS everybody",
                f"row_number() OVER w AS place, sum(count(*)) OVER w AS so_far WINDOW w AS (ORDER BY {order})",
                f"sum(count(*)) OVER (w ROWS 1 PRECEDING) AS two WINDOW w AS (ORDER BY {order})",
            )
        )
    )  # fmt: skip
    named, _, defined = more.partition(" WINDOW ")
    width = named.count(" OVER ")
    text = _select(given, [*given.key_items, *_outputs(given), named])
    if defined:
        text += f" WINDOW {defined}"
    elif draw(st.booleans()):
        text += f" QUALIFY row_number() OVER (ORDER BY {order}) <= {draw(st.integers(1, 4))}"
    scales = (*given.scales, *[1e3] * width)
    return _query(given, given.source.head + text, len(given.keys), scales, "window")


@st.composite
def united(draw: st.DrawFn, given: Parts) -> Query:
    """The groups of two conditions under each other; or those that are in one, or not in the other."""
    where = [draw(conditions(given.source, 1)) for _ in "ab"]
    one, two = (
        Parts(given.source, given.keys, given.found, [*given.source.conditions, part]) for part in where
    )
    way = draw(st.sampled_from(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT")))
    if way != "UNION ALL" and given.keys:  # values with fractions are not equal to the last bit
        first, second = (_select(part, [*part.key_items]) for part in (one, two))
        second = _select(two, [*two.key_items, *_outputs(two)])
        first = _select(one, one.key_items)
        names = ", ".join(given.key_names)
        text = f"SELECT * FROM ({first}) AS o {way} SELECT {names} FROM ({second}) AS t"
        return _query(
            given, given.source.head + text, len(given.keys), [1e4] * len(given.keys), "set operation"
        )
    first, second = (
        _select(part, [f"'{name}' AS part", *part.key_items, *_outputs(part)])
        for name, part in (("a", one), ("b", two))
    )
    text = f"{first} UNION ALL {second}"
    return _query(given, given.source.head + text, len(given.keys) + 1, (1.0, *given.scales), "set operation")


@st.composite
def further(draw: st.DrawFn, given: Parts) -> Query:
    """Groups of groups: aggregates, conditions and joins above a nested query."""
    inner = _select(given, [*given.key_items, *_outputs(given), "count(*) AS rows_"])
    head = given.source.head
    if not given.keys:
        text = f"SELECT q.out0 AS first, q.rows_ + 1 AS more FROM ({inner}) AS q"
        return _query(given, head + text, 0, (given.scales[0], 1.0), "nested", ordered=True)
    way = draw(st.sampled_from(("groups", "groups", "where", "join")))
    if way == "groups":
        text = f"SELECT key0, count(*) AS groups, count(out0) AS known, sum(rows_) AS rows_ FROM ({inner}) AS q GROUP BY key0"
        return _query(given, head + text, 1, (1e4, 1.0, 1.0, 1.0), "nested")
    if way == "where":
        text = f"SELECT * FROM ({inner}) AS q WHERE rows_ > {draw(st.integers(0, 6))}"
        return _query(given, head + text, len(given.keys), (*given.scales, 1.0), "nested")
    other = _select(replace(given, where=[*given.source.conditions]), [*given.key_items, "count(*) AS all_"])
    on = " AND ".join(f"q.{name} IS NOT DISTINCT FROM o.{name}" for name in given.key_names)
    shown = ", ".join(f"q.{name}" for name in [*given.key_names, *given.names])
    text = f"SELECT {shown}, rows_ / all_ AS share FROM ({inner}) AS q JOIN ({other}) AS o ON {on}"
    return _query(given, head + text, len(given.keys), (*given.scales, 1.0), "nested")


FRAMES: Final[Mapping[str, Callable[[Parts], st.SearchStrategy[Query]]]] = MappingProxyType(
    {"grouping sets": margins, "window": windows, "set operation": united, "nested": further}
)
EVERY_SHAPE: Final = (*RELATIONS, *FRAMES)


#: Aggregates that ask for a column of a kind: a relation may not have one.
QUANTILES: Final = ("median", "quantile_cont", "quantile_disc", "quantile", "approx_quantile", "mad")
OF_LABELS: Final = tuple(name for name in AGGREGATES if name.endswith(" of labels"))
SITES: Final = ("genotypes", "genotypes+variants")


def is_offered(name: str, shape: str) -> bool:
    """Whether there are queries with the aggregate *name* over, or beneath, *shape*."""
    if name == "geomean":  # of columns of samples
        return "samples" in shape or shape not in SHAPES
    if name in QUANTILES:
        # margins are asked grouping by grouping; over genotypes a person has many rows
        return shape not in ("grouping sets", "self join") and "genotypes" not in shape
    if name in OF_LABELS:
        # a histogram takes numbers as well; a commonest label is one of two
        return name.startswith("histogram") or shape not in (
            (*SITES, "scores", "scores+genotypes") if name.startswith("mode") else SITES
        )
    return name not in ("skewness", "kurtosis", "kurtosis_pop") or shape != "scores"


@st.composite
def whole_query(
    draw: st.DrawFn, sites: Sequence[str], shape: str, name: str, *, keys_shown: bool = False
) -> Query:
    """A query with the aggregate *name* over the relation, or beneath the frame, *shape*.

    *sites* are variant ids; *keys_shown* that every key is an output column.
    """
    base = shape
    if shape in FRAMES:
        base = draw(
            st.sampled_from(
                [
                    its
                    for its in RELATIONS
                    if is_offered(name, its) and (its, shape) != (BY_CONTIG, "grouping sets")
                ]
            )
        )
    source = draw(RELATIONS[base](sites))
    if draw(st.integers(0, 7)) == 0:
        source = replace(source, conditions=(*source.conditions, draw(spelt(source))))
    limits = Limits(keys_shown=keys_shown, most_aggregates=2)
    given = draw(parts(source, limits, aggregate(source, name)))
    if base == BY_CONTIG:  # what the rows are by must be among the keys
        given = replace(given, keys=["b.c", *given.keys[:1]])
    return draw(FRAMES[shape](given) if shape in FRAMES else queries_of(given, limits))
