"""What is scanned and decoded ahead is what would be read later, and errors wait for whoever asks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES
from goe_lake.vcf import ahead, fast, scan
from goe_lake.vcf.chunk import EncodedChunk
from goe_lake.vcf.container import read_between
from goe_lake.vcf.reader import Piece, Wanted, read_piece
from tests.lake.nodes import write_file
from tests.vcf.test_fast import ordinary, pieces_of, text_of

KEPT = ("GQ", "DP")


@contextmanager
def begun(*paths: Path) -> Iterator[None]:
    """With *paths* being read ahead."""
    with ahead.ahead([ahead.Wish(path, "GRCh38", KEPT, 1) for path in paths]):
        yield


def written(path: Path, filters: str = ".") -> Path:
    """A file of two contigs in small units, with reference blocks, odd records and *filters*."""
    kinds = ("A C . PASS . GT 0/1 1|1", f"A G . {filters} . GT 0/0 ./.", "A . . PASS . GT 0/0 0/0")
    odd = "A <DEL> . PASS SVLEN=-5;END=9 GT 0/1 0/0"
    records = [
        f"chr{contig} {100 + 3 * place} . {odd if place % 900 == 7 else kinds[place % 3]}"
        for contig in (1, 20)
        for place in range(4_000)
    ]
    declared = (
        '##contig=<ID=chr20>\n##FILTER=<ID=s50,Description="Few">\n'
        '##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length">\n'
    )
    text = text_of(records, 2).replace("##FILTER", declared + "##FILTER", 1)
    if path.suffix == ".bcf":
        view = ["bcftools", "view", "-Ob", "-o", str(path), "-"]
        subprocess.run(view, input=text.encode(), check=True, capture_output=True)
    else:
        write_file(path, text)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files go to the loops, in small units."""
    monkeypatch.setenv("GOE_DECODER", "fast")
    monkeypatch.setattr(scan, "UNIT", 20_000)


def read(piece: Piece, contig: str, fields: tuple[str, ...] = KEPT) -> Any:
    """What a piece holds, in one comparable value."""
    scratch = piece.path.with_name("piece")
    chunks = list(read_piece(piece, contig, ASSEMBLIES["GRCh38"], Wanted(fields), scratch))
    tables = [chunk.table.combine_chunks() for chunk in chunks if isinstance(chunk, EncodedChunk)]
    blocks = [block.pos.tolist() for chunk in chunks for block in chunk.blocks]
    return pa.concat_tables(tables).combine_chunks(), blocks, sum(chunk.seen for chunk in chunks)


def test_it_is_the_scan(tmp_path: Path) -> None:
    """It is given out once; a file that changed since is scanned anew by whoever asks again."""
    path = tmp_path / "x.vcf.gz"
    write_file(path, ordinary())
    with begun(path, path):
        assert ahead.scanned(path) == scan.scan(path)
        write_file(path, ordinary().replace("rs1", "rs2"))
        assert ahead.scanned(path) == scan.scan(path)
    assert not ahead._files


def test_errors_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a damaged nor an absent file is an error before somebody asks; large files are not begun."""
    (tmp_path / "x.vcf").write_text("no VCF")
    with begun(tmp_path / "x.vcf"), pytest.raises(InputError, match="is not a VCF"):
        ahead.scanned(tmp_path / "x.vcf")
    with begun(tmp_path / "absent.vcf"):
        assert not ahead._files
    monkeypatch.setattr(ahead, "MOST_AHEAD", 3)
    with begun(tmp_path / "x.vcf"):
        assert not ahead._files


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz", "x.bcf"])
def test_units_ahead_are_the_units(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit is decoded ahead where memory allows, none is decoded again, and the rows are the same."""
    path = written(tmp_path / name)
    expected = {contig: read(piece, contig) for contig, piece in pieces_of(path)}
    again: list[Path] = []

    def noted(path: Path, container: Any, start: Any, end: Any) -> Any:
        if start != (0, 0):
            again.append(path)
        return read_between(path, container, start, end)

    monkeypatch.setattr(fast, "read_between", noted)
    with begun(path):
        found = ahead.scanned(path)
        assert {contig: read(piece, contig) for contig, piece in pieces_of(path)} == expected
    # units are the same whoever scans
    assert found == scan.scan(path)
    assert sum(len(run.cuts) for run in found.runs) > 2
    assert not again
    with begun(path):
        monkeypatch.setattr(ahead, "MOST_DECODED", -1)
        ahead.scanned(path)
        assert {contig: read(piece, contig) for contig, piece in pieces_of(path)} == expected
    assert again


@pytest.mark.usefixtures("small")
def test_units_are_for_whoever_asks_the_same(tmp_path: Path) -> None:
    """Other fields, another order of persons, a file that changed: all is decoded as it is asked for."""
    path = written(tmp_path / "x.vcf")
    ((contig, piece), *_) = pieces_of(path)
    source = ahead.Source(path, "vcf", scan.scan(path).header, ASSEMBLIES["GRCh38"], KEPT, piece.min_block_gq)
    with begun(path):
        ahead.scanned(path)
        assert not ahead.units_ahead(replace(piece, order=(1, 0)), source, contig)
        assert not ahead.units_ahead(replace(piece, changed=piece.changed + 1), source, contig)
        assert not ahead.units_ahead(piece, replace(source, fields=()), contig)
        assert not ahead.units_ahead(piece, replace(source, min_block_gq=20), contig)
        assert not ahead.units_ahead(piece, replace(source, assembly=ASSEMBLIES["GRCh37"]), contig)
        assert len(ahead.units_ahead(piece, source, contig)) > 2
        assert not ahead.units_ahead(piece, source, contig)


@pytest.mark.usefixtures("small")
def test_what_fails_ahead_is_done_again(tmp_path: Path) -> None:
    """A filter that cyvcf2 has to explain ends decoding ahead: units are decoded where they are asked for."""
    path = written(tmp_path / "x.vcf", "q10;s50")
    expected = {contig: read(piece, contig) for contig, piece in pieces_of(path)}
    with begun(path):
        ahead.scanned(path)
        assert {contig: read(piece, contig) for contig, piece in pieces_of(path)} == expected


@pytest.mark.usefixtures("small")
def test_files_whose_info_is_read_are_not_decoded_ahead(tmp_path: Path) -> None:
    """cyvcf2 reads them wholly: what was decoded would be for nobody."""
    path = written(tmp_path / "x.vcf")
    for info, kept in (("AA",), True), (("SVLEN",), False):
        with ahead.ahead([ahead.Wish(path, "GRCh38", KEPT, 1, info)]):
            ahead.scanned(path)
            assert bool(ahead._files[path].units) == kept


@pytest.mark.usefixtures("small")
def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    """An ingest that ends early stops the scan, and nothing was written."""
    path = written(tmp_path / "x.vcf")
    with pytest.raises(KeyboardInterrupt), begun(path):
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["x.vcf"]
    assert not ahead._files
