"""Genotype files and annotation that an ingest refuses, warns about, or lays over its sites."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError, LakeError
from goe_lake.lake import convert, ingest, plan
from tests.lake.nodes import built, gzipped, make_node, rows, vcf_text, write_file

ONE = "1 100 A C | 0/1"


def contig(name: str, length: int) -> str:
    """A contig line."""
    return f"##contig=<ID={name},length={length}>\n"


def test_lengths_of_another_assembly_are_refused(tmp_path: Path) -> None:
    """The message names the contig, both assemblies, and both ways out."""
    text = vcf_text(("a",), [ONE], meta=contig("1", 249250621))
    with pytest.raises(InputError) as caught:
        built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))
    message = str(caught.value)
    for part in (
        "x.vcf",
        "contig 1 has 249250621 bases",
        "which is GRCh37",
        "says GRCh38",
        'assembly = "GRCh37"',
    ):
        assert part in message


def test_lengths_of_no_known_assembly_warn(tmp_path: Path) -> None:
    """A cut or masked reference is not refused; right lengths and unknown contigs say nothing."""
    meta = contig("1", 1000) + contig("2", 242193529) + contig("GL000191.1", 5) + contig("MT", 16569)
    text = vcf_text(("a",), [ONE], meta=meta)
    _, report = built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))
    assert report.warnings == ("x.vcf: contig 1 has 1000 bases, which is no assembly known here",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (vcf_text((), ["1 100 A C |"]).replace("\tFORMAT", "").replace("\tGT\n", "\n"), "has no samples"),
        (
            vcf_text(("a",), ["NC_000001.11 100 A C | 0/1"]),
            r"line 6: none of its contigs is chr1 .. chrM \(.*'NC_",
        ),
        ("nothing of the kind\n", "is not a VCF"),
        ("", "is empty"),
    ],
)
def test_files_without_usable_genotypes_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    """No samples, no known contig, no VCF."""
    with pytest.raises(InputError, match=problem):
        built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))


def test_a_header_without_records_is_an_empty_delivery(tmp_path: Path) -> None:
    """It is not an error, and the report says so."""
    snapshot, report = built(make_node(tmp_path, [{"x.vcf": vcf_text(("a",), [])}], people=("a",)))
    assert report.warnings == ("x.vcf: holds no record",)
    assert (snapshot.contigs, report.sites, report.genotyped) == ((), 0, 1)


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "gzip", "bcf", "bcf.gz"])
def test_every_container_gives_the_same_calls(kind: str, tmp_path: Path) -> None:
    """Plain, bgzip, gzip and BCF, with contigs in turns: byte for byte the same tables."""
    records = [f"{name} {pos} A C | 0/1 1/1" for pos in (100, 200, 300) for name in ("1", "2", "X")]
    text = vcf_text(("a", "b"), records, meta="".join(f"##contig=<ID={name}>\n" for name in ("1", "2", "X")))
    write_file(tmp_path / "plain.vcf", text)
    view = ["bcftools", "view", "-Ou" if kind == "bcf" else "-Ob", tmp_path / "plain.vcf"]
    data: str | bytes = {"gzip": gzipped(text)}.get(kind, text)
    if kind.startswith("bcf"):
        data = subprocess.run(view, capture_output=True, check=True).stdout
    found = []
    for name, content in (("x.vcf", text), ("x.gz" if kind == "gzip" else f"x.{kind}", data)):
        snapshot, _ = built(make_node(tmp_path / f"node {name}", [{name: content}], people=("a", "b")))
        found.append([(file.table, file.contig, file.sha256) for file in snapshot.manifest.files])
    assert found[0] == found[1]
    assert len(found[0]) == 3 + 3 * 4


def test_a_file_that_changes_after_planning_is_refused(tmp_path: Path) -> None:
    """Its digest would no longer be true."""
    config = make_node(tmp_path, [{"x.vcf": vcf_text(("a",), [ONE])}], people=("a",))
    planned = plan(config)
    write_file(tmp_path / "x.vcf", vcf_text(("a",), [ONE, "1 101 A C | 0/1"]))
    with pytest.raises(InputError, match=r"x\.vcf: changed while it was ingested"):
        convert(planned, planned.partitions[0])
    assert built(config)[1].sites == 2


def test_a_decoder_that_dies_is_an_error_about_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends, the ingest says which file, and goes on working with others."""
    text = vcf_text(("a",), [ONE, "1 200 A C | 0/1"])
    config = make_node(tmp_path, [{"x.vcf": text}], people=("a",))
    # past the checks, as if they had missed something: a blank line ends htslib's process
    monkeypatch.setattr("goe_lake.vcf.scan._check_lines", lambda *_: None)
    monkeypatch.setenv("GOE_DECODER", "cyvcf2")
    planned = plan(config)
    piece = planned.batches[0].pieces["chr1"][0]
    broken = text.replace("0/1\n1\t200", "0/1\n\n1\t200")
    write_file(tmp_path / "x.vcf", broken)
    state = (tmp_path / "x.vcf").stat()
    object.__setattr__(piece, "bytes", state.st_size)
    object.__setattr__(piece, "changed", state.st_mtime_ns)
    with pytest.raises(InputError, match=r"x\.vcf: ended the decoder \(exit status -11\)"):
        convert(planned, planned.partitions[0])
    write_file(tmp_path / "x.vcf", text)
    assert built(config)[1].sites == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the partition's folder should be stands for a full disk or missing rights."""
    config = make_node(tmp_path, [{"x.vcf": vcf_text(("a",), [ONE])}], people=("a",))
    planned = plan(config)
    folder = planned.staging / planned.partitions[0].folder
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("in the way")
    with pytest.raises(OSError, match=re.escape(str(folder.parent))):
        convert(planned, planned.partitions[0])
    with pytest.raises(LakeError, match=r"cannot be read or written: .*nothing was published"):
        built(config)


def test_genes_are_laid_over_sites(tmp_path: Path) -> None:
    """BED starts are 0-based; where genes overlap the first of the file stands."""
    bed = "#genes\n1\t99\t110\tFIRST\n1\t104\t200\tSECOND\nchr1\t90\t300\tTHIRD\nGL1\t0\t9\tNONE\n"
    (tmp_path / "genes.bed").write_text(bed)
    records = [f"1 {pos} A C | 0/1" for pos in (90, 91, 99, 100, 110, 111, 200, 201, 300, 301)]
    toml = '[annotation]\ngenes = "genes.bed"\n'
    snapshot, report = built(
        make_node(tmp_path, [{"x.vcf": vcf_text(("a",), records)}], people=("a",), toml=toml)
    )
    genes = {row["pos"]: row["gene"] for row in rows(snapshot, "variants")}
    assert genes == {
        90: None, 91: "THIRD", 99: "THIRD", 100: "FIRST", 110: "FIRST", 111: "SECOND", 200: "SECOND",
        201: "THIRD", 300: "THIRD", 301: None,
    }  # fmt: skip
    assert report.warnings == ("genes.bed: 1 genes lie on contigs that the lake does not hold",)


def test_annotated_variants_are_laid_over_sites(tmp_path: Path) -> None:
    """Spelt as at any node; what the table says goes before ID and BED, what it leaves open does not."""
    (tmp_path / "genes.bed").write_text("1\t0\t1000\tBED\n")
    (tmp_path / "notes.tsv").write_text(
        "contig\tpos\tref\talt\trsid\tgene\tconsequence\n"
        "1\t98\tTTA\tTTC\trs9\tNOTE\tmissense_variant\n"
        "chr1\t101\tA\tC\t\t\tintron_variant\n"
        "1\t101\tA\tC\trs1\t\t\n"
        "GL1\t1\tA\tC\t\t\t\n"
    )
    text = vcf_text(("a",), ["1 100 A C ID=rs5 | 0/1", "1 101 A C ID=rs6 | 0/1", "1 102 A C | 0/1"])
    toml = '[annotation]\ngenes = "genes.bed"\nvariants = "notes.tsv"\n'
    snapshot, report = built(make_node(tmp_path, [{"x.vcf": text}], people=("a",), toml=toml))
    facts = [(row["rsid"], row["gene"], row["consequence"]) for row in rows(snapshot, "variants")]
    assert facts == [
        ("rs9", "NOTE", "missense_variant"),
        ("rs6", "BED", "intron_variant"),
        (None, "BED", None),
    ]
    assert report.warnings == (
        "notes.tsv: 1 rows name contigs that the lake does not hold",
        "notes.tsv: 1 rows annotate a variant again; the first row stands",
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("genes.gtf", "", "holds no gene"),
        ("genes.bed", "1\t5\n", "line 1: is not a BED line"),
        ("genes.bed", "1\t5\tx\tGENE\n", "line 1: is not a BED line"),
        ("notes.tsv", "contig\tpos\tref\n1\t5\tA\n", "has no column alt"),
        ("notes.tsv", "contig\tpos\tref\talt\n1\tx\tA\tC\n", "row 1: pos 'x'"),
    ],
)
def test_annotation_that_cannot_be_read_is_refused(
    name: str, text: str, problem: str, tmp_path: Path
) -> None:
    """Each message names the file, the line and the mend."""
    (tmp_path / name).write_text(text)
    setting = "variants" if name == "notes.tsv" else "genes"
    config = make_node(tmp_path, [], people=("a",), toml=f'[annotation]\n{setting} = "{name}"\n')
    with pytest.raises(InputError, match=problem):
        built(config)


def test_sites_only_and_odd_real_files(test_data: Path, tmp_path: Path) -> None:
    """A sites-only BCF is refused; a VCF whose header lacks GT is read; a gVCF keeps its variants."""
    (tmp_path / "samples.tsv").write_text("sample_id\tsex\nNA12878\tF\n")

    def node(path: str, samples: str = "samples.tsv", assembly: str = "GRCh37") -> NodeConfig:
        (tmp_path / "node.toml").write_text(
            f'[node]\ncountry = "GB"\nassembly = "{assembly}"\n'
            f'[[genotypes]]\nfiles = ["{test_data / path}"]\n[samples]\nfile = "{samples}"\n'
        )
        return read_node(tmp_path / "node.toml")

    with pytest.raises(InputError, match="has no samples"):
        built(node("1000genomes/grch38-chr20-21-rows.sites-only.140-info-fields.bcf", assembly="GRCh38"))
    _, report = built(node("gvcf/grch37-chr20-21.NA12878.gatk34.g.vcf.gz"))
    assert (report.records, report.contigs[0].contig, len(report.warnings)) == (19910, "chr20", 1)
    assert 0 < report.sites < 2000
    assert "reference blocks" in report.warnings[0]
    lines = (test_data / "samples/1000g-phase3-2504.psam").read_text().splitlines()[1:]
    (tmp_path / "all.tsv").write_text("sample_id\n" + "".join(line.split()[0] + "\n" for line in lines))
    report = ingest(
        node("1000genomes/grch37-chr1-748.2504.no-gt-header.vcf.gz", "all.tsv"), min_label_persons=1
    )
    assert (report.records, report.sites, report.no_call_rate) == (748, 750, 0.0)
