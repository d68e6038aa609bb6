"""The header of a VCF or BCF file: what it declares, as far as the ingest relies on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from goe_lake.errors import InputError

FIXED_COLUMNS: Final = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
#: INFO fields with consequences, which are read in the order in which a file's own are looked for.
CONSEQUENCE_FIELDS: Final = ("CSQ", "ANN", "BCSQ")
_FIELD: Final = re.compile(r'([A-Za-z_.][0-9A-Za-z_.]*)=("(?:[^"\\]|\\.)*"|[^,]*)')


@dataclass(frozen=True)
class Header:
    """The text of a header, from `##fileformat` to the line of column names."""

    text: str

    @cached_property
    def samples(self) -> tuple[str, ...]:
        """The sample ids, in the order of the columns."""
        return tuple(self.columns[len(FIXED_COLUMNS) + 1 :])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self.text.rstrip("\r\n").rsplit("\n", 1)[-1].rstrip("\r").split("\t"))

    @property
    def contigs(self) -> Mapping[str, int | None]:
        """The declared contigs in order, as they are spelt, with their lengths in bases where stated."""
        found: dict[str, int | None] = {}
        for fields in self._lines("contig"):
            if "ID" in fields:
                length = fields.get("length", "")
                found.setdefault(fields["ID"], int(length) if length.isdecimal() else None)
        return found

    @cached_property
    def contig_numbers(self) -> Mapping[int, str]:
        """The contigs by the numbers that a BCF file uses for them."""
        numbers: dict[int, str] = {}
        for place, fields in enumerate(self._lines("contig")):
            numbers[int(fields.get("IDX", place))] = fields.get("ID", "")
        return numbers

    def format_type(self, field: str) -> str | None:
        """The declared type of a FORMAT field, e.g. 'Integer'; None where it is not declared."""
        return next(
            (fields.get("Type") for fields in self._lines("FORMAT") if fields.get("ID") == field), None
        )

    def info_field(self, field: str) -> Mapping[str, str] | None:
        """What the header says about an INFO field: Number, Type, Description; None where nothing."""
        return next((fields for fields in self._lines("INFO") if fields.get("ID") == field), None)

    def declared(self, key: str) -> Iterator[dict[str, str]]:
        """The attributes of each line `##key=<…>`, e.g. of INFO, FORMAT or FILTER, in order."""
        yield from self._lines(key)

    def declared_in_order(self, keys: tuple[str, ...]) -> Iterator[dict[str, str]]:
        """The attributes of all lines with one of *keys*, as the header has them one below the other."""
        for line in self.text.splitlines():
            for key in keys:
                if line.startswith(f"##{key}=<"):
                    yield _attributes(line, key)

    def _lines(self, key: str) -> Iterator[dict[str, str]]:
        for line in self.text.splitlines():
            if line.startswith(f"##{key}=<"):
                yield _attributes(line, key)


def _attributes(line: str, key: str) -> dict[str, str]:
    body = line.removeprefix(f"##{key}=<").rstrip().removesuffix(">")
    return {name: value.strip('"') for name, value in _FIELD.findall(body)}


def parse_header(path: Path, raw: bytes) -> Header:
    """The header of the file at *path* from its *raw* bytes.

    Raises InputError where it is not a VCF header, or names a sample twice.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            path, "its header is not UTF-8 text", "convert the header: iconv and bcftools reheader"
        ) from None
    header = Header(text)
    if header.columns[: len(FIXED_COLUMNS)] != FIXED_COLUMNS:
        raise InputError(
            path,
            "its header does not end with the line #CHROM POS ID REF ALT QUAL FILTER INFO",
            "mend the header; columns are separated by tabs",
        )
    if len(header.columns) > len(FIXED_COLUMNS) and header.columns[len(FIXED_COLUMNS)] != "FORMAT":
        raise InputError(path, "its ninth column is not FORMAT", "mend the header")
    if len(set(header.samples)) < len(header.samples):
        twice = next(sample for sample, times in Counter(header.samples).items() if times > 1)
        raise InputError(path, f"names sample {twice!r} twice", "give each sample once: bcftools reheader")
    return header
