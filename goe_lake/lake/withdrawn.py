"""Persons who have withdrawn: who they are, and leaving them out of every table that is read.

A list names sample ids or person ids, one a line; all samples of a named person go. A person whom
the samples table does not name is left out as well. Nothing here is kept in the lake: the size or
the digest of such a list would itself be a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from goe_lake.errors import InputError
from goe_lake.lake.tables import column_of
from goe_lake.vcf.arrow import array, pc


@dataclass(frozen=True)
class Withdrawn:
    """The ids of a list of withdrawals; *name* is the file as messages call it."""

    name: str = ""
    ids: frozenset[str] = frozenset()

    def leave_out(self, samples: pa.Table) -> pa.Table:
        """The rows of a samples table (text, with `sample_id`) of persons who have not withdrawn."""
        if not self.ids:
            return samples
        listed = array(sorted(self.ids), pa.string())
        ids = column_of(samples, "sample_id")
        persons = pc.coalesce(column_of(samples, "person_id"), ids)
        named = pc.or_(pc.is_in(ids, listed), pc.is_in(persons, listed))
        return samples.filter(pc.invert(pc.is_in(persons, persons.filter(named))))

    def remarks(
        self, table: str, known: Iterable[str], staying: Iterable[str], genotyped: Iterable[str]
    ) -> Iterator[str]:
        """What the data engineer should know, in counts and never in ids.

        *known* are the sample and person ids of the whole samples file *table*, *staying* the sample
        ids that the lake will hold, *genotyped* those of all VCF headers.
        """
        everyone, held, called = set(known), set(staying), set(genotyped)
        leaving = called - held
        listed = {sample for sample in leaving if sample in everyone or sample in self.ids}
        if listed:
            yield f"{len(listed)} samples of the VCF files are withdrawn and left out"
        if len(leaving) > len(listed):
            yield (
                f"{len(leaving) - len(listed)} samples of the VCF files are not in {table}, "
                "and are left out as withdrawn"
            )
        unknown = self.ids - everyone - called
        if unknown:
            yield (
                f"{self.name}: {len(unknown)} of {len(self.ids)} ids are neither in {table} nor in a VCF: "
                "withdrawn before, or misspelt"
            )


def read_withdrawn(path: Path | None) -> Withdrawn:
    """The list at *path*: one id a line, blank lines and lines that begin with # left out.

    Raises InputError where it cannot be read.
    """
    if path is None:
        return Withdrawn()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", "give one id a line, in UTF-8") from None
    ids = (line.strip() for line in lines)
    return Withdrawn(path.name, frozenset(name for name in ids if name and not name.startswith("#")))
