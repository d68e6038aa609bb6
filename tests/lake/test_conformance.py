"""The hts-specs conformance files: what is valid is read, and what is not never ends the process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError
from goe_lake.lake import ingest
from goe_lake.vcf.scan import scan


def node_of(path: Path, folder: Path) -> NodeConfig:
    """A node of one conformance file; anything may be put aside."""
    folder.mkdir(parents=True)
    samples = scan(path).header.samples
    (folder / "samples.tsv").write_text("sample_id\n" + "".join(f"{sample}\n" for sample in samples))
    (folder / "node.toml").write_text(
        f'[node]\ncountry = "EE"\nassembly = "GRCh37"\n[[genotypes]]\nfiles = ["{path}"]\n'
        '[samples]\nfile = "samples.tsv"\n[ingest]\nmax_quarantined = 1\n'
    )
    return read_node(folder / "node.toml")


def test_valid_files_with_samples_are_read(test_data: Path, tmp_path: Path) -> None:
    """Every record of a valid file is a site, is put aside with a reason, or has no alternate allele."""
    paths = sorted((test_data / "vcf-conformance").glob("*/passed/*.vcf"))
    read = 0
    for path in paths:
        if scan(path).header.samples:
            report = ingest(node_of(path, tmp_path / str(read)), min_label_persons=1)
            assert report.records + report.quarantined.get("contig_not_held", 0) == scan(path).records, path
            read += 1
    assert (len(paths), read) == (76, 48)


@pytest.mark.slow
def test_invalid_files_are_read_or_refused_by_name(test_data: Path, tmp_path: Path) -> None:
    """What breaks the letter of the specification is taken leniently, or is an error about the file."""
    paths = sorted((test_data / "vcf-conformance").glob("*/failed/*.vcf"))
    assert len(paths) > 600
    for number, path in enumerate(paths):
        # a decoder that dies is an InputError too; anything else fails the test
        with suppress(InputError):
            ingest(node_of(path, tmp_path / str(number)), min_label_persons=1)
