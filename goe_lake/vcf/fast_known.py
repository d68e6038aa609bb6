"""What the FILTER and FORMAT texts of a file mean, worked out once for each distinct text."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from goe_lake.vcf.blocks import BLOCK_QUALITY, GOOD_FILTERS
from goe_lake.vcf.fast_text import (
    DP,
    FLOATS,
    GQ,
    GT,
    INTEGERS,
    NO_QUALITY,
    NUMBER,
    ODD_QUALITY,
    TEXT,
    Known,
    Text,
)
from goe_lake.vcf.header import Header
from goe_lake.vcf.odd import Asking, filters_of

MOST_FIELDS: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
_KINDS: Final = {"Integer": INTEGERS, "Float": FLOATS, "String": TEXT, "Character": TEXT}
_KEPT: Final = {"GQ": GQ, "DP": DP}


class MustAsk(Exception):
    """A FILTER has to be shown to cyvcf2, and nobody may do so."""


class KnownTexts:
    """The texts met so far; *known* is replaced, never changed, so that threads may read it at any time.

    *asking* gives a file that may be written, and what calls cyvcf2; without it a FILTER that it has to
    explain raises MustAsk.
    *filters* are the filters as the lake keeps them, None for those that say nothing.
    """

    def __init__(self, path: Path, header: Header, fields: Sequence[str], asking: Asking | None) -> None:
        self._path, self._header, self._fields, self._asking = path, header, fields, asking
        self._types = declared_fields(header, "FORMAT")
        self._lock = threading.Lock()
        self._filter_texts: list[bytes] = [b"PASS", b"."]
        self._odd_filters: list[bool] = [False, False]
        self._formats: list[bytes] = [b"GT"]
        self.filters: list[str | None] = ["PASS", None]
        self.known = self._made()

    @property
    def end_readable(self) -> bool:
        """Whether INFO/END arrives as it is written: as a whole number, or undeclared as text."""
        declared = declared_fields(self._header, "INFO").get("END")
        return declared is None or declared in (("Integer", "1"), ("String", "1"))

    def add_filter(self, text: bytes) -> None:
        """Take up a FILTER text; cyvcf2 says what it means."""
        with self._lock:
            if text in self._filter_texts:
                return
            meaning = self._meaning(text)
            self._filter_texts.append(text)
            self._odd_filters.append(meaning is None)
            self.filters.append(";".join(meaning or ()) or None)
            self.known = self._made()

    def add_format(self, text: bytes) -> None:
        """Take up a FORMAT text."""
        with self._lock:
            if text not in self._formats:
                self._formats.append(text)
                self.known = self._made()

    def has(self, name: str) -> list[bool]:
        """For each FORMAT text whether it names the field."""
        return [name.encode() in text.split(b":") for text in self._formats]

    def _meaning(self, text: bytes) -> list[str] | None:
        """The filters that cyvcf2 reads in *text*, None where it cannot read it."""
        if self._asking is None:
            raise MustAsk
        scratch, apart = self._asking()
        persons = len(self._header.samples)
        contig = next(iter(self._header.contigs), "chr1")
        record = b"\t".join([contig.encode(), b"1", b".", b"A", b"C", b".", text, b".", b"GT"])
        try:
            scratch.write_bytes(self._header.text.encode() + record + b"\t./." * persons + b"\n")
            found: list[str] | None = apart(self._path, filters_of, scratch)
        finally:
            scratch.unlink(missing_ok=True)
        return found

    def _made(self) -> Known:
        plans = [self._plan(text.decode("utf-8", "replace").split(":")) for text in self._formats]
        fields = np.zeros((len(plans), MOST_FIELDS), np.int8)
        for number, (kinds, _) in enumerate(plans):
            fields[number, : len(kinds)] = kinds
        return Known(
            filter_text=joined_texts(self._filter_texts),
            filter_ends=np.cumsum([len(text) for text in self._filter_texts]),
            good_filters=np.array(
                [set((name or "PASS").split(";")) <= GOOD_FILTERS for name in self.filters]
            ),
            odd_filters=np.array(self._odd_filters),
            format_text=joined_texts(self._formats),
            format_ends=np.cumsum([len(text) for text in self._formats]),
            narrow=np.array([text == b"GT" for text in self._formats]),
            fields=fields,
            field_counts=np.array([len(kinds) for kinds, _ in plans]),
            quality=np.array([quality for _, quality in plans]),
            lengths=np.array(self.has("LEN")),
            has_gq=np.array(self.has("GQ")),
            has_dp=np.array(self.has("DP")),
        )

    def _plan(self, names: list[str]) -> tuple[list[int], int]:
        """The kind of each field of a FORMAT, none where it is odd; and the field of a block's quality."""
        kinds = [self._kind(name) for name in names]
        usual = len(set(names)) == len(names) <= MOST_FIELDS and all(map(_NAME.fullmatch, names))
        if not usual or "GT" not in names or None in kinds:
            return [], NO_QUALITY
        found = [kind for kind in kinds if kind is not None]
        quality = next((name for name in BLOCK_QUALITY if name in names), None)
        if quality is None:
            return found, NO_QUALITY
        place = names.index(quality)
        if found[place] == TEXT:
            return found, NO_QUALITY
        if found[place] == FLOATS:
            return found, ODD_QUALITY
        if found[place] == INTEGERS:
            found[place] = NUMBER
        return found, place

    def _kind(self, name: str) -> int | None:
        """The kind of a FORMAT field, None where it is odd."""
        if name == "GT":
            return GT
        declared = self._types.get(name, ("String", "1"))
        if name in self._fields:
            return _KEPT[name] if declared == ("Integer", "1") else None
        return _KINDS.get(declared[0])


def declared_fields(header: Header, key: str) -> Mapping[str, tuple[str, str]]:
    """The type and number of each declared field; no type where it is declared in several ways."""
    found: dict[str, tuple[str, str]] = {}
    for fields in header.declared(key):
        name, facts = fields.get("ID", ""), (fields.get("Type", ""), fields.get("Number", ""))
        found[name] = facts if found.get(name, facts) == facts else ("", "")
    return found


def joined_texts(texts: list[bytes]) -> Text:
    """The texts one after the other."""
    return np.frombuffer(b"".join(texts), np.uint8)
