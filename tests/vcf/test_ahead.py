"""A scan begun ahead is the scan, and tells what is wrong only to whoever asks for the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from goe_lake.errors import InputError
from goe_lake.vcf import ahead
from goe_lake.vcf.scan import scan
from tests.lake.nodes import write_file
from tests.vcf.test_fast import ordinary


def test_it_is_the_scan(tmp_path: Path) -> None:
    """It is given out once; a file that changed since is scanned anew by whoever asks again."""
    path = tmp_path / "x.vcf.gz"
    write_file(path, ordinary())
    ahead.scan_ahead([path, path])
    assert ahead.scanned(path) == scan(path)
    write_file(path, ordinary().replace("rs1", "rs2"))
    assert ahead.scanned(path) == scan(path)


def test_errors_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a damaged nor an absent file is an error before somebody asks; large files are not begun."""
    (tmp_path / "x.vcf").write_text("no VCF")
    ahead.scan_ahead([tmp_path / "x.vcf"])
    with pytest.raises(InputError, match="is not a VCF"):
        ahead.scanned(tmp_path / "x.vcf")
    ahead.scan_ahead([tmp_path / "absent.vcf"])
    monkeypatch.setattr(ahead, "MOST_AHEAD", 3)
    ahead.scan_ahead([tmp_path / "x.vcf"])
    assert not ahead._begun
