"""Queries over what was aggregated by person first, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.oracle.grammar import Source, conditions, sources

WEIGHTS = (
    "CASE {id} WHEN 'chr1-1000-A-C' THEN 0.125 WHEN 'chr1-2000-G-T' THEN 100 "
    "WHEN 'chrX-5000000-C-T' THEN -3 END",
    "CASE WHEN {contig} = 'chr1' THEN 0.5 ELSE 1.25 END",
    "2",
)
INNER = ("genotypes", "genotypes", "scores", "genotypes+variants", "scores+samples", "genotypes+samples")


@dataclass(frozen=True)
class ByPerson:
    """A query as text, and how many of its columns are keys."""

    text: str
    keys: int


@st.composite
def values(draw: st.DrawFn, source: Source) -> str:
    """One aggregate over a person's rows."""
    column = source.written(draw(st.sampled_from(_numbers(source))))
    condition = draw(conditions(source, 1))
    options = [
        f"sum({column})", f"sum({column})", f"count(*) FILTER (WHERE {condition})", f"count({column})",
        f"max({column})", f"min({column}) FILTER ({condition})",
        f"max(CASE WHEN {condition} THEN {column} END)",
        f"sum({column}) FILTER ({condition})", f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)",
        f"count_if({condition})",
    ]  # fmt: skip
    if "dosage" in source.plain.values():
        weights = draw(st.sampled_from(WEIGHTS)).format(
            id=source.written("variant_id"), contig=source.written("contig")
        )
        options += [f"sum({source.written('dosage')} * {weights})"] * 3
    return draw(st.sampled_from(options))


def _numbers(source: Source) -> list[str]:
    wanted = ("dosage", "dosage", "called_alleles", "score", "visits", "birth_year")
    return [name for name in wanted if name in source.plain.values()]


@st.composite
def by_person(draw: st.DrawFn) -> ByPerson:
    """Aggregates over persons of what was aggregated by person."""
    source = draw(sources(draw(st.sampled_from(INNER))))
    parts = list(source.conditions)
    if draw(st.booleans()):
        parts.append(draw(conditions(source, 1)))
    if draw(st.booleans()) and "variant_id" in source.plain.values():
        site = draw(st.sampled_from(("chr1-1000-A-C", "chr1-2000-G-T", "chrX-5000000-C-T")))
        parts.append(f"{source.written('variant_id')} = '{site}'")
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    having = draw(st.sampled_from(("", "", f" HAVING {draw(values(source))} > 0")))
    x = draw(values(source))
    inner = (
        f"SELECT {source.person} AS sample_id, {x} AS x FROM {source.text}{where} "
        f"GROUP BY {source.person}{having}"
    )
    plain = f"SELECT {source.person} AS sample_id FROM {source.text}{where}"
    kind = draw(st.sampled_from(("JOIN", "JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN", "IN", "NOT IN")))
    key = draw(st.sampled_from(("", "sex", "population")))
    measures = ["count(*) AS n", draw(st.sampled_from(("avg(bmi)", "sum(visits)", "count(ldl)"))) + " AS m"]
    if kind in ("IN", "NOT IN"):
        source_text = f"samples WHERE samples.sample_id {kind} ({plain})"
    else:
        source_text = f"samples {kind} ({inner}) AS b USING (sample_id)"
    if kind in ("JOIN", "LEFT JOIN"):
        key = draw(st.sampled_from((key, "least(b.x, 2)", "b.x > 1", "b.x IS NULL")))
        measures += [f"{draw(st.sampled_from(('sum(b.x)', 'sum(b.x) FILTER (smoker)', 'count(b.x)')))} AS v"]
        if draw(st.booleans()):
            source_text += draw(st.sampled_from((" WHERE b.x > 1", " WHERE b.x <= 1 OR t2d", " WHERE t2d")))
    shown = ", ".join([*([f"{key} AS k"] if key else []), *measures])
    group = " GROUP BY k" if key else ""
    return ByPerson(f"SELECT {shown} FROM {source_text}{group}", int(bool(key)))
