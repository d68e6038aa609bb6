"""What analysts see: tables, columns, their types, units, public bounds, resolutions and labels.

The catalogue is public. It never holds anything that was counted from persons, except which labels
occur where a node did not declare them and each is held by enough persons (`lake.labels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, reduce
from math import gcd
from types import MappingProxyType
from typing import Any, Final

from goe_lake.errors import ConfigError

LabelValue = str | bool | None
#: Stands for the total of groups in released tables; no population may be called so.
TOTAL_LABEL: Final = "all"


class ColumnType(StrEnum):
    """The type of a column as analysts see it."""

    DOUBLE = "double"
    INTEGER = "integer"
    BIGINT = "bigint"  # counts in released tables
    BOOLEAN = "boolean"
    LABEL = "label"
    DATE = "date"
    TEXT = "text"
    PERSON = "person"  # sample_id: joins and counts, nothing else


SQL_TYPES: Final[Mapping[ColumnType, str]] = MappingProxyType(
    {
        ColumnType.DOUBLE: "DOUBLE",
        ColumnType.INTEGER: "INTEGER",
        ColumnType.BIGINT: "BIGINT",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.LABEL: "VARCHAR",
        ColumnType.DATE: "DATE",
        ColumnType.TEXT: "VARCHAR",
        ColumnType.PERSON: "VARCHAR",
    }
)
MEASURED: Final = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER, ColumnType.DATE})


class TableKind(StrEnum):
    """Who may read the rows of a table."""

    PERSONAL = "personal"
    CATALOGUE = "catalogue"
    RELEASED = "released"
    PUBLIC = "public"


@dataclass(frozen=True)
class Column:
    """One column: what it means, and the public facts that disclosure control may rely on.

    *bounds* are inclusive, in the column's unit; *resolution* is the step at which values are stored
    as whole numbers, so that sums are exact; *values* are the public labels, None where not known.
    """

    name: str
    type: ColumnType
    description: str = ""
    unit: str = ""
    bounds: tuple[Decimal, Decimal] | None = None
    resolution: Decimal | None = None
    values: tuple[str, ...] | None = None
    nullable: bool = True

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ValueError(f"column name {self.name!r} is not a lower-case identifier")
        if self.bounds is not None and self.bounds[0] > self.bounds[1]:
            raise ValueError(f"bounds of {self.name}: {self.bounds[0]} is above {self.bounds[1]}")
        if self.resolution is not None and self.resolution <= 0:
            raise ValueError(f"resolution of {self.name} must be above 0, not {self.resolution}")

    @property
    def step(self) -> Fraction:
        """The resolution as an exact fraction; 1 for everything that is not measured."""
        return Fraction(self.resolution) if self.resolution is not None else Fraction(1)

    def domain(self) -> tuple[LabelValue, ...] | None:
        """Every value that the column may hold, where that is public and short; None otherwise."""
        missing: tuple[LabelValue, ...] = (None,) if self.nullable else ()
        if self.type is ColumnType.BOOLEAN:
            return (False, True, *missing)
        if self.type is ColumnType.LABEL and self.values is not None:
            return (*self.values, *missing)
        return None


@dataclass(frozen=True)
class Score:
    """The public facts of one polygenic score: bounds and resolution of its sums."""

    pgs_id: str
    bounds: tuple[Decimal, Decimal]
    resolution: Decimal
    description: str = ""

    def __post_init__(self) -> None:
        if self.bounds[0] > self.bounds[1]:
            raise ValueError(f"bounds of {self.pgs_id}: {self.bounds[0]} is above {self.bounds[1]}")
        if self.resolution <= 0:
            raise ValueError(f"resolution of {self.pgs_id} must be above 0, not {self.resolution}")


@dataclass(frozen=True)
class Table:
    """One logical table of the contract with analysts."""

    name: str
    kind: TableKind
    columns: tuple[Column, ...]
    description: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


def _label(
    name: str, description: str, values: tuple[str, ...] | None = None, *, nullable: bool = True
) -> Column:
    return Column(name, ColumnType.LABEL, description, values=values, nullable=nullable)


def _whole(
    name: str, description: str, low: int, high: int, *, unit: str = "", nullable: bool = True
) -> Column:
    bounds = (Decimal(low), Decimal(high))
    return Column(name, ColumnType.INTEGER, description, unit, bounds, Decimal(1), nullable=nullable)


SAMPLE_ID: Final = Column(
    "sample_id", ColumnType.PERSON, "The sample; it joins and counts, and is never shown", nullable=False
)
SAMPLE_COLUMNS: Final = (
    SAMPLE_ID,
    _label("country", "Country of the node that holds the person (ISO 3166-1 alpha-2)", nullable=False),
    _label("sex", "Sex as recorded by the biobank", ("F", "M")),
    _whole("birth_year", "Year of birth", 1900, 2030, unit="year"),
    _label("population", "Population of origin"),
    _label("cohort", "Study or collection that recruited the person"),
    _label("consent", "Consent code"),
)
SITE_COLUMNS: Final = (
    Column("contig", ColumnType.TEXT, "Reference sequence, chr1 .. chrM", nullable=False),
    _whole("pos", "1-based position of the first REF base", 1, 2**31 - 1, unit="bp", nullable=False),
    Column("ref", ColumnType.TEXT, "Reference allele", nullable=False),
    Column("alt", ColumnType.TEXT, "The one alternate allele of the row", nullable=False),
    Column(
        "variant_id", ColumnType.TEXT, "chr-pos-ref-alt; symbolic alleles carry their end", nullable=False
    ),
)
SITE_KEY: Final = ("contig", "pos", "ref", "alt")
GENOTYPE_COLUMNS: Final = (
    *SITE_COLUMNS,
    SAMPLE_ID,
    _whole("dosage", "Copies of alt among the called alleles; NULL if none is called", 0, 2, unit="alleles"),
    _whole(
        "called_alleles", "Alleles of the call that are not missing", 0, 2, unit="alleles", nullable=False
    ),
    _whole("gq", "Genotype quality", 0, 99, unit="phred"),
    _whole("dp", "Read depth", 0, 65535, unit="reads"),
)
SCORE_COLUMNS: Final = (
    SAMPLE_ID,
    _label("pgs_id", "Polygenic score, as in the PGS Catalog", nullable=False),
    Column("score", ColumnType.DOUBLE, "Sum of effect weight times effect alleles"),
)
VARIANT_COLUMNS: Final = (
    *SITE_COLUMNS,
    _whole("end_pos", "1-based last position that the variant covers", 1, 2**31 - 1, unit="bp"),
    Column("type", ColumnType.TEXT, "snv, ins, del, mnv, or the symbolic type (DEL, DUP, INV, …)"),
    Column("sv_len", ColumnType.INTEGER, "Length difference of a structural variant", "bp"),
    Column("rsid", ColumnType.TEXT, "dbSNP identifier"),
    Column("gene", ColumnType.TEXT, "Gene symbol"),
    Column("consequence", ColumnType.TEXT, "Most severe consequence (Sequence Ontology)"),
    Column("filter", ColumnType.TEXT, "FILTER as in the VCF; PASS if all filters passed"),
)

CLINVAR: Final = Column("clinvar", ColumnType.TEXT, "Clinical significance of the allele in ClinVar (CLNSIG)")
#: Columns of `variants` that a node adds begin so, or are `clinvar`.
INFO_PREFIX: Final = "info_"


def is_added(name: str) -> bool:
    """Whether a column of `variants` is one that a node adds: `clinvar`, or `info_…` from INFO."""
    return name.isidentifier() and (name == CLINVAR.name or name.startswith(INFO_PREFIX))


class SiteColumnNames(frozenset[str]):
    """The columns of `variants`: those of every node, and whatever a node adds."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and is_added(name))


def _count(name: str, description: str, *, unit: str = "", nullable: bool = True) -> Column:
    return Column(name, ColumnType.BIGINT, description, unit, nullable=nullable)


def _text(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, ColumnType.TEXT, description, nullable=nullable)


def _measured(name: str, description: str, unit: str = "") -> Column:
    return Column(name, ColumnType.DOUBLE, description, unit)


FREQUENCY_COLUMNS: Final = (
    *SITE_COLUMNS,
    _whole("end_pos", "1-based last position that the variant covers", 1, 2**31 - 1, unit="bp"),
    _text("country", "Country of the persons; 'all' for all of Europe", nullable=False),
    _text("population", "Population of origin; 'all' for all of them, NULL where not recorded"),
    _text("sex", "Sex as recorded; 'all' for both and those without, NULL where not recorded"),
    _count("ac", "Alternate alleles among the called ones; NULL where withheld", unit="alleles"),
    _count("an", "Called alleles", unit="alleles", nullable=False),
    _count(
        "ac_lower", "Least that ac can be, where it is withheld and a part of it was released", unit="alleles"
    ),
    _count("ac_upper", "Most that ac can be, where it is withheld and that is known", unit="alleles"),
    _measured("af", "Allele frequency, ac / an; NULL where ac is, or an is 0"),
    _count("n_het", "Heterozygous persons; NULL where the genotype classes are withheld", unit="persons"),
    _count("n_hom_alt", "Persons with two alternate alleles; NULL where withheld", unit="persons"),
    _count(
        "n_hemi", "Persons with one called allele, which is alternate; NULL where withheld", unit="persons"
    ),
    _measured("call_rate", "Persons with a called allele among the persons of the group"),
    _measured("hwe_p", "Exact Hardy-Weinberg test on the diploid persons; NULL where classes are withheld"),
    _measured("faf95", "Filtering allele frequency (95 %); NULL where ac is"),
    _text("grpmax", "In total rows, the population with the largest faf95"),
    _measured("grpmax_faf95", "The faf95 of grpmax"),
    _text("status", "Of ac: ok, bounded or withheld", nullable=False),
    Column(
        "release",
        ColumnType.INTEGER,
        "Number of the release in which the row was last computed",
        nullable=False,
    ),
)
GENE_COLUMNS: Final = (
    _text("contig", "Reference sequence, chr1 .. chrM", nullable=False),
    _whole(
        "start_pos",
        "1-based position of the gene's first listed site",
        1,
        2**31 - 1,
        unit="bp",
        nullable=False,
    ),
    _whole(
        "end_pos",
        "1-based last position of its listed sites, included",
        1,
        2**31 - 1,
        unit="bp",
        nullable=False,
    ),
    _text("gene", "Gene symbol, as in variants", nullable=False),
    _count("sites", "Listed sites that are annotated with the gene", unit="sites", nullable=False),
)
CONTIG_COLUMNS: Final = (
    _text("contig", "Reference sequence, chr1 .. chrM", nullable=False),
    _whole("length", "Length in the assembly", 1, 2**31 - 1, unit="bp", nullable=False),
    _text("assembly", "The reference build", nullable=False),
    *(
        _whole(f"par{number}_{side}", f"{word} 1-based position of its pseudo-autosomal region {number}",
               1, 2**31 - 1, unit="bp")
        for number in (1, 2)
        for side, word in (("start", "First"), ("end", "Last"))
    ),
)  # fmt: skip
NODE_COLUMNS: Final = (
    _text("node_id", "The node", nullable=False),
    _text("country", "Its country (ISO 3166-1 alpha-2)", nullable=False),
    _text("name", "Its name", nullable=False),
    _text("snapshot_id", "The snapshot that it answers from", nullable=False),
    Column(
        "min_persons",
        ColumnType.INTEGER,
        "Fewest persons behind a number that it gives",
        "persons",
        nullable=False,
    ),
    _text("protection", "'on', or 'off' for public test data", nullable=False),
    Column("one_sample_a_person", ColumnType.BOOLEAN, "Whether no person has two samples", nullable=False),
)
COLUMN_COLUMNS: Final = (
    _text("table_name", "The table", nullable=False),
    _text("kind", "personal, catalogue, released or public", nullable=False),
    Column("ordinal", ColumnType.INTEGER, "Place of the column in its table, from 1", nullable=False),
    _text("column_name", "The column", nullable=False),
    _text("type", "Its type as the catalogue calls it", nullable=False),
    _text("sql_type", "Its type in SQL", nullable=False),
    _text("unit", "Its unit"),
    _measured("low", "Least value, in the unit; values below are NULL"),
    _measured("high", "Largest value, in the unit; values above are NULL"),
    _measured("resolution", "Step at which values are stored, in the unit"),
    _text("labels", "The public labels, parted by commas; NULL where they are not listed"),
    Column("nullable", ColumnType.BOOLEAN, "Whether it may be NULL", nullable=False),
    _text("description", "What it says", nullable=False),
)
PUBLIC_TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("variants", TableKind.CATALOGUE, VARIANT_COLUMNS, "The federation's site list, no counts"),
            Table(
                "allele_frequencies",
                TableKind.RELEASED,
                FREQUENCY_COLUMNS,
                "One row per listed site and group of country, population and sex, totals included",
            ),
            Table(
                "genes",
                TableKind.PUBLIC,
                GENE_COLUMNS,
                "One row per contig and gene of the site list",
            ),
            Table("contigs", TableKind.PUBLIC, CONTIG_COLUMNS, "One row per reference sequence"),
            Table("nodes", TableKind.PUBLIC, NODE_COLUMNS, "One row per node"),
            Table("columns", TableKind.PUBLIC, COLUMN_COLUMNS, "One row per table and column"),
        )
    }
)

# Columns that say where or what a row is about and never who: conditions on them select no persons.
PUBLIC_COLUMNS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "samples": frozenset({"country"}),
        "genotypes": frozenset(column.name for column in SITE_COLUMNS),
        "scores": frozenset({"pgs_id"}),
        "variants": SiteColumnNames(column.name for column in VARIANT_COLUMNS),
    }
)


def is_site_key(columns: AbstractSet[str]) -> bool:
    """Whether equal values of *columns* mean the same site."""
    return "variant_id" in columns or columns >= set(SITE_KEY)


def is_public(table: str, column: str) -> bool:
    """Whether a column says where or what a row is about, and never who."""
    return column in PUBLIC_COLUMNS.get(table, frozenset())


@dataclass(frozen=True)
class Catalog:
    """The tables of one node, or of a federation."""

    tables: Mapping[str, Table]
    assembly: str

    def table(self, name: str) -> Table | None:
        """The table of that name, or None."""
        return self.tables.get(name)

    def column(self, table: str, name: str) -> Column:
        """Column *name* of *table*; KeyError if there is none."""
        return self.tables[table].by_name[name]

    def with_tables(self, tables: Iterable[Table]) -> Catalog:
        """The catalogue with further *tables*."""
        return Catalog({**self.tables, **{table.name: table for table in tables}}, self.assembly)

    def as_sqlglot(self) -> dict[str, dict[str, str]]:
        """Table and column names with their DuckDB types, as sqlglot's optimizer takes them."""
        return {
            table.name: {column.name: SQL_TYPES[column.type] for column in table.columns}
            for table in self.tables.values()
        }

    def to_json(self) -> dict[str, Any]:
        """The catalogue as plain JSON values."""
        return {
            "assembly": self.assembly,
            "tables": [
                {
                    "name": table.name,
                    "kind": table.kind.value,
                    "description": table.description,
                    "columns": [_column_to_json(column) for column in table.columns],
                }
                for table in self.tables.values()
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Catalog:
        """The catalogue that `to_json` wrote; ValueError where it does not fit."""
        tables = (
            Table(
                item["name"],
                TableKind(item["kind"]),
                tuple(_column_from_json(column) for column in item["columns"]),
                item["description"],
            )
            for item in data["tables"]
        )
        return cls({table.name: table for table in tables}, data["assembly"])


def _column_to_json(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type.value,
        "description": column.description,
        "unit": column.unit,
        "bounds": [str(bound) for bound in column.bounds] if column.bounds else None,
        "resolution": str(column.resolution) if column.resolution is not None else None,
        "values": list(column.values) if column.values is not None else None,
        "nullable": column.nullable,
    }


def _column_from_json(data: Mapping[str, Any]) -> Column:
    bounds = data["bounds"]
    return Column(
        data["name"],
        ColumnType(data["type"]),
        data["description"],
        data["unit"],
        (Decimal(bounds[0]), Decimal(bounds[1])) if bounds else None,
        Decimal(data["resolution"]) if data["resolution"] is not None else None,
        tuple(data["values"]) if data["values"] is not None else None,
        data["nullable"],
    )


def node_catalog(
    assembly: str,
    country: str,
    samples: Iterable[Column],
    scores: Iterable[Score],
    sites: Iterable[Column] = (),
) -> Catalog:
    """The catalogue of one node: the fixed tables, its sample columns, and its scores.

    *samples* are the columns that the node declares (phenotypes, or built-in ones with their
    labels); *scores* the facts of each pgs_id; *sites* what the node adds to `variants`.
    """
    declared = {column.name: column for column in samples}
    built_in = tuple(_with_declared(column, declared.pop(column.name, None)) for column in SAMPLE_COLUMNS)
    person = tuple(
        replace(column, values=(country,)) if column.name == "country" else column for column in built_in
    )
    tables = (
        Table("samples", TableKind.PERSONAL, (*person, *declared.values()), "One row per sample"),
        Table("genotypes", TableKind.PERSONAL, GENOTYPE_COLUMNS, "One row per listed site and person"),
        Table("scores", TableKind.PERSONAL, _score_columns(tuple(scores)), "One row per person and pgs_id"),
        Table(
            "variants",
            TableKind.CATALOGUE,
            (*VARIANT_COLUMNS, *sites),
            "The federation's site list, no counts",
        ),
    )
    return Catalog({table.name: table for table in tables}, assembly)


def with_public_tables(catalog: Catalog) -> Catalog:
    """*catalog* with the tables that a federation has beside those of its nodes."""
    missing = {name: table for name, table in PUBLIC_TABLES.items() if name not in catalog.tables}
    return replace(catalog, tables={**catalog.tables, **missing})


def _with_declared(built_in: Column, declared: Column | None) -> Column:
    """The built-in column, narrowed by what the node declares about it."""
    if declared is None:
        return built_in
    return replace(
        built_in,
        values=declared.values if declared.values is not None else built_in.values,
        nullable=declared.nullable,
        description=declared.description or built_in.description,
    )


def _score_columns(scores: tuple[Score, ...]) -> tuple[Column, ...]:
    """The columns of `scores`, with bounds that hold every id and the finest common resolution."""
    if not scores:
        return SCORE_COLUMNS
    person, pgs_id, score = SCORE_COLUMNS
    widest = (min(item.bounds[0] for item in scores), max(item.bounds[1] for item in scores))
    step = common_step(item.resolution for item in scores)
    ids = tuple(sorted(item.pgs_id for item in scores))
    return person, replace(pgs_id, values=ids), replace(score, bounds=widest, resolution=step)


def common_step(resolutions: Iterable[Decimal]) -> Decimal:
    """The coarsest step of which every one of *resolutions* is a whole multiple.

    >>> common_step([Decimal("0.01"), Decimal("0.005")])
    Decimal('0.005')
    """
    exponent = 0
    numbers = list(resolutions)
    for number in numbers:
        digits = number.as_tuple().exponent
        assert isinstance(digits, int)
        exponent = min(exponent, digits)
    whole = (int(number.scaleb(-exponent)) for number in numbers)
    return Decimal(reduce(gcd, whole, 0) or 1).scaleb(exponent)


def merge_catalogs(nodes: Mapping[str, Catalog]) -> Catalog:
    """The catalogue of a federation: every column of every node, labels united.

    A column that a node lacks is NULL there. Raises ConfigError where two nodes disagree on the
    assembly, or on a column's type, unit, bounds or resolution.
    """
    assemblies = {catalog.assembly: node for node, catalog in nodes.items()}
    if len(assemblies) > 1:
        listed = ", ".join(f"{node} has {assembly}" for assembly, node in sorted(assemblies.items()))
        raise ConfigError(
            "federation", "assembly", f"the nodes differ: {listed}", "use one assembly a federation"
        )
    merged: dict[str, Table] = {}
    owners: dict[tuple[str, str], str] = {}
    for node, catalog in nodes.items():
        for table in catalog.tables.values():
            known = merged.get(table.name, replace(table, columns=()))
            columns = dict(known.by_name)
            for column in table.columns:
                owner = owners.setdefault((table.name, column.name), node)
                columns[column.name] = _merge_column(
                    table.name, columns.get(column.name), column, owner, node
                )
            merged[table.name] = replace(known, columns=tuple(columns.values()))
    complete = {name: _null_where_lacking(table, nodes) for name, table in merged.items()}
    return Catalog(complete, next(iter(assemblies), "GRCh38"))


def _null_where_lacking(table: Table, nodes: Mapping[str, Catalog]) -> Table:
    """The table with every column that some node lacks marked as nullable."""
    return replace(
        table,
        columns=tuple(
            replace(column, nullable=True)
            if any(column.name not in catalog.tables[table.name].by_name for catalog in nodes.values())
            else column
            for column in table.columns
        ),
    )


def _merge_column(table: str, known: Column | None, other: Column, owner: str, node: str) -> Column:
    if known is None:
        return other
    for fact in ("type", "unit"):
        _agree(table, known.name, fact, getattr(known, fact), getattr(other, fact), owner, node)
    bounds, resolution = other.bounds, other.resolution
    if (table, known.name) == ("scores", "score"):
        # each pgs_id has its own facts; the table's column holds them all
        bounds = _hull(known.bounds, other.bounds)
        steps = [step for step in (known.resolution, other.resolution) if step is not None]
        resolution = common_step(steps) if steps else None
    else:
        for fact in ("bounds", "resolution"):
            _agree(table, known.name, fact, getattr(known, fact), getattr(other, fact), owner, node)
    values = None
    if known.values is not None and other.values is not None:
        values = tuple(dict.fromkeys((*known.values, *other.values)))
    nullable = known.nullable or other.nullable
    return replace(known, values=values, nullable=nullable, bounds=bounds, resolution=resolution)


def _agree(table: str, column: str, fact: str, ours: object, theirs: object, owner: str, node: str) -> None:
    if ours != theirs:
        raise ConfigError(
            "federation",
            f"{table}.{column}",
            f"{owner} declares {fact} {_shown(ours)} and {node} declares {_shown(theirs)}",
            f"agree on one {fact} in both node.toml files and ingest again",
        )


def _shown(fact: object) -> str:
    return f"[{', '.join(map(str, fact))}]" if isinstance(fact, tuple) else repr(str(fact))


def _hull(
    ours: tuple[Decimal, Decimal] | None, theirs: tuple[Decimal, Decimal] | None
) -> tuple[Decimal, Decimal] | None:
    if ours is None or theirs is None:
        return ours or theirs
    return min(ours[0], theirs[0]), max(ours[1], theirs[1])
