"""The vectorised decoder reads BCF as cyvcf2 does: same rows, counts and errors, same things put aside."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goe_lake.vcf import container, scan
from goe_lake.vcf.fast_known_bcf import dictionary, numbers_of
from goe_lake.vcf.header import Header
from tests.vcf.child import in_a_child
from tests.vcf.test_fast import assert_same, load_loops, ordinary, pieces_of, read_whole, record, text_of

pytestmark = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

#: What others wrote as BCF, and files of unusual genotypes that bcftools turns into it.
OTHERS = (
    "structural-and-odd/bio2zarr-1kg-2020-chrM.bcf",
    "gvcf/grch37-chr20-21.NA12878.gatk34.g.bcf",
    "1000genomes/subset-1126/grch37-chr1.1126.gt-only.bcf",
    "structural-and-odd/bio2zarr-mixed-ploidy.vcf.gz",
    "structural-and-odd/bio2zarr-sample.vcf.gz",
    "structural-and-odd/cyvcf2-test-haploidX.vcf",
    "structural-and-odd/cyvcf2-test-hemi.vcf",
    "single-sample/grch37-chr1-2.giab-ashkenazi-trio.vcf.gz",
)


def as_bcf(path: Path, target: Path, kind: str = "b") -> bool:
    """Write *path* as BCF to *target*; False where bcftools cannot."""
    command = ["bcftools", "view", f"-O{kind}", path]
    done = subprocess.run(command, capture_output=True, check=False)
    target.write_bytes(done.stdout)
    return done.returncode == 0


@pytest.fixture(autouse=True, scope="module")
def loaded_loops(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The loops over BCF are loaded once, and child processes inherit them."""
    folder = tmp_path_factory.mktemp("ordinary")
    (folder / "x.vcf").write_text(ordinary())
    assert as_bcf(folder / "x.vcf", folder / "x.bcf")
    load_loops(folder / "x.bcf")


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_records(data: st.DataObject) -> None:
    """Records of all kinds, in any order, over one or many persons, packed or not."""
    persons = data.draw(st.sampled_from([1, 3, 40]))
    odd = data.draw(st.booleans())
    records = data.draw(st.lists(record(persons, odd), min_size=1, max_size=12))
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "x.vcf", Path(folder) / "x.bcf"
        path.write_text(text_of(records, persons))
        if as_bcf(path, target, data.draw(st.sampled_from("bu"))):
            assert_same(target, data.draw(st.sampled_from([(), ("GQ",), ("GQ", "DP")])))


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_others(name: str, tmp_path: Path, test_data: Path) -> None:
    """Real files, which hold what nobody thinks of."""
    assert as_bcf(test_data / name, tmp_path / "x.bcf")
    header = scan.scan(tmp_path / "x.bcf").header
    wide = header.format_type("GQ") == "Integer" and header.format_type("DP") == "Integer"
    assert_same(tmp_path / "x.bcf", ("GQ", "DP") if wide else (), assembly="GRCh37")


def test_units_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the units are in which a file is decoded."""
    monkeypatch.setattr(scan, "UNIT", 2_000)
    monkeypatch.setattr("goe_lake.vcf.container.CHUNK", 1_500)
    rng = random.Random(5)
    records = [
        f"chr1 {100 + 3 * place} rs{place} A{'C' * rng.randrange(3)} {rng.choice(['C', 'AC', 'G,T'])} . "
        f"{rng.choice(['PASS', 'q10', '.'])} . GT:GQ "
        + " ".join(f"{rng.choice(['0/0', '0/1', '1|1', './.', '0'])}:{rng.randrange(400)}" for _ in range(60))
        for place in range(900)
    ]
    (tmp_path / "x.vcf").write_text(text_of(records, 60))
    assert as_bcf(tmp_path / "x.vcf", tmp_path / "x.bcf")
    assert sum(len(run.cuts) for _, piece in pieces_of(tmp_path / "x.bcf") for run in piece.runs) > 1
    assert_same(tmp_path / "x.bcf")


def test_damaged_records_harm_nobody(tmp_path: Path) -> None:
    """Whatever byte of a record is changed, the loops do not read outside it, and htslib says what it is."""
    lines = [f"chr1 {place} rs1 A C,G 3 PASS DB GT:DP:GQ 0/1:3:4 0/2:3:400 ./.:.:." for place in (7, 8, 9)]
    (tmp_path / "x.vcf").write_text(text_of(lines, 3))
    assert as_bcf(tmp_path / "x.vcf", tmp_path / "whole.bcf", "u")
    whole = (tmp_path / "whole.bcf").read_bytes()
    body = 9 + struct.unpack_from("<I", whole, 5)[0]
    rng = random.Random(2)
    path = tmp_path / "x.bcf"
    for _ in range(50):
        damaged = bytearray(whole)
        # the lengths and the contig are the scan's to check
        damaged[
            rng.choice([place for place in range(body + 16, len(whole)) if _inside(whole, body, place)])
        ] = rng.choice([0, 1, 0x0F, 0x17, 0x7F, 0x81, 0xF1, 0xFF])
        path.write_bytes(bytes(damaged))
        for contig, piece in pieces_of(path):
            in_a_child(partial(read_whole, piece, contig, ("GQ", "DP"), "GRCh38", "fast", container.CHUNK))


def _inside(whole: bytes, at: int, place: int) -> bool:
    """Whether *place* lies behind the lengths, the contig and the position of its record."""
    while True:
        shared, individual = struct.unpack_from("<II", whole, at)
        after = at + 8 + shared + individual
        if place < after:
            return place >= at + 16
        at = after


def test_names_have_the_numbers_of_the_file() -> None:
    """A field in INFO and FORMAT has one number; IDX, where it is written, decides."""
    header = Header(
        '##FILTER=<ID=PASS,Description="">\n##INFO=<ID=DP,Number=1>\n##FILTER=<ID=q10>\n##FORMAT=<ID=DP>\n'
        "##FORMAT=<ID=GT,IDX=9>\n#CHROM\n"
    )
    assert dictionary(header) == {0: "PASS", 1: "DP", 2: "q10", 9: "GT"}
    assert numbers_of(b"\x21\x02\x09") == [2, 9]
    assert numbers_of(b"\x12\x01\x01") == [257]
