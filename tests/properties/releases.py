"""Random releases over genotypes whose cells each lie at one site."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from goe_lake.release import (
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
    in_order,
)

LABELS = {
    "population": ("Alpha", "Beta", "Gamma", "Nowhere"),
    "sex": ("F", "M"),
    "country": ("EE", "FI", "LV"),
    "consent": ("general", "strict"),
}
NUMBERS = {"bmi": ("20", "25", "30.0"), "birth_year": ("1950", "1960"), "visits": ("0", "1")}
GENOTYPE = ("dosage", "called_alleles")
QUALITY = ("gq", "dp")
SITE_KEYS = (("contig", "pos", "ref", "alt"), ("variant_id",), ("pos", "contig", "alt", "ref", "gene"))


def persons(name: str) -> ColumnRef:
    """A column of samples."""
    return ColumnRef("p", name)


def called(name: str) -> ColumnRef:
    """A column of genotypes."""
    return ColumnRef("g", name)


def text(value: str) -> Literal:
    """A label."""
    return Literal(LiteralType.TEXT, value)


def number(value: str) -> Literal:
    """A number."""
    return Literal(LiteralType.DECIMAL if "." in value else LiteralType.INTEGER, value)


@st.composite
def label_tests(draw: st.DrawFn) -> Expr:
    """A condition on one label of a stratum."""
    name = draw(st.sampled_from(tuple(LABELS)))
    column, values = persons(name), LABELS[name]
    some = [text(value) for value in draw(st.lists(st.sampled_from(values), min_size=1, unique=True))]
    other = persons(draw(st.sampled_from(tuple(LABELS))))
    return draw(
        st.sampled_from(
            (
                Call("eq", (column, some[0])),
                Call("ne", (column, some[0])),
                Call("in", (column, *some)),
                Call("is_null", (column,)),
                Call("not", (Call("is_null", (column,)),)),
                Call("like", (column, text("%a%"))),
                Call("eq", (Call("nullif", (column, some[0])), some[-1])),
                Call("lt", (column, other)),
                Call("is_not_distinct", (column, other)),
            )
        )
    )


@st.composite
def phenotype_tests(draw: st.DrawFn) -> Expr:
    """A condition on a phenotype, or on the cohort."""
    name = draw(st.sampled_from(tuple(NUMBERS)))
    value = number(draw(st.sampled_from(NUMBERS[name])))
    return draw(
        st.sampled_from(
            (
                Call(draw(st.sampled_from(("gt", "le"))), (persons(name), value)),
                persons("t2d"),
                Call("not", (persons("smoker"),)),
                Call("eq", (persons("cohort"), text("C1"))),
                Call("is_null", (persons(name),)),
                Call("gt", (persons("crp"), number("1"))),
            )
        )
    )


@st.composite
def genotype_tests(draw: st.DrawFn) -> Expr:
    """A condition on the genotype."""
    column = called(draw(st.sampled_from(GENOTYPE)))
    value = number(draw(st.sampled_from(("0", "1", "2"))))
    operator = draw(st.sampled_from(("eq", "gt", "ne", "le")))
    return draw(
        st.sampled_from(
            (
                Call(operator, (column, value)),
                Call(operator, (column, value)),
                Call("eq", (called("dosage"), called("called_alleles"))),
                Call("is_null", (called("dosage"),)),
                Call("in", (column, number("1"), number("2"))),
            )
        )
    )


def boolean(tests: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Boolean expressions of *tests*."""
    return st.recursive(
        tests,
        lambda parts: st.one_of(
            st.builds(lambda part: Call("not", (part,)), parts),
            st.builds(lambda op, a, b: Call(op, (a, b)), st.sampled_from(("and", "or")), parts, parts),
        ),
        max_leaves=4,
    )


@st.composite
def quality(draw: st.DrawFn, filters: st.SearchStrategy[Expr]) -> tuple[Measure, ...]:
    """One to three sums and counts of gq and dp."""
    found = []
    for place in range(draw(st.integers(1, 3))):
        function = draw(st.sampled_from((MeasureFunction.SUM, MeasureFunction.SUM, MeasureFunction.ROWS)))
        columns = draw(st.sampled_from((("gq",), ("gq",), ("dp",), ("dp",), ("dp", "gq"), ("dp", "dp"))))
        factors = tuple(called(name) for name in columns)
        found.append(Measure(f"m{10 + place}", function, factors, draw(st.one_of(st.none(), filters))))
    return tuple(found)


@st.composite
def measures(draw: st.DrawFn, filters: st.SearchStrategy[Expr]) -> tuple[Measure, ...]:
    """One to four measures of genotypes and persons."""
    found = []
    for place in range(draw(st.integers(1, 4))):
        function = draw(st.sampled_from(tuple(MeasureFunction)))
        factors = in_order(
            called(name) for name in draw(st.lists(st.sampled_from(GENOTYPE), min_size=1, max_size=4))
        )
        if function is MeasureFunction.PERSONS:
            factors = (called("sample_id"),)
        elif function is MeasureFunction.ROWS and draw(st.booleans()):
            factors = draw(
                st.sampled_from(((), (persons("population"),), (called("dosage"), persons("bmi"))))
            )
        where = draw(st.one_of(st.none(), filters))
        found.append(Measure(f"m{place}", function, factors, where))
    return tuple(found)


PERSONAL = ("bmi", "birth_year", "visits", "t2d", "crp")
COMPUTED = ("sqrt$bmi", "sqrt$visits", "ratio$bmi$birth_year")


@st.composite
def about_persons(draw: st.DrawFn) -> Release:
    """A release over samples alone: counts, sums and sums of products, with filters and perhaps margins."""
    tests = boolean(st.one_of(label_tests(), phenotype_tests()))
    expressions: list[Expr] = [
        persons(name) for name in draw(st.lists(st.sampled_from(tuple(LABELS)), max_size=2, unique=True))
    ]
    if draw(st.integers(0, 3)) == 0:
        expressions.append(draw(st.sampled_from((persons("t2d"), persons("birth_year"), draw(tests)))))
    keys = tuple(Key(f"k{place}", expression, KeyDomain.OPEN) for place, expression in enumerate(expressions))
    found = []
    for place in range(draw(st.integers(1, 4))):
        function = draw(st.sampled_from(tuple(MeasureFunction)))
        two = draw(st.lists(st.sampled_from(PERSONAL), min_size=1, max_size=2))
        if function is MeasureFunction.SUM and draw(st.integers(0, 3)) == 0:
            two = [draw(st.sampled_from(COMPUTED))]
        factors = in_order(persons(name) for name in two)
        if function is MeasureFunction.PERSONS:
            factors = (persons("sample_id"),)
        elif function is MeasureFunction.ROWS and draw(st.booleans()):
            factors = ()
        resolution = Decimal(1)
        if function is MeasureFunction.SUM:
            resolution = Decimal("1E-9") if factors[0].column in COMPUTED else Decimal("1E-4") ** len(factors)
        found.append(Measure(f"m{place}", function, factors, draw(st.one_of(st.none(), tests)), resolution))
    margins = ((),) if keys and draw(st.booleans()) else ()
    conditions = tuple(draw(st.lists(tests, max_size=2)))
    return Release(Relation(Scan("samples", "p"), ()), conditions, keys, tuple(found), margins=margins)


SEVERAL_SITES = ((), ("contig",), ("gene",), ("gene", "contig"), ("type",), ("pos",))


@st.composite
def site_tests(draw: st.DrawFn) -> Expr:
    """A condition on the site, alone or beside the genotype."""
    site = Call("ge", (ColumnRef("v", "pos"), number(draw(st.sampled_from(("2000", "5000"))))))
    return draw(
        st.sampled_from(
            (site, Call("and", (site, draw(genotype_tests()))), Call("is_null", (ColumnRef("v", "gene"),)))
        )
    )


@st.composite
def releases(
    draw: st.DrawFn, *, strata_only: bool, one_site: bool = True, of_quality: bool = False
) -> Release:
    """A release keyed by site; *strata_only* reads nothing of persons but what decides their stratum.

    Without *one_site*, one whose cells lie over several sites, and which may read sites anywhere. One
    *of_quality* has sums of gq and dp, and mostly reads no genotype beside them.
    """
    of_persons = label_tests() if strata_only else st.one_of(label_tests(), phenotype_tests())
    classes = not of_quality or draw(st.integers(0, 2)) == 0
    everything = st.one_of(of_persons, genotype_tests()) if classes else of_persons
    if not one_site and classes:
        everything = st.one_of(everything, site_tests())
    conditions = draw(st.lists(boolean(everything), max_size=2))
    if draw(st.integers(0, 3)) == 0:
        conditions.append(Call("ge", (ColumnRef("v", "pos"), number("2000"))))
    columns = [
        ColumnRef("v", name) for name in draw(st.sampled_from(SITE_KEYS if one_site else SEVERAL_SITES))
    ]
    labels = [persons(name) for name in LABELS] + ([] if strata_only else [persons("cohort"), persons("t2d")])
    about = st.sampled_from(labels)
    if classes:
        about = st.one_of(about, st.sampled_from([called(name) for name in GENOTYPE]))
    expressions: list[Expr] = [*columns, *draw(st.lists(about, max_size=2, unique=True))]
    if draw(st.integers(0, 3)) == 0:
        expressions.append(draw(boolean(everything)))
    if draw(st.booleans()):
        expressions.reverse()
    keys = tuple(Key(f"k{place}", expression, KeyDomain.OPEN) for place, expression in enumerate(expressions))
    site = tuple((called(name), ColumnRef("v", name)) for name in ("contig", "pos", "ref", "alt"))
    relation = Relation(
        Scan("genotypes", "g"),
        (
            Join(Scan("samples", "p"), ((called("sample_id"), persons("sample_id")),)),
            Join(Scan("variants", "v"), site),
        ),
    )
    filters = boolean(everything)
    asked = draw(quality(filters)) if of_quality else ()
    if classes:
        asked += draw(measures(filters))
    return Release(relation, tuple(conditions), keys, asked)
