"""Chosen INFO fields as columns of `variants`: typed from the header, one value an alternate allele.

Numbers that were counted or measured in persons (AC, AN, AF, NS, DP, QD …) are refused by name: as a
column of a site they would leave the node without any control. The lake counts genotypes itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.catalog import Column, ColumnType
from goe_lake.config import Annotation
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake.consequences import (
    NO_EFFECT,
    ConsequenceFormat,
    Effect,
    consequence_format,
)
from goe_lake.vcf.alleles import Record
from goe_lake.vcf.arrow import Vector, array, nulls, pc
from goe_lake.vcf.chunk import Chunk
from goe_lake.vcf.header import CONSEQUENCE_FIELDS, Header

_COMPUTED: Final = """
AC AN AF MAF MAC NS AC_HET AC_HOM AC_HEMI NHOMALT NHET NHEMI HET HOM HOMALT N_ALT TAC TSAMPLES CARRIERS
NCARRIERS SAMPLE SAMPLES HWE EXCHET EXCESSHET INBREEDINGCOEFF FMISSING F_MISSING MISSING CALLRATE CALL_RATE
MLEAC MLEAF DP DP4 AD ADF ADR AO RO PAO PRO QA QR QD QUAL MQ MQ0 RAW_MQ RAW_MQANDDP FS SOR VQSLOD CULPRIT AQ
AB ABP ABHET ABHOM GC GQ_MEAN GQ_STDDEV NCC NDA BASEQRANKSUM MQRANKSUM READPOSRANKSUM CLIPPINGRANKSUM AS_QD
AS_FS AS_SOR AS_MQ HAPLOTYPESCORE SB BQB MQB MQSB RPB VDB SGB AVGQUAL PAIRED SUPPORT RE SU PE SR
"""
#: What callers compute from the genotypes or reads of the persons in a file, in capitals.
FROM_PERSONS: Final = frozenset(_COMPUTED.split())
_LIKE_COUNTS: Final = re.compile(
    r"(^|[^A-Z0-9])(AC|AN|AF|MAF|MAC|NS|NHOMALT|FREQ|COUNTS?|HET|HOM|HEMI|CARRIERS?|SAMPLES?)(?=$|[^A-Z])|FREQUENC"
)
_SEPARATOR: Final = "\x1f"
_TYPES: Final[Mapping[str, tuple[ColumnType, pa.DataType]]] = {
    "Integer": (ColumnType.INTEGER, pa.int64()),
    "Float": (ColumnType.DOUBLE, pa.float64()),
    "Flag": (ColumnType.BOOLEAN, pa.bool_()),
    "String": (ColumnType.TEXT, pa.string()),
    "Character": (ColumnType.TEXT, pa.string()),
}
#: Read anyway, or of no use as a column.
_OTHERWISE_USED: Final = frozenset({*CONSEQUENCE_FIELDS, "END", "SVLEN", "SVTYPE"})


@dataclass(frozen=True)
class InfoField:
    """One kept INFO field: *kind* and *number* are Type and Number of its header line."""

    name: str
    kind: str
    number: str
    description: str

    @property
    def column(self) -> Column:
        """The column of `variants` as analysts see it."""
        many = self.number not in ("0", "1", "A", "R")
        kind = ColumnType.TEXT if many else _TYPES[self.kind][0]
        return Column(column_name(self.name), kind, self.description)

    @property
    def stored(self) -> pa.Field[pa.DataType]:
        """The column as the lake stores it."""
        kind = pa.string() if self.column.type is ColumnType.TEXT else _TYPES[self.kind][1]
        return pa.field(self.column.name, kind)

    def pick(self, text: str, allele: int) -> str | None:
        """The value for alternate allele number *allele* (from 1) of the field's *text*, None where missing.

        Raises ValueError where it is not of the field's type.
        """
        if self.number in ("A", "R"):
            values = text.split(",")
            place = allele - (self.number == "A")
            text = values[place] if place < len(values) else "."
        if text in (".", "", "NaN", "nan"):
            return None
        if self.column.type is ColumnType.INTEGER:
            return str(int(text))
        if self.column.type is ColumnType.DOUBLE:
            # a BCF keeps 32 bits, so a VCF gets no more: the same records give the same bytes
            number = np.float32(text)
            return repr(float(str(number))) if np.isfinite(number) else None
        return text


def column_name(field: str) -> str:
    """The column of INFO field *field*.

    >>> column_name("CADD.phred")
    'info_cadd_phred'
    """
    return "info_" + re.sub(r"[^a-z0-9]+", "_", field.lower()).strip("_")


def check_choice(file: Path, annotation: Annotation) -> None:
    """Raise ConfigError where a chosen field tells about persons, or two would be one column."""
    columns: dict[str, str] = {}
    for name in annotation.info_fields:
        upper = name.upper()
        if upper in FROM_PERSONS:
            raise ConfigError(
                file, "annotation.info_fields", f"{name} is computed from the persons in the file",
                "remove it: such numbers leave a node only as answers under disclosure control. A field of "
                "that name from an outside reference needs another name: bcftools annotate -c",
            )  # fmt: skip
        if _LIKE_COUNTS.search(upper) and name not in annotation.info_sources:
            raise ConfigError(
                file, "annotation.info_fields", f"{name} looks like counts or frequencies of persons",
                "remove it; if it comes from an outside reference, say from which: "
                f'[annotation.info_sources] {name} = "gnomAD v4.1"',
            )  # fmt: skip
        if name in _OTHERWISE_USED:
            raise ConfigError(
                file, "annotation.info_fields", f"{name} is read anyway",
                "remove it: see the columns gene, consequence, end_pos, sv_len and type",
            )  # fmt: skip
        other = columns.setdefault(column_name(name), name)
        if other != name:
            raise ConfigError(
                file, "annotation.info_fields", f"{other} and {name} would both be {column_name(name)}",
                "keep one of them",
            )  # fmt: skip


def info_fields(annotation: Annotation, headers: Mapping[Path, Header]) -> tuple[InfoField, ...]:
    """The chosen fields as the headers of the genotype files declare them.

    Raises InputError where a file declares one of them otherwise, or none declares it.
    """
    found: dict[str, InfoField] = {}
    for path, header in headers.items():
        for name in annotation.info_fields:
            facts = header.info_field(name)
            if facts is None:
                continue
            source = annotation.info_sources.get(name)
            said = facts.get("Description", "") or f"INFO/{name}"
            field = InfoField(
                name, facts.get("Type", ""), facts.get("Number", ""), f"{said} ({source})" if source else said
            )
            if field.kind not in _TYPES:
                raise InputError(
                    path, f"INFO/{name} has the type {field.kind!r}", "mend its line in the header"
                )
            known = found.setdefault(name, field)
            if (known.kind, known.number) != (field.kind, field.number):
                raise InputError(
                    path,
                    f"INFO/{name} is Number={field.number}, Type={field.kind} here and "
                    f"Number={known.number}, Type={known.kind} in other files",
                    "mend the headers: bcftools annotate -h",
                )
    for name in annotation.info_fields:
        if headers and name not in found:
            raise InputError(
                next(iter(headers)), f"no genotype file declares INFO/{name}", "take it out of info_fields"
            )
    return tuple(found[name] for name in annotation.info_fields if name in found)


@dataclass(frozen=True)
class InfoReader:
    """What is read from INFO in one file: *consequences* where it has such a field, and *fields*."""

    consequences: ConsequenceFormat | None
    fields: tuple[InfoField, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The INFO fields that a decoder has to keep."""
        own = (self.consequences.name,) if self.consequences else ()
        return (*own, *(field.name for field in self.fields))

    def annotate(self, chunk: Chunk, rows: pa.Table) -> tuple[pa.Table, list[tuple[int, str, str]]]:
        """*rows* of *chunk* with the columns gene, consequence and info.

        Also what could not be read: for each the record's place in the chunk, the field and its text.
        """
        assert chunk.info is not None
        notes = {
            (chunk.records[place].number, row.pos, row.ref, row.alt, row.end_pos): (place, row.allele)
            for place, row in chunk.rows
        }
        read = [_fields(text) for text in chunk.info]
        effects = [self._effects(record, text) for record, text in zip(chunk.records, read, strict=True)]
        made: dict[str, list[str | None]] = {"gene": [], "consequence": [], "info": []}
        bad: list[tuple[int, str, str]] = []
        keys = zip(
            *(rows[name].to_pylist() for name in ("record", "pos", "ref", "alt", "end_pos")), strict=True
        )
        for place, allele in (notes[key] for key in keys):
            effect = effects[place][allele - 1] if effects[place] else NO_EFFECT
            made["gene"].append(effect.gene)
            made["consequence"].append(effect.consequence)
            made["info"].append(self._packed(place, read[place], allele, bad))
        for name, values in made.items():
            rows = rows.set_column(rows.column_names.index(name), name, array(values, pa.string()))
        return rows, bad

    def _effects(self, record: Record, fields: Mapping[str, str | None]) -> Sequence[Effect]:
        if self.consequences is None:
            return ()
        text = fields.get(self.consequences.name)
        return self.consequences.effects(text, record) if text else ()

    def _packed(
        self, place: int, fields: Mapping[str, str | None], allele: int, bad: list[tuple[int, str, str]]
    ) -> str | None:
        """The values of the kept fields for one allele in one text, empty where missing."""
        if not self.fields:
            return None
        values: list[str] = []
        for field in self.fields:
            text = fields.get(field.name, "")
            if field.kind == "Flag":
                values.append("true" if field.name in fields else "false")
                continue
            try:
                values.append(field.pick(text or "", allele) or "")
            except ValueError:
                values.append("")
                bad.append((place, field.name, (text or "")[:80]))
        return _SEPARATOR.join(values)


def _fields(text: str) -> dict[str, str | None]:
    """The fields of an INFO text; None for a flag."""
    pairs = (item.partition("=") for item in text.split(";") if item)
    return {name: value if sign else None for name, sign, value in pairs}


def info_reader(header: Header, fields: tuple[InfoField, ...]) -> InfoReader:
    """What is read from INFO in a file with that *header*."""
    described = ((name, header.info_field(name)) for name in CONSEQUENCE_FIELDS)
    formats = (
        consequence_format(name, facts.get("Description", ""))
        for name, facts in described
        if facts is not None
    )
    return InfoReader(next((found for found in formats if found is not None), None), fields)


def joined(first: str | None, second: str | None) -> str | None:
    """Two packed texts of one site as one: the first value that is there; a flag where either has it.

    >>> joined("false\x1f", "true\x1f2") == joined("true\x1f2", None) == "true\x1f2"
    True
    """
    if first is None or second is None or first == second:
        return first if second is None else second
    pairs = zip(first.split(_SEPARATOR), second.split(_SEPARATOR), strict=True)
    return _SEPARATOR.join(other if mine in ("", "false") and other else mine for mine, other in pairs)


def unpacked(packed: Vector, fields: tuple[InfoField, ...]) -> dict[str, Vector]:
    """The typed columns of texts that `InfoReader` packed; a site that no file annotates has NULLs."""
    if not fields:
        return {}
    if not pc.any(pc.is_valid(packed)).as_py():
        return {field.stored.name: nulls(len(packed), field.stored.type) for field in fields}
    parts = pc.split_pattern(packed, _SEPARATOR)
    columns: dict[str, Vector] = {}
    for place, field in enumerate(fields):
        texts = pc.list_element(parts, place)
        texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
        columns[field.stored.name] = texts.cast(field.stored.type)
    return columns
