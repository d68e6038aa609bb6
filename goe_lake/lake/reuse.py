"""Contigs that need not be merged again: what a publication left of each, and from what.

A note in staging names the files of one contig and a digest of everything that they are made from:
converted partitions, persons and their strata, annotation, and the program. It holds where all of that
is the same and the files are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from goe_lake.lake.commit import write_whole
from goe_lake.lake.layout import STRATUM_COLUMNS, digest_of
from goe_lake.lake.manifest import ContigCounts, DataFile
from goe_lake.lake.partition import PartitionSummary
from goe_lake.lake.plan import IngestPlan

NOTES: Final = "contigs"
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_PERSON_COLUMNS: Final = ("sample_id", "person_id", *STRATUM_COLUMNS)


def inputs_of(plan: IngestPlan, contig: str, parts: Mapping[str, PartitionSummary], persons: str) -> str:
    """A digest of all that the tables of *contig* are made from; *persons* is that of `persons_digest`."""
    content = {
        "program": _program(),
        "contig": contig,
        "assembly": plan.config.assembly,
        "batches": [batch.digest for batch in plan.batches],
        "parts": {batch: part.to_json() for batch, part in parts.items()},
        "persons": persons,
        "columns": [str(field) for field in plan.info_fields],
        "annotation": [
            (source.role, source.sha256) for source in plan.sources if source.role.startswith("annotation")
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def persons_digest(plan: IngestPlan) -> str:
    """A digest of what decides the strata: samples, their persons, population, sex and consent."""
    sink = pa.BufferOutputStream()
    table = plan.samples.table.select([*_PERSON_COLUMNS]).combine_chunks()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()


def recall(plan: IngestPlan, contig: str, inputs: str) -> tuple[tuple[DataFile, ...], ContigCounts] | None:
    """The files and counts of *contig* that an earlier publication made from the same *inputs*.

    None where there are none, or where a file is no longer what it was.
    """
    try:
        note = json.loads(_note(plan, contig).read_text())
        files = tuple(DataFile(**file) for file in note["files"])
        counts = ContigCounts(**note["counts"])
        whole = note["inputs"] == inputs and all(
            digest_of(plan.config.lake / file.path) == file.sha256 for file in files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (files, counts) if whole else None


def remember(plan: IngestPlan, inputs: str, files: Sequence[DataFile], counts: ContigCounts) -> None:
    """Note the installed *files* of one contig for the next publication."""
    note = {"inputs": inputs, "files": [asdict(file) for file in files], "counts": asdict(counts)}
    # a note that got lost, or that names files which did, is not believed
    write_whole(_note(plan, counts.contig), json.dumps(note), durable=False)


def recalled_files(note: Path) -> tuple[str, ...]:
    """The files that a *note* names, relative to the lake; one that never exists where it is damaged."""
    try:
        return tuple(file["path"] for file in json.loads(note.read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return (note.name,)


def _note(plan: IngestPlan, contig: str) -> Path:
    return plan.staging / NOTES / f"{contig}.json"


@cache
def _program() -> str:
    digest = hashlib.sha256()
    for path in sorted([*(_PACKAGE / "vcf").glob("*.py"), *(_PACKAGE / "lake").glob("*.py")]):
        digest.update(path.read_bytes())
    digest.update((_PACKAGE / "genome.py").read_bytes())
    return digest.hexdigest()
