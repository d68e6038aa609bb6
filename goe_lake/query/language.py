"""The allow-list above the releases: what SQL may hold that runs on released and public rows alone.

It is wider than the list of what may be computed from a person's row (`subset.SUBSET`): nothing here
ever reads a person's value, and it runs in a database that reaches no file, network or setting. What
may not stand here is what could: readers, settings, dynamic SQL, random numbers, clocks, and functions
whose result is as large as an argument says, or that nothing could stop while they work on long texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp


def _args(*names: str) -> frozenset[str]:
    return frozenset(names)


# Syntax, with the arguments that each node may carry
STRUCTURE: Final[Mapping[type[exp.Expr], frozenset[str]]] = MappingProxyType(
    {
        exp.Select: _args(
            "with_", "expressions", "distinct", "from_", "joins", "where", "group", "having",
            "qualify", "order", "limit", "offset",
        ),
        exp.With: _args("expressions", "recursive"),
        exp.CTE: _args("this", "alias", "materialized"),
        exp.Subquery: _args("this", "alias", "with_", "pivots", "order", "limit", "offset"),
        exp.Union: _args("with_", "this", "expression", "distinct", "order", "limit", "offset"),
        exp.Intersect: _args("with_", "this", "expression", "distinct", "order", "limit", "offset"),
        exp.Except: _args("with_", "this", "expression", "distinct", "order", "limit", "offset"),
        exp.Table: _args("this", "alias", "pivots", "joins"),
        exp.TableAlias: _args("this", "columns"),
        exp.Values: _args("expressions", "alias"),
        exp.GenerateSeries: _args("start", "end", "step", "is_end_exclusive"),
        exp.Tuple: _args("expressions"),
        exp.Columns: _args("this"),
        exp.Join: _args("this", "on", "using", "kind", "side", "method"),
        exp.Star: _args("except_", "replace"),
        exp.Group: _args("expressions", "all", "rollup", "cube", "grouping_sets"),
        exp.Rollup: _args("expressions"),
        exp.Cube: _args("expressions"),
        exp.GroupingSets: _args("expressions"),
        exp.Qualify: _args("this"),
        exp.Distinct: _args("expressions", "on"),
        exp.Window: _args("this", "partition_by", "order", "spec", "alias", "over"),
        exp.WindowSpec: _args("kind", "start", "start_side", "end", "end_side", "exclude"),
        exp.Pivot: _args(
            "expressions", "fields", "group", "columns", "unpivot", "default_on_null", "include_nulls",
            "identify_pivot_strings", "prefixed_pivot_columns", "pivot_column_naming", "value_columns_first",
            "alias",
        ),
        exp.PivotAlias: _args("this", "alias"),
        exp.In: _args("this", "expressions", "query"),
        exp.Exists: _args("this"),
        exp.Like: _args("this", "expression", "negate"),
        exp.ILike: _args("this", "expression", "negate"),
        exp.Filter: _args("this", "expression"),
        exp.IgnoreNulls: _args("this"),
        exp.Interval: _args("this", "unit"),
        exp.Var: _args("this"),
        exp.Extract: _args("this", "expression"),
        exp.DataType: _args("this", "expressions", "nested"),
        exp.DataTypeParam: _args("this"),
        exp.Cast: _args("this", "to"),
        exp.TryCast: _args("this", "to", "safe"),
        exp.PropertyEQ: _args("this", "expression"),
        exp.Dot: _args("this", "expression"),
        exp.Bracket: _args("this", "expressions", "offset", "safe"),
        exp.Slice: _args("this", "expression"),
        exp.Anonymous: _args("this", "expressions"),
        exp.Trim: _args("this", "expression", "position"),
        exp.Order: _args("this", "expressions"),
        exp.Limit: _args("this", "expression", "limit_options"),
        exp.LimitOptions: _args("percent"),
    }
)  # fmt: skip

# Functions and operators that are taken with all their arguments
FUNCTIONS: Final[frozenset[type[exp.Expr]]] = frozenset(
    {
        # numbers
        exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Trunc, exp.Sign, exp.Sqrt, exp.Cbrt, exp.Exp, exp.Ln,
        exp.Log, exp.Pow, exp.Greatest, exp.Least, exp.Sin, exp.Cos, exp.Tan, exp.Asin, exp.Acos, exp.Atan,
        exp.Atan2, exp.Pi, exp.Radians, exp.Degrees, exp.IsNan, exp.IsInf, exp.BitwiseAnd, exp.BitwiseOr,
        exp.BitwiseXor, exp.BitwiseLeftShift, exp.BitwiseRightShift,
        # choices
        exp.Coalesce, exp.Nullif, exp.Typeof,
        # texts
        exp.Lower, exp.Upper, exp.Length, exp.Replace, exp.Substring, exp.Left, exp.Right, exp.Concat,
        exp.ConcatWs, exp.DPipe, exp.StartsWith, exp.EndsWith, exp.Contains, exp.StrPosition, exp.Reverse,
        exp.SplitPart, exp.Split, exp.RegexpLike, exp.RegexpReplace, exp.RegexpExtract, exp.SimilarTo,
        exp.Glob, exp.Ascii, exp.Chr, exp.Translate, exp.Format,
        # dates
        exp.Year, exp.Month, exp.Day, exp.Quarter, exp.DayOfWeek, exp.TimestampTrunc, exp.DateTrunc,
        exp.DateDiff, exp.TimeToStr, exp.DateFromParts, exp.LastDay,
        # lists and structs
        exp.Array, exp.Struct, exp.StructExtract, exp.Map, exp.ArrayContains, exp.ArrayMin, exp.ArrayMax,
        exp.ArraySort, exp.ArrayDistinct, exp.ArraySize, exp.ArrayConcat, exp.ArrayToString, exp.Flatten,
        # aggregates
        exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Median, exp.Mode, exp.Stddev,
        exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Skewness, exp.Kurtosis, exp.Corr,
        exp.CovarPop, exp.CovarSamp, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.RegrCount,
        exp.RegrAvgx, exp.RegrAvgy, exp.RegrSxx, exp.RegrSyy, exp.RegrSxy,
        exp.Quantile, exp.PercentileCont, exp.PercentileDisc, exp.ApproxDistinct, exp.ApproxQuantile,
        exp.First, exp.Last, exp.AnyValue, exp.ArgMax, exp.ArgMin, exp.GroupConcat, exp.ArrayAgg,
        exp.LogicalAnd, exp.LogicalOr, exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.BitwiseXorAgg,
        exp.Grouping, exp.GroupingId,
        # windows
        exp.Rank, exp.DenseRank, exp.RowNumber, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
        exp.FirstValue, exp.LastValue, exp.NthValue,
    }
)  # fmt: skip

# Functions that the parser has no node for, by DuckDB's names
SCALAR_NAMES: Final = frozenset(
    {
        "isfinite", "gcd", "lcm", "iff", "suffix", "prefix", "jaccard", "printf", "date_part", "datepart",
        "age", "list_sum", "list_avg", "list_count", "list_position", "list_slice", "list_extract",
        "list_reverse", "row", "even", "gamma", "lgamma", "struct_pack", "nfc_normalize", "hamming",
        "strip_accents",
    }
)  # fmt: skip
AGGREGATE_NAMES: Final = frozenset(
    {
        "mean",
        "favg",
        "sem",
        "kurtosis_pop",
        "product",
        "histogram",
        "entropy",
        "mad",
        "geomean",
        "fsum",
        "kahan_sum",
        "sumkahan",
        "list",
    }
)
NAMES: Final = SCALAR_NAMES | AGGREGATE_NAMES
# Aggregates over rows about persons, by DuckDB's names: those that the parser has a node for, and others
OVER_PERSONS: Final[Mapping[type[exp.Expr], str]] = MappingProxyType(
    {
        exp.Count: "count",
        exp.CountIf: "count_if",
        exp.Sum: "sum",
        exp.Avg: "avg",
        exp.LogicalAnd: "bool_and",
        exp.LogicalOr: "bool_or",
        exp.VariancePop: "var_pop",
        exp.Variance: "var_samp",
        exp.StddevPop: "stddev_pop",
        exp.StddevSamp: "stddev_samp",
        exp.Stddev: "stddev",
        exp.Skewness: "skewness",
        exp.Kurtosis: "kurtosis",
        exp.CovarPop: "covar_pop",
        exp.CovarSamp: "covar_samp",
        exp.Corr: "corr",
        exp.RegrCount: "regr_count",
        exp.RegrAvgx: "regr_avgx",
        exp.RegrAvgy: "regr_avgy",
        exp.RegrSxx: "regr_sxx",
        exp.RegrSyy: "regr_syy",
        exp.RegrSxy: "regr_sxy",
        exp.ApproxDistinct: "approx_count_distinct",
        exp.RegrSlope: "regr_slope",
        exp.RegrIntercept: "regr_intercept",
        exp.RegrR2: "regr_r2",
        exp.Median: "median",
        exp.PercentileCont: "quantile_cont",
        exp.PercentileDisc: "quantile_disc",
        exp.Quantile: "quantile",
        exp.ApproxQuantile: "approx_quantile",
    }
)
NAMED_OVER_PERSONS: Final = frozenset(
    {"sem", "kurtosis_pop", "fsum", "kahan_sum", "sumkahan", "mad", "geomean"}
)

RANKINGS: Final = (
    exp.Rank, exp.DenseRank, exp.RowNumber, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
    exp.FirstValue, exp.LastValue, exp.NthValue,
)  # fmt: skip

# Types that a cast above the releases may go to
CASTS: Final = frozenset(
    {
        exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.INT128,
        exp.DType.UTINYINT, exp.DType.USMALLINT, exp.DType.UINT, exp.DType.UBIGINT,
        exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.DECIMAL, exp.DType.BOOLEAN, exp.DType.TEXT,
        exp.DType.VARCHAR, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.INTERVAL,
    }
)  # fmt: skip


def is_aggregate(node: exp.Expr) -> bool:
    """Whether *node* is an aggregate function; of windows only those that are aggregates as well."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATE_NAMES
    return isinstance(node, exp.AggFunc) and not isinstance(node, RANKINGS)


def over_persons(node: exp.Expr) -> str | None:
    """The name of an aggregate that is answered over rows about persons; None for anything else."""
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return name if name in NAMED_OVER_PERSONS else None
    return OVER_PERSONS.get(type(node))


def first_aggregate(node: exp.Expr) -> exp.Expr | None:
    """An aggregate in *node*, at any depth; None where there is none."""
    return next((part for part in node.walk() if is_aggregate(part)), None)


def is_window_head(node: exp.Expr) -> bool:
    """Whether *node* is the function of a window: `sum(x)` in `sum(x) FILTER (…) OVER (…)`."""
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls) and parent.this is node:
        node, parent = parent, parent.parent
    return isinstance(parent, exp.Window) and parent.this is node


def aggregates_in(node: exp.Expr) -> list[exp.Expr]:
    """The aggregates of the SELECT that *node* belongs to, windows aside, outermost ones only."""
    if isinstance(node, exp.Filter) and is_aggregate(_unwrapped(node.this)) and not is_window_head(node):
        return [node]
    if is_aggregate(node) and not is_window_head(node):
        return [node]
    if isinstance(node, exp.IgnoreNulls) and is_aggregate(node.this) and not is_window_head(node):
        return [node]
    return [found for child in node.iter_expressions() for found in aggregates_in(child)]


def _unwrapped(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.IgnoreNulls) else node
