"""What the numbers of a BCF file mean: its dictionary of names, and each distinct FILTER vector."""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from goe_lake.vcf.blocks import GOOD_FILTERS
from goe_lake.vcf.fast_bcf import (
    DECIMAL,
    IS_DP,
    IS_GQ,
    IS_GQX,
    IS_GT,
    IS_LEN,
    IS_RGQ,
    OTHER,
    ROLES,
    UNCLEAR,
    WHOLE,
    WORDS,
    KnownBytes,
)
from goe_lake.vcf.fast_known import declared_fields, joined_texts
from goe_lake.vcf.header import Header

_ROLES: Final = {"GT": IS_GT, "GQ": IS_GQ, "RGQ": IS_RGQ, "GQX": IS_GQX, "DP": IS_DP, "LEN": IS_LEN}
_HOLDS: Final = {"Integer": WHOLE, "Float": DECIMAL}
#: The vectors of PASS, which is number 0, and of no filter.
_PASS: Final = b"\x11\x00"
_NONE: Final = b"\x00"
_NUMBER: Final = {1: "b", 2: "h", 3: "i"}


class KnownVectors:
    """The FILTER vectors met so far; *known* is replaced, never changed, so that threads may read it.

    *filters* are the filters as the lake keeps them, None for those that say nothing.
    """

    def __init__(self, header: Header, fields: Sequence[str]) -> None:
        self._names = dictionary(header)
        self._formats = declared_fields(header, "FORMAT")
        self._info = declared_fields(header, "INFO")
        self._fields = fields
        self._lock = threading.Lock()
        self._vectors: list[bytes] = [_PASS, _NONE]
        self._odd: list[bool] = [False, False]
        self.filters: list[str | None] = ["PASS", None]
        self.known = self._made()

    @property
    def end_readable(self) -> bool:
        """Whether INFO/END arrives as it is written: as a whole number."""
        return self._info.get("END") == ("Integer", "1")

    def add_filter(self, vector: bytes) -> None:
        """Take up a FILTER vector."""
        with self._lock:
            if vector in self._vectors:
                return
            names = [self._names.get(number) for number in numbers_of(vector)]
            known = [name for name in names if name is not None]
            self._vectors.append(vector)
            self._odd.append(len(known) < len(names) or not names)
            self.filters.append(";".join(known) or None)
            self.known = self._made()

    def _made(self) -> KnownBytes:
        numbers = {name: number for number, name in self._names.items()}
        roles = np.zeros(max(self._names) + 1, np.int8)
        for number, name in self._names.items():
            roles[number] = self._role(name)
        quality = np.full(ROLES, WHOLE, np.int8)
        for name in ("GQ", "RGQ", "GQX"):
            quality[_ROLES[name]] = _HOLDS.get(self._formats.get(name, ("", ""))[0], WORDS)
        return KnownBytes(
            filter_text=joined_texts(self._vectors),
            filter_ends=np.cumsum([len(vector) for vector in self._vectors]),
            good_filters=np.array(
                [set((name or "PASS").split(";")) <= GOOD_FILTERS for name in self.filters]
            ),
            odd_filters=np.array(self._odd),
            roles=roles,
            quality=quality,
            end_key=numbers.get("END", -1) if "END" in self._info else -1,
            has_gq=np.array([False, True, False, True]),
            has_dp=np.array([False, False, True, True]),
        )

    def _role(self, name: str) -> int:
        """What FORMAT field *name* is to the decoder."""
        declared = self._formats.get(name)
        role = _ROLES.get(name, OTHER)
        if declared is None or role == OTHER:
            return OTHER
        if role == IS_GT:
            return role if declared[0] == "String" else UNCLEAR
        kept = name in self._fields
        if kept and declared != ("Integer", "1"):
            return UNCLEAR
        return role if kept or role != IS_DP else OTHER


def numbers_of(vector: bytes) -> list[int]:
    """The whole numbers of a short typed vector; none where it is anything else."""
    kind, size = vector[0] & 15, vector[0] >> 4
    if kind not in _NUMBER or size == 15:
        return []
    return list(struct.unpack(f"<{size}{_NUMBER[kind]}", vector[1:]))


def dictionary(header: Header) -> Mapping[int, str]:
    """The names of filters, INFO and FORMAT fields by the numbers that a BCF file uses for them."""
    names = {"PASS": 0}
    for fields in header.declared_in_order(("FILTER", "INFO", "FORMAT")):
        name = fields.get("ID", "")
        if name not in names:
            names[name] = int(fields.get("IDX", max(names.values()) + 1))
    return {number: name for name, number in names.items()}
