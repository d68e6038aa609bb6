"""The hts-specs conformance files: what is valid is read; what is not is refused by name, or stated."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError
from goe_lake.lake import convert, ingest, plan
from goe_lake.vcf.scan import scan

LENIENCIES = tomllib.loads((Path(__file__).parent / "leniencies.toml").read_text())["leniency"]
CLASSES = ("het", "hom", "hemi", "nc", "ref1")


def node_of(path: Path, folder: Path, samples: tuple[str, ...]) -> NodeConfig:
    """A node of one conformance file; anything may be put aside."""
    folder.mkdir(parents=True)
    (folder / "samples.tsv").write_text("sample_id\n" + "".join(f"{sample}\n" for sample in samples))
    (folder / "node.toml").write_text(
        f'[node]\ncountry = "EE"\nassembly = "GRCh37"\n[[genotypes]]\nfiles = ["{path}"]\n'
        '[samples]\nfile = "samples.tsv"\n[ingest]\nmax_quarantined = 1\n'
    )
    return read_node(folder / "node.toml")


@dataclass(frozen=True)
class Read:
    """What became of a file: its records, what was put aside by reason, and genotypes by class."""

    records: int
    aside: dict[str, int]
    classes: Counter[str]


def read(path: Path, folder: Path) -> Read:
    """Plan and convert one file; raises InputError where it is refused."""
    planned = plan(node_of(path, folder, scan(path).header.samples), min_label_persons=1)
    records, aside, classes = 0, Counter[str](), Counter[str]()
    for entry in planned.quarantined:
        assert entry.reason == "contig_not_held"
        records += entry.count
        aside[entry.reason] += entry.count
    for partition in planned.partitions:
        summary = convert(planned, partition)
        records += summary.records
        aside.update(summary.quarantined)
        staged = planned.staging / partition.folder
        for row in pq.read_table(staged / "calls.parquet").to_pylist():
            classes.update({name: len(row[f"{name}_l"] or ()) for name in CLASSES})
        for entry in pq.read_table(staged / "quarantine.parquet").to_pylist():
            assert entry["file"].endswith(path.name)
            assert entry["reason"]
            assert entry["record"].startswith("line ")
    return Read(records, dict(aside), +classes)


def plain_reading(path: Path) -> Counter[str]:
    """The genotype classes of every record and alternate allele, read from the text alone."""
    found: Counter[str] = Counter()
    for line in path.read_text(errors="replace").splitlines():
        fields = line.split("\t")
        if line.startswith("#") or len(fields) < 10:
            continue
        place = fields[8].split(":").index("GT") if "GT" in fields[8].split(":") else None
        for number, alt in enumerate(fields[4].split(","), 1):
            if alt in (".", "*", "<*>", "<NON_REF>"):
                continue
            for sample in fields[9:]:
                text = sample.split(":")[place] if place is not None else "."
                called = [allele for allele in re.split(r"[/|]", text) if allele not in (".", "")]
                copies = called.count(str(number))
                name = {(0, 0): "nc", (1, 0): "ref1", (1, 1): "hemi", (2, 1): "het", (2, 2): "hom"}
                if (len(called), copies) in name:
                    found[name[len(called), copies]] += 1
    return found


def files(test_data: Path, verdict: str) -> list[Path]:
    """The files of one verdict, in order."""
    return sorted((test_data / "vcf-conformance").glob(f"*/{verdict}/*.vcf"))


def lenient(path: Path) -> bool:
    """Whether the table says that such a file is read."""
    return any(fnmatch(path.name, pattern) for leniency in LENIENCIES for pattern in leniency["files"])


def test_valid_files_are_read(test_data: Path, tmp_path: Path) -> None:
    """As many records as bcftools reads, and the genotypes that the text says; without samples, an error."""
    paths = files(test_data, "passed")
    with_samples = 0
    for number, path in enumerate(paths):
        shown = subprocess.run(["bcftools", "view", "-H", path], capture_output=True, check=True).stdout
        records = len(shown.splitlines())
        assert scan(path).records == records, path
        if not scan(path).header.samples:
            with pytest.raises(InputError, match="has no samples"):
                plan(node_of(path, tmp_path / str(number), ()), min_label_persons=1)
            continue
        with_samples += 1
        found = read(path, tmp_path / str(number))
        assert found.records == records, path
        if not found.aside:
            assert found.classes == plain_reading(path), path
    assert (len(paths), with_samples) == (76, 48)


def read_or_error(path: Path, folder: Path) -> Read | InputError:
    """What became of a file; a decoder that dies is an InputError too, and anything else fails the test."""
    try:
        return read(path, folder)
    except InputError as error:
        return error


def judge(paths: list[Path], folder: Path) -> Counter[str]:
    """Check that each of *paths* is refused by name, puts something aside, or is a stated leniency."""
    outcomes: Counter[str] = Counter()
    for number, path in enumerate(paths):
        found = read_or_error(path, folder / str(number))
        if isinstance(found, InputError):
            assert found.file.endswith(path.name)
            assert found.problem
            assert found.mend
            outcomes["refused"] += 1
        elif found.aside:
            outcomes["put aside"] += 1
        else:
            assert lenient(path), f"{path} breaks the specification and is read: refuse it, or state why not"
            assert found.classes == plain_reading(path), path
            outcomes["lenient"] += 1
    return outcomes


def test_invalid_files_are_refused_or_stated(test_data: Path, tmp_path: Path) -> None:
    """All 607: an error or a quarantine entry with file, line and reason, or a leniency that is stated."""
    outcomes = judge(files(test_data, "failed"), tmp_path)
    assert outcomes.total() == 607
    assert outcomes["lenient"] <= 200, outcomes


@pytest.mark.slow
def test_invalid_files_without_samples_are_judged_with_one(test_data: Path, tmp_path: Path) -> None:
    """Files refused for having no samples get one, so that the rest of them is looked at too."""
    paths = []
    for path in files(test_data, "failed"):
        text = path.read_bytes()
        if b"\tFORMAT" in text or b"\n#CHROM" not in text:
            continue
        lines = text.split(b"\n")
        added = [
            line + (b"\tFORMAT\ts1" if line.startswith(b"#CHROM") else b"\tGT\t0/1")
            if line and not line.startswith(b"##")
            else line
            for line in lines
        ]
        made = tmp_path / "files" / path.parent.parent.name / path.name
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(b"\n".join(added))
        paths.append(made)
    outcomes = judge(paths, tmp_path)
    assert outcomes.total() > 250


def test_every_leniency_is_needed(test_data: Path) -> None:
    """Each pattern names files, and says why."""
    names = [path.name for path in files(test_data, "failed")]
    for leniency in LENIENCIES:
        assert leniency["reason"]
        for pattern in leniency["files"]:
            assert any(fnmatch(name, pattern) for name in names), pattern


def test_a_valid_file_becomes_a_snapshot(test_data: Path, tmp_path: Path) -> None:
    """The 1000 Genomes extract, all the way."""
    path = next(path for path in files(test_data, "passed") if path.name.startswith("complexfile"))
    report = ingest(node_of(path, tmp_path / "node", scan(path).header.samples), min_label_persons=1)
    assert report.records + report.quarantined["contig_not_held"] == scan(path).records
