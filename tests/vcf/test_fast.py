"""The vectorised decoder says what cyvcf2 says: same rows, counts and errors, same things put aside."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES, canonical_contig
from goe_lake.vcf import container, fast, scan
from goe_lake.vcf.blocks import joined_blocks
from goe_lake.vcf.encode import encode
from goe_lake.vcf.odd import here
from goe_lake.vcf.reader import Piece, Wanted, read_piece
from tests.lake.nodes import write_file
from tests.vcf.child import in_a_child, in_the_server

FORMATS = (
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">\n'
    '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Probabilities">\n'
    '##FORMAT=<ID=FT,Number=1,Type=String,Description="Filter">\n'
)
META = (
    "##fileformat=VCFv4.3\n##contig=<ID=chr1>\n"
    '##FILTER=<ID=q10,Description="Low">\n##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n'
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="dbSNP">\n'
)


def pieces_of(path: Path, order: bool = False) -> Iterator[tuple[str, Piece]]:
    """Each contig of the file at *path*, its persons in reverse *order* where asked for."""
    found = scan.scan(path)
    persons = len(found.header.samples)
    for contig in dict.fromkeys(canonical_contig(run.contig) for run in found.runs) if persons else ():
        if contig is not None:
            runs = tuple(run for run in found.runs if canonical_contig(run.contig) == contig)
            yield (
                contig,
                Piece(
                    path=path,
                    container=found.container,
                    runs=runs,
                    body=found.runs[0].start,
                    persons=persons,
                    order=tuple(reversed(range(persons))) if order else None,
                    format=found.format,
                    whole=len(runs) == len(found.runs),
                    bytes=found.bytes,
                    changed=found.changed,
                ),
            )


def read_whole(
    piece: Piece, contig: str, fields: tuple[str, ...], assembly: str, decoder: str, chunk: int
) -> Any:
    """All that *decoder* makes of a piece, in one comparable value; the complaint where it has one.

    *chunk* is `container.CHUNK`: this runs in another process, which has its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOE_DECODER", decoder)
        patch.setattr(container, "CHUNK", chunk)
        return _read_whole(piece, contig, fields, assembly)


def _read_whole(piece: Piece, contig: str, fields: tuple[str, ...], assembly: str) -> Any:
    tables, aside, blocks, counts = [], [], [], {"seen": 0, "without_alt": 0, "values": 0, "outside": 0}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for chunk in read_piece(
                piece, contig, ASSEMBLIES[assembly], Wanted(fields), Path(folder) / "piece"
            ):
                made = encode(chunk, 7)
                tables.append(made.table)
                aside += chunk.quarantined
                blocks += chunk.blocks
                counts["seen"] += chunk.seen
                counts["without_alt"] += chunk.without_alt
                counts["values"] += sum(made.values.values())
                counts["outside"] += sum(made.outside.values())
        except InputError as error:
            return error.problem, error.record
    keys = [(name, "ascending") for name in ("pos", "ref", "alt", "end_pos", "record")]
    rows = pa.concat_tables(tables).sort_by(keys).to_pylist()
    joined = joined_blocks(blocks) if blocks else None
    spans = joined and [
        part.tolist() for part in (joined.pos, joined.end_pos, joined.called, joined.spanning)
    ]
    return rows, aside, spans, counts


def assert_same(path: Path, fields: tuple[str, ...] = ("GQ", "DP"), *, assembly: str = "GRCh38") -> None:
    """Both routes agree about every contig of the file at *path*, with persons in both orders."""
    for order in (False, True):
        for contig, piece in pieces_of(path, order):
            results = []
            for decoder in ("cyvcf2", "fast"):
                read = partial(read_whole, piece, contig, fields, assembly, decoder, container.CHUNK)
                results.append(in_a_child(read))
            assert results[0] == results[1], path.name


def text_of(records: list[str], persons: int) -> str:
    """A VCF with *records*, whose columns are divided by spaces."""
    names = "\t".join(f"s{number}" for number in range(persons))
    head = f"{META}{FORMATS}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    return head + "".join(record.replace(" ", "\t") + "\n" for record in records)


def load_loops(path: Path) -> None:
    """Load the loops that decode the file at *path* into the process that children are forked from."""
    ((contig, piece),) = pieces_of(path)
    in_the_server(partial(_run_loops, piece, contig))


def _run_loops(piece: Piece, contig: str) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("GOE_DECODER", "fast")
        for _ in read_piece(
            piece, contig, ASSEMBLIES["GRCh38"], Wanted(("GQ", "DP")), Path(folder) / "piece"
        ):
            pass


def ordinary() -> str:
    """A VCF with nothing unusual in it."""
    lines = [f"chr1 {pos} rs1 A C . PASS . GT:DP:GQ 0/1:3:4 0/0:3:400" for pos in range(1, 40)]
    return text_of(lines, 2)


@pytest.fixture(autouse=True, scope="module")
def loaded_loops(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The loops over text are loaded once, and child processes inherit them."""
    path = tmp_path_factory.mktemp("ordinary") / "x.vcf"
    write_file(path, ordinary())
    load_loops(path)


ALLELE = st.sampled_from([".", "0", "0", "1", "2"])
GENOTYPE = st.one_of(
    ALLELE,
    st.builds("{}{}{}".format, ALLELE, st.sampled_from("/|"), ALLELE),
    st.just("0/0"),
    st.sampled_from(["0/0/1", "0/10", "/1", "1/", "", "x", "0/7", "-1"]),
)
USUAL = st.one_of(st.just("0/0"), st.builds("{}/{}".format, ALLELE, ALLELE))
VALUE = st.one_of(st.integers(0, 120).map(str), st.sampled_from([".", "", "-3", "1.5", "70000", "1,2"]))
BASES = st.text("ACGTacgtN", min_size=1, max_size=4)
ALT = st.one_of(BASES, st.sampled_from(["*", "<*>", "<NON_REF>", "<DEL>", "N[chr1:5[", "."]))
FIELDS = ("GT", "GT:GQ", "GT:DP:GQ", "DP:GT", "GQ:AD:GT:FT", "GT:GP", "GT:XX", "GQ", "GT:AD:DP:GQ:GP")
OTHERS = {
    "AD": ["3,4", ".", "0,0,1", "7,x"],
    "GP": ["0.5,1e-3,0", ".", "nan", "1"],
    "FT": ["PASS", ".", "a;b"],
    "XX": ["?", "."],
}


@st.composite
def record(draw: st.DrawFn, persons: int, odd: bool) -> str:
    """One record, now and then with something unusual in it."""
    form = draw(st.sampled_from(FIELDS))
    genotype = GENOTYPE if odd else USUAL

    def cell() -> str:
        kinds = {"GT": genotype, "GQ": VALUE if odd else st.integers(0, 120).map(str)}
        kinds["DP"] = kinds["GQ"]
        others = {name: st.sampled_from(values[: 4 if odd else 2]) for name, values in OTHERS.items()}
        values = [draw((kinds | others)[name]) for name in names]
        return ":".join(values[: draw(st.integers(1, len(values)))] if odd else values)

    names = form.split(":")
    cells = [cell() for _ in range(min(persons, 4))]
    columns = [
        "chr1",
        str(draw(st.integers(1, 400))),
        draw(st.sampled_from([".", "rs7", "x;rs8;rs9", "rsid"] + ([";rs1", "é", ""] if odd else []))),
        draw(BASES),
        ",".join(draw(st.lists(ALT if odd else BASES, min_size=1, max_size=3))),
        draw(st.sampled_from([".", "30", "1e3"])),
        draw(st.sampled_from(["PASS", ".", "q10", "new", "q10;new", "PASS;q10", "0"])),
        draw(st.sampled_from([".", "DB", "END=300", "AC=1;END=20;DB", "END=x", "a b".replace(" ", "-")])),
        form,
    ]
    return " ".join([*columns, *(draw(st.sampled_from(cells)) for _ in range(persons))])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_text(data: st.DataObject) -> None:
    """Records of all kinds, in any order, over one or many persons."""
    persons = data.draw(st.sampled_from([1, 3, 40]))
    odd = data.draw(st.booleans())
    records = data.draw(st.lists(record(persons, odd), min_size=1, max_size=12))
    if data.draw(st.booleans()):
        records.sort(key=lambda line: int(line.split()[1]))
    with tempfile.TemporaryDirectory() as folder:
        name = data.draw(st.sampled_from(["x.vcf", "x.vcf.gz"]))
        write_file(Path(folder) / name, text_of(records, persons))
        assert_same(Path(folder) / name, data.draw(st.sampled_from([(), ("GQ",), ("GQ", "DP")])))


@pytest.mark.parametrize(
    "line",
    [
        "chr1 100 . A C . PASS . GT 0/1 0/0 ./.",
        "chr1 100 . A C . PASS . GT 0|1 0|0 1|1",
        "chr1 100 . A C . PASS . GT 0/0 0/0 0/0",
        "chr1 100 . A C . PASS . GT 0 1 .",
        "chr1 100 . A C . PASS . GT 0/. ./1 1|.",
        "chr1 100 . A C . PASS . GT 0/0/1 0/0 0/0",
        "chr1 100 . A C,CT,G,T,AA,AC,AG,AT,CC,CG . PASS . GT 0/10 1/2 9/3",
        "chr1 100 . A C . PASS . GT 0/2 0/0 0/0",
        "chr1 100 . A A . PASS . GT 0/1 0/0 0/0",
        "chr1 100 . a A,c . PASS . GT 0/1 0/0 0/0",
        "chr1 100 . GCACA GCA,GCACACA,G . PASS . GT 0/1 2/0 3/3",
        "chr1 100 . R C . PASS . GT 0/1 0/0 0/0",
        "chr1 0 . A C . PASS . GT 0/1 0/0 0/0",
        "chr1 999999999 . A C . PASS . GT 0/1 0/0 0/0",
        "chr1 0000100 . A C . PASS . GT 0/1 0/0 0/0",
        "chr1 100 . A . . PASS . GT 0/0 0/0 ./.",
        "chr1 100 . A <NON_REF> . PASS END=130 GT:GQ 0/0:20 0/0:0 ./.:.",
        "chr1 100 . A <*> . q10 END=130 GT:GQ 0/0:20 0/0:0 ./.:.",
        "chr1 100 . A C,<NON_REF> . . END=5 GT:GQ 0/1:200 0/2:3 ./.:.",
        "chr1 100 . A <DEL> . PASS END=130;SVLEN=-30 GT 0/1 0/0 0/0",
        "chr1 100 . A C . PASS . GQ 3 4 5",
        "chr1 100 . A C . PASS . GT:GQ 0/1:3: 0/0 0/0",
        "chr1 100 . A C . PASS . GT:GQ 0/1:3:4 0/0 0/0",
        "chr1 100 . A C . PASS . GT:GQ 0/1: 0/0 0/0",
        "chr1 100 . A C . PASS . GT:GQ:GQ 0/1:3:3 0/0 0/0",
        "chr1 100 . A C . PASS . GT:AD 0/1:3,a 0/0 0/0",
        "chr1 100 . A C . PASS . GT:GP 0/1:.5,1e-30,0 0/0 0/0:1",
        "chr1 100 . A C . PASS . GT:DP 0/1:99999999999 0/0 0/0",
        "chr1 100 . A C . PASS . GT:DP:GQ 0/1:70000:100 0/0:65535:99 0/0:.:.",
        "chr1 100 rs1;rs2 A C 30 q10;new AC=1;DB GT 0/1 0/0 0/0",
        "chr1 100 . A C abc PASS ;;DB= GT 0/1 0/0 0/0",
        "chr1 100 . A C . PASS 5<x=3 GT 0/1 0/0 0/0",
        "chr1 100 . A C . q10;q10 . GT 0/1 0/0 0/0",
        "chr1 100 . A C . PASS . GT 0/1 0/0 0/0\r",
    ],
)
@pytest.mark.parametrize("fields", [(), ("GQ", "DP")])
def test_one_line(line: str, fields: tuple[str, ...], tmp_path: Path) -> None:
    """Each unusual thing by itself, between two ordinary records."""
    usual = "chr1 {} . A C . PASS . GT 0/1 0/0 1/1"
    write_file(tmp_path / "x.vcf", text_of([usual.format(50), line, usual.format(150)], 3))
    assert_same(tmp_path / "x.vcf", fields)


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz", "plain"])
def test_units_make_no_difference(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the units are in which a file is decoded, and however it is packed, rows are the same."""
    monkeypatch.setattr(scan, "UNIT", 2_000)
    monkeypatch.setattr("goe_lake.vcf.container.CHUNK", 1_500)
    rng = random.Random(5)
    records = [
        f"chr1 {100 + 3 * place} . A{'C' * rng.randrange(3)} {rng.choice(['C', 'AC', 'G,T'])} . PASS . GT "
        + " ".join(rng.choice(["0/0", "0/1", "1|1", "./.", "0"]) for _ in range(60))
        for place in range(900)
    ]
    text = text_of(records, 60)
    path = tmp_path / ("x.vcf.gz" if name == "plain" else name)
    if name == "plain":
        packed = subprocess.run(["gzip", "-c"], input=text.encode(), capture_output=True, check=True).stdout
        path.write_bytes(packed)
    else:
        write_file(path, text)
    assert sum(len(run.cuts) for _, piece in pieces_of(path) for run in piece.runs) > 1
    assert_same(path)


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    """A unit that no longer holds its records is an error, not a shorter lake."""
    write_file(tmp_path / "x.vcf", text_of(["chr1 50 . A C . PASS . GT 0/1"] * 3, 1))
    ((contig, piece),) = pieces_of(tmp_path / "x.vcf")
    (run,) = piece.runs
    shorter = replace(piece, runs=(replace(run, records=run.records + 1),))
    with pytest.raises(InputError, match="changed while it was ingested"):
        list(fast.read_fast(shorter, contig, ASSEMBLIES["GRCh38"], (), tmp_path / "piece", here))
