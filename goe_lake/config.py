"""`node.toml`: one country's installation, as its data engineer writes it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, cast

from goe_lake.catalog import (
    MEASURED,
    SAMPLE_COLUMNS,
    TOTAL_LABEL,
    Catalog,
    Column,
    ColumnType,
    Score,
    node_catalog,
)
from goe_lake.errors import ConfigError
from goe_lake.genome import ASSEMBLIES
from goe_lake.settings import Section, read_toml

AbsentSites = Literal["hom_ref", "not_called"]

COUNTRY: Final = re.compile(r"[A-Z]{2}")
NODE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DECLARABLE: Final = ("double", "integer", "boolean", "label", "date")
ANNOTATION_FILES: Final = ("genes", "variants", "dbsnp", "clinvar")
FORMAT_FIELDS: Final = ("GQ", "DP")
MOST_QUARANTINED: Final = 0.01


@dataclass(frozen=True)
class GenotypeDelivery:
    """One `[[genotypes]]` entry: VCF files of persons that no other delivery holds.

    *callable* is a BED of where every person was looked at; in reference blocks of a gVCF a person
    whose quality is below *min_block_gq* is not called.
    """

    files: tuple[Path, ...]
    absent_sites: AbsentSites
    format_fields: tuple[str, ...]
    callable: Path | None = None
    min_block_gq: int = 1

    @property
    def kept_fields(self) -> tuple[str, ...]:
        """The *format_fields*, in the order in which they are kept."""
        return tuple(field for field in ("GQ", "DP") if field in self.format_fields)


@dataclass(frozen=True)
class Annotation:
    """`[annotation]`: genes by place, a table of site annotations, VCFs of known sites, and INFO fields.

    *info_sources* says where values come from, for fields whose names look like counts of persons.
    """

    genes: Path | None = None
    variants: Path | None = None
    dbsnp: Path | None = None
    clinvar: Path | None = None
    info_fields: tuple[str, ...] = ()
    info_sources: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def files(self) -> Mapping[str, Path]:
        """The files by the settings that name them."""
        named = {name: getattr(self, name) for name in ANNOTATION_FILES}
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True)
class NodeConfig:
    """A whole `node.toml`; every path is absolute.

    *reference* is a FASTA by which indels are left-aligned. *max_quarantined* is the largest share
    (0..1) of values of one column, or of records of one file, that may be put aside before the ingest
    fails.
    """

    file: Path
    node_id: str
    country: str
    name: str
    assembly: str
    lake: Path
    ledger: Path
    policy: Path | None
    reference: Path | None
    genotypes: tuple[GenotypeDelivery, ...]
    samples: Path
    withdrawn: Path | None
    sample_columns: tuple[Column, ...]
    score_files: tuple[Path, ...]
    scores: tuple[Score, ...]
    annotation: Annotation
    max_quarantined: float

    def catalog(self) -> Catalog:
        """The node's public catalogue, as far as `node.toml` declares it."""
        return node_catalog(self.assembly, self.country, self.sample_columns, self.scores)


def read_node(path: Path | str) -> NodeConfig:
    """Read and check the `node.toml` at *path*; globs are expanded, relative to the file.

    Raises ConfigError naming the setting and the mend.
    """
    file = Path(path).resolve()
    top = read_toml(file)
    node = top.section("node")
    country = node.text("country", 'give the ISO 3166-1 alpha-2 code, e.g. country = "EE"')
    if not COUNTRY.fullmatch(country):
        raise node.error("country", f"{country!r} is not two capital letters", 'e.g. country = "EE"')
    node_id = node.text_or("id", f"GOE-{country}-NODE-1", "e.g. GOE-EE-NODE-1")
    if not NODE_ID.fullmatch(node_id):
        raise node.error(
            "id", f"{node_id!r} has other characters than letters, digits and ._-", "e.g. GOE-EE-NODE-1"
        )
    config = NodeConfig(
        file=file,
        node_id=node_id,
        country=country,
        name=node.text_or("name", f"Node {country}", "a name that people know it by"),
        assembly=node.text_or("assembly", "GRCh38", "name the reference build", choices=tuple(ASSEMBLIES)),
        lake=_path(node, node.text_or("lake", "lake", "the folder of the lake")),
        ledger=_path(node, node.text_or("ledger", "ledger", "the folder of what the node remembers")),
        policy=_optional_path(node, "policy"),
        reference=_reference(node),
        genotypes=tuple(_delivery(entry) for entry in top.sections("genotypes")),
        samples=_samples_file(top.section("samples")),
        withdrawn=_withdrawn_file(top.section("samples")),
        sample_columns=_sample_columns(top.section("samples").section("columns")),
        score_files=tuple(_score_file(entry) for entry in top.sections("scores")),
        scores=tuple(
            score for entry in top.sections("scores") for score in _scores(entry.section("columns"))
        ),
        annotation=_annotation(top.section("annotation")),
        max_quarantined=_share(top.section("ingest")),
    )
    node.done()
    _refuse_later_sections(top)
    top.done()
    return config


def _path(section: Section, text: str) -> Path:
    return (Path(section.file).parent / text).resolve()


def _optional_path(section: Section, name: str) -> Path | None:
    text = section.text_or(name, "", "a path relative to this file")
    return _path(section, text) if text else None


def _reference(section: Section) -> Path | None:
    path = _optional_path(section, "reference")
    return None if path is None else _existing(section, "reference", path)


def _existing(section: Section, name: str, path: Path) -> Path:
    if not path.is_file():
        raise section.error(name, f"there is no file {path}", "check the path; it is relative to this file")
    return path


def _delivery(section: Section) -> GenotypeDelivery:
    patterns = section.texts("files", 'e.g. files = ["vcf/*.vcf.gz"]')
    if not patterns:
        raise section.error("files", "names no VCF", 'e.g. files = ["vcf/*.vcf.gz"]')
    absent = section.text_or(
        "absent_sites",
        "not_called",
        "hom_ref if every site was looked at in these persons, else not_called",
        choices=("hom_ref", "not_called"),
    )
    fields = section.texts("format_fields", 'e.g. format_fields = ["GQ", "DP"]') or ()
    for field in fields:
        if field not in FORMAT_FIELDS:
            raise section.error(
                "format_fields", f"{field!r} has no column", f"choose from {', '.join(FORMAT_FIELDS)}"
            )
    regions = _optional_path(section, "callable")
    if regions is not None:
        _existing(section, "callable", regions)
        if absent == "hom_ref":
            raise section.error(
                "callable",
                "says where sites were looked at, and absent_sites says everywhere",
                "remove one of the two",
            )
    quality = section.integer(
        "min_block_gq", 1, "the least GQ of a reference block that counts as called", least=0, most=99
    )
    section.done()
    return GenotypeDelivery(
        _expand(section, "files", patterns), cast(AbsentSites, absent), fields, regions, quality
    )


def _expand(section: Section, name: str, patterns: Iterable[str]) -> tuple[Path, ...]:
    """The files that *patterns* name, each once, sorted within a pattern."""
    found: dict[Path, None] = {}
    base = Path(section.file).parent
    for pattern in patterns:
        plain = base / pattern
        if any(mark in pattern for mark in "*?["):
            root = Path(plain.anchor)
            matches = sorted(path for path in root.glob(str(plain.relative_to(root))) if path.is_file())
        else:
            matches = [plain] if plain.is_file() else []
        if not matches:
            raise section.error(
                name, f"{pattern!r} names no file", "check the path; it is relative to this file"
            )
        found.update(dict.fromkeys(path.resolve() for path in matches))
    return tuple(found)


def _samples_file(section: Section) -> Path:
    mend = 'e.g. [samples] file = "samples.tsv"'
    path = _existing(section, "file", _path(section, section.text("file", mend)))
    section.section("columns")
    _withdrawn_file(section)
    section.done()
    return path


def _withdrawn_file(section: Section) -> Path | None:
    path = _optional_path(section, "withdrawn")
    return None if path is None else _existing(section, "withdrawn", path)


def _sample_columns(section: Section) -> tuple[Column, ...]:
    return tuple(_sample_column(section.section(name), name) for name in section.names())


def _sample_column(section: Section, name: str) -> Column:
    built_in = {column.name: column for column in SAMPLE_COLUMNS}.get(name)
    if name in ("sample_id", "country"):
        raise section.error("(the column)", f"{name} is fixed", "remove this table")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise section.error("(the column)", f"{name!r} is not lower snake case", "rename it, e.g. ldl_direct")
    default = built_in.type.value if built_in else ""
    kind = ColumnType(
        section.text("type", f"one of {', '.join(DECLARABLE)}", choices=DECLARABLE)
        if not default
        else section.text_or("type", default, f"{name} is {default}", choices=(default,))
    )
    column = Column(
        name,
        kind,
        section.text_or("description", "", "one line on what was measured"),
        section.text_or("unit", built_in.unit if built_in else "", "e.g. kg/m2"),
        _bounds(section) or (built_in.bounds if built_in else None),
        section.decimal("resolution", "the step of the values, e.g. 0.01")
        or (built_in.resolution if built_in else None),
        _labels(section, kind),
        section.truth("nullable", True, "true if the value may be missing"),
    )
    if name == "population" and TOTAL_LABEL in (column.values or ()):
        raise section.error("values", f"{TOTAL_LABEL!r} stands for the total of populations", "rename it")
    section.done()
    return _checked(section, column)


def _bounds(section: Section) -> tuple[Decimal, Decimal] | None:
    bounds = section.decimals("bounds", "lowest and highest possible value, e.g. [10, 80]")
    if bounds is None:
        return None
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise section.error("bounds", "must be a lower and a higher number", "e.g. [10, 80]")
    return bounds[0], bounds[1]


def _labels(section: Section, kind: ColumnType) -> tuple[str, ...] | None:
    values = section.texts("values", 'its public labels, e.g. values = ["EstBB"]')
    if values is None:
        return None
    if kind is not ColumnType.LABEL:
        raise section.error("values", f"a {kind} column has no labels", 'remove it, or set type = "label"')
    if len(set(values)) != len(values) or "" in values:
        raise section.error("values", "a label is empty or given twice", "list each label once")
    return values


def _checked(section: Section, column: Column) -> Column:
    """Refuse a measured column without the public facts that exact sums and control rest on."""
    if column.type in (ColumnType.DOUBLE, ColumnType.INTEGER) and column.bounds is None:
        raise section.error(
            "bounds", "is missing", "give the lowest and highest possible value, e.g. [10, 80]"
        )
    if column.type is ColumnType.DOUBLE and column.resolution is None:
        raise section.error("resolution", "is missing", "give the step of the values, e.g. 0.01")
    if column.resolution is not None and column.resolution <= 0:
        raise section.error("resolution", f"{column.resolution} is not above 0", "e.g. 0.01")
    if column.type is ColumnType.INTEGER and column.resolution not in (None, Decimal(1)):
        raise section.error(
            "resolution", "an integer column has resolution 1", 'remove it, or set type = "double"'
        )
    if column.type is ColumnType.INTEGER and column.bounds and max(map(abs, column.bounds)) >= 2**31:
        hint = "a column of larger whole numbers is a double with resolution 1"
        raise section.error("bounds", "an integer column holds -2147483647 to 2147483647", hint)
    if column.type not in MEASURED and (column.bounds or column.resolution):
        raise section.error(
            "bounds", f"a {column.type} column has neither bounds nor resolution", "remove them"
        )
    if column.type in (ColumnType.INTEGER, ColumnType.DATE) and column.resolution is None:
        return Column(**{**vars(column), "resolution": Decimal(1)})
    return column


def _score_file(section: Section) -> Path:
    path = _existing(section, "file", _path(section, section.text("file", 'e.g. file = "scores.tsv"')))
    section.section("columns")
    section.done()
    return path


def _scores(section: Section) -> tuple[Score, ...]:
    return tuple(_score(section.section(name), name) for name in section.names())


def _score(section: Section, pgs_id: str) -> Score:
    bounds = _bounds(section)
    resolution = section.decimal("resolution", "the step of the sums, e.g. 0.0001")
    if bounds is None:
        raise section.error("bounds", "is missing", "give the extreme sums of the score, e.g. [-4.5, 6.2]")
    if resolution is None or resolution <= 0:
        raise section.error(
            "resolution", "is missing or not above 0", "give the step of the sums, e.g. 0.0001"
        )
    description = section.text_or("description", "", "what the score predicts")
    section.done()
    return Score(pgs_id, bounds, resolution, description)


def _annotation(section: Section) -> Annotation:
    paths = {name: _optional_path(section, name) for name in ANNOTATION_FILES}
    for name, path in paths.items():
        if path is not None:
            _existing(section, name, path)
    fields = section.texts("info_fields", 'INFO fields to keep as columns, e.g. info_fields = ["CADD"]') or ()
    if len(set(fields)) != len(fields):
        raise section.error("info_fields", "names a field twice", "name each field once")
    sources = section.section("info_sources")
    given = {name: sources.text(name, "the reference that the values come from") for name in sources.names()}
    for name in given:
        if name not in fields:
            raise sources.error(name, "is not among info_fields", "add it there, or remove it here")
    sources.done()
    section.done()
    return Annotation(**paths, info_fields=fields, info_sources=given)


def _share(section: Section) -> float:
    share = section.decimal("max_quarantined", "a share between 0 and 1, e.g. 0.01")
    section.done()
    if share is None:
        return MOST_QUARANTINED
    if not 0 <= share <= 1:
        raise section.error("max_quarantined", f"{share} is not between 0 and 1", "e.g. 0.01")
    return float(share)


def _refuse_later_sections(top: Section) -> None:
    if top.has("pgs"):
        raise ConfigError(
            top.file, "pgs", "scoring files are not computed by the ingest yet",
            "compute the scores and give them as [[scores]] with file = …",
        )  # fmt: skip
