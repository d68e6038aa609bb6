"""Mistakes that somebody could make in the compiler, the nodes' SQL, the merge or the last step: one line each."""

# ruff: noqa: E501 - a mistake stands on one line

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A mistake: in the file *path* beneath `goe_lake`, the text *right*, which stands there once, is *wrong*.

    *near* is an aggregate or a shape of relations that it concerns, of which is asked first.
    """

    name: str
    path: str
    right: str
    wrong: str
    near: str = ""

    def text(self, package: Path) -> str:
        """The mutated text of the file, of the package at *package*."""
        text = (package / self.path).read_text()
        assert text.count(self.right) == 1, (
            f"{self.name}: {self.path} has {text.count(self.right)} such lines"
        )
        return text.replace(self.right, self.wrong)


MUTANTS = (
    # What nodes compute
    Mutant("LIMIT at a node", "engine/few_totals.py", "table = blueprint.reading.session.connection.sql(sql)", "table = blueprint.reading.session.connection.sql(sql + \" LIMIT 2\")"),
    Mutant("equality that NULL passes is plain equality", "engine/sql.py", '"IS NOT DISTINCT FROM"', '"="'),
    Mutant("whole division with a fraction", "engine/sql.py", '"int_div": "//"', '"int_div": "/"'),
    Mutant("a sum forgets its filter", "engine/blueprint.py", 'return "w" if measure.where is None else f"w AND f', 'return "w" if measure else f"w AND f'),
    Mutant("a missing value is counted", "engine/blueprint.py", "f\"({' AND '.join(given)})\" if given else \"TRUE\"", '"TRUE"'),
    Mutant("persons without the allele have no row", "engine/genotypes.py", "kept = kept & (block.listed[:, None] | (dosage > 0))", "kept = kept & (dosage > 0)"),
    Mutant("AN only where files have rows", "engine/genotypes.py", "called = batch.fill[block.contig].called_alleles(block.positions, block.par)", "called = 0 * batch.fill[block.contig].called_alleles(block.positions, block.par)", "genotypes"),
    Mutant("sites that are alike count once for a person", "engine/derived.py", "{'g.n' if self.on_genotypes else '1::BIGINT'}", "{'1::BIGINT'}"),
    Mutant("all weights are the first one", "engine/derived.py", 'f"THEN {factors.index(weight.factor)}"', '"THEN 0"', "by person"),
    # How cells are merged
    Mutant("the mean of the nodes", "federation/merge.py", "np.add.at(sums, group, numbers)", "np.add.at(sums, group, numbers); sums //= np.maximum(np.bincount(group, minlength=groups), 1)"),
    Mutant("one node answers for all", "federation/merge.py", "np.add.at(sums, group, numbers)", "sums[group[::-1]] = numbers[::-1]"),
    Mutant("a sum of nothing is 0", "federation/merge.py", "given[group] = True", "given[:] = True"),
    Mutant("the group without a label is lost", "federation/merge.py", "np.any(union.telling, axis=1) | (not", "np.any(union.telling, axis=1) & np.array([None not in row.values() for row in union.keys.to_pylist()] or [True]) | (not"),
    Mutant("continuous quantiles of one person more", "federation/quantiles.py", "place = probability * (persons - 1)", "place = min(probability * persons, persons - 1)", "median"),
    Mutant("discrete quantiles one rank lower", "federation/quantiles.py", "max(1, ceil(probability * persons))", "max(1, floor(probability * persons))", "quantile_disc"),
    # How aggregates are taken apart and finished
    Mutant("FILTER is dropped", "query/aggregates.py", "where = convert(node.expression.this)", "where = None", "sum"),
    Mutant("a mean over missing values too", "query/aggregates.py", "this=count_of(form, where, measures), expression", "this=measures.rows(where=where), expression", "avg"),
    Mutant("count(x) counts rows", "query/aggregates.py", "return measures.rows((_reference(argument),), where)", "return measures.rows(where=where)", "count"),
    Mutant("distinct persons are rows", "query/aggregates.py", "measures.column(MeasureFunction.PERSONS, where=where)", "measures.column(MeasureFunction.ROWS, where=where)", "approx_count_distinct"),
    Mutant("bool_and is bool_or", "query/aggregates.py", "deciding=False)", "deciding=True)", "bool_and"),
    Mutant("the variance of a sample is that of all", "query/moments.py", "if sample else sums.n", "if not sums else sums.n", "var_samp"),
    Mutant("a pair with one value counts", "query/moments.py", "for variable in self.variables:\n            product", "for variable in self.variables[:1]:\n            product", "covar_pop"),
    Mutant("the mean is a whole number", "query/moments.py", '" - off_mean(n, sx) * off_mean(n, sy) / nullif(n, 0)::DOUBLE"', '""', "regr_sxy"),
    Mutant("the slope of x on y", "query/moments.py", '_call("slope_of", sums.n, sums.sum(1), sums.sum(0), sums.sum(1, 1)', '_call("slope_of", sums.n, sums.sum(1), sums.sum(0), sums.sum(0, 0)', "regr_slope"),
    Mutant("skewness of all, not of a sample", "query/moments.py", "sqrt(n::DOUBLE * (n - 1)) / (n - 2)", "1::DOUBLE", "skewness"),
    Mutant("entropy in another unit", "query/labels.py", '"log2(sum(_v.n)) - sum(_v.n * log2(_v.n)) / sum(_v.n)"', '"ln(sum(_v.n)) - sum(_v.n * ln(_v.n)) / sum(_v.n)"', "entropy of labels"),
    Mutant("the rarest label", "query/labels.py", '"arg_max(_v.l, _v.n)"', '"arg_min(_v.l, _v.n)"', "mode of labels"),
    Mutant("a branch of CASE takes rows of earlier ones", "query/arguments.py", "here = both(earlier, true)", "here = both(None, true)", "sum"),
    Mutant("a constant is added to missing values", "query/sums.py", "measures.column(MeasureFunction.ROWS, branch.columns, here)", "measures.column(MeasureFunction.ROWS, (), here)", "sum"),
    # What stands around the groups
    Mutant("margins are numbered from the other end", "query/grouping_sets.py", 'for key in keys)\n    return exp.cast', 'for key in reversed(keys))\n    return exp.cast', "grouping sets"),
    Mutant("who is in no list is left out", "query/lists.py", "    if not outer:\n        rest.append", "    if select:\n        rest.append", "list"),
)  # fmt: skip
