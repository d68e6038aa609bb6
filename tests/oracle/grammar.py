"""Queries that the gateway answers, drawn at random: one SELECT over the tables of the contract.

A `Query` knows what a test must know to compare two answers: which columns are keys, whether the rows
come in an order, and how large the numbers are that floats are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

LABELS = {
    "country": ("EE", "FI", "LV"),
    "sex": ("F", "M"),
    "population": ("Alpha", "Beta", "Gamma"),
    "cohort": ("C1", "C2"),
    "consent": ("general", "strict"),
}
BOOLEANS = ("t2d", "smoker")
# name -> constants worth comparing with, and the largest absolute value
SAMPLE_NUMBERS = {
    "birth_year": (("1940", "1950", "1955", "1970"), 2030.0),
    "visits": (("0", "1", "2"), 9.0),
    "bmi": (("20", "24.56", "24.565", "25", "30", "30.0"), 80.0),
    "ldl": (("2", "3.5", "4.1"), 12.0),
    "crp": (("1", "0.5"), 300.0),
}
GENOTYPE_NUMBERS = {
    "dosage": (("0", "1", "2"), 2.0),
    "called_alleles": (("0", "1", "2"), 2.0),
    "gq": (("0", "20", "60"), 99.0),
    "dp": (("0", "8", "25"), 65535.0),
}
SCORE_NUMBERS = {"score": (("0", "-0.5", "1.25", "1.005"), 9.0)}
SITE_TEXTS = {
    "contig": ("chr1", "chr2", "chrX", "chrY", "chrM"),
    "ref": ("A", "G", "GCA"),
    "alt": ("C", "T", "G", "<DEL>"),
}
VARIANT_ID = {"variant_id": ("chr1-1000-A-C", "chr1-2000-G-T", "chrX-5000000-C-T", "chrM-150-T-C")}
VARIANT_TEXTS = {
    "type": ("snv", "del", "ins", "DEL"),
    "rsid": ("rs1", "rs1000", "rsX"),
    "gene": ("ABC1", "ABC2", "XYZ"),
    "consequence": ("missense_variant", "stop_gained"),
    "filter": ("PASS", "LowQual", "q10;s50"),
}
SITE_NUMBERS = {"pos": (("1000", "2000", "5000000"), 8e6)}
VARIANT_NUMBERS = {"end_pos": (("1000", "8500", "3004"), 8e6), "sv_len": (("0", "-500"), 500.0)}
KEY = ("contig", "pos", "ref", "alt")


@dataclass(frozen=True)
class Source:
    """A FROM clause and the columns that it offers, by kind; names are as the query must write them.

    *head* is the WITH clause that the FROM clause needs.
    """

    shape: str
    text: str
    conditions: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    booleans: tuple[str, ...]
    numbers: dict[str, tuple[tuple[str, ...], float]]
    site_texts: dict[str, tuple[str, ...]]
    site_numbers: dict[str, tuple[tuple[str, ...], float]]
    person: str
    plain: dict[str, str]
    head: str = ""

    def written(self, name: str) -> str:
        """How column *name* is written."""
        return next(written for written, bare in self.plain.items() if bare == name)


@dataclass(frozen=True)
class Output:
    """One aggregate of a query: its text, the size of its inputs, and the aggregate's name.

    *plain* is count, sum or avg where it is just that: a count, or one of a column.
    """

    text: str
    scale: float
    names: tuple[str, ...]
    plain: str = ""


@dataclass(frozen=True)
class Query:
    """A query as text; *whole* is its part before HAVING, *filtered* with HAVING, *sorted* all but its LIMIT.

    *keys* counts the leading key columns; *ordered* says that the order of the rows is settled;
    *scales* are those of the columns; *plain* is that of its only aggregate.
    """

    text: str
    whole: str
    filtered: str
    sorted: str
    keys: int
    ordered: bool
    having: bool
    limited: bool
    scales: tuple[float, ...]
    plain: str = ""
    covers: frozenset[tuple[str, str]] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Limits:
    """What a test wants of the queries: *keys_shown* that every key is an output column.

    *plain* that there is one aggregate, a count or one of a column, under a condition.
    """

    keys_shown: bool = False
    plain: bool = False
    most_aggregates: int = 3


# Sources -----------------------------------------------------------------------------------------------

SHAPES: dict[str, tuple[str, ...]] = {
    "samples": ("samples",),
    "genotypes": ("genotypes",),
    "scores": ("scores",),
    "genotypes+samples": ("genotypes", "samples"),
    "genotypes+variants": ("genotypes", "variants"),
    "scores+samples": ("scores", "samples"),
    "scores+genotypes": ("scores", "genotypes"),
    "genotypes+samples+variants": ("genotypes", "samples", "variants"),
    "scores+genotypes+samples": ("scores", "genotypes", "samples"),
}
ALIASES = {"samples": "s", "genotypes": "g", "scores": "c", "variants": "v"}
COLUMNS: dict[str, tuple[str, ...]] = {
    "samples": (*LABELS, *BOOLEANS, *SAMPLE_NUMBERS),
    "genotypes": (*SITE_TEXTS, *VARIANT_ID, *SITE_NUMBERS, *GENOTYPE_NUMBERS),
    "scores": ("pgs_id", *SCORE_NUMBERS),
    "variants": (*SITE_TEXTS, *VARIANT_ID, *SITE_NUMBERS, *VARIANT_TEXTS, *VARIANT_NUMBERS),
}


@st.composite
def sources(draw: st.DrawFn, shape: str | None = None) -> Source:
    """A relation, joined in one of the ways that SQL has."""
    shape = shape or draw(st.sampled_from(tuple(SHAPES)))
    tables = list(SHAPES[shape])
    if len(tables) > 1 and draw(st.booleans()):
        tables.reverse()
        if tables[0] == "variants":  # a site joins nothing but genotypes
            tables = ["variants", "genotypes", *(t for t in tables if t not in ("variants", "genotypes"))]
    how = draw(st.sampled_from(("using", "on", "natural", "comma"))) if len(tables) > 1 else "using"
    alias = {
        table: ALIASES[table] if how in ("on", "comma") or draw(st.booleans()) else table for table in tables
    }
    text, conditions = _join(draw, tables, alias, how)
    qualify = how in ("on", "comma") or draw(st.booleans())
    written: dict[str, str] = {}
    for table in tables:
        for column in COLUMNS[table]:
            if column in written.values():
                continue  # the first table offers it
            shared = sum(column in COLUMNS[other] for other in tables) > 1
            bare = not qualify and (not shared or how == "natural")
            written[column if bare else f"{alias[table]}.{column}"] = column

    def pick(kinds: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {name: kinds[bare] for name, bare in written.items() if bare in kinds}

    def pick_numbers(
        kinds: dict[str, tuple[tuple[str, ...], float]],
    ) -> dict[str, tuple[tuple[str, ...], float]]:
        return {name: kinds[bare] for name, bare in written.items() if bare in kinds}

    personal = next(table for table in tables if table != "variants")
    bare_person = len(tables) == 1 or (not qualify and how == "natural")
    person = "sample_id" if bare_person else f"{alias[personal]}.sample_id"
    return Source(
        shape, text, conditions,
        pick(LABELS | {"pgs_id": ("PGS1", "PGS2", "PGS9")}),
        tuple(name for name, bare in written.items() if bare in BOOLEANS),
        pick_numbers(SAMPLE_NUMBERS | GENOTYPE_NUMBERS | SCORE_NUMBERS),
        pick(SITE_TEXTS | VARIANT_ID | VARIANT_TEXTS),
        pick_numbers(SITE_NUMBERS | VARIANT_NUMBERS),
        person,
        written,
    )  # fmt: skip


def _join(draw: st.DrawFn, tables: list[str], alias: dict[str, str], how: str) -> tuple[str, tuple[str, ...]]:
    def named(table: str) -> str:
        return (
            table if alias[table] == table else f"{table} {draw(st.sampled_from(('', 'AS ')))}{alias[table]}"
        )

    text = named(tables[0])
    conditions: list[str] = []
    joined = [tables[0]]
    for table in tables[1:]:
        if "variants" in (table, tables[0]) and (table == "variants" or joined == ["variants"]):
            other = next(one for one in joined if one in ("genotypes", "variants"))
            columns = draw(st.sampled_from((KEY, KEY, ("variant_id",), (*KEY, "variant_id"))))
        else:
            other, columns = next(one for one in joined if one != "variants"), ("sample_id",)
        equal = [f"{alias[other]}.{column} = {alias[table]}.{column}" for column in columns]
        inner = draw(st.sampled_from(("JOIN", "INNER JOIN")))
        if how == "using":
            text += f" {inner} {named(table)} USING ({', '.join(columns)})"
        elif how == "on":
            text += f" {inner} {named(table)} ON {' AND '.join(equal)}"
        elif how == "natural":
            text += f" NATURAL {inner} {named(table)}"
        else:
            text += f", {named(table)}"
            conditions += equal
        joined.append(table)
    return text, tuple(conditions)


# Conditions --------------------------------------------------------------------------------------------


@st.composite
def conditions(draw: st.DrawFn, source: Source, depth: int = 2) -> str:
    """A condition on a row, three-valued, of every kind that a person's row can be asked for."""
    kind = draw(st.sampled_from(("atom", "atom", "and", "or", "not", "case"))) if depth else "atom"
    if kind in ("and", "or"):
        parts = [draw(conditions(source, depth - 1)) for _ in range(draw(st.integers(2, 3)))]
        return "(" + f" {kind.upper()} ".join(parts) + ")"
    if kind == "not":
        return f"NOT ({draw(conditions(source, depth - 1))})"
    if kind == "case":
        one, two = draw(conditions(source, depth - 1)), draw(conditions(source, 0))
        return f"CASE WHEN {one} THEN {two} ELSE {draw(st.sampled_from(('true', 'false', 'NULL')))} END"
    return draw(atoms(source))


def atoms(source: Source) -> st.SearchStrategy[str]:
    """A condition on one column or two."""
    options = [_texts_atom(source.labels)] if source.labels else []
    options += [_numbers_atom(source.numbers)] if source.numbers else []
    options += [_texts_atom(source.site_texts)] if source.site_texts else []
    options += [_numbers_atom(source.site_numbers)] if source.site_numbers else []
    options += [_booleans_atom(source.booleans)] if source.booleans else []
    return st.one_of(options)


@st.composite
def _texts_atom(draw: st.DrawFn, texts: dict[str, tuple[str, ...]]) -> str:
    column = draw(st.sampled_from(tuple(texts)))
    one, two = (f"'{draw(st.sampled_from(texts[column]))}'" for _ in range(2))
    prefix = one[1:-1][: draw(st.integers(1, 3))]
    return draw(st.sampled_from((
        f"{column} = {one}", f"{one} = {column}", f"{column} <> {one}", f"{column} != {one}",
        f"{column} IN ({one}, {two})", f"{column} NOT IN ({one}, {two})", f"{column} NOT IN ({one}, NULL)",
        f"{column} IS NULL", f"{column} IS NOT NULL", f"{column} LIKE '{prefix}%'",
        f"{column} NOT LIKE '%{prefix}_%'",
        f"{column} ILIKE '%{prefix.lower()}'", f"coalesce({column}, {two}) = {two}",
        f"{column} IS DISTINCT FROM {one}",
        f"{column} IS NOT DISTINCT FROM {one}", f"lower({column}) = lower({one})",
        f"{column} BETWEEN {one} AND {two}",
        f"CASE {column} WHEN {one} THEN true WHEN {two} THEN false END", f"nullif({column}, {one}) IS NULL",
        f"starts_with({column}, '{prefix}')", f"length({column}) > 2",
        f"substring({column}, 1, 1) = '{prefix[0]}'",
        f"{column} || 'x' = {one[:-1]}x'", f"{column} < {one}",
    )))  # fmt: skip


@st.composite
def _numbers_atom(draw: st.DrawFn, numbers: dict[str, tuple[tuple[str, ...], float]]) -> str:
    column = draw(st.sampled_from(tuple(numbers)))
    other = draw(st.sampled_from(tuple(numbers)))
    one, two = (draw(st.sampled_from(numbers[column][0])) for _ in range(2))
    compare = draw(st.sampled_from(("=", "<>", "<", "<=", ">", ">=")))
    return draw(st.sampled_from((
        f"{column} {compare} {one}", f"{column} {compare} {one}", f"{one} {compare} {column}",
        f"{column} BETWEEN {one} AND {two}", f"{column} NOT BETWEEN {one} AND {two}",
        f"{column} IN ({one}, {two})",
        f"{column} NOT IN ({one}, {two})", f"{column} IS NULL", f"{column} IS NOT NULL", f"{column} % 2 = 1",
        f"{column} // 10 = {one} // 10", f"coalesce({column}, {one}) {compare} {two}",
        f"abs({column} - {one}) < 6",
        f"floor({column}) {compare} {two}", f"{column} * 2 + 1 > {one}", f"-{column} < -({one})",
        f"CASE WHEN {column} > {one} THEN 1 WHEN {column} IS NULL THEN 2 ELSE 0 END = 1",
        f"least({column}, {other}) {compare} {one}", f"nullif({column}, {one}) IS NOT NULL",
        f"round({column}) = {one}", f"{column} / 2 < {one}", f"sign({column} - {one}) = 1",
        f"greatest({column}, {one}) = {one}", f"ceil({column}) > {two}", f"{column} > {other}",
    )))  # fmt: skip


@st.composite
def _booleans_atom(draw: st.DrawFn, booleans: tuple[str, ...]) -> str:
    column = draw(st.sampled_from(booleans))
    return draw(st.sampled_from((
        column, f"NOT {column}", f"{column} IS TRUE", f"{column} IS NOT TRUE", f"{column} IS FALSE",
        f"{column} = true", f"{column} IS NULL", f"coalesce({column}, false)", f"{column}::INT = 1",
        f"{column} IS DISTINCT FROM true",
    )))  # fmt: skip


# Aggregates --------------------------------------------------------------------------------------------


@st.composite
def aggregates(draw: st.DrawFn, source: Source) -> Output:
    """One aggregate, with a FILTER or without."""
    name = draw(
        st.sampled_from(
            ("count(*)", "count(x)", "count(DISTINCT)", "count_if", "sum", "sum", "avg", "avg", "moment",
             "moment of two", "bool")
        )
    )  # fmt: skip
    scale, plain = 1.0, "" if name.startswith(("moment", "bool")) else "count"
    if name == "count(*)":
        text = draw(st.sampled_from(("count(*)", "count()", "COUNT(*)", "count(1)")))
    elif name == "count(DISTINCT)":
        text = f"count(DISTINCT {source.person})"
    elif name == "count(x)":
        columns = (*source.labels, *source.booleans, *source.numbers, *source.site_texts)
        column = draw(st.sampled_from(columns))
        text = draw(st.sampled_from((f"count({column})", f"count({column})", f"count({source.person})",
                                     f"count(CASE WHEN {draw(atoms(source))} THEN 1 END)",
                                     f"count({draw(atoms(source))})",
                                     )))  # fmt: skip
    elif name == "count_if":
        text = f"{draw(st.sampled_from(('count_if', 'countif')))}({draw(conditions(source, 1))})"
    elif name == "bool":
        text = f"{draw(st.sampled_from(('bool_and', 'bool_or')))}({draw(conditions(source, 1))})"
    elif name == "moment":
        argument, scale = draw(arguments(source, squared=True))
        function = draw(st.sampled_from((*VARIANCES, *DEVIATIONS)))
        text, scale = f"{function}({argument})", scale if function in DEVIATIONS else scale**2
    elif name == "moment of two":
        text, scale = draw(moments_of_two(source))
    else:
        argument, scale = draw(arguments(source))
        spellings = ("avg", "mean", "favg") if name == "avg" else ("sum", "sum", "fsum", "kahan_sum")
        spelt = draw(st.sampled_from(spellings))
        plain = name if argument in source.plain else ""
        text = f"{spelt}({argument})"
    names = [name]
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.sampled_from(("WHERE ", "")))
        text += f" FILTER ({where}{draw(conditions(source, 1))})"
        names.append("FILTER")
    return Output(text, scale, tuple(names), plain)


VARIANCES = ("var_pop", "var_samp", "variance")
DEVIATIONS = ("stddev_pop", "stddev_samp", "stddev", "sem")
OF_TWO = (
    "covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_count", "regr_avgx",
    "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy",
)  # fmt: skip


@st.composite
def moments_of_two(draw: st.DrawFn, source: Source, function: str = "") -> tuple[str, float]:
    """A covariance, correlation or part of a regression, of columns, indicators and affine forms."""
    function = function or draw(st.sampled_from(OF_TWO))
    sizes, texts = [], []
    for column in (draw(st.sampled_from(tuple(source.numbers))) for _ in range(2)):
        condition = draw(atoms(source))
        forms = [
            column, column, f"2 * {column} + 1", f"-{column}", f"({column} - 27.1) / 4.2",
            f"({condition})::INT", f"CASE WHEN {condition} THEN 1 ELSE 0 END",
            f"CASE WHEN {condition} THEN {column} END",
        ]  # fmt: skip
        texts.append(draw(st.sampled_from(forms)))
        sizes.append(2 * source.numbers[column][1] + 30)
    y, x = sizes
    scales = {"corr": 1.0, "regr_r2": 1.0, "regr_count": 1.0, "regr_avgx": x, "regr_sxx": 1e3 * x * x}
    scales |= {"regr_slope": 100 * y, "regr_intercept": 100 * y * x, "regr_avgy": y, "regr_syy": 1e3 * y * y}
    return f"{function}({texts[0]}, {texts[1]})", scales.get(function, 1e3 * x * y)


@st.composite
def arguments(draw: st.DrawFn, source: Source, *, squared: bool = False) -> tuple[str, float]:
    """What a sum is taken of: a column, a times it plus b, a CASE of these, a truth as a number.

    A column without bounds is summed as it is, and neither *squared* nor multiplied.
    """
    numbers = {**source.numbers, **source.site_numbers} if draw(st.integers(0, 5)) == 0 else source.numbers
    bounded = {name: its for name, its in numbers.items() if source.plain[name] != "sv_len"}
    numbers = bounded if squared else numbers
    column = draw(st.sampled_from(tuple(numbers)))
    other = draw(st.sampled_from(tuple(numbers)))
    size = max(numbers[column][1], numbers[other][1])
    condition = draw(atoms(source))
    forms: list[tuple[str, float]] = [
        (column, size), (column, size), (column, size),
        (f"{column} * 2", 2 * size), (f"2 * {column} - 3", 2 * size + 3), (f"{column} / 2", size),
        (f"-{column}", size),
        (f"({column} + 1) / 4.0", size), (f"{column} - 1.5", size + 2), (f"10 - {column}", size + 10),
        (f"{column} + {other}", 2 * size),
        (f"CASE WHEN {condition} THEN {column} END", size),
        (f"CASE WHEN {condition} THEN {column} ELSE 0 END", size),
        (f"CASE WHEN {condition} THEN 1 ELSE 0 END", 1),
        (f"CASE WHEN {condition} THEN {column} ELSE {other} END", size),
        (f"CASE WHEN {condition} THEN 1 WHEN {draw(atoms(source))} THEN 2 * {column} END", 2 * size),
        (f"({condition})::INT", 1), (f"CAST({condition} AS INTEGER)", 1),
        (f"({condition})::DOUBLE * 100", 100),
        (f"if({condition}, {column}, 1)", size), (f"{column}::DOUBLE", size), ("1", 1),
    ]  # fmt: skip
    if {column, other} <= bounded.keys():
        forms += [(f"{column}::DOUBLE * {other}", size**2), (f"{column}^2", size**2)]
    if source.booleans:
        truth = draw(st.sampled_from(source.booleans))
        forms += [
            (f"{truth}::INT", 1),
            (f"{truth}::INT", 1),
            (f"CASE WHEN {truth} THEN {column} ELSE 0 END", size),
        ]
    return draw(st.sampled_from(forms))


@st.composite
def outputs(draw: st.DrawFn, source: Source) -> Output:
    """An output column: an aggregate, or arithmetic over some."""
    one = draw(aggregates(source))
    if draw(st.integers(0, 4)):
        return one
    two = draw(aggregates(source))
    text, scale = draw(st.sampled_from((
        (f"{one.text} - {two.text}", one.scale + two.scale),
        (f"100.0 * {one.text} / nullif({two.text}, 0)", 100 * one.scale * max(1.0, two.scale)),
        (f"coalesce({one.text}, -1)", one.scale),
        (f"CASE WHEN count(*) > 3 THEN {one.text} END", one.scale),
        (f"{one.text} + 1", one.scale + 1),
        (f"({one.text}) IS NULL", 1.0),
    )))  # fmt: skip
    return Output(text, scale, (*one.names, *two.names))


# Keys --------------------------------------------------------------------------------------------------


def keys(source: Source) -> st.SearchStrategy[str]:
    """One grouping expression."""
    options: list[str] = []
    for column in source.labels:
        options += [column] * 2
    options += [f"coalesce({column}, '?')" for column in source.labels]
    options += [f"upper({column}) || '!'" for column in source.labels]
    options += [f"{column} IS NULL" for column in source.labels]
    options += source.booleans
    plain = {bare: name for name, bare in source.plain.items()}
    if "birth_year" in plain:
        year, bmi, ldl = (plain[name] for name in ("birth_year", "bmi", "ldl"))
        options += [
            f"{year} // 10 * 10",
            f"{year} % 3",
            f"floor({bmi} / 5) * 5",
            f"floor({bmi})",
            f"({year} - 1900) // 20",
        ]
        options += [
            f"CASE WHEN {bmi} >= 30 THEN 'obese' WHEN {bmi} >= 25 THEN 'over' ELSE 'other' END",
            f"{ldl} IS NULL",
        ]
        options += [plain["visits"], f"{year} >= 1955", f"floor({ldl})"]
    if "dosage" in plain:
        wanted = ("dosage", "contig", "pos", "alt", "variant_id", "called_alleles")
        options += [plain[name] for name in wanted if name in plain]
        options += [f"{plain['dosage']} > 0"]
        options += [f"{plain['pos']} // 1000000"] if "pos" in plain else []
        options += [f"{plain['gq']} >= 20"] if "gq" in plain else []
    if "gene" in plain:
        wanted = ("gene", "type", "rsid", "filter", "sv_len")
        options += [plain[name] for name in wanted if name in plain] * 2
    if "score" in plain:
        options += [f"floor({plain['score']})"]
        options += [plain["pgs_id"]] * 2 if "pgs_id" in plain else []
    return st.sampled_from(options)


# Queries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """What a query is put together of: keys and outputs with their names, and the conditions of WHERE."""

    source: Source
    keys: list[str]
    found: list[Output]
    where: list[str]

    @property
    def key_names(self) -> list[str]:
        """What the keys are called."""
        return [f"key{place}" for place in range(len(self.keys))]

    @property
    def names(self) -> list[str]:
        """What the outputs are called."""
        return [f"out{place}" for place in range(len(self.found))]

    @property
    def key_items(self) -> list[str]:
        """The keys as items of SELECT."""
        return [f"{key} AS {name}" for key, name in zip(self.keys, self.key_names, strict=True)]

    @property
    def filtered(self) -> str:
        """The WHERE clause."""
        return f" WHERE {' AND '.join(self.where)}" if self.where else ""

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales of keys and outputs."""
        return (*([1e4] * len(self.keys)), *(one.scale for one in self.found))

    @property
    def covers(self) -> frozenset[tuple[str, str]]:
        """Which aggregates are taken over which relation."""
        return frozenset((name, self.source.shape) for one in self.found for name in one.names)


@st.composite
def parts(
    draw: st.DrawFn, source: Source, limits: Limits, lead: st.SearchStrategy[Output] | None = None
) -> Parts:
    """The parts of a query over *source*, whose first output is a *lead* where one is given."""
    grouped = draw(st.lists(keys(source), max_size=2, unique=True))
    found = draw(st.lists(outputs(source), min_size=1, max_size=limits.most_aggregates))
    if limits.plain:
        found = [draw(aggregates(source).filter(lambda one: bool(one.plain)))]
    if lead is not None:
        found[0] = draw(lead)
    where = [*source.conditions]
    if limits.plain or draw(st.integers(0, 2)) == 0:
        where.append(draw(conditions(source)))
    return Parts(source, grouped, found, where)


@st.composite
def queries(draw: st.DrawFn, shape: str | None = None, limits: Limits | None = None) -> Query:
    """A whole query."""
    limits = limits or Limits()
    return draw(queries_of(draw(parts(draw(sources(shape)), limits)), limits))


@st.composite
def queries_of(draw: st.DrawFn, given: Parts, limits: Limits) -> Query:
    """A query of the parts *given*: a SELECT that is grouped, filtered, sorted and cut."""
    source, grouped, found = given.source, given.keys, given.found
    hidden = not limits.keys_shown and bool(grouped) and draw(st.integers(0, 7)) == 0
    key_items = [] if hidden else given.key_items
    items = [*key_items, *_named(draw, found, given.names)]
    group = _group(
        draw, grouped, given.key_names, hidden=hidden, only_aggregates=all(_is_plain(one) for one in found)
    )
    having = (
        draw(_having(source, found, given.names, named=len(items) > len(key_items)))
        if not limits.plain and draw(st.integers(0, 3)) == 0
        else ""
    )
    order, limit = ("", "") if hidden else draw(_order(len(grouped), found))
    from_, select = f"FROM {source.text}", f"SELECT {', '.join(items)}"
    head = f"{from_} {select}" if draw(st.integers(0, 5)) == 0 else f"{select} {from_}"
    body = source.head + head + given.filtered + group
    return Query(
        text=body + having + order + limit,
        whole=body,
        filtered=body + having,
        sorted=body + having + order,
        keys=len(key_items),
        ordered=bool(order) or not grouped,
        having=bool(having),
        limited=bool(limit),
        scales=given.scales[len(grouped) - len(key_items) :],
        plain=found[0].plain if len(found) == 1 and not having else "",
        covers=given.covers,
    )


def _is_plain(one: Output) -> bool:
    return one.text.startswith(("count", "COUNT", "sum", "avg", "mean"))


def _named(draw: st.DrawFn, found: list[Output], names: list[str]) -> list[str]:
    """Outputs with an alias, in front of them or behind, or with none."""
    how: Callable[[str, str], str]
    items = []
    for one, name in zip(found, names, strict=True):
        how = draw(st.sampled_from((
            lambda text, name: f"{text} AS {name}", lambda text, name: f"{text} AS {name}",
            lambda text, name: f"{name}: {text}", lambda text, name: f"{text} {name}",
        )))  # fmt: skip
        items.append(how(one.text, name))
    return items


def _group(
    draw: st.DrawFn, grouped: list[str], names: list[str], *, hidden: bool, only_aggregates: bool
) -> str:
    if not grouped:
        return ""
    ways = [", ".join(grouped)]
    if not hidden:
        ways += [", ".join(names), ", ".join(str(place + 1) for place in range(len(grouped)))]
        ways += ["ALL"] if only_aggregates else []
    return f" GROUP BY {draw(st.sampled_from(ways))}"


@st.composite
def _having(draw: st.DrawFn, source: Source, found: list[Output], names: list[str], *, named: bool) -> str:
    count = draw(st.sampled_from(("count(*)", f"count(DISTINCT {source.person})")))
    first = names[0] if draw(st.booleans()) else found[0].text
    number = draw(st.integers(0, 12))
    return draw(st.sampled_from((
        f" HAVING {count} > {number}", f" HAVING {count} >= {number}", f" HAVING {number} > {count}",
        f" HAVING {count} < {number} AND {count} <> 3", f" HAVING {count} BETWEEN 2 AND {number + 5}",
        f" HAVING {first} IS NOT NULL", f" HAVING NOT ({count} <= {number})",
        f" HAVING {count} % 2 = 0 OR {count} > 7",
    )))  # fmt: skip


@st.composite
def _order(draw: st.DrawFn, grouped: int, found: list[Output]) -> tuple[str, str]:
    """An order that settles the place of every row, and perhaps a cut."""
    if draw(st.integers(0, 2)):
        return "", ""
    whole = [place for place, one in enumerate(found) if one.text.lower().startswith("count")]
    items = []
    if whole and draw(st.booleans()):
        items.append(f"{grouped + 1 + draw(st.sampled_from(whole))}{draw(_DIRECTION)}")
    items += [
        f"{draw(st.sampled_from((str(place + 1), f'key{place}')))}{draw(_DIRECTION)}"
        for place in range(grouped)
    ]
    if not items:
        return "", ""
    limit = draw(st.sampled_from(("", "", " LIMIT 2", " LIMIT 3 OFFSET 1", " LIMIT 100", " LIMIT 0")))
    return f" ORDER BY {', '.join(items)}", limit


_DIRECTION = st.sampled_from(
    ("", "", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST", " DESC NULLS FIRST")
)


def count_if_as_count(text: str) -> str:
    """*text* with every count_if(x) as count(CASE WHEN x THEN 1 END): 0 of no row, not NULL."""
    for name in ("count_if(", "countif("):
        while name in text:
            head, _, rest = text.partition(name)
            depth = quoted = end = 0
            for end, letter in enumerate(rest):  # noqa: B007  read after the loop
                quoted ^= letter == "'"
                depth += (letter == "(") - (letter == ")") if not quoted else 0
                if depth < 0:
                    break
            text = f"{head}count(CASE WHEN {rest[:end]} THEN 1 END{rest[end:]}"
    return text
