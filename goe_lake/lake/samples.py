"""The samples table: from the file that the node hands in to the columns of the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from goe_lake.catalog import TOTAL_LABEL, Column, ColumnType
from goe_lake.config import NodeConfig
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake.quarantine import Entry
from goe_lake.lake.tables import column_of, read_text_table, require_columns
from goe_lake.lake.values import ARROW_TYPES, Misfit, check_fits, check_share, read_column
from goe_lake.lake.withdrawn import Withdrawn
from goe_lake.vcf.arrow import Vector, array, nulls, pc

SEXES: Final = ("F", "M")


@dataclass(frozen=True, eq=False)
class SampleTable:
    """The samples of a node in stored form, sorted by sample_id.

    *columns* are all but sample_id and country, with their final labels; *persons* counts distinct
    person_ids. *given* are all sample and person ids of the file, those withdrawn included.
    """

    table: pa.Table
    columns: tuple[Column, ...]
    persons: int
    quarantined: tuple[Entry, ...]
    warnings: tuple[str, ...]
    given: frozenset[str]


def read_samples(config: NodeConfig, name: str, min_label_persons: int, withdrawn: Withdrawn) -> SampleTable:
    """Read the samples of *config* but those *withdrawn*; *name* is the file as quarantine entries call it.

    A label column without declared values takes its labels from the data where each is held by at
    least *min_label_persons* persons. Raises InputError or ConfigError.
    """
    whole = read_text_table(config.samples)
    require_columns(config.samples, whole, ("sample_id", *(column.name for column in config.sample_columns)))
    given = [*_sample_ids(config.samples, whole).to_pylist(), *column_of(whole, "person_id").to_pylist()]
    texts = withdrawn.leave_out(whole)
    ids = column_of(texts, "sample_id")
    _check_countries(config, texts)
    columns = _columns(config)
    arrays: dict[str, Vector] = {
        "sample_id": ids,
        "person_id": pc.coalesce(column_of(texts, "person_id"), ids),
        "country": array([config.country] * len(texts), pa.string()),
    }
    entries: list[Entry] = []
    for column in columns:
        arrays[column.name], misfits = _read_column(config, column, texts)
        entries += _entries(name, column, ids, misfits)
    table = pa.table(arrays).sort_by("sample_id")
    return SampleTable(
        table,
        tuple(_with_labels(config, column, table, min_label_persons) for column in columns),
        len(table["person_id"].unique()),
        tuple(entries),
        tuple(_unknown(config, texts)),
        frozenset(given) - {None},
    )


def _columns(config: NodeConfig) -> tuple[Column, ...]:
    """The columns of the samples table but sample_id and country, as the catalogue will hold them."""
    catalog = config.catalog().tables["samples"]
    columns = tuple(column for column in catalog.columns if column.name not in ("sample_id", "country"))
    for column in columns:
        setting = f"samples.columns.{column.name}"
        if column.name == "sex" and not set(column.values or ()) <= set(SEXES):
            raise ConfigError(config.file, f"{setting}.values", "are not F and M", "remove values")
        if column.bounds is not None:
            check_fits(config, setting, column.bounds, column.step)
    return columns


def _sample_ids(path: Path, texts: pa.Table) -> Vector:
    ids = column_of(texts, "sample_id")
    if ids.null_count:
        row = pc.index(ids.is_null(), True).as_py()
        raise InputError(path, "sample_id is empty", "give every row its sample_id", f"row {row + 1}")
    counted = ids.value_counts()
    for item in counted.filter(pc.greater(counted.field("counts"), 1)).slice(0, 1).to_pylist():
        raise InputError(
            path, f"has {item['counts']} rows", "keep one row a sample", f"sample {item['values']}"
        )
    return ids


def _check_countries(config: NodeConfig, texts: pa.Table) -> None:
    """Refuse a samples file that names another country than the node's."""
    given = column_of(texts, "country")
    row = pc.index(pc.fill_null(pc.not_equal(given, config.country), False), True).as_py()
    if row >= 0:
        raise InputError(
            config.samples,
            f"country is {given[row].as_py()!r}, and this node holds persons of {config.country}",
            "keep these persons in their own node; origin belongs in the column population",
            f"sample {column_of(texts, 'sample_id')[row]}",
        )


def _read_column(config: NodeConfig, column: Column, texts: pa.Table) -> tuple[Vector, list[Misfit]]:
    found: Vector = nulls(len(texts), ARROW_TYPES[column.type])
    misfits: list[Misfit] = []
    if column.name in texts.column_names:
        given = column_of(texts, column.name)
        found, misfits = read_column(given, column)
        filled = len(given) - given.null_count
        check_share(config, config.samples, column.name, misfits, filled, f"samples.columns.{column.name}")
    if not column.nullable and found.null_count:
        row = pc.index(found.is_null(), True).as_py()
        raise InputError(
            config.samples,
            f"{column.name} is missing or cannot be used for {found.null_count} samples",
            f"fill it, or set nullable = true in [samples.columns.{column.name}]",
            f"sample {column_of(texts, 'sample_id')[row]}",
        )
    return found, misfits


def _entries(name: str, column: Column, ids: Vector, misfits: list[Misfit]) -> Iterator[Entry]:
    for misfit in misfits:
        sample = f"sample {ids[misfit.row]}"
        yield Entry(name, misfit.reason, sample, column=column.name, value=misfit.value)


def _with_labels(config: NodeConfig, column: Column, table: pa.Table, least: int) -> Column:
    """*column* with labels derived from the data where the node declares none."""
    if column.type is not ColumnType.LABEL or column.values is not None:
        return column
    held = _persons_by_label(table[column.name].to_pylist(), table["person_id"].to_pylist())
    if column.name == "population" and TOTAL_LABEL in held:
        raise InputError(
            config.samples,
            f"a population is called {TOTAL_LABEL!r}, which stands for the total of populations",
            "give it another name, or declare the labels that count in node.toml; others become NULL",
        )
    rare = [label for label, persons in held.items() if persons < least]
    if rare:
        raise InputError(
            config.samples,
            f"column {column.name}: labels are public, and {len(rare)} of them "
            f"are held by fewer than {least} persons, e.g. {rare[0]!r}",
            "decide which labels may be known and declare them in node.toml; others become NULL:\n"
            f"[samples.columns.{column.name}]\nvalues = [{', '.join(map(toml_text, held))}]\n",
        )
    return replace(column, values=tuple(held))


def _persons_by_label(labels: list[str | None], persons: list[str | None]) -> dict[str, int]:
    """The distinct persons of each label, in the order of the labels."""
    pairs = {(label, person) for label, person in zip(labels, persons, strict=True) if label is not None}
    return dict(sorted(Counter(label for label, _ in pairs).items()))


def toml_text(text: str) -> str:
    r"""*text* as a TOML string.

    >>> toml_text('say "A"')
    '"say \\"A\\""'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in escaped) + '"'


def _unknown(config: NodeConfig, texts: pa.Table) -> Iterator[str]:
    known = {column.name for column in config.catalog().tables["samples"].columns} | {"person_id"}
    extra = [name or "(no name)" for name in texts.column_names if name not in known]
    if extra:
        yield (
            f"{config.samples.name}: columns that node.toml does not declare are left out: "
            f"{', '.join(extra[:20])}{' …' if len(extra) > 20 else ''}"
        )
