"""The pass over a file before it is decoded: digests, places of contigs, and malformed lines by number."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.errors import InputError
from goe_lake.vcf.container import BGZF_END, Chunk, Cutter, container_of, pack_block, read_chunks
from goe_lake.vcf.header import Header
from goe_lake.vcf.scan import Run, scan
from tests.lake.nodes import vcf_text, write_file

SAMPLES = ("a", "b")
RECORD = "chr1 100 A C | 0/1 0/0"


def scanned(folder: Path, text: str | bytes, name: str = "x.vcf") -> tuple[Run, ...]:
    """The runs of a file with *text*."""
    write_file(folder / name, text)
    return scan(folder / name).runs


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz"])
def test_runs_tell_where_contigs_lie(name: str, tmp_path: Path) -> None:
    """A run is consecutive records of one contig; a contig may have several."""
    records = ["1 100 A C | 0/1 0/0", "1 90 A C | 0/1 0/0", "2 5 A C | 0/1 0/0", "1 7 A C | 0/1 0/0"]
    runs = scanned(tmp_path, vcf_text(SAMPLES, records), name)
    facts = [(run.contig, run.records, run.first, run.first_pos, run.max_pos, run.ordered) for run in runs]
    assert facts == [("1", 2, 6, 100, 100, False), ("2", 1, 8, 5, 5, True), ("1", 1, 9, 7, 7, True)]


def test_the_digest_is_of_the_file_as_it_lies_there(tmp_path: Path) -> None:
    """Packed files are digested as packed."""
    write_file(tmp_path / "x.vcf.gz", vcf_text(SAMPLES, [RECORD]))
    found = scan(tmp_path / "x.vcf.gz")
    assert found.sha256 == hashlib.sha256((tmp_path / "x.vcf.gz").read_bytes()).hexdigest()
    assert found.header.samples == SAMPLES


def test_contigs_whose_names_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """chr1 is not the beginning of chr11."""
    records = [f"{contig} 5 A C | 0/1 0/0" for contig in ("chr1", "chr11", "chr1", "chr1")]
    assert [run.contig for run in scanned(tmp_path, vcf_text(SAMPLES, records))] == ["chr1", "chr11", "chr1"]


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\r\n\r\n"])
def test_blank_lines_at_the_end_are_no_records(ending: str, tmp_path: Path) -> None:
    """The last line may lack its newline, or be followed by blank ones."""
    text = vcf_text(SAMPLES, [RECORD, RECORD]).rstrip("\n") + ending
    assert [run.records for run in scanned(tmp_path, text)] == [2]


@pytest.mark.parametrize("pos", [".", "-1", "123abc", "", "1e3", "9999999999", "99999999999999999999"])
def test_malformed_positions_are_named_with_their_line(pos: str, tmp_path: Path) -> None:
    """The decoder dies of some of these, and wraps others around."""
    text = vcf_text(SAMPLES, [RECORD, RECORD.replace("100", "POS")]).replace("POS\t.", f"{pos}\t.")
    with pytest.raises(InputError, match=r"x\.vcf, line 7: POS .* is not a position"):
        scanned(tmp_path, text)


@pytest.mark.parametrize(
    ("broken", "problem", "line"),
    [
        (
            lambda text: text.replace("0/1\t0/0\nchr1", "0/1\nchr1", 1),
            "has 10 columns, the header names 11",
            6,
        ),
        (lambda text: text.replace("0/0\n", "0/0\t0/0\n", 1), "has 12 columns", 6),
        (lambda text: text.replace("0/0\n", "0/0\n\n", 1), "a blank line stands between records", 7),
        (lambda text: text + "##late=1\n", "has 1 columns", 8),
        (lambda text: text[:-12], "columns, the header names 11", 7),
    ],
)
def test_malformed_lines_are_named(
    broken: Callable[[str], str], problem: str, line: int, tmp_path: Path
) -> None:
    """Short, long, blank and stray lines are refused before the decoder sees them."""
    with pytest.raises(InputError, match=problem) as caught:
        scanned(tmp_path, broken(vcf_text(SAMPLES, [RECORD, RECORD])))
    assert caught.value.record == f"line {line}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("hello\n", "is not a VCF"),
        ("##fileformat=VCFv4.2\nchr1\t5\n", "has no line #CHROM"),
        ("##fileformat=VCFv4.2\n#CHROM POS ID\n", "does not end with the line #CHROM"),
        (vcf_text(("a", "a"), []), "names sample 'a' twice"),
        (vcf_text(("\udcff",), []).encode("utf-8", "surrogateescape"), "is not UTF-8"),
    ],
)
def test_what_is_no_vcf_is_refused(text: str | bytes, problem: str, tmp_path: Path) -> None:
    """Each refusal says what the file lacks."""
    with pytest.raises(InputError, match=problem):
        scanned(tmp_path, text)


def test_cut_off_files_are_refused(tmp_path: Path) -> None:
    """A BGZF without its end, inside a block, or damaged; a gzip stream without its end."""
    write_file(tmp_path / "x.vcf.gz", vcf_text(SAMPLES, [RECORD] * 4000))
    whole = (tmp_path / "x.vcf.gz").read_bytes()
    damaged = bytearray(whole)
    damaged[300] ^= 0xFF
    packed = gzip.compress(vcf_text(SAMPLES, [RECORD] * 4000).encode())
    for data, problem in (
        (whole[: -len(BGZF_END)], "end-of-file block"),
        (whole[:-40], "cut off"),
        (bytes(damaged), "damaged"),
        (packed[:-20], "cut off inside its gzip stream"),
    ):
        with pytest.raises(InputError, match=problem):
            scanned(tmp_path, data, "y.vcf.gz")


def test_a_bcf_is_scanned_like_its_vcf(tmp_path: Path) -> None:
    """The same runs, records counted instead of lines; cut off inside a record it is refused."""
    meta = "##contig=<ID=chr1>\n##contig=<ID=chr2>\n"
    records = ["chr1 100 A C | 0/1 0/0", "chr1 90 A C | 0/1 0/0", "chr2 5 A C | 0/1 0/0"]
    write_file(tmp_path / "x.vcf", vcf_text(SAMPLES, records, meta=meta))
    for kind in ("-Ob", "-Ou"):
        data = subprocess.run(
            ["bcftools", "view", kind, tmp_path / "x.vcf"], capture_output=True, check=True
        ).stdout
        facts = [
            (run.contig, run.records, run.first, run.max_pos) for run in scanned(tmp_path, data, "x.bcf")
        ]
        assert facts == [("chr1", 2, 1, 100), ("chr2", 1, 3, 5)]
    with pytest.raises(InputError, match="cut off inside a record"):
        scanned(tmp_path, data[:-5], "y.bcf")


def test_headers_are_read_with_their_quirks() -> None:
    """Contigs with and without length; commas and quotes inside descriptions."""
    header = Header(
        '##contig=<ID=1,assembly="b37, old",length=10>\n##contig=<ID=GL1>\n'
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="a, \\"b\\", ID=c">\n#CHROM\tPOS\n'
    )
    assert header.contigs == {"1": 10, "GL1": None}
    assert header.format_type("DP") == "Integer"
    assert header.format_type("GQ") is None


@given(
    texts=st.lists(st.text("ab\n", min_size=1, max_size=30), min_size=1, max_size=8),
    ends=st.lists(st.integers(0, 240), max_size=6),
)
def test_stretches_cut_out_of_any_container_hold_the_same_text(texts: list[str], ends: list[int]) -> None:
    """Whatever the blocks are, cutting by place gives the text between the places."""
    pieces = [piece.encode() for piece in texts]
    text = b"".join(pieces)
    marks = sorted({0, len(text), *(min(end, len(text)) for end in ends)})
    wanted = list(zip(marks[::2], marks[1::2], strict=False))
    expected = b"".join(text[start:end] for start, end in wanted)
    with tempfile.TemporaryDirectory() as name:
        for packed in (text, gzip.compress(text), b"".join(map(pack_block, pieces)) + BGZF_END):
            path = Path(name) / "x"
            path.write_bytes(packed)
            container = container_of(path)
            chunk = Chunk.of(b"", ((0, (0, 0)),))
            for piece in read_chunks(path, container):
                chunk += piece
            assert chunk.text == text
            target = io.BytesIO()
            Cutter(path, container, target).copy(
                tuple((chunk.place(start), chunk.place(end)) for start, end in wanted)
            )
            data = target.getvalue()
            assert (gzip.decompress(data) if container == "bgzf" else data) == expected
