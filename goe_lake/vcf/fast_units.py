"""Parsing one unit, the text of a VCF or the records of a BCF, into the same arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from goe_lake.errors import InputError
from goe_lake.vcf.fast_bcf import measure_records, parse_records
from goe_lake.vcf.fast_known import KnownTexts
from goe_lake.vcf.fast_known_bcf import KnownVectors
from goe_lake.vcf.fast_table import Unit
from goe_lake.vcf.fast_text import (
    CELLS,
    FACTS,
    NEW_FILTER,
    NEW_FORMAT,
    NOTES,
    RS_END,
    RS_START,
    STATE,
    Limits,
    Lines,
    Text,
    parse_lines,
)
from goe_lake.vcf.header import Header
from goe_lake.vcf.odd import Asking
from goe_lake.vcf.scan_text import count_lines

#: Bytes that a record's ID and alleles may need beyond those of what the record shares.
SLACK = 8


class Units(Protocol):
    """How the units of a piece are parsed; *end_readable* says that INFO/END arrives as it is written."""

    @property
    def end_readable(self) -> bool:
        """See above."""

    def check(self, records: int, raw: Text) -> None:
        """Raise InputError where the bytes *raw* are not so many *records*: the file changed."""

    def parse(self, first: int, records: int, raw: Text, limits: Limits) -> Unit:
        """The unit of the bytes *raw*, surely so many *records*, of which *first* is the number of the first.

        It has no table yet.
        """


class TextUnits:
    """Units of a VCF."""

    def __init__(
        self,
        path: Path,
        header: Header,
        fields: tuple[str, ...],
        index: npt.NDArray[np.uint32],
        asking: Asking | None,
    ) -> None:
        self._path, self._index = path, index
        self._known = KnownTexts(path, header, fields, asking)

    @property
    def end_readable(self) -> bool:
        """See Units."""
        return self._known.end_readable

    def check(self, records: int, raw: Text) -> None:
        """See Units."""
        if count_lines(raw) + (not _ends_line(raw)) != records:
            raise _changed(self._path)

    def parse(self, first: int, records: int, raw: Text, limits: Limits) -> Unit:
        """See Units."""
        text = raw if _ends_line(raw) else np.append(raw, np.uint8(ord("\n")))
        lines = lines_for(records, len(text), limits)
        line = at = 0
        while True:
            line, at = parse_lines(text, at, line, records, self._known.known, limits, lines)
            if line == records:
                break
            facts = lines.facts[line]
            found = bytes(text[facts[RS_START] : facts[RS_END]])
            add = {NEW_FILTER: self._known.add_filter, NEW_FORMAT: self._known.add_format}
            add[int(facts[STATE])](found)
        return Unit(first, text, text, lines, self._known.known, self._known.filters, self._index)


class RecordUnits:
    """Units of a BCF."""

    def __init__(
        self, path: Path, header: Header, fields: tuple[str, ...], index: npt.NDArray[np.uint32]
    ) -> None:
        self._path, self._index = path, index
        self._known = KnownVectors(header, fields)

    @property
    def end_readable(self) -> bool:
        """See Units."""
        return self._known.end_readable

    def check(self, records: int, raw: Text) -> None:
        """See Units."""
        if measure_records(raw)[0] != records:
            raise _changed(self._path)

    def parse(self, first: int, records: int, raw: Text, limits: Limits) -> Unit:
        """See Units."""
        _, shared = measure_records(raw)
        # ID and alleles as text never need more room than what they are part of
        text = np.empty(shared + SLACK * records + SLACK, np.uint8)
        lines = lines_for(records, len(raw), limits)
        line = at = to = 0
        while True:
            line, at, to = parse_records(raw, text, at, to, line, records, self._known.known, limits, lines)
            if line == records:
                break
            facts = lines.facts[line]
            self._known.add_filter(bytes(raw[facts[RS_START] : facts[RS_END]]))
        return Unit(first, raw, text, lines, self._known.known, self._known.filters, self._index)


def lines_for(records: int, size: int, limits: Limits) -> Lines:
    """Arrays that hold whatever *records* in *size* bytes may say."""
    persons = limits.persons
    most = min(records * persons, size) + 1
    return Lines(
        facts=np.empty((records, FACTS), np.int64),
        person=np.empty(most, np.uint32),
        first=np.empty(most, np.int8),
        second=np.empty(most, np.int8),
        gq=np.empty((records if limits.keep_gq else 1, persons), np.int32),
        dp=np.empty((records if limits.keep_dp else 1, persons), np.int32),
        called=np.empty((records, persons), np.int8),
        scratch=np.zeros(3 * CELLS, np.uint8),
        notes=np.zeros((3, NOTES), np.int64),
    )


def _ends_line(raw: Text) -> bool:
    return len(raw) > 0 and bool(raw[-1] == ord("\n"))


def _changed(path: Path) -> InputError:
    return InputError(path, "changed while it was ingested", "run the ingest again")
